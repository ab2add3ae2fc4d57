"""How much was studied and how well it stays, in numbers. Pure."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from studykit.course.contents import AnyCourse
from studykit.review.plan import NO_PLAN, Plan
from studykit.review.practice import Practised
from studykit.review.schedule import NEW_MEMORY, Memory, Scheduler, State, is_leech

ENOUGH = 10
"""Fewer answers than this say nothing about a share."""

FORECAST_DAYS = 30
"""Days that the forecast looks ahead, today included."""

N_HARDEST = 10
"""Cards named as the hardest."""

CALENDAR_WEEKS = 26
"""Weeks that the calendar shows, the current one included."""

_Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Tally:
    """Answers counted."""

    reviews: int
    new: int
    """Cards answered for the first time ever."""
    again: int
    seconds: float
    """From a card's appearing to its rating."""


@dataclass(frozen=True, slots=True)
class Retention:
    """True retention: of the reviews of cards that were in Review, how many were remembered.

    Remembered: not rated Again. Learning and relearning steps do not count.
    """

    n: int
    remembered: int
    low: float | None
    """The 95 % interval by Wilson's method; None without a review."""
    high: float | None
    graded: int = 0
    """Those of the `n` whose answer was graded right or wrong, whatever it was rated."""
    right: int = 0

    @property
    def is_flattering(self) -> bool:
        """True if far fewer answers were right than the ratings say were remembered."""
        if self.low is None or min(self.n, self.graded) < ENOUGH:
            return False
        return wilson_interval(self.right, self.graded)[1] < self.low

    @property
    def share(self) -> float | None:
        """`remembered` of `n`, None without a review."""
        return self.remembered / self.n if self.n else None


@dataclass(frozen=True, slots=True)
class TopicProgress:
    """How far one topic is learned, and what was studied of it in the period."""

    deck_id: str
    number: str
    title: str
    cards: int
    unseen: int
    learning: int
    """In learning or relearning steps."""
    known: int
    """In Review."""
    mastery: float
    """Share of the topic's cards expected to be recalled today: the probabilities of recall of
    those in Review, over all its cards. Unseen cards and those in steps add nothing."""
    studied: Tally


@dataclass(frozen=True, slots=True)
class HardCard:
    """A card that was forgotten."""

    card_id: str
    topic_number: str
    question: str
    lapses: int
    reviews: int
    is_leech: bool
    """It lapsed so often that it wants to be rewritten."""


@dataclass(frozen=True, slots=True)
class PretestScore:
    """What was known of a topic's cards before learning them, and what is known of them now."""

    topic_number: str
    title: str
    day: date
    """The study day of its latest answer."""
    judged: int
    """Cards whose pretest answer was right or wrong."""
    right: int
    judged_since: int
    """Of the same cards, those that a review has judged by now."""
    right_since: int
    """Those whose last judged review was right."""


@dataclass(frozen=True, slots=True)
class Sureness:
    """Answers given with about the same confidence."""

    stated: float
    """The mean of what the learner said, in per cent."""
    outcome: Retention
    """How many of them were right, with the interval of that share."""


class Answers(NamedTuple):
    """Answers counted, those of a day or those to a card."""

    n: int
    new: int
    """To cards never asked before."""
    again: int
    """Rated Again."""
    taken_ms: int
    graded: int
    right: int


def tally(answers: Iterable[Answers]) -> Tally:
    """All of them together."""
    n, new, again, taken_ms, *_ = map(sum, zip(NO_ANSWERS, *answers, strict=True))
    return Tally(reviews=n, new=new, again=again, seconds=taken_ms / 1000)


NO_ANSWERS = Answers(0, 0, 0, 0, 0, 0)


class KnownCounts(NamedTuple):
    """Reviews of cards that were in Review, counted."""

    n: int
    remembered: int
    graded: int
    """Those whose answer was graded."""
    right: int
    predicted: float = 0.0
    """The sum of the probabilities of recall of those that have one."""
    n_predicted: int = 0


def total_known(counts: Iterable[KnownCounts]) -> KnownCounts:
    """All of them together."""
    return KnownCounts(*map(sum, zip(NO_KNOWN, *counts, strict=True)))


