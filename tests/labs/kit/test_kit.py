"""What the training labs share, on models that are trained for a few steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import nn

from labs.kit.arms import Losses, best, train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.charts import CUT_OFF, results, watch
from labs.kit.stages import stages
from labs.kit.text import Letters
from labs.tasks.entropy import unigram_entropy
from labs.transformer import Transformer, TransformerConfig
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

BUDGET = Budget(n_steps=8, batch_size=2, n_held_out=70, n_evaluations=4)
RATES = (0.001, 0.01)


def letters(budget: Budget = BUDGET) -> Letters:
    return Letters(budget, seq_len=5, seed=3, device="cpu")


def arms(text: Letters) -> dict[str, list[nn.Module]]:
    """Two that share a stack, one of another structure, and one that no stack can hold."""
    base = TransformerConfig(vocab_size=text.vocab_size, seq_len=5, d_model=8, n_layers=1, d_ff=8)
    configs = {
        "base": base,
        "cut": replace(base, residual="off"),
        "bare": replace(base, norm="none"),
    }

    def build(config: TransformerConfig) -> nn.Module:
        return Transformer(config, generator(3, "weights"))

    models = {arm: [build(config) for _ in RATES] for arm, config in configs.items()}
    return {**models, "plain": [plain(text.vocab_size) for _ in RATES]}


def plain(vocab_size: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(vocab_size, 8), nn.Linear(8, vocab_size))


def train(text: Letters, chosen: dict[str, list[nn.Module]]) -> list[Losses]:
    recipe = BUDGET.recipe()
    return list(train_arms(chosen, RATES, text.batches, text.held_out, recipe))


def test_arms_trained_side_by_side_end_as_each_would_alone() -> None:
    text = letters()
    together = train(text, arms(text))
    assert [losses.step for losses in together] == [0, 2, 4, 6, 8]
    for arm in arms(text):
        (alone,) = train(text, {arm: arms(text)[arm]})[-1].of.values()
        assert together[-1].of[arm] == pytest.approx(alone, abs=1e-5)
        slow, fast = together[-1].of[arm]
        assert slow != fast


def test_a_rate_may_be_chosen_arm_by_arm() -> None:
    text = letters()
    chosen = {arm: arms(text)[arm] for arm in ("base", "bare")}
    rates = {"base": (0.01, 0.001), "bare": RATES}
    *_, end = train_arms(chosen, rates, text.batches, text.held_out, BUDGET.recipe())
    paired = train(text, {arm: arms(text)[arm] for arm in ("base", "bare")})[-1]
    assert end.of["base"] == pytest.approx(paired.of["base"][::-1], abs=1e-5)
    assert end.of["bare"] == pytest.approx(paired.of["bare"], abs=1e-5)


def test_all_arms_learn_from_the_same_batches() -> None:
    text = letters()
    first, again = text.batches(), text.batches()
    for _ in range(3):
        inputs, targets = next(first)
        torch.testing.assert_close((inputs, targets), next(again))
        torch.testing.assert_close(inputs[:, 1:], targets[:, :-1])


def test_what_a_seed_decides_comes_from_streams_of_its_own() -> None:
    streams = [generator(seed, "weights") for seed in (0, 1)]
    streams += [generator(0, "batches"), generator(0, "held out"), generator(0, "probe")]
    assert len({float(torch.rand(1, generator=stream)) for stream in streams}) == len(streams)


def test_patience_buys_steps_and_haste_saves_evaluation_too() -> None:
    patient, quick = BUDGET.scaled(4), replace(BUDGET, n_held_out=1000).scaled(0.25)
    assert (patient.n_steps, patient.n_held_out) == (32, 70)
    assert (quick.n_steps, quick.n_held_out) == (2, 250)
    recipe = patient.recipe(warmup=0.25, final_share=0.5)
    assert (recipe.warmup_steps, recipe.evaluate_every) == (8, 8)
    assert recipe.lr_scale(8) == 1 and recipe.lr_scale(32) == 0.5


def test_held_out_letters_are_like_those_that_the_yardsticks_count() -> None:
    text = letters(replace(BUDGET, n_held_out=1000))
    inputs, targets = text.held_out
    assert inputs.shape == targets.shape == (1000, 5)
    torch.testing.assert_close(inputs[:, 1:], targets[:, :-1])
    uniform, unigram, bigram = (mark.value for mark in text.yardsticks())
    assert uniform == pytest.approx(math.log(text.vocab_size)) and uniform > unigram > bigram
    assert unigram_entropy(targets.flatten()) == pytest.approx(unigram, abs=0.05)


@pytest.mark.parametrize("height", [3.0, 137.0])
def test_a_loss_beyond_the_chart_is_cut_off_there_and_shown_in_a_second_one(height: float) -> None:
    training = [Losses(0, {"a": (1.0, height, math.nan)}), Losses(5, {"a": (2.0, 2.5, math.nan)})]
    drawing = watch(training, {"a": "an arm"}, (0.1, 0.2, 0.3), 5)
    events: list[Event] = []
    try:
        while True:
            events.append(next(drawing))
    except StopIteration as stop:
        assert stop.value == tuple(training)
    curves = [event for event in events if isinstance(event, Curve)]
    plain = [y for curve in curves if not curve.log_y for y in curve.ys]
    assert plain == [min(height, CUT_OFF), 2.5]
    assert [y for curve in curves if curve.log_y for y in curve.ys] == (
        [height, 2.5] if height > CUT_OFF else []
    )
    assert events[-1] == Progress(5, 5, "training 3 models")


def test_a_model_alone_is_not_several() -> None:
    events = [*watch([Losses(5, {"a": (2.0,)})], {"a": "an arm"}, (0.1,), 5)]
    assert events[-1] == Progress(5, 5, "training 1 model")


def test_the_best_rate_counts_and_the_table_shows_all() -> None:
    start, end = Losses(0, {"a": (9.0, 9.0)}), Losses(5, {"a": (math.nan, 2.0)})
    *measurements, table = results(start, end, {"a": "an arm"}, (0.1, 0.2), "some text")
    named = {event.name: event.value for event in measurements if isinstance(event, Measurement)}
    assert named == {"start_a": 9.0, "loss_a": 2.0}
    assert isinstance(table, Table)
    assert table.rows[0][:2] == ("an arm", 9.0) and table.rows[0][3:] == (2.0, 2.0)
    assert math.isnan(best([math.nan]))


def test_stages_number_themselves_and_contain_the_progress_of_their_parts() -> None:
    def second() -> Iterator[Event]:
        yield Progress(1, 4, "a quarter")
        yield Measurement("m", 1.0)

    events = list(stages({"one": iter(()), "two": second()}))
    assert events == [
        Progress(0, 2, "one"),
        Progress(1, 2, "two"),
        Progress(1.25, 2, "a quarter"),
        Measurement("m", 1.0),
        Progress(2, 2, "done"),
    ]


def test_a_run_keeps_to_one_thread_and_restores_them_also_when_it_is_left() -> None:
    @one_thread
    def run(*, seed: int) -> Iterator[Event]:
        yield Progress(seed, torch.get_num_threads())
        raise AssertionError("left before this")

    torch.set_num_threads(2)
    running = run(seed=7)
    assert next(running) == Progress(7, 1)
    assert torch.get_num_threads() == 1
    running.close()  # type: ignore[attr-defined]
    assert torch.get_num_threads() == 2
