"""How far many runs are: the share of the work, the time left, the words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studykit.course.cards import LabHeader
from studykit.lab.collect import SeedSoFar, Started
from studykit.lab.pool import Job
from studykit.lab.process import SeedJudged
from studykit.lab.results import RunResult
from studykit.study.many_runs import ManyRuns, about_time, clock

LAB = LabHeader(
    id="core/one",
    path=Path("one.py"),
    title="",
    about="",
    question="",
    points=(),
    claims={},
    knobs={},
    seeds=2,
    seconds={"cpu": 10.0},
)
ALONE = replace(LAB, id="core/two", runs_alone=True)
RESULT: RunResult = None  # type: ignore[assignment]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_is_left_is_told_by_what_is_done() -> None:
    """Of 10 s side by side and 10 s alone: a half is done after one seed of each pair."""
    timer = Clock()
    jobs = [Job(LAB, {}, range(2)), Job(LAB, {}, range(2)), Job(ALONE, {}, range(2))]
    runs = ManyRuns(jobs, 2, timer=timer)
    assert (runs.fraction, runs.remaining_s) == (0, None)
    for job in jobs[:2]:
        runs.take(job, Started("cpu", "", {}))
        runs.take(job, SeedJudged(SeedSoFar(0)))
    timer.now += 30
    assert runs.fraction == pytest.approx(0.25)
    assert runs.remaining_s == pytest.approx(90)
    assert runs.running == tuple(jobs[:2])
    assert str(runs) == "0 of 3 runs · 0:30, about 2 min left · core/one"
    for job in jobs[:2]:
        runs.end(job, RESULT)
    timer.now += 30
    assert runs.fraction == pytest.approx(0.5)
    assert str(runs) == "2 of 3 runs · 1:00, about 1 min left"
    runs.end(jobs[2], RESULT)
    assert (runs.fraction, runs.remaining_s) == (1, 0)


def test_runs_that_were_made_before_are_counted_and_not_timed() -> None:
    timer = Clock()
    runs = ManyRuns([Job(LAB, {}, range(2))], 2, n_before=4, timer=timer)
    timer.now += 60
    assert str(runs) == "4 of 5 runs · 1:00"
    assert ManyRuns([], 2).fraction == 1


def test_a_budget_and_seeds_make_a_run_longer() -> None:
    assert Job(LAB, {}, range(2)).seconds == 10
    assert Job(LAB, {}, range(6), 4.0).seconds == 120


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        *((1, "about 5 s"), (52, "about 50 s"), (56, "about 1 min")),
        *((3000, "about 50 min"), (6000, "about 2 h")),
    ],
)
def test_an_estimate_is_no_more_exact_than_it_can_be(seconds: float, told: str) -> None:
    assert about_time(seconds) == told


def test_the_clock_shows_hours_only_where_there_are_some() -> None:
    assert [clock(s) for s in (0, 190.9, 3790)] == ["0:00", "3:10", "1:03:10"]