NO_KNOWN = KnownCounts(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class ReportSums:
    """What a report needs of the log: counts, because a log of years is too long to be read."""

    days: Mapping[date, Answers]
    """Study day -> its answers, of the whole log, oldest first."""
    known: Mapping[date, KnownCounts]
    """Study day -> reviews of cards that were in Review, of the period at least."""
    cards: Mapping[str, Answers]
    """Card id -> its answers in the period."""
    told: Mapping[int, tuple[int, int]]
    """Confidence in per cent -> graded answers of the period given with it, and how many of them
    were right."""
    latest_grades: Mapping[str, bool]
    """Card id -> whether its last graded review was right; of cards that a pretest has asked."""


NO_REPORT_SUMS = ReportSums({}, {}, {}, {}, {})
"""Of an empty log."""


def retention(n: int, remembered: int, graded: int = 0, right: int = 0) -> Retention:
    """The share with its interval."""
    low, high = wilson_interval(remembered, n) if n else (None, None)
    return Retention(n, remembered, low, high, graded, right)


def retention_since(known: Mapping[date, KnownCounts], since: date) -> Retention:
    """True retention from the day `since` on."""
    return retention(*known_since(known, since)[:4])


def known_since(known: Mapping[date, KnownCounts], since: date) -> KnownCounts:
    """All of them from the day `since` on in one."""
    return total_known(counts for day, counts in known.items() if day >= since)


def wilson_interval(k: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share of which `k` of `n` were seen; `n` is not 0."""
    share, z2 = k / n, _Z_95**2
    middle = share + z2 / (2 * n)
    spread = _Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    low, high = ((middle + sign * spread) / (1 + z2 / n) for sign in (-1, 1))
    return 0.0 if k == 0 else low, 1.0 if k == n else high  # exactly, whatever the rounding


def streak(days: Container[date], today: date, plan: Plan = NO_PLAN) -> int:
    """Study days in a row in `days`, up to today, or to yesterday while today is not in it.

    Days off that are not in it neither count nor end the row.
    """
    day = today if today in days else today - timedelta(days=1)
    n = 0
    while day in days or plan.share(day) == 0:
        n += day in days
        day -= timedelta(days=1)
    return n


def monday(day: date) -> date:
    """The first day of the week of `day`."""
    return day - timedelta(days=day.weekday())


def calendar(answers: Mapping[date, int], today: date) -> tuple[tuple[date, int], ...]:
    """Each day from the Monday `CALENDAR_WEEKS` ago to `today`, with its answers."""
    first = monday(today) - timedelta(weeks=CALENDAR_WEEKS - 1)
    days = (first + timedelta(days=n) for n in range((today - first).days + 1))
    return tuple((day, answers.get(day, 0)) for day in days)


def forecast(
    memories: Iterable[Memory], today: date, n_days: int
) -> tuple[tuple[tuple[date, int], ...], int]:
    """Cards due on each of `n_days` from today on, those overdue today; how many are overdue."""
    dues = [memory.due_day for memory in memories if memory.due_day is not None]
    counts = Counter(max(due, today) for due in dues)
    ahead = (today + timedelta(days=n) for n in range(n_days))
    return tuple((day, counts[day]) for day in ahead), sum(due < today for due in dues)


def topic_progress(
    course: AnyCourse,
    memories: Mapping[str, Memory],
    studied: Mapping[str, Answers],
    today: date,
    scheduler: Scheduler,
) -> tuple[TopicProgress, ...]:
    """Every topic that has cards, in the course's order; `studied` counts the answers by card."""
    topics = []
    for deck in course.decks:
        for topic in deck.topics:
            known = [memories.get(card.id, NEW_MEMORY) for card in topic.cards]
            if not known:
                continue
            states = Counter(memory.state for memory in known)
            recalled = sum(
                scheduler.retrievability(memory, today)
                for memory in known
                if memory.state is State.REVIEW
            )
            topics.append(
                TopicProgress(
                    deck_id=deck.id,
                    number=topic.number,
                    title=topic.title,
                    cards=len(known),
                    unseen=states[State.NEW],
                    learning=states[State.LEARNING] + states[State.RELEARNING],
                    known=states[State.REVIEW],
                    mastery=recalled / len(known),
                    studied=tally(studied[card.id] for card in topic.cards if card.id in studied),
                )
            )
    return tuple(topics)


def hardest(course: AnyCourse, memories: Mapping[str, Memory]) -> tuple[HardCard, ...]:
    """The cards with most lapses, hardest first; at equal lapses the one with fewer reviews."""
    forgotten = (
        (memory, card, topic)
        for deck in course.decks
        for topic in deck.topics
        for card in topic.cards
        if (memory := memories.get(card.id, NEW_MEMORY)).lapses
    )
    worst = heapq.nsmallest(
        N_HARDEST, forgotten, key=lambda each: (-each[0].lapses, each[0].reps, each[1].id)
    )
    return tuple(
        HardCard(card.id, topic.number, card.headline, memory.lapses, memory.reps, is_leech(memory))
        for memory, card, topic in worst
    )


def pretest_scores(
    practised: Iterable[Practised], since: Mapping[str, bool], course: AnyCourse
) -> tuple[PretestScore, ...]:
    """Of each topic with a judged pretest answer, in the course's order.

    `since` says of these cards, as far as a review has judged them, whether the last one that did
    was right.
    """
    before = {
        each.card_id: each
        for each in practised
        if each.mode == "pretest" and each.correct is not None
    }
    scores = []
    for deck in course.decks:
        for topic in deck.topics:
            asked = [before[card.id] for card in topic.cards if card.id in before]
            if asked:
                later = [since[each.card_id] for each in asked if each.card_id in since]
                scores.append(
                    PretestScore(
                        topic_number=topic.number,
                        title=topic.title,
                        day=max(each.day for each in asked),
                        judged=len(asked),
                        right=sum(each.correct is True for each in asked),
                        judged_since=len(later),
                        right_since=sum(later),
                    )
                )
    return tuple(scores)
