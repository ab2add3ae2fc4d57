"""How study goes beside today's cards: what Home shows of it.

From counts: a log of years is too long to be read each time a screen opens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import TYPE_CHECKING

from studykit.course.cards import Course, Predict
from studykit.progress.stats import (
    KnownCounts,
    Retention,
    TopicProgress,
    calendar,
    forecast,
    retention_since,
    streak,
    topic_progress,
)
from studykit.review.habits import ANSWER_SECONDS
from studykit.review.plan import NO_PLAN, Plan
from studykit.review.schedule import Memory, Scheduler
from studykit.review.study_queue import Counts
from studykit.study.day import read_day

if TYPE_CHECKING:
    from studykit.study.services import Services

DEFAULT_ANSWER_SECONDS = ANSWER_SECONDS
"""The time of one answer, until there are `ENOUGH_TIMED` of the learner's own."""

ENOUGH_TIMED = 20
N_TIMED = 500
"""The latest answers, whose median says how long the next one takes."""

WEEK_DAYS = 7
RETENTION_DAYS = 30
"""Days up to today whose true retention Home tells."""


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
        services.plan,
    )


def build_home_stats(
    answers: Mapping[date, int],
    known: Mapping[date, KnownCounts],
    memories: Mapping[str, Memory],
    asked: Mapping[str, Memory],
    course: Course,
    today: date,
    scheduler: Scheduler,
    plan: Plan = NO_PLAN,
) -> HomeStats:
    """The numbers for Home on `today`.

    `answers` counts all answers by day; `known` the reviews of known cards of at least the last
    `RETENTION_DAYS` days; `memories` are those of the course,
    `asked` the same as they will be asked.
    """
    week, _ = forecast(asked.values(), today, WEEK_DAYS)
    return HomeStats(
        streak_days=streak(answers, today, plan),
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
