"""How study goes beside today's cards: what Home and the progress screen show of it.

From counts: a log of years is too long to be read each time a screen opens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import TYPE_CHECKING

from studykit.course.cards import Course, LabHeader, Predict
from studykit.progress.stats import (
    FORECAST_DAYS,
    HardCard,
    KnownCounts,
    Retention,
    Sureness,
    TopicProgress,
    calendar,
    forecast,
    hardest,
    retention,
    retention_since,
    streak,
    topic_progress,
)
from studykit.review.habits import ANSWER_SECONDS
from studykit.review.schedule import Memory, Scheduler
from studykit.review.study_queue import Counts
from studykit.study.day import read_day

if TYPE_CHECKING:
    from studykit.progress.runs import RunEntry
    from studykit.study.services import Services

DEFAULT_ANSWER_SECONDS = ANSWER_SECONDS
"""The time of one answer, until there are `ENOUGH_TIMED` of the learner's own."""

ENOUGH_TIMED = 20
N_TIMED = 500
"""The latest answers, whose median says how long the next one takes."""

WEEK_DAYS = 7
RETENTION_DAYS = 30
"""Days up to today whose true retention Home tells."""

PERIODS_DAYS = (7, 30, 90, 365)
"""Days up to today whose true retention is told, each with what came before it left out."""


@dataclass(frozen=True, slots=True)
class HomeStats:
    """The longer run, seen from today."""

    streak_days: int
    """As in `PeriodStats`."""
    calendar: tuple[tuple[date, int], ...]
    """Answers of each day from the Monday `CALENDAR_WEEKS` ago to today."""
    week: tuple[tuple[date, int], ...]
    """Known cards by the day they are due, today (with all that are overdue) and the six next."""
    retention: Retention
    """Of the last `RETENTION_DAYS` days."""
    topics: tuple[TopicProgress, ...]

    def mastery(self, deck_id: str) -> float:
        """Share of the deck's cards expected to be recalled today; 0 for one without cards."""
        topics = [topic for topic in self.topics if topic.deck_id == deck_id]
        n_cards = sum(topic.cards for topic in topics)
        return sum(topic.mastery * topic.cards for topic in topics) / max(1, n_cards)

    def mastery_of_topic(self, deck_id: str, number: str) -> float:
        """The same of the topic with this number; 0 if there is none."""
        found = (t.mastery for t in self.topics if (t.deck_id, t.number) == (deck_id, number))
        return next(found, 0.0)

    def weakest(self, deck_id: str) -> TopicProgress | None:
        """The topic of the deck that is least learned, of those begun; None before the first."""
        begun = [t for t in self.topics if t.deck_id == deck_id and t.unseen < t.cards]
        return min(begun, key=lambda topic: topic.mastery, default=None)


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
class ProgressStats:
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


def read_home_stats(services: Services) -> HomeStats:
    """The longer run, as it stands now; slower than the overview, so call it in a thread."""

    store, today = services.progress, services.today
    day = read_day(services, store)
    return build_home_stats(
        store.answers_by_day(),
        store.known_by_day(today - timedelta(days=RETENTION_DAYS)),
        day.memories,
        day.asked,
        services.course,
        today,
        services.scheduler,
    )


def read_progress_stats(services: Services) -> ProgressStats:
    """What the progress screen tells; slow with a long log, so call it in a thread."""

    store, today = services.progress, services.today
    day = read_day(services, store)
    return build_progress_stats(
        store.known_by_day(today - timedelta(days=max(PERIODS_DAYS))),
        store.right_by_confidence(date.min),
        day.memories,
        day.asked,
        tuple(services.runs),
        services.course,
        today,
        services.scheduler,
    )


def build_home_stats(
    answers: Mapping[date, int],
    known: Mapping[date, KnownCounts],
    memories: Mapping[str, Memory],
    asked: Mapping[str, Memory],
    course: Course,
    today: date,
    scheduler: Scheduler,
) -> HomeStats:
    """The numbers for Home on `today`.

    `answers` counts all answers by day; `known` the reviews of known cards of at least the last
    `RETENTION_DAYS` days; `memories` are those of the course,
    `asked` the same as they will be asked.
    """
    week, _ = forecast(asked.values(), today, WEEK_DAYS)
    return HomeStats(
        streak_days=streak(answers, today),
        calendar=calendar(answers, today),
        week=week,
        retention=retention_since(known, today - timedelta(days=RETENTION_DAYS - 1)),
        topics=topic_progress(course, memories, {}, today, scheduler),
    )


def answer_seconds(taken_ms: Sequence[int]) -> float:
    """How long an answer takes this learner: the median, which a break at the card leaves alone."""
    if len(taken_ms) < ENOUGH_TIMED:
        return DEFAULT_ANSWER_SECONDS
    return median(taken_ms) / 1000


def expected_time(left: Iterable[Counts], n_steps: int, seconds: float) -> timedelta:
    """How long the cards that are `left` take, at `seconds` an answer.

    A new card that is always remembered is answered once for each of `n_steps` learning steps.
    """
    n_answers = sum(c.new * max(1, n_steps) + c.learning + c.review for c in left)
    return timedelta(seconds=n_answers * seconds)


def waiting_labs(course: Course, run_labs: Iterable[str]) -> tuple[str, ...]:
    """Labs that a card asks to predict and that were never run, in the course's order."""
    asked = {card.lab: None for card in course.cards.values() if isinstance(card.body, Predict)}
    have_run = set(run_labs)
    return tuple(lab for lab in asked if lab in course.labs and lab not in have_run)


def build_progress_stats(
    known: Mapping[date, KnownCounts],
    told: Mapping[int, tuple[int, int]],
    memories: Mapping[str, Memory],
    asked: Mapping[str, Memory],
    runs: Sequence[RunEntry],
    course: Course,
    today: date,
    scheduler: Scheduler,
) -> ProgressStats:
    """The numbers for the progress screen on `today`.

    `known` is as for `build_home_stats`, of the longest of `PERIODS_DAYS`; `told` counts the judged
    answers by confidence, with how many were right; `memories` are those of the course,
    `asked` the same as they will be asked.
    """
    ahead, overdue = forecast(asked.values(), today, FORECAST_DAYS)
    return ProgressStats(
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
    told: Mapping[int, tuple[int, int]], runs: Sequence[RunEntry]
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


def _lab_record(header: LabHeader, runs: Sequence[RunEntry]) -> LabRecord:
    own = [run for run in runs if run.lab == header.id]
    judged = [bet.correct for run in own if (bet := run.prediction) and bet.correct is not None]
    n_runs = sum(run.is_complete for run in own)
    return LabRecord(header, n_runs, len(judged), sum(judged), bool(judged and judged[-1]))
