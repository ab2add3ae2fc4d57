from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch import Generator

from labs.core import heads
from labs.tasks.four_places import FIRST_ASKED, N_PLACES, FourPlaces, Places
from labs.transformer.norms import LayerNorm
from labs.transformer.train import UNCOUNTED
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress, Table

TINY = heads.Budget(
    n_steps=4, evaluate_every=2, n_starts=2, batch_size=2, seq_len=16, d_ff=8, n_held_out=8
)

DEFAULT_RUN = {
    "guessing": 4.0,
    "read_h1": 0.9,
    "best_h1": 2.0,
    "worst_h1": 0.0,
    "unknown_h1": 3.0,
    "parameters_h1": 9258.0,
    "read_h2": 2.0,
    "best_h2": 3.0,
    "worst_h2": 1.0,
    "unknown_h2": 1.9,
    "parameters_h2": 9258.0,
    "read_h4": 3.0,
    "best_h4": 4.0,
    "worst_h4": 2.0,
    "unknown_h4": 0.8,
    "parameters_h4": 9258.0,
    "read_h8": 3.9,
    "best_h8": 4.0,
    "worst_h8": 3.0,
    "unknown_h8": 0.05,
    "parameters_h8": 9258.0,
    "held_h4": 2.5,
    "free_h4": 0.8,
    "one_each_h4": 0.25,
    "pruned_h8": 3.6,
}
"""What a run with default knobs measures, rounded."""


@cache
def tiny_run(seed: int = 0, places: Places = "offsets") -> tuple[Event, ...]:
    """All events of a run that is far too short to learn anything."""
    return tuple(heads.measure(TINY, places=places, seed=seed, device="cpu"))


