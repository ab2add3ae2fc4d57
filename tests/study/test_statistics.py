"""What progress over months tells, counted by hand from `history`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from studykit.lab.results import Prediction
from studykit.progress.long_run import (
    NO_SUMS,
    ConfidentError,
    ConfidentErrors,
    LogSums,
    PredictionCounts,
)
from studykit.progress.runs import RunEntry
from studykit.progress.stats import KnownCounts, Sureness, retention
from studykit.review.marks import Marks
from studykit.review.study_queue import StudyQueue
from studykit.study.day import Day
from studykit.study.statistics import Statistics, build_statistics, calibration
from tests.progress.builders import MONDAY, make_run
from tests.progress.history import COURSE, MEMORIES, RUNS, SCHEDULER, TODAY, whole_summary

KNOWN = {
    TODAY - timedelta(days=800): KnownCounts(10, 10, 0, 0, 9.5, 10),
    TODAY - timedelta(days=80): KnownCounts(10, 9, 0, 0, 9.0, 10),
    TODAY - timedelta(days=7): KnownCounts(6, 3, 0, 0),
    TODAY - timedelta(days=6): KnownCounts(4, 4, 0, 0, 2.7, 3),
}
ENTRIES = [RunEntry.of(run.id, run.result, run.card_id, run.prediction) for run in RUNS]
OF_COURSE = {id_: memory for id_, memory in MEMORIES.items() if id_ in COURSE.cards}
DAY = Day(
    TODAY, StudyQueue((), (), (), ()), {}, OF_COURSE, OF_COURSE, Marks(suspended=frozenset("b"))
)


def stand(sums: LogSums = NO_SUMS, since: date | None = None) -> Statistics:
    return build_statistics(sums, DAY, ENTRIES, COURSE, SCHEDULER, 0.9, since)


def test_each_period_holds_the_shorter_ones() -> None:
    """Today is the last of its days."""
    stats = stand(replace(NO_SUMS, known=KNOWN))

    told = [(days, each.seen.n, each.seen.remembered) for days, each in stats.periods]
    assert told == [(7, 4, 4), (30, 10, 7), (90, 20, 16), (365, 20, 16), (None, 30, 26)]
    expected = [each.expected for _, each in stats.periods]
    assert expected == pytest.approx([0.9, 0.9, 11.7 / 13, 11.7 / 13, 21.2 / 23])
    assert stats.desired_retention == 0.9


def test_a_span_begins_and_ends_with_its_days() -> None:
    since = TODAY - timedelta(days=6)
    stats = stand(replace(NO_SUMS, known=KNOWN), since)

    assert stats.span_days == 7
    assert [each.seen.n for each in stats.retention_by("day", since)] == [4]
    assert stand().span_days is None


def test_what_comes_is_that_of_the_report() -> None:
    stats, whole = stand(), whole_summary()

    assert (stats.forecast, stats.overdue) == (whole.forecast, whole.overdue)
    assert stats.hardest == whole.hardest
    assert [topic.mastery for topic in stats.topics] == [topic.mastery for topic in whole.topics]
    assert stats.mastery == pytest.approx(3 * stats.topics[0].mastery / 5)
    assert (stats.maturity.cards, stats.maturity.suspended) == (5, 1)


def test_errors_of_cards_that_are_gone_are_counted_and_not_listed() -> None:
    told = tuple(ConfidentError(card, 1, TODAY, 75, None) for card in ("gone", "d"))
    stats = stand(replace(NO_SUMS, errors=ConfidentErrors(2, 0, told)))

    assert stats.errors.cards == 2
    (mistake,) = stats.mistakes
    assert (mistake.card.id, mistake.topic_number, mistake.error) == ("d", "1.2", told[1])


def test_the_schedule_is_held_against_what_was_remembered() -> None:
    stats = stand(replace(NO_SUMS, predictions=(PredictionCounts(18, 10, 9.0, 8),)))

    assert stats.foresight.mean == 0.9
    assert stats.foresight.error == pytest.approx(0.1)


def test_labs_count_runs_and_predictions_that_were_judged() -> None:
    """One run of two came with a judged prediction; the lab that is gone has no record."""
    stats = stand()
    (record,) = stats.labs

    assert (record.header.id, record.n_runs) == ("core/residuals", 1)
    assert (record.n_judged, record.n_right) == (1, 1)
    assert (stats.n_labs_run, stats.predictions.n, stats.predictions.remembered) == (1, 1, 1)


def test_a_prediction_from_a_card_is_not_counted_twice() -> None:
    bet = Prediction("It stays", claim="stuck", confidence=95, correct=False)
    runs = [RunEntry.of(1, make_run(), "a", bet), RunEntry.of(2, make_run(), None, bet)]

    assert calibration({95: (1, 1), 75: (4, 3)}, runs) == (
        Sureness(75, retention(4, 3)),
        Sureness(95, retention(2, 1)),
    )
    assert calibration({}, []) == ()


def test_predictions_of_labs_count_from_their_study_day_on() -> None:
    """A run after midnight is of the day before."""
    bet = Prediction("It stays", claim="stuck", confidence=95, correct=False)
    night = RunEntry.of(1, make_run(at=MONDAY.replace(hour=3)), None, bet)
    days = (TODAY - timedelta(days=1), TODAY)

    told = [
        build_statistics(NO_SUMS, DAY, [night], COURSE, SCHEDULER, 0.9, since).calibration
        for since in days
    ]
    assert told == [(Sureness(95, retention(1, 0)),), ()]
