from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest
import torch
from torch import Generator, nn
from torch.nn import functional as F

from labs.tasks.toy_languages import build_markov_language
from labs.transformer import EncoderDecoder, Transformer, TransformerConfig
from labs.transformer.train import (
    UNCOUNTED,
    Adam,
    Batch,
    Evaluation,
    ModelStack,
    Recipe,
    clip,
    lockstep,
    train,
)
from tests.labs.conftest import Randomise

BASE = TransformerConfig(vocab_size=8, seq_len=6, d_model=8, n_heads=2, d_ff=16, n_layers=1)
RECIPE = Recipe(n_steps=6, warmup_steps=3, clip_norm=0.5, evaluate_every=2)


def build_model(seed: int = 0, config: TransformerConfig = BASE) -> Transformer:
    return Transformer(config, Generator().manual_seed(seed))


def random_batch(seed: int, n_sequences: int = 4) -> Batch:
    tokens = torch.randint(8, (n_sequences, 7), generator=Generator().manual_seed(seed))
    return tokens[:, :-1], tokens[:, 1:]


def loss_of(model: Transformer, batch: Batch) -> float:
    return float(F.cross_entropy(model(batch[0]).flatten(0, 1), batch[1].flatten()).detach())


def final_losses(models: list[Transformer], rates: list[float]) -> tuple[float, ...]:
    batches = [random_batch(seed) for seed in range(6)]
    *_, last = train(ModelStack(models), rates, batches, random_batch(99), RECIPE)
    return last.losses


@pytest.mark.parametrize(
    "config",
    [
        BASE,
        replace(BASE, positions="rope", activation="gelu"),
        replace(BASE, positions="sinusoidal", norm="post", kind="encoder"),
        replace(BASE, positions="alibi", norm="none", init="small"),
        replace(BASE, attention="sdpa"),
        replace(BASE, kind="encoder-decoder"),
    ],
    ids=lambda config: f"{config.positions}-{config.norm}-{config.attention}-{config.kind}",
)
def test_a_stack_computes_what_each_of_its_models_computes(
    config: TransformerConfig, randomise: Randomise
) -> None:
    """Losses and gradients, also where the models differ in their residual connections."""
    arms = [config, config, replace(config, residual="off")]
    build = EncoderDecoder if config.kind == "encoder-decoder" else Transformer
    models = [build(arm, Generator()) for arm in arms]
    inputs, targets = random_batch(0)
    batch = (inputs.flip(0), inputs, targets) if build is EncoderDecoder else (inputs, targets)
    losses, gradients = [], []
    for model in models:
        randomise(model)
        loss = F.cross_entropy(model(*batch[:-1]).flatten(0, 1), targets.flatten())
        losses.append(loss.detach())
        each = torch.autograd.grad(loss, list(model.parameters()))
        gradients.append(nn.utils.parameters_to_vector(each))
    assert len({round(float(loss), 3) for loss in losses}) == 3
    stack = ModelStack(models)
    torch.testing.assert_close(stack.losses(batch), torch.stack(losses), atol=1e-5, rtol=1e-5)
    # A key's bias moves all scores of a query alike: its gradient is rounding and nothing else.
    torch.testing.assert_close(stack.gradients(batch), torch.stack(gradients), atol=1e-5, rtol=1e-4)


def test_too_few_batches_are_an_error_not_a_shorter_training() -> None:
    with pytest.raises(RuntimeError):
        list(train(ModelStack([build_model()]), [0.01], [random_batch(0)], random_batch(1), RECIPE))


def test_evaluation_in_chunks_is_the_mean_over_all_tokens() -> None:
    stack, batch = ModelStack([build_model()]), random_batch(0, n_sequences=10)
    assert stack.evaluate(batch, chunk=4) == pytest.approx(stack.evaluate(batch, chunk=10))


def test_targets_that_are_not_asked_for_do_not_count() -> None:
    """Also when there are more of them in one chunk than in the next."""
    stack, (inputs, targets) = ModelStack([build_model()]), random_batch(0)
    asked = torch.ones(4, 6, dtype=torch.bool)
    asked[:, 3:] = False
    asked[0, 1:] = False
    masked = targets.where(asked, UNCOUNTED)
    expected = float(F.cross_entropy(build_model()(inputs)[asked], targets[asked]).detach())
    assert stack.evaluate((inputs, masked), chunk=1) == pytest.approx([expected], abs=1e-5)
    assert stack.evaluate((inputs, masked), chunk=4) == pytest.approx([expected], abs=1e-5)


@pytest.mark.parametrize("other", [{"norm": "none"}, {"n_heads": 4}, {"unembedding": "tied"}])
def test_only_models_of_one_structure_are_stacked(other: dict[str, Any]) -> None:
    """Models of two and of four heads have equal parameters and compute something else.

    So have models with one table and with two, as long as their numbers are not counted.
    """
    with pytest.raises(ValueError, match="of one structure can be stacked"):
        ModelStack([build_model(), build_model(config=replace(BASE, **other))])


def test_layers_that_know_no_stack_are_trained_by_themselves() -> None:
    """Not side by side, where n_models would be taken for the batch."""

    def build() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Embedding(8, 8), nn.Linear(8, 8))

    with pytest.raises(ValueError, match="STACKABLE"):
        ModelStack([build(), build()])
    batches = [random_batch(seed) for seed in range(6)]
    first, *_, last = train(ModelStack([build()]), [0.1], batches, batches[0], RECIPE)
    assert last.losses[0] < first.losses[0]


