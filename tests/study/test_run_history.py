"""The runs of a lab so far, and two of them compared."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from studykit.course.cards import LabHeader
from studykit.course.decks import load_course
from studykit.lab.events import Measurement
from studykit.lab.results import Prediction, RunResult, SeedResult
from studykit.progress.runs import RunEntry, StoredRun
from studykit.study.run_history import (
    changed_knobs,
    changed_verdicts,
    compare,
    pair_at,
    past_runs,
    seconds_here,
)
from tests.tui.screen_course import LAB_ID, build_result, write_course

NAN = math.nan


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_course(tmp_path, "recall")


@pytest.fixture
def header(root: Path) -> LabHeader:
    return load_course(root).labs[LAB_ID]


def measured(run: RunResult, name: str, *values: float, unit: str = "nats") -> RunResult:
    """`run` with one measurement, a seed a value."""
    seeds = tuple(
        SeedResult(n, {name: Measurement(name, value, unit)}, {}) for n, value in enumerate(values)
    )
    return replace(run, seeds=seeds)


def test_own_runs_stand_before_recorded_ones_the_newest_first(
    root: Path, header: LabHeader
) -> None:
    """Runs of other labs are not among them; a recorded run predicts nothing."""
    at = datetime(2026, 11, 1, tzinfo=UTC)
    own = [build_result(root, n_layers=n, at=at + timedelta(days=n)) for n in (2, 16, 8)]
    other = replace(own[0], lab="core/other")
    said = Prediction("It diverges", "diverges", correct=False)
    stored = [StoredRun(n, run, None, said) for n, run in enumerate([*own, other])]
    recorded = replace(own[0], recorded=True)

    runs = past_runs(header, stored, [recorded])

    assert [run.result.knobs["n_layers"] for run in runs] == [16, 8, 2, 2]
    assert [run.prediction for run in runs] == [said, said, said, None]


def test_only_knobs_that_were_turned_are_named(root: Path, header: LabHeader) -> None:
    assert changed_knobs(header, build_result(root, n_layers=8).knobs) == {}
    assert changed_knobs(header, build_result(root, n_layers=2).knobs) == {"n_layers": 2}


@pytest.mark.parametrize(
    ("left", "right", "difference", "is_apart"),
    [
        ((1.0, 2.0, 3.0), (2.5, 4.0, 9.0), 2.0, False),
        ((1.0, 2.0), (2.1, 2.2), 0.65, True),
        ((2.1, 2.2), (1.0, 2.0), -0.65, True),
        ((1.0, 2.0), (2.0, 3.0), 1.0, False),
        # One seed alone has no range.
        ((1.0,), (5.0, 6.0), 4.5, False),
        # Divergence is an outcome: all against none is clear, some is not.
        ((NAN, NAN), (1.0, 2.0), NAN, True),
        ((NAN, 1.0), (2.0, 3.0), 1.5, False),
        ((NAN, NAN), (NAN, NAN), NAN, False),
    ],
)
def test_a_difference_is_of_medians_and_clear_where_ranges_are_apart(
    root: Path,
    left: tuple[float, ...],
    right: tuple[float, ...],
    difference: float,
    is_apart: bool,
) -> None:
    run = build_result(root, n_layers=8)
    (row,) = compare(measured(run, "loss", *left), measured(run, "loss", *right))

    assert row.difference == pytest.approx(difference, nan_ok=True)
    assert row.is_apart is is_apart


def test_what_only_one_run_measured_has_no_difference(root: Path) -> None:
    """Neither has what was measured in another unit."""
    run = build_result(root, n_layers=8)
    one, other = measured(run, "loss", 1.0, 2.0), measured(run, "speed", 5.0, 6.0)
    rows = compare(one, other)

    assert [row.row.name for row in rows] == ["loss", "speed"]
    assert all(math.isnan(row.difference) and not row.is_apart for row in rows)
    (row,) = compare(one, measured(run, "loss", 9.0, 9.5, unit="bits"))
    assert math.isnan(row.difference)
    assert not row.is_apart


def test_changed_verdicts(root: Path) -> None:
    left = build_result(root, n_layers=8)
    right = replace(left, verdicts={"stuck": "refuted", "slower": "refuted"})

    assert changed_verdicts(["stuck", "slower", "alike"], left, right) == (
        ("stuck", "confirmed", "refuted"),
    )


def test_the_time_of_a_run_is_that_of_the_latest_runs_like_it(
    root: Path, header: LabHeader
) -> None:
    """With these knobs, this code and all of the training, on the device of the latest."""

    def entry(n: int, seconds: float, n_layers: int = 8, **changes: Any) -> RunEntry:
        at = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=n)
        run = replace(build_result(root, n_layers=n_layers, at=at), seconds=seconds, **changes)
        return RunEntry.of(n, replace(run, code_hash=changes.get("code_hash", code)), None, None)

    code = header.code_hash
    latest = [entry(10 + n, seconds) for n, seconds in enumerate((2.0, 40.0, 3.0, 4.0, 6.0))]
    others = [
        entry(30, 100.0, code_hash="older"),
        entry(31, 100.0, budget=0.25),
        entry(32, 100.0, status="cancelled"),
        entry(33, 100.0, lab="core/other"),
        entry(34, 90.0, n_layers=2),
        entry(1, 1000.0),
        entry(2, 1000.0),
        entry(9, 1000.0, device="cuda"),
    ]
    assert header.seeds == 2
    assert seconds_here(header, [*others, *latest], {}) == 4.0
    assert seconds_here(header, [*others, *latest], {"n_layers": 2}) == 90.0
    assert seconds_here(header, [*others, *latest], {"n_layers": 16}) is None
    half = replace(build_result(root, n_layers=8), seconds=3.0, code_hash=code)
    half = replace(half, seeds=half.seeds[:1])
    assert seconds_here(header, [RunEntry.of(1, half, None, None)], {}) == 6.0


def test_the_pair() -> None:
    """A run is not compared with itself."""
    assert pair_at(3, 0, 2) == [0, 2]
    assert pair_at(3, 1, 1) == [1]
    assert pair_at(0, 0, 0) == []
