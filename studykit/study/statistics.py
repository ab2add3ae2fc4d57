"""Progress over months: every figure of the progress screen and of ``studykit stats``.

From sums and from what is known of each card; what each figure means stands in `definitions`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from studykit.course.cards import Card, Course, LabHeader
from studykit.progress.long_run import (
    NO_SUMS,
    ConfidentError,
    ConfidentErrors,
    Foresight,
    LogSums,
    Maturity,
    Stretch,
    TimeSpent,
    Unit,
    foresight,
    maturity,
    retention_by,
    stretch,
    time_spent,
)
from studykit.progress.stats import (
    FORECAST_DAYS,
    HardCard,
    KnownCounts,
    Retention,
    Sureness,
    TopicProgress,
    forecast,
    hardest,
    retention,
    topic_progress,
)
from studykit.study.day import Day, read_day

if TYPE_CHECKING:
    from studykit.progress.runs import RunEntry
    from studykit.progress.store import Store
    from studykit.review.schedule import Scheduler
    from studykit.study.services import Services

PERIODS_DAYS = (7, 30, 90, 365)
"""Days up to today whose true retention is told, each with what came before it left out."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """A card of the course that was answered wrongly by a learner who had been sure."""

    card: Card
    topic_number: str
    error: ConfidentError


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
class Statistics:
    """Everything that is told of the longer run. "Since": from the study day `since` on."""

    since: date | None
    """None: the whole log."""
    today: date
    desired_retention: float
    """Of the course's cards, on average."""
    known: Mapping[date, KnownCounts]
    """Study day -> its reviews of known cards."""
    periods: tuple[tuple[int | None, Stretch], ...]
    """Days up to today -> true retention, for `PERIODS_DAYS` and, as None, for the whole log."""
    foresight: Foresight
    """Of the reviews since."""
    calibration: tuple[Sureness, ...]
    """Of the answers since that were given with a confidence, from least to most sure."""
    errors: ConfidentErrors
    """Of the answers since."""
    mistakes: tuple[Mistake, ...]
    """Those of `errors` that are told and that the course has."""
    time: TimeSpent
    maturity: Maturity
    topics: tuple[TopicProgress, ...]
    forecast: tuple[tuple[date, int], ...]
    overdue: int
    hardest: tuple[HardCard, ...]
    labs: tuple[LabRecord, ...]
    """Every lab of the course, in its order."""

    @property
    def span_days(self) -> int | None:
        """Days from `since` to today; None for the whole log."""
        return None if self.since is None else (self.today - self.since).days + 1

    def retention_by(self, unit: Unit, since: date | None = None) -> tuple[Stretch, ...]:
        """True retention of each day, week or month that has a review, oldest first.

        With `since` earlier study days are left out, also of the first week or month.
        """
        first = since or date.min
        return retention_by({day: n for day, n in self.known.items() if day >= first}, unit)

    @property
    def mastery(self) -> float:
        """Share of the course's cards expected to be recalled today; 0 without cards."""
        n_cards = sum(topic.cards for topic in self.topics)
        return sum(topic.mastery * topic.cards for topic in self.topics) / max(1, n_cards)

    @property
    def n_labs_run(self) -> int:
        """Labs of the course that a run has ended of."""
        return sum(record.n_runs > 0 for record in self.labs)

    @property
    def predictions(self) -> Retention:
        """Predictions of what a lab measures, and how many came true."""
        judged = sum(record.n_judged for record in self.labs)
        return retention(judged, sum(record.n_right for record in self.labs))


def read_statistics(
    services: Services, store: Store | None, runs: Iterable[RunEntry], since: date | None = None
) -> Statistics:
    """The figures of now; with a long log it takes a moment, so call it in a thread.

    Raises `StoreError` when the progress cannot be read.
    """
    return build_statistics(
        NO_SUMS if store is None else store.sums(since or date.min),
        read_day(services, store),
        tuple(runs),
        services.course,
        services.scheduler,
        services.desired_retention,
        since,
    )


def build_statistics(
    sums: LogSums,
    day: Day,
    runs: Sequence[RunEntry],
    course: Course,
    scheduler: Scheduler,
    desired_retention: float,
    since: date | None = None,
) -> Statistics:
    """The figures on `day`; `sums` are told from `since` on, None for the whole log."""
    today = day.day
    first_days = [(days, today - timedelta(days=days - 1)) for days in PERIODS_DAYS]
    ahead, overdue = forecast(day.asked.values(), today, FORECAST_DAYS)
    recent = [run for run in runs if is_since(run, since, scheduler)]
    return Statistics(
        since=since,
        today=today,
        desired_retention=desired_retention,
        known=sums.known,
        periods=(
            *((days, stretch(sums.known, first)) for days, first in first_days),
            (None, stretch(sums.known, min(sums.known, default=today))),
        ),
        foresight=foresight(sums.predictions),
        calibration=calibration(sums.told, recent),
        errors=sums.errors,
        mistakes=mistakes(sums.errors.told, course),
        time=time_spent(sums),
        maturity=maturity(course.cards, day.memories, day.marks),
        topics=topic_progress(course, day.memories, {}, today, scheduler),
        forecast=ahead,
        overdue=overdue,
        hardest=hardest(course, day.memories),
        labs=lab_records(course, runs),
    )


def is_since(run: RunEntry, since: date | None, scheduler: Scheduler) -> bool:
    """True if the run was begun on the study day `since` or later."""
    return since is None or scheduler.study_day(run.started_at) >= since


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


def mistakes(errors: Sequence[ConfidentError], course: Course) -> tuple[Mistake, ...]:
    """Those of the course's cards, in the same order."""
    wanted = {error.card_id for error in errors}
    found = {
        card.id: (card, topic.number)
        for deck in course.decks
        for topic in deck.topics
        for card in topic.cards
        if card.id in wanted
    }
    return tuple(Mistake(*found[each.card_id], each) for each in errors if each.card_id in found)


def lab_records(course: Course, runs: Sequence[RunEntry]) -> tuple[LabRecord, ...]:
    """Every lab of the course with what came of its runs."""
    by_lab: defaultdict[str, list[RunEntry]] = defaultdict(list)
    for run in runs:
        by_lab[run.lab].append(run)
    return tuple(_lab_record(header, by_lab[header.id]) for header in course.labs.values())


def _lab_record(header: LabHeader, own: Sequence[RunEntry]) -> LabRecord:
    judged = [bet.correct for run in own if (bet := run.prediction) and bet.correct is not None]
    n_runs = sum(run.is_complete for run in own)
    return LabRecord(header, n_runs, len(judged), sum(judged), bool(judged and judged[-1]))
