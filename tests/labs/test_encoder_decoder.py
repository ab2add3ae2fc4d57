from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch import Generator

from labs.core import encoder_decoder
from labs.tasks.mirror_writing import MirrorWriting
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress, Table

TASK = MirrorWriting(n_letters=5, n_symbols=4)
TINY = encoder_decoder.Budget(
    n_steps=4, evaluate_every=2, batch_size=4, d_model=8, d_ff=8, n_held_out=16
)

DEFAULT_RUN = {
    "uniform_guess": 0.025,
    "case_guess": 0.57,
    "right_base": 0.999,
    "letters_base": 1.0,
    "right_worst": 0.994,
    "right_summary": 0.29,
    "letters_summary": 0.31,
    "right_raw": 0.66,
    "letters_raw": 1.0,
    "right_alone": 0.125,
    "letters_alone": 0.13,
    "right_severed": 0.027,
    "right_misled": 0.025,
    "obeyed_misled": 0.99,
    "aligned": 0.999,
    "meeting": 4.2,
}
"""What a run with default knobs measures, rounded."""

nan = math.nan


@cache
def tiny_run(seed: int = 0, task: MirrorWriting = TASK) -> tuple[Event, ...]:
    """All events of a run that is far too short to learn anything."""
    return tuple(encoder_decoder.measure(TINY, task, seed=seed, device="cpu"))


def measurements(events: tuple[Event, ...]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def test_a_run_measures_what_the_verdict_asks_for() -> None:
    measured = measurements(tiny_run())
    assert set(measured) == set(DEFAULT_RUN)
    assert set(encoder_decoder.verdict(measured)) == set(encoder_decoder.CLAIMS)
    assert all(0 <= value <= 1 for name, value in measured.items() if name != "meeting")


def test_yardsticks_are_what_guessers_get() -> None:
    marked = {e.name: e.value for e in tiny_run() if isinstance(e, Measurement) and e.yardstick}
    assert marked.keys() == {"uniform_guess", "case_guess"}
    assert marked["uniform_guess"] == 1 / 8
    assert 0.5 <= marked["case_guess"] < 1


def test_curves_grow_in_step_with_the_progress() -> None:
    events = tiny_run()
    curves = [event for event in events if isinstance(event, Curve)]
    for name in encoder_decoder.LABELS.values():
        losses = [c for c in curves if c.name == name and c.chart == "Held-out loss"]
        assert [x for curve in losses for x in curve.xs] == [0, 2, 4]
        (by_position,) = (c for c in curves if c.name == name and c not in losses)
        assert list(by_position.xs) == [1, 2, 3, 4, 5]
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.done for event in progress] == [0, 0, 2, 4]
    assert progress[-1].done == progress[-1].total


def test_positions_and_table_agree_with_the_measurements() -> None:
    events, measured = tiny_run(), measurements(tiny_run())
    curves = {c.name: c.ys for c in events if isinstance(c, Curve) and c.chart != "Held-out loss"}
    (table,) = (event for event in events if isinstance(event, Table))
    for (arm, label), row in zip(encoder_decoder.LABELS.items(), table.rows, strict=True):
        assert sum(curves[label]) / 5 == pytest.approx(measured[f"right_{arm}"])
        assert list(row[2:]) == [measured[f"right_{arm}"], measured[f"letters_{arm}"]]
        assert measured[f"right_{arm}"] <= measured[f"letters_{arm}"]
    assert measured["right_worst"] == min(curves["encoder-decoder"])


def test_heat_maps_are_labelled_with_the_letters() -> None:
    cross, inside = (event for event in tiny_run() if isinstance(event, HeatMap))
    assert [x.lower() for x in cross.rows] == list(reversed(cross.columns))
    assert inside.rows == inside.columns == cross.columns
    for heat_map in (cross, inside):
        for row in heat_map.values:
            assert sum(value for value in row if value is not None) == pytest.approx(1, abs=1e-5)


def test_the_seed_decides_everything() -> None:
    again = tuple(encoder_decoder.measure(TINY, TASK, seed=0, device="cpu"))
    assert measurements(again) == measurements(tiny_run())
    assert [e for e in again if isinstance(e, HeatMap)] != [
        e for e in tiny_run(seed=1) if isinstance(e, HeatMap)
    ]
    losses = [e for e in again if isinstance(e, Curve) and e.chart == "Held-out loss"]
    assert losses == [e for e in tiny_run() if isinstance(e, Curve) and e in losses]
    assert not [e for e in tiny_run(seed=1) if isinstance(e, Curve) and e in losses]


