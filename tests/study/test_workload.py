"""What a number of new cards a day makes, and where it is said."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from studykit.review.schedule import Scheduler, ScheduleSettings
from studykit.settings import ReviewSettings
from studykit.study.learner_stats import DEFAULT_ANSWER_SECONDS
from studykit.study.words import minutes
from studykit.study.workload import Workload, build_workload, describe_workload

DOCUMENTED = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
DEFAULTS = ReviewSettings()
SCHEDULER = Scheduler(ScheduleSettings.from_settings(DEFAULTS))


def test_the_default_fits_ten_minutes() -> None:
    """In the first month, at the pace that is assumed before the learner's own is known."""
    load = build_workload(SCHEDULER, DEFAULTS.new_per_day)
    assert load.first_month * DEFAULT_ANSWER_SECONDS <= 600


def test_the_table_in_the_documentation_is_what_the_simulation_gives() -> None:
    text = DOCUMENTED.read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (\d+) \| (\d+) answers, (\d+ min) \| (\d+) answers, (\d+ min) \|$", text, re.M
    )
    assert len(rows) == 5
    for n_new, *told in rows:
        load = build_workload(SCHEDULER, int(n_new))
        expected = []
        for n in (load.first_month, load.later):
            expected += [f"{n:.0f}", minutes(timedelta(seconds=n * DEFAULT_ANSWER_SECONDS))]
        assert told == expected


@pytest.mark.parametrize("retention", [0.8, 0.95])
def test_it_follows_the_settings(retention: float) -> None:
    """More is wanted, more is asked; and it grows with the number of new cards alone."""
    other = Scheduler(ScheduleSettings(desired_retention=retention))
    usual, load = build_workload(SCHEDULER, 5), build_workload(other, 5)
    assert (load.later > usual.later) == (retention > DEFAULTS.desired_retention)
    assert build_workload(other, 10).later == pytest.approx(2 * load.later)
    assert build_workload(other, 0) == Workload(0, 0)


def test_it_is_said_at_the_learners_own_pace() -> None:
    said = describe_workload(Workload(30.2, 45.9), 12)
    assert said == "≈ 30 answers (6 min) a day in the first month, 46 (9 min) later"
