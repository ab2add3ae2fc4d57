"""What a number of new cards a day makes, and where it is said."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from studykit.review.habits import Habits
from studykit.review.schedule import (
    NEW_MEMORY,
    Memory,
    Scheduler,
    ScheduleSettings,
    State,
)
from studykit.settings import ReviewSettings
from studykit.study.learner_stats import DEFAULT_ANSWER_SECONDS
from studykit.study.words import minutes
from studykit.study.workload import (
    RETENTIONS,
    YEAR_DAYS,
    Workload,
    build_workload,
    describe_workload,
    look_ahead,
)
from studykit.study.year_ahead import shown_retentions

DOCUMENTED = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
DEFAULTS = ReviewSettings()
TODAY = date(2026, 12, 1)
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


# --- a year ahead ---


def known(stability_days: float, due_in: int) -> Memory:
    return Memory(
        state=State.REVIEW,
        stability_days=stability_days,
        difficulty=5.0,
        due_day=TODAY + timedelta(days=due_in),
        last_review_day=TODAY - timedelta(days=1),
        reps=2,
    )


def test_more_retention_is_more_minutes_and_more_remembered() -> None:
    """Of every retention that may be set, with new cards and with known ones."""
    year = look_ahead(SCHEDULER.settings, Habits(), [known(20, 5)] * 30, TODAY)
    found = year.outlooks(5, 300)
    assert [each.retention for each in found] == list(RETENTIONS)
    assert all(each.n_met == 330 for each in found)
    low, high = found[0], found[-1]
    assert high.minutes_a_day > 2 * low.minutes_a_day
    assert high.remembered > low.remembered
    for each in found:
        # A card is asked at its retention and, on average, remembered better than that.
        assert each.retention < each.remembered / each.n_met < 1


def test_a_year_counts_new_cards_until_there_are_none() -> None:
    year = look_ahead(SCHEDULER.settings, Habits(), [], TODAY, [0.9])
    (none,), (few,), (many,) = year.outlooks(0), year.outlooks(10, 20), year.outlooks(10)
    assert (none.answers_a_day, none.n_met, none.remembered) == (0, 0, 0)
    assert few.n_met == 20
    assert many.n_met == 10 * YEAR_DAYS
    # 20 cards, of which 10 are a day younger: almost twice the whole life of one.
    whole = year.new.answers[0].sum()
    assert few.answers_a_day * YEAR_DAYS == pytest.approx(20 * whole, rel=0.01)
    by_day = year.minutes_by_day(0.9, 10, 20)
    assert by_day.mean() == pytest.approx(few.minutes_a_day)
    assert by_day[0] > 10 * by_day[100:].mean()


def test_of_many_known_cards_a_sample_stands_for_all() -> None:
    few, many = [known(20, 5)] * 100, [known(20, 5)] * 2000
    of_few, of_many = (
        look_ahead(SCHEDULER.settings, Habits(), memories, TODAY, [0.9]).outlooks(0)[0]
        for memories in (few, many)
    )
    assert of_many.n_met == 2000
    assert of_few.answers_a_day > 1
    assert of_many.answers_a_day == pytest.approx(20 * of_few.answers_a_day, rel=0.1)
    unseen = look_ahead(SCHEDULER.settings, Habits(), [*few, NEW_MEMORY], TODAY, [0.9])
    assert unseen.n_known == 100


@pytest.mark.parametrize("desired", [0.7, 0.87, 0.9, 0.97])
def test_the_table_has_the_row_that_is_wanted_in_its_place(desired: float) -> None:
    shown = shown_retentions(desired)
    assert desired in shown
    assert shown == sorted(set(shown))


def test_weights_that_remember_longer_ask_for_less() -> None:
    weights = SCHEDULER.settings.parameters
    quadrupled = (*(4 * w for w in weights[:4]), *weights[4:])
    longer = replace(SCHEDULER.settings, parameters=quadrupled)
    usual, better = (
        look_ahead(each, Habits(), [], TODAY, [0.9]).outlooks(5)[0]
        for each in (SCHEDULER.settings, longer)
    )
    assert better.minutes_a_day < 0.9 * usual.minutes_a_day