def test_the_mean_hides_the_order_of_what_the_encoder_wrote() -> None:
    """The decoder of the summary arm is handed the same vector at every source position."""
    source, written, _ = TASK.draw(3, Generator().manual_seed(0))
    pairs = {
        arm: encoder_decoder.build(arm, TASK, TINY, Generator().manual_seed(0))
        for arm in ("base", "summary", "raw")
    }
    moved = {}
    for arm, pair in pairs.items():
        assert isinstance(pair, encoder_decoder.Pair)
        handed = pair.mixture @ pair.encoder(source)
        moved[arm] = float((handed - handed[:, :1]).detach().abs().max())
        assert pair(source, written).shape == (3, 5, TASK.vocab_size)
    assert moved["summary"] == pytest.approx(0, abs=1e-6)
    assert moved["base"] > 0.1
    raw = pairs["raw"]
    assert isinstance(raw, encoder_decoder.Pair)
    changed = source.clone()
    changed[:, 0] = (changed[:, 0] + 1) % TASK.n_symbols
    # Bare embeddings: a letter's vector does not know of a letter that was changed elsewhere.
    assert torch.equal(raw.encoder(source)[:, 1:], raw.encoder(changed)[:, 1:])


def test_the_verdict_of_a_default_run() -> None:
    holds = {claim for claim, verdict in encoder_decoder.verdict(DEFAULT_RUN).items() if verdict}
    assert holds == {
        "anywhere", "severed", "obeys", "aligned", "summary_fails", "meets", "raw_no_context"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "change", "expected"),
    [
        ("anywhere", {"right_worst": 0.96}, True),
        ("anywhere", {"right_worst": 0.94}, False),
        ("anywhere", {"right_worst": nan}, False),
        ("severed", {"right_severed": 0.29}, True),
        ("severed", {"right_severed": 0.31}, False),
        ("severed", {"right_alone": 0.29}, True),
        ("severed", {"right_alone": 0.31}, False),
        ("severed", {"right_base": 0.89}, None),
        ("obeys", {"obeyed_misled": 0.61}, True),
        ("obeys", {"obeyed_misled": 0.59}, False),
        ("obeys", {"right_base": nan}, None),
        ("insists", {"right_misled": 0.51}, True),
        ("insists", {"right_misled": 0.49}, False),
        ("breaks", {"obeyed_misled": 0.59}, True),
        ("breaks", {"obeyed_misled": 0.59, "right_misled": 0.51}, False),
        ("breaks", {"obeyed_misled": 0.61}, False),
        ("aligned", {"aligned": 0.81}, True),
        ("aligned", {"aligned": 0.79}, False),
        ("summary_enough", {"right_summary": 0.86}, True),
        ("summary_enough", {"right_summary": 0.84}, False),
        ("summary_partly", {"right_summary": 0.84}, True),
        ("summary_partly", {"right_summary": 0.51}, True),
        ("summary_partly", {"right_summary": 0.49}, False),
        ("summary_fails", {"right_summary": 0.49}, True),
        ("summary_fails", {"right_summary": 0.51}, False),
        ("summary_fails", {"right_base": 0.89}, None),
        ("meets", {"meeting": 2.1}, True),
        ("meets", {"meeting": 1.9}, False),
        ("raw_enough", {"right_raw": 0.91}, True),
        ("raw_enough", {"right_raw": 0.89}, False),
        ("raw_enough", {"right_base": nan}, None),
        ("raw_no_context", {"right_raw": 0.91}, False),
        ("raw_no_context", {"letters_raw": 0.94}, False),
        ("raw_lost", {"letters_raw": 0.94}, True),
        ("raw_lost", {"letters_raw": 0.94, "right_raw": 0.93}, False),
        ("raw_lost", {"letters_raw": 0.96}, False),
    ],
)
def test_every_claim_can_hold_and_can_fail(
    claim: str, change: dict[str, float], expected: bool | None
) -> None:
    assert encoder_decoder.verdict(DEFAULT_RUN | change)[claim] is expected


@pytest.mark.parametrize("share", [0.02, 0.3, 0.49, 0.51, 0.6, 0.84, 0.86, 0.91, 1.0])
def test_a_prediction_has_one_right_option_at_most(share: float) -> None:
    """The claims that a learner chooses between exclude one another."""
    for name in ("right_summary", "right_raw", "letters_raw"):
        verdict = encoder_decoder.verdict(DEFAULT_RUN | {name: share})
        for options in (
            ("summary_enough", "summary_partly", "summary_fails"),
            ("raw_enough", "raw_no_context", "raw_lost"),
        ):
            assert sum(verdict[claim] is True for claim in options) == 1
    # A symbol cannot be right for both sources, apart from the few that they share.
    changes = {"right_misled": share, "obeyed_misled": 1 - share}
    verdict = encoder_decoder.verdict(DEFAULT_RUN | changes)
    assert sum(verdict[claim] is True for claim in ("obeys", "insists", "breaks")) == 1