def measurements(events: tuple[Event, ...]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def previous_bit_reader(n_heads: int = 4, head: int = 2) -> heads.Reader:
    """A reader made by hand: one head looks at the token before, and all four answers are its bit.

    The other heads put out nothing.
    """
    (reader, *_) = heads.build_readers(heads.Budget(), n_heads, Generator().manual_seed(0), "cpu")
    width = heads.Budget().d_model // n_heads
    first = head * width
    with torch.no_grad():
        for parameter in reader.parameters():
            parameter.zero_()
        model = reader.transformer
        model.embed.weight[0, 0], model.embed.weight[1, 0] = -1.0, 1.0
        # Constant query and key, the key turned back by the angle of one token in each plane.
        half = width // 2
        for module in model.modules():
            if isinstance(module, LayerNorm):
                module.gain.fill_(1.0)
        angles = 10_000.0 ** -(torch.arange(half) / half)
        reader.attention.query.bias[first : first + half] = 20.0 * angles.cos()
        reader.attention.query.bias[first + half : first + width] = -20.0 * angles.sin()
        reader.attention.key.bias[first : first + half] = 20.0
        reader.attention.value.weight[first, 0] = 1.0
        reader.attention.out.weight[1, first] = 1.0
        for place in range(N_PLACES):
            model.unembed.weight[2 * place + 1, 1] = 1.0
            model.unembed.weight[2 * place, 1] = -1.0
    return reader


def asked(n_rows: int = 64) -> tuple[torch.Tensor, ...]:
    task = FourPlaces("offsets", heads.Budget().seq_len)
    return heads.ask(task, n_rows, Generator().manual_seed(0), "cpu")


def test_a_run_measures_what_the_verdict_asks_for() -> None:
    measured = measurements(tiny_run())
    assert set(measured) == set(DEFAULT_RUN)
    assert set(heads.verdict(measured)) == set(heads.CLAIMS)
    assert all(0 <= measured[f"{what}_h4"] <= 4 for what in ("read", "held", "free"))


def test_the_yardstick_is_guessing() -> None:
    marked = {e.name: e.value for e in tiny_run() if isinstance(e, Measurement) and e.yardstick}
    assert marked == {"guessing": 4}
    untrained = [e.ys[0] for e in tiny_run() if isinstance(e, Curve) and list(e.xs) == [0]]
    assert len(untrained) == 4
    assert all(bits > 3 for bits in untrained)


def test_all_head_counts_have_the_same_parameters() -> None:
    measured = measurements(tiny_run())
    assert len({measured[f"parameters_h{n_heads}"] for n_heads in heads.HEAD_COUNTS}) == 1


def test_curves_grow_in_step_with_the_progress() -> None:
    curves = [event for event in tiny_run() if isinstance(event, Curve)]
    for name in ("1 head", "2 heads", "4 heads", "8 heads"):
        assert [x for curve in curves if curve.name == name for x in curve.xs] == [0, 2, 4]
    (pruning,) = (curve for curve in curves if curve.x_label == "heads removed")
    assert list(pruning.xs) == [0, 1, 2, 3, 4]
    progress = [event.done for event in tiny_run() if isinstance(event, Progress)]
    assert progress == [0, 0, 2, 4]


@pytest.mark.parametrize("places", ["offsets", "marks"])
def test_the_pictures_name_heads_and_places(places: Places) -> None:
    looks, removed = (event for event in tiny_run(places=places) if isinstance(event, HeatMap))
    names = FourPlaces(places, TINY.seq_len).names
    assert looks.columns == (*names, "elsewhere")
    assert removed.columns == names
    assert len(looks.rows) == len(looks.values) == 5
    assert len(removed.rows) == len(removed.values) == 5
    for shares in looks.values:
        assert sum(share for share in shares if share is not None) == pytest.approx(1, abs=1e-4)


def test_the_table_lists_every_start() -> None:
    (table,) = (event for event in tiny_run() if isinstance(event, Table))
    assert [row[:2] for row in table.rows] == [(1, 32), (2, 16), (4, 8), (8, 4)]
    for n_heads, _, _, each, mean in table.rows:
        counts = [int(count) for count in str(each).split()]
        assert len(counts) == TINY.n_starts
        assert mean == pytest.approx(sum(counts) / len(counts))
        assert mean == measurements(tiny_run())[f"read_h{n_heads}"]


def test_the_seed_decides_everything() -> None:
    again = tuple(heads.measure(TINY, places="offsets", seed=0, device="cpu"))
    assert measurements(again) == measurements(tiny_run())
    other = measurements(tiny_run(seed=1))
    assert all(measurements(again)[f"unknown_h{n}"] != other[f"unknown_h{n}"] for n in (1, 8))


def test_a_head_made_by_hand_reads_the_token_before() -> None:
    """The yardstick of the measuring itself: a model of which everything is known."""
    tokens, targets, sources = asked()
    reader = previous_bit_reader()
    first, *others = heads.accuracy(reader, (tokens, targets))
    assert first == 1.0
    assert all(0.4 < share < 0.6 for share in others)
    assert heads.n_read([first, *others]) == 1
    shares = heads.shares_of_attention(reader, (tokens, targets), sources)
    assert shares[2][0] > 0.95
    assert shares[1][0] == pytest.approx(1 / 20, abs=0.01)  # looks everywhere alike


def test_only_the_head_that_reads_is_missed() -> None:
    tokens, targets, _ = asked()
    reader = previous_bit_reader(head=2)
    for head in (0, 1, 3):
        assert heads.accuracy(heads.without(reader, [head]), (tokens, targets))[0] == 1.0
    assert heads.accuracy(heads.without(reader, [2]), (tokens, targets))[0] < heads.LOST
    assert heads.accuracy(reader, (tokens, targets))[0] == 1.0  # a copy was changed
    before = [heads.accuracy(reader, (tokens, targets))]
    events = tuple(heads.what_a_head_holds([reader], before, (tokens, targets)))
    assert measurements(events) == {"held_h4": 1, "free_h4": 3, "one_each_h4": 0}


def test_pruning_keeps_the_head_that_is_needed_for_last() -> None:
    tokens, targets, _ = asked()
    reader = previous_bit_reader(n_heads=8, head=0)
    targets[..., 1:] = targets[..., :1]  # ask four times for the bit that it reads
    assert heads.prune(reader, (tokens, targets)) == [4, 4, 4, 4, 4]


def test_nothing_is_asked_before_every_place_exists() -> None:
    _, targets, _ = asked()
    assert (targets[:, :FIRST_ASKED] == UNCOUNTED).all()
    assert (targets[:, FIRST_ASKED:] >= 0).all()


def test_the_verdict_of_a_default_run() -> None:
    holds = {claim for claim, verdict in heads.verdict(DEFAULT_RUN).items() if verdict}
    assert holds == {
        "several", "one_head_few", "four_sometimes", "eight_enough", "mixed_jobs", "prune_cheap"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "change", "expected"),
    [
        ("several", {"read_h8": 2.9}, True),
        ("several", {"read_h8": 2.8}, False),
        ("one_head_few", {"best_h1": 2}, True),
        ("one_head_few", {"best_h1": 3}, False),
        ("one_head_three", {"best_h1": 3}, True),
        ("one_head_three", {"best_h1": 2}, False),
        ("one_head_three", {"best_h1": 4}, False),
        ("one_head_all", {"best_h1": 4}, True),
        ("one_head_all", {"best_h1": 3}, False),
        ("exactly_one", {"best_h1": 1, "worst_h1": 1}, True),
        ("exactly_one", {"best_h1": 1, "worst_h1": 0}, False),
        ("exactly_one", {"best_h1": 2, "worst_h1": 1}, False),
        ("more_parameters", {"parameters_h8": 9259}, True),
        ("more_parameters", {"parameters_h8": 9258}, False),
        ("four_always", {"worst_h4": 4}, True),
        ("four_always", {"worst_h4": 3}, False),
        ("four_sometimes", {"worst_h4": 3}, True),
        ("four_sometimes", {"worst_h4": 4}, False),
        ("four_sometimes", {"best_h4": 3}, False),
        ("four_never", {"best_h4": 3}, True),
        ("four_never", {"best_h4": 4}, False),
        ("eight_enough", {"read_h8": 3.5}, True),
        ("eight_enough", {"read_h8": 3.4}, False),
        ("redundant", {"free_h4": 4}, True),
        ("redundant", {"free_h4": 3.9}, False),
        ("redundant", {"free_h4": 4, "read_h4": 0}, None),
        ("one_job", {"one_each_h4": 1}, True),
        ("one_job", {"one_each_h4": 0.9}, False),
        ("mixed_jobs", {"held_h4": 1}, True),
        ("mixed_jobs", {"held_h4": 0.9}, False),
        ("mixed_jobs", {"one_each_h4": 1}, False),
        ("prune_cheap", {"pruned_h8": 3.0}, True),
        ("prune_cheap", {"pruned_h8": 2.9}, False),
        ("prune_cheap", {"pruned_h8": 0, "read_h8": 0}, None),
        ("prune_half", {"pruned_h8": 2.9}, True),
        ("prune_half", {"pruned_h8": 3.0}, False),
        ("prune_half", {"pruned_h8": 0.9}, False),
        ("prune_ruins", {"pruned_h8": 0.9}, True),
        ("prune_ruins", {"pruned_h8": 1.0}, False),
    ],
)
def test_every_claim_can_hold_and_can_fail(
    claim: str, change: dict[str, float], expected: bool | None
) -> None:
    assert heads.verdict(DEFAULT_RUN | change)[claim] is expected


