"""What has been learned, looked at closely: what the progress screen shows. From counts only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from studykit.course.cards import Course, LabHeader
from studykit.progress.standing import retention_since
from studykit.progress.stats import FORECAST_DAYS, forecast, hardest, retention, topic_progress
from studykit.progress.summary import HardCard, Retention, TopicProgress
from studykit.progress.trends import Sureness
from studykit.review.schedule import Memory, Scheduler

if TYPE_CHECKING:
    from studykit.progress.store import StoredRun

PERIODS_DAYS = (7, 30, 90, 365)
"""Days up to today whose true retention is told, each with what came before it left out."""


@dataclass(frozen=True, slots=True)
class LabRecord:
    """What the learner did with one lab."""

    header: LabHeader
    n_runs: int
    n_judged: int
    """Predictions that came true or did not."""
    n_right: int
    is_latest_right: bool
    """Whether the latest of them came true."""


@dataclass(frozen=True, slots=True)
class Insight:
    """Everything that the progress screen tells."""

    desired_retention: float
    periods: tuple[tuple[int, Retention], ...]
    """Days -> true retention, for `PERIODS_DAYS`."""
    forecast: tuple[tuple[date, int], ...]
    overdue: int
    topics: tuple[TopicProgress, ...]
    calibration: tuple[Sureness, ...]
    """Of all answers given with a confidence, from least to most sure."""
    hardest: tuple[HardCard, ...]
    labs: tuple[LabRecord, ...]
    """Every lab of the course, in its order."""


def build_insight(
    known: Mapping[date, tuple[int, int]],
    told: Mapping[int, tuple[int, int]],
    memories: Mapping[str, Memory],
    asked: Mapping[str, Memory],
    runs: Sequence[StoredRun],
    course: Course,
    today: date,
    scheduler: Scheduler,
) -> Insight:
    """The insight of `today`.

    `known` is as for `build_standing`, of the longest of `PERIODS_DAYS`; `told` counts the judged
    answers by confidence, with how many were right; `memories` are those of the course,
    `asked` those of them that are not put aside.
    """
    ahead, overdue = forecast(asked.values(), today, FORECAST_DAYS)
    return Insight(
        desired_retention=scheduler.settings.desired_retention,
        periods=tuple(
            (days, retention_since(known, today - timedelta(days=days - 1)))
            for days in PERIODS_DAYS
        ),
        forecast=ahead,
        overdue=overdue,
        topics=topic_progress(course, memories, {}, today, scheduler),
        calibration=calibration(told, runs),
        hardest=hardest(course, memories),
        labs=tuple(_lab_record(header, runs) for header in course.labs.values()),
    )


def calibration(
    told: Mapping[int, tuple[int, int]], runs: Sequence[StoredRun]
) -> tuple[Sureness, ...]:
    """Each confidence with how often the answers were right, the least sure first.

    A prediction made from a card is counted with the card's answer, not again with the run.
    """
    counts = defaultdict(lambda: (0, 0), told)
    for run in runs:
        bet = run.prediction
        if run.card_id is None and bet and bet.confidence is not None and bet.correct is not None:
            n, k = counts[bet.confidence]
            counts[bet.confidence] = (n + 1, k + bet.correct)
    return tuple(Sureness(percent, retention(*counts[percent])) for percent in sorted(counts))


def _lab_record(header: LabHeader, runs: Sequence[StoredRun]) -> LabRecord:
    own = [run for run in runs if run.result.lab == header.id]
    judged = [bet.correct for run in own if (bet := run.prediction) and bet.correct is not None]
    return LabRecord(header, len(own), len(judged), sum(judged), bool(judged and judged[-1]))
