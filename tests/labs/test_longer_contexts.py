from __future__ import annotations

import math
import sys
from functools import cache

import pytest

from labs.flash import longer_contexts
from labs.flash.longer_contexts import MIB, Trial, most_tokens
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

TINY = longer_contexts.Budget(block=64, precision=1.3, timed_lens=(32, 64), n_rounds=1)

DEFAULT_RUN = {
    "longest_separate": 802.0,
    "longest_tiled": 5414.0,
    "longest_fused": 5549.0,
    "longest_separate_backward": 626.0,
    "longest_tiled_backward": 2843.0,
    "longest_fused_backward": 2576.0,
    "longest_separate_double": 1158.0,
    "longest_fused_double": 11660.0,
    "slope_time": 1.98,
    "rows_alone": 6144.0,
}
"""What a run with default knobs measures, rounded."""

nan = math.nan
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is capped on Linux")


@cache
def tiny_run() -> tuple[Event, ...]:
    """All events of a run with little memory and a coarse search."""
    return tuple(longer_contexts.measure(TINY, head_dim=64, cap_mib=2, seed=0, device="cpu"))


def measurements(events: tuple[Event, ...]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def trial(way: str, *, with_backward: bool = False) -> Trial:
    return Trial(way, with_backward, 2 * MIB, 1, 64, 64, 1.3, 0, "cpu")


def test_a_run_measures_what_the_verdict_asks_for() -> None:
    measured = measurements(tiny_run())
    assert set(measured) == set(DEFAULT_RUN)
    assert set(longer_contexts.verdict(measured)) == set(longer_contexts.CLAIMS)
    assert measured["rows_alone"] == 2 * MIB / (4 * 4 * 64)


@on_linux
def test_contexts_stay_below_what_the_ledger_allows() -> None:
    """The search is coarse, and a little above the bound is within what a trial is good to."""
    measured = measurements(tiny_run())
    for way in ("separate", "fused"):
        most = most_tokens(trial(way))
        assert 0.6 * most < measured[f"longest_{way}"] < 1.1 * most
    assert measured["longest_separate_double"] > measured["longest_separate"]
    assert measured["longest_fused_double"] > measured["longest_fused"]
    assert measured["longest_fused_backward"] < measured["longest_fused"]


def test_the_ledger_of_separate_operations_fills_the_cap() -> None:
    n = most_tokens(trial("separate"))
    assert 4 * (2 * n**2 + 4 * 64 * n) == pytest.approx(2 * MIB)
    n = most_tokens(trial("separate", with_backward=True))
    assert 4 * (3 * n**2 + 8 * 64 * n) == pytest.approx(2 * MIB)
    assert most_tokens(trial("tiled")) == 2048
    assert most_tokens(trial("tiled", with_backward=True)) == 1024


def test_every_context_is_drawn_and_tabled() -> None:
    events, measured = tiny_run(), measurements(tiny_run())
    drawn = [e for e in events if isinstance(e, Curve) and e.chart.startswith("Longest")]
    points = {(c.name, x): y for c in drawn for x, y in zip(c.xs, c.ys, strict=True)}
    assert points == {
        ("separate operations", 2): measured["longest_separate"],
        ("tiles", 2): measured["longest_tiled"],
        ("fused kernel", 2): measured["longest_fused"],
        ("separate operations", 4): measured["longest_separate_double"],
        ("fused kernel", 4): measured["longest_fused_double"],
    }
    (time,) = (e for e in events if isinstance(e, Curve) and e.chart.startswith("Time"))
    assert list(time.xs) == [32, 64]
    (table,) = (event for event in events if isinstance(event, Table))
    assert len(table.rows) == 8
    assert [row[-1] for row in table.rows if row[0] == "separate operations"] == [1, 1, 1]
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.done for event in progress] == list(range(10))
    assert progress[-1].total == 9


def test_where_memory_cannot_be_capped_only_time_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(longer_contexts, "can_cap", lambda device: False)
    events = tuple(longer_contexts.measure(TINY, head_dim=64, cap_mib=2, seed=0, device="cpu"))
    judged = longer_contexts.verdict(measurements(events))
    assert {claim for claim, holds in judged.items() if holds is not None} == {
        "linear_time", "quadratic_time", "steeper_time"
    }  # fmt: skip


def test_the_verdict_of_a_default_run() -> None:
    judged = longer_contexts.verdict(DEFAULT_RUN)
    assert {claim for claim, holds in judged.items() if holds} == {
        "longer", "root_two", "twice", "growing_factor", "quadratic_time"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "change", "expected"),
    [
        ("longer", {"longest_tiled": 3209.0}, True),
        ("longer", {"longest_tiled": 3207.0}, False),
        ("longer", {"longest_fused": 3207.0}, False),
        ("longer", {"longest_tiled_backward": 1879.0}, True),
        ("longer", {"longest_tiled_backward": 1877.0}, False),
        ("longer", {"longest_fused_backward": 1877.0}, False),
        ("longer", {"longest_separate": nan}, None),
        ("longer", {"longest_fused_backward": nan}, None),
        ("root_two", {"longest_separate_double": 1003.0}, True),
        ("root_two", {"longest_separate_double": 1002.0}, False),
        ("root_two", {"longest_separate_double": 1284.0}, False),
        ("root_two", {"longest_separate_double": nan}, None),
        ("twice", {"longest_fused_double": 9989.0}, True),
        ("twice", {"longest_fused_double": 9988.0}, False),
        ("twice", {"longest_fused_double": nan}, None),
        ("no_more", {"longest_separate_double": 1002.0}, True),
        ("no_more", {"longest_separate_double": 1003.0}, False),
        ("separate_twice", {"longest_separate_double": 1444.0}, True),
        ("separate_twice", {"longest_separate_double": 1443.0}, False),
        ("fixed_factor", {"longest_fused_double": 9213.0}, True),
        ("fixed_factor", {"longest_fused_double": 9215.0}, False),
        ("growing_factor", {"longest_fused_double": 9215.0}, True),
        ("growing_factor", {"longest_fused_double": 9213.0}, False),
        ("growing_factor", {"longest_separate": nan}, None),
        ("shrinking_factor", {"longest_fused_double": 6809.0}, True),
        ("shrinking_factor", {"longest_fused_double": 6811.0}, False),
        ("linear_time", {"slope_time": 1.39}, True),
        ("linear_time", {"slope_time": 1.41}, False),
        ("linear_time", {"slope_time": nan}, None),
        ("quadratic_time", {"slope_time": 1.61}, True),
        ("quadratic_time", {"slope_time": 1.59}, False),
        ("quadratic_time", {"slope_time": 2.41}, False),
        ("steeper_time", {"slope_time": 2.41}, True),
        ("steeper_time", {"slope_time": 2.39}, False),
    ],
)
def test_every_claim_can_hold_and_can_fail(
    claim: str, change: dict[str, float], expected: bool | None
) -> None:
    assert longer_contexts.verdict(DEFAULT_RUN | change)[claim] is expected


@pytest.mark.parametrize("double", [802, 1000, 1010, 1158, 1283, 1290, 1440, 1450, 3000])
def test_a_prediction_has_one_right_option_at_most(double: float) -> None:
    """The claims that a learner chooses between exclude one another."""
    judged = longer_contexts.verdict(DEFAULT_RUN | {"longest_separate_double": double})
    for options in (
        ("no_more", "root_two", "separate_twice"),
        ("fixed_factor", "growing_factor", "shrinking_factor"),
    ):
        assert sum(judged[claim] is True for claim in options) <= 1