@pytest.mark.parametrize("value", [0, 1, 2, 3, 4])
def test_a_prediction_has_one_right_option_at_most(value: int) -> None:
    """The claims that a learner chooses between exclude one another."""
    for choice, change in (
        (("one_head_few", "one_head_three", "one_head_all"), {"best_h1": value}),
        (("four_always", "four_sometimes", "four_never"), {"worst_h4": value, "best_h4": value}),
        (("four_always", "four_sometimes", "four_never"), {"worst_h4": value, "best_h4": 4}),
        (("prune_cheap", "prune_half", "prune_ruins"), {"read_h8": 4, "pruned_h8": value}),
    ):
        verdict = heads.verdict(DEFAULT_RUN | change)
        assert sum(verdict[claim] is True for claim in choice) == 1
    verdict = heads.verdict(DEFAULT_RUN | {"free_h4": value, "held_h4": 4 - value})
    assert sum(verdict[claim] is True for claim in ("redundant", "one_job", "mixed_jobs")) == 1


def test_a_model_that_diverged_reads_nothing() -> None:
    reader = previous_bit_reader()
    with torch.no_grad():
        reader.transformer.embed.weight.fill_(math.nan)
    tokens, targets, _ = asked()
    assert heads.n_read(heads.accuracy(reader, (tokens, targets))) == 0
