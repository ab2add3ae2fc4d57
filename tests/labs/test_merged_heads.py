from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Generator

from labs.kit.arms import Arms, Losses, train_arms
from labs.llama import merged_heads
from labs.llama.merged_heads import KINDS, METHODS, MHA, converted, shared
from labs.transformer import Transformer
from labs.transformer.interventions import self_attentions
from labs.transformer.train import Batch
from studykit.lab.events import Curve, Measurement, Table


@pytest.fixture
def mha() -> Transformer:
    model = Transformer(replace(MHA, vocab_size=11), Generator().manual_seed(0))
    return model.requires_grad_(False)


def test_what_is_saved_on_heads_goes_to_the_hidden_layer() -> None:
    counts = []
    for _, n_kv_heads in KINDS.values():
        model = Transformer(replace(shared(n_kv_heads), vocab_size=95), Generator())
        counts.append(sum(parameter.numel() for parameter in model.parameters()))
        assert self_attentions(model)[0].n_groups == n_kv_heads
    assert max(counts) <= 1.01 * min(counts)


def test_the_one_head_is_the_mean_the_first_or_random(mha: Transformer) -> None:
    draw = Generator().manual_seed(1)
    made = {method: self_attentions(converted(mha, method, draw))[0] for method in METHODS}
    old = self_attentions(mha)[0]

    for name in ("key", "value"):
        heads = getattr(old, name).weight.view(4, 8, 32)
        weights = {method: getattr(made[method], name).weight for method in METHODS}
        assert weights["mean"].allclose(heads.mean(dim=0))
        assert weights["first"].equal(heads[0])
        assert float(weights["random"].detach().std()) == pytest.approx(float(heads.std()), rel=0.2)
        assert not any(weights["random"].equal(head) for head in heads)


def test_all_else_is_kept_and_the_old_model_left_alone(mha: Transformer) -> None:
    before = {name: value.clone() for name, value in mha.state_dict().items()}

    new = converted(mha, "mean", Generator()).state_dict()

    assert all(value.equal(before[name]) for name, value in mha.state_dict().items())
    changed = {name for name, value in new.items() if not value.equal(before[name])}
    assert changed == {"blocks.0.attention.key.weight", "blocks.0.attention.value.weight"}


def test_equal_heads_lose_nothing_by_being_merged(mha: Transformer) -> None:
    with torch.no_grad():
        for name in ("key", "value"):
            weight = getattr(self_attentions(mha)[0], name).weight
            weight.copy_(weight[:8].repeat(4, 1))
    tokens = torch.randint(11, (2, 7), generator=Generator().manual_seed(2))

    for method in ("mean", "first"):
        merged = converted(mha, method, Generator())
        torch.testing.assert_close(merged(tokens), mha(tokens))


def test_a_run_measures_before_and_after_on_the_same_text() -> None:
    events = list(merged_heads.run(extra=0.5, seed=0, device="cpu", budget=0.02))

    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    (table,) = (event for event in events if isinstance(event, Table))
    *methods, itself = table.rows
    for method, (_, before, after) in zip(METHODS, methods, strict=True):
        assert (measured[f"broken_{method}"], measured[f"uptrained_{method}"]) == (before, after)
    assert itself[1] == measured["loss_mha"]
    less = measured["uptrained_mean"] - float(itself[2])
    assert measured["mended_less_mha"] == pytest.approx(less)
    damage = measured["broken_mean"] - measured["loss_mha"]
    assert measured["left_of_damage"] == pytest.approx(less / damage)
    lasts = [e.xs[-1] for e in events if isinstance(e, Curve) and e.chart.endswith("merging")]
    assert lasts[-1] == 2  # half of the four steps before
    assert set(merged_heads.DIFFERENCES) <= measured.keys()


def test_uptraining_goes_on_with_the_text_and_the_last_learning_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trainings = []

    def recorded(
        arms: Arms, rates: tuple[float], batches: Callable[[], Iterator[Batch]], *rest: Any
    ) -> Iterator[Losses]:
        trainings.append((rates, batches, rest[-1]))
        return train_arms(arms, rates, batches, *rest)

    monkeypatch.setattr(merged_heads, "train_arms", recorded)
    list(merged_heads.run(extra=0.5, seed=0, device="cpu", budget=0.02))

    (rates, batches, recipe), (rates_after, batches_after, recipe_after) = trainings
    assert (recipe.n_steps, recipe_after.n_steps) == (4, 2)
    assert rates_after == pytest.approx((recipe.final_share * rates[0],))
    assert recipe_after.final_share == 1
    *_, fifth = islice(batches(), 5)
    assert all(map(torch.equal, next(iter(batches_after())), fifth))


def test_before_and_after_are_judged_by_all_of_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a learning rate of 0 nothing changes, so that the two are one number."""
    monkeypatch.setattr(merged_heads, "LEARNING_RATE", 0.0)
    events = list(merged_heads.run(extra=0.1, seed=1, device="cpu", budget=0.02))

    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    for method in METHODS:
        after = measured[f"uptrained_{method}"]
        assert measured[f"broken_{method}"] == pytest.approx(after, abs=1e-6)
    assert measured["broken_mean"] != pytest.approx(measured["broken_first"], abs=1e-6)