def test_each_row_moves_as_under_torchs_adam() -> None:
    rates, betas = (0.1, 0.01), (0.9, 0.98)
    rows = torch.randn(2, 5, generator=Generator().manual_seed(0))
    expected = [nn.Parameter(row.clone()) for row in rows]
    theirs = torch.optim.Adam(
        [{"params": [row], "lr": rate} for row, rate in zip(expected, rates, strict=True)],
        betas=betas,
    )
    ours = Adam(rows, rates, betas)
    for step in range(5):
        gradients = torch.randn(2, 5, generator=Generator().manual_seed(step))
        for row, gradient in zip(expected, gradients, strict=True):
            row.grad = gradient
        theirs.step()
        ours.step(gradients, lr_scale=1.0)
    torch.testing.assert_close(rows, torch.stack([row.detach() for row in expected]))


def test_the_lr_scale_scales_the_step() -> None:
    rows = torch.zeros(1, 3)
    Adam(rows, [0.1], (0.9, 0.98)).step(torch.ones(1, 3), lr_scale=0.25)
    torch.testing.assert_close(rows, torch.full((1, 3), -0.025))


def test_the_lr_scale_rises_in_the_warm_up_and_falls_to_its_final_share() -> None:
    recipe = replace(RECIPE, n_steps=10, warmup_steps=2, final_share=0.2)
    assert [recipe.lr_scale(step) for step in (1, 2, 6, 10)] == pytest.approx([0.5, 1.0, 0.6, 0.2])
    assert RECIPE.lr_scale(6) == 1.0
    assert replace(RECIPE, warmup_steps=0).lr_scale(1) == 1.0


def test_each_row_is_clipped_by_its_own_norm() -> None:
    clipped = clip(torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]]), 1.0)
    torch.testing.assert_close(clipped, torch.tensor([[0.6, 0.8], [0.3, 0.4], [0.0, 0.0]]))


def test_training_spends_no_time_on_numbers_too_small_to_matter() -> None:
    if not torch.set_flush_denormal(False):
        pytest.skip("this processor cannot count them as 0")

    def halve_the_smallest() -> Iterator[Evaluation]:
        yield Evaluation(0, (float(torch.tensor(torch.finfo(torch.float32).tiny) / 2),))

    ((evaluation,),) = lockstep(halve_the_smallest())
    assert evaluation.losses == (0.0,)
    (outside,) = halve_the_smallest()
    assert outside.losses > (0.0,)


def test_training_together_is_training_alone() -> None:
    together = final_losses([build_model(0), build_model(1)], [0.01, 0.003])
    alone = final_losses([build_model(0)], [0.01]) + final_losses([build_model(1)], [0.003])
    assert together == pytest.approx(alone, abs=1e-4)


def test_training_the_stack_trains_the_models() -> None:
    model, untrained = build_model(), build_model()
    (loss,) = final_losses([model], [0.01])
    assert loss_of(model, random_batch(99)) == pytest.approx(loss, abs=1e-5)
    assert not torch.equal(model.embed.weight, untrained.embed.weight)


def test_a_model_that_diverges_leaves_the_others_alone() -> None:
    sane, broken = final_losses([build_model(0), build_model(0)], [0.01, math.inf])
    assert math.isnan(broken)
    assert (sane,) == pytest.approx(final_losses([build_model(0)], [0.01]), abs=1e-4)


def test_evaluations_come_before_the_first_step_then_regularly_and_at_the_end() -> None:
    recipe = replace(RECIPE, n_steps=5)
    batches = cycle([random_batch(0)])
    steps = [
        e.step for e in train(ModelStack([build_model()]), [0.01], batches, batches_end, recipe)
    ]
    assert steps == [0, 2, 4, 5]


batches_end = random_batch(99)


def test_lockstep_gives_every_run_what_it_gives_alone() -> None:
    def run(seed: int) -> Iterator[Evaluation]:
        batches = [random_batch(seed) for seed in range(6)]
        return train(ModelStack([build_model(seed)]), [0.01], batches, random_batch(99), RECIPE)

    together = list(lockstep(run(0), run(1)))
    alone = list(zip(run(0), run(1), strict=True))
    assert together == alone


def test_a_model_learns_a_language_down_to_its_entropy() -> None:
    generator = Generator().manual_seed(0)
    language = build_markov_language(8, spread=0.5, generator=generator)
    texts = language.sample(3200, 7, generator)
    held_out = language.sample(1000, 7, generator)
    batches = [(text[:, :-1], text[:, 1:]) for text in torch.split(texts, 32)]
    recipe = Recipe(n_steps=100, warmup_steps=10, clip_norm=1.0, evaluate_every=100)
    stack = ModelStack([build_model()])
    before, after = train(stack, [0.02], batches, (held_out[:, :-1], held_out[:, 1:]), recipe)
    assert before.losses[0] > language.unigram_entropy
    assert language.entropy_rate < after.losses[0] < language.entropy_rate + 0.1
    assert after.losses[0] < language.unigram_entropy - 0.2
