"""What is worked out from sums: retention by day, week and month, calibration, time, maturity."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.progress.long_run import (
    N_BINS,
    NO_SUMS,
    UNITS,
    LatestAnswer,
    Pace,
    PredictionCounts,
    foresight,
    maturity,
    retention_by,
    time_spent,
)
from studykit.progress.stats import Answers, KnownCounts
from studykit.review.marks import Marks
from studykit.review.schedule import NEW_MEMORY, State
from tests.progress.builders import MONDAY, make_memory

TODAY = MONDAY.date()


def test_retention_is_told_by_day_week_and_month() -> None:
    """Weeks begin on Monday; each share has the expected one beside it."""
    known = {
        date(2026, 10, 31): KnownCounts(4, 3, 2, 1, 3.6, 4),
        date(2026, 11, 1): KnownCounts(6, 6, 0, 0, 2.7, 3),
        date(2026, 11, 2): KnownCounts(1, 0, 0, 0),
    }

    told = {
        unit: [
            (each.begin, each.seen.n, each.seen.remembered) for each in retention_by(known, unit)
        ]
        for unit in UNITS
    }
    assert told == {
        "day": [(date(2026, 10, 31), 4, 3), (date(2026, 11, 1), 6, 6), (date(2026, 11, 2), 1, 0)],
        "week": [(date(2026, 10, 26), 10, 9), (date(2026, 11, 2), 1, 0)],
        "month": [(date(2026, 10, 1), 4, 3), (date(2026, 11, 1), 7, 6)],
    }
    first, second = retention_by(known, "week")
    assert (first.seen.graded, first.seen.right) == (2, 1)
    assert first.expected == pytest.approx(0.9)
    assert second.expected is None


@given(
    st.dictionaries(
        st.dates(date(2024, 1, 1), date(2026, 12, 31)),
        st.builds(
            lambda n, k: KnownCounts(n, min(n, k), 0, 0), st.integers(1, 9), st.integers(0, 9)
        ),
    )
)
def test_no_review_is_lost_or_told_twice(known: dict[date, KnownCounts]) -> None:
    for unit in UNITS:
        told = retention_by(known, unit)
        assert sum(each.seen.n for each in told) == sum(counts.n for counts in known.values())
        assert [each.begin for each in told] == sorted({each.begin for each in told})
        assert all(any(day >= each.begin for day in known) for each in told)


def test_foresight_is_the_distance_between_expected_and_remembered() -> None:
    """Each bin weighs as much as it has reviews: sqrt((30 * 0.1² + 10 * 0.03²) / 40)."""
    told = foresight([PredictionCounts(19, 10, 9.7, 10), PredictionCounts(18, 30, 27.0, 24)])

    assert [(each.low, each.high, each.seen.n) for each in told.bins] == [
        (0.9, 0.95, 30),
        (0.95, 1.0, 10),
    ]
    assert [each.mean for each in told.bins] == pytest.approx([0.9, 0.97])
    assert told.mean == pytest.approx(36.7 / 40)
    assert (told.seen.n, told.seen.remembered) == (40, 34)
    assert told.error == pytest.approx(((30 * 0.1**2 + 10 * 0.03**2) / 40) ** 0.5)


def test_without_a_review_nothing_was_foretold() -> None:
    told = foresight([])
    assert (told.bins, told.mean, told.error, told.seen.n) == ((), None, None, 0)


@given(
    st.dictionaries(
        st.integers(0, N_BINS - 1),
        st.integers(1, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
        min_size=1,
    )
)
def test_the_error_is_none_only_where_every_bin_is_right(bins: dict[int, tuple[int, int]]) -> None:
    exact = foresight(PredictionCounts(b, n, float(k), k) for b, (n, k) in bins.items())
    off = foresight(PredictionCounts(b, n, k + 0.1 * n, k) for b, (n, k) in bins.items())

    assert exact.error == 0.0
    assert off.error == pytest.approx(0.1)


def test_time_is_told_by_the_day_the_card_and_the_answer() -> None:
    """A break at one card moves no median."""
    latest = [
        LatestAnswer("choice", State.NEW, False, 600_000),
        LatestAnswer("choice", State.NEW, True, 8_000),
        LatestAnswer("choice", State.REVIEW, True, 6_000),
        LatestAnswer("recall", None, None, 20_000),
    ]
    work = {
        TODAY - timedelta(days=7): Answers(10, 1, 1, 60_000, 0, 0),
        TODAY: Answers(4, 2, 0, 40_000, 0, 0),
    }
    time = time_spent(replace(NO_SUMS, work=work, cards=5, latest=tuple(latest)))

    assert (time.answers, time.seconds, time.seconds_a_card()) == (14, 100.0, 20.0)
    assert time.latest == Pace(4, 14.0, 3, 2)
    assert time.by_kind == (
        ("recall", Pace(1, 20.0, 0, 0)),
        ("choice", Pace(3, 8.0, 3, 2)),
    )
    assert [(state, answers.n) for state, answers in time.by_state] == [
        (State.NEW, 2),
        (State.REVIEW, 1),
    ]
    assert time.weeks(TODAY, 3) == (
        (date(2026, 11, 9), 0.0),
        (date(2026, 11, 16), 60.0),
        (date(2026, 11, 23), 40.0),
    )
    assert time_spent(NO_SUMS).seconds_a_card() is None


def test_a_card_is_mature_from_three_weeks_on() -> None:
    """By the interval that it was given, however long ago; every card is in one class."""
    memories = {
        "young": make_memory(days=20),
        "mature": make_memory(days=21),
        "old": make_memory(at=MONDAY - timedelta(days=100), days=400),
        "learning": make_memory(State.LEARNING),
        "relearning": make_memory(State.RELEARNING),
        "new": NEW_MEMORY,
    }
    marks = Marks(suspended=frozenset({"old", "elsewhere"}))
    told = maturity([*memories, "never"], memories, marks)

    assert (told.unseen, told.learning, told.relearning) == (2, 1, 1)
    assert (told.young, told.mature, told.suspended) == (1, 2, 1)
    assert told.cards == 7
    assert told.stability_days == 2.25
    assert maturity([], {}, Marks()).stability_days is None
