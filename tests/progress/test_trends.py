"""The numbers behind the charts, of `history` and of small logs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from studykit.lab.results import Prediction
from studykit.progress.report_data import Trends, build_trends, period_stats
from studykit.progress.runs import StoredRun
from studykit.progress.stats import CALENDAR_WEEKS, Retention, Sureness, wilson_interval
from studykit.review.session import Review
from tests.progress.builders import make_run, sums_of
from tests.progress.history import COURSE, MEMORIES, REVIEWS, RUNS, SCHEDULER, TODAY


def of(reviews: list[Review], *, runs: list[StoredRun] = RUNS, since: date | None = None) -> Trends:
    """Trends of these reviews until today."""
    sums = sums_of(reviews, since or date.min)
    whole = period_stats(sums, runs, COURSE, MEMORIES, since, TODAY, SCHEDULER)
    return build_trends(sums, whole, 0.9)


def test_the_calendar_begins_on_a_monday_and_ends_today() -> None:
    """Days before the period count, too: it is about habit, not about the period."""
    calendar = of(REVIEWS, since=TODAY).calendar
    first, counts = calendar[0][0], dict(calendar)

    assert (first.weekday(), calendar[-1][0]) == (0, TODAY)
    assert (TODAY - first).days // 7 + 1 == CALENDAR_WEEKS
    assert [counts[TODAY - timedelta(days=n)] for n in range(5)] == [1, 3, 2, 3, 0]
    assert sum(counts.values()) == len(REVIEWS)


def test_retention_is_told_by_the_week_of_the_review() -> None:
    """On Sunday one known card was forgotten, on the Monday after it another one remembered."""
    monday = TODAY
    assert of(REVIEWS).weeks == (
        (monday - timedelta(days=7), Retention(1, 0, *wilson_interval(0, 1), 1, 0)),
        (monday, Retention(1, 1, *wilson_interval(1, 1))),
    )
    assert [week for week, _ in of(REVIEWS, since=TODAY).weeks] == [monday]


@pytest.mark.parametrize("confidence", [None, 100])
def test_only_answers_with_a_confidence_and_a_judgement_are_calibrated(
    confidence: int | None,
) -> None:
    """Those 70 % sure are one group; 100 % belongs to the highest ten."""
    sure, *others = REVIEWS
    reviews = [replace(sure, confidence=confidence), *others]
    n = len(others) - 1  # the last one could not be judged
    right = sum(review.correct is True for review in others)
    seventy = Sureness(70.0, Retention(n, right, *wilson_interval(right, n)))
    certain = Sureness(100.0, Retention(1, 0, *wilson_interval(0, 1)))

    expected = (seventy,) if confidence is None else (seventy, certain)
    assert of(reviews).calibration == expected


def test_a_prediction_counts_once() -> None:
    """One made from a card stands in the log with the card's answer."""
    bet = Prediction("3", claim="", value=3.0, confidence=50, correct=True)
    runs = [StoredRun(1, make_run(), "a", bet), StoredRun(2, make_run(), None, bet)]
    (group,) = of([], runs=runs).calibration
    assert (group.stated, group.outcome.n, group.outcome.remembered) == (50.0, 1, 1)
