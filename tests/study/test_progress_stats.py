"""What the progress screen tells, counted by hand from `history`."""

from __future__ import annotations

from datetime import timedelta

from studykit.lab.results import Prediction
from studykit.progress.runs import RunEntry
from studykit.progress.stats import KnownCounts, Sureness, retention
from studykit.study.learner_stats import build_progress_stats, calibration
from tests.progress.builders import make_run
from tests.progress.history import COURSE, MEMORIES, RUNS, SCHEDULER, TODAY, whole_summary

KNOWN = {
    TODAY: KnownCounts(4, 4, 0, 0),
    TODAY - timedelta(days=10): KnownCounts(6, 3, 0, 0),
    TODAY - timedelta(days=80): KnownCounts(10, 9, 0, 0),
}
ENTRIES = [RunEntry.of(run.id, run.result, run.card_id, run.prediction) for run in RUNS]


def test_each_period_holds_the_shorter_ones() -> None:
    memories = {id_: memory for id_, memory in MEMORIES.items() if id_ in COURSE.cards}
    stats = build_progress_stats(KNOWN, {}, memories, memories, ENTRIES, COURSE, TODAY, SCHEDULER)

    told = [(days, seen.n, seen.remembered) for days, seen in stats.periods]
    assert told == [(7, 4, 4), (30, 10, 7), (90, 20, 16), (365, 20, 16)]
    assert stats.desired_retention == 0.9
    whole = whole_summary()
    assert (stats.forecast, stats.overdue) == (whole.forecast, whole.overdue)
    assert stats.hardest == whole.hardest


def test_labs_count_runs_and_predictions_that_were_judged() -> None:
    """One run of two came with a judged prediction; the lab that is gone has no record."""
    (record,) = build_progress_stats({}, {}, {}, {}, ENTRIES, COURSE, TODAY, SCHEDULER).labs

    assert (record.header.id, record.n_runs) == ("core/residuals", 1)
    assert (record.n_judged, record.n_right) == (1, 1)


def test_a_prediction_from_a_card_is_not_counted_twice() -> None:
    bet = Prediction("It stays", claim="stuck", confidence=95, correct=False)
    runs = [RunEntry.of(1, make_run(), "a", bet), RunEntry.of(2, make_run(), None, bet)]

    assert calibration({75: (4, 3), 95: (1, 1)}, runs) == (
        Sureness(75, retention(4, 3)),
        Sureness(95, retention(2, 1)),
    )
    assert calibration({}, []) == ()
