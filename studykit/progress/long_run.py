"""How well it stays over months, worked out from sums over the log. Pure."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import median
from typing import Literal, NamedTuple, TypeAlias, get_args

from studykit.progress.stats import (
    Answers,
    KnownCounts,
    Retention,
    known_since,
    monday,
    retention,
)
from studykit.review.marks import Marks
from studykit.review.schedule import Memory, State

Unit: TypeAlias = Literal["day", "week", "month"]
UNITS: tuple[Unit, ...] = get_args(Unit)

MATURE_DAYS = 21
"""A card is mature from this interval on, as Anki counts."""

N_BINS = 20
"""Equal parts of the probabilities of recall from 0 to 1."""

N_ERRORS = 200
"""Cards answered wrongly by a learner who was sure that are told of one by one."""

N_LATEST = 10_000
"""The latest answers, by which times and shares by kind of card are told."""


# --- sums over the log ---


class PredictionCounts(NamedTuple):
    """Reviews of known cards whose probability of recall lay in one bin."""

    bin: int
    """From 0; bin `b` holds probabilities from b/`N_BINS` on, the last one 1 as well."""
    n: int
    predicted: float
    """The sum of the probabilities."""
    remembered: int


class LatestAnswer(NamedTuple):
    """One answer without its card."""

    kind: str
    before: State | None
    """The state in which its card was asked; None where the log does not tell."""
    correct: bool | None
    taken_ms: int


class ConfidentError(NamedTuple):
    """A card that was answered wrongly by a learner who had been sure."""

    card_id: str
    n: int
    """Such answers."""
    day: date
    """The study day of the last one."""
    confidence: int
    """What was said then, in per cent."""
    right_since: bool | None
    """Whether the latest graded answer of a later study day was right; None if there is none."""

    @property
    def is_mended(self) -> bool:
        """True once the right answer has come back on a later day, and has not been lost since."""
        return self.right_since is True


class ConfidentErrors(NamedTuple):
    """All such cards."""

    cards: int
    mended: int
    told: tuple[ConfidentError, ...]
    """`N_ERRORS` of them at most: those not mended first, the latest error first."""


@dataclass(frozen=True, slots=True)
class LogSums:
    """What SQLite sums up of the log, all of one moment. "Since": from some study day on."""

    work: Mapping[date, Answers]
    """Of every day that has an answer, oldest first."""
    known: Mapping[date, KnownCounts]
    """Of every day that has a review of a known card, oldest first."""
    cards: int
    """Cards that were ever answered."""
    latest: tuple[LatestAnswer, ...]
    """The latest answers, newest first."""
    told: Mapping[int, tuple[int, int]]
    """Confidence in per cent -> graded answers given with it since, how many of them were right."""
    predictions: tuple[PredictionCounts, ...]
    """Of the reviews since."""
    errors: ConfidentErrors
    """Of the answers since."""


NO_SUMS = LogSums({}, {}, 0, (), {}, (), ConfidentErrors(0, 0, ()))
"""Of an empty log."""


# --- true retention ---


@dataclass(frozen=True, slots=True)
class Stretch:
    """True retention of some study days, beside what the schedule expected of the same reviews."""

    begin: date
    """The first day of the day, week or month itself, whether or not it was studied on."""
    seen: Retention
    expected: float | None
    """The mean probability of recall; None where it is not known."""


def stretch(known: Mapping[date, KnownCounts], since: date) -> Stretch:
    """All days from `since` on in one."""
    counts = known_since(known, since)
    return Stretch(since, retention(*counts[:4]), _mean(counts.predicted, counts.n_predicted))


def retention_by(known: Mapping[date, KnownCounts], unit: Unit) -> tuple[Stretch, ...]:
    """Each day, week (from Monday on) or month with a review of a known card, oldest first."""
    days: defaultdict[date, dict[date, KnownCounts]] = defaultdict(dict)
    for day, counts in known.items():
        days[_begin(day, unit)][day] = counts
    return tuple(stretch(days[begin], begin) for begin in sorted(days))


def _begin(day: date, unit: Unit) -> date:
    match unit:
        case "day":
            return day
        case "week":
            return monday(day)
        case "month":
            return day.replace(day=1)


def _mean(total: float, n: int) -> float | None:
    return total / n if n else None


# --- calibration of the schedule ---


@dataclass(frozen=True, slots=True)
class Foretold:
    """Reviews of known cards that were about as likely to be remembered."""

    low: float
    high: float
    """The bounds of the probability of recall; only the highest bin holds its upper one."""
    mean: float
    """The mean probability of recall."""
    seen: Retention


@dataclass(frozen=True, slots=True)
class Foresight:
    """How well the schedule foretells what is remembered."""

    bins: tuple[Foretold, ...]
    """Those that hold a review, the least likely first."""
    mean: float | None
    """The mean probability of recall of all; None without a review."""
    seen: Retention
    """What came of all."""
    error: float | None
    """Root mean square of a bin's mean probability less its share remembered, bins weighted by
    their reviews."""


def foresight(counts: Iterable[PredictionCounts]) -> Foresight:
    """What the schedule expected against what came of it."""
    counts = sorted(counts)
    n = sum(each.n for each in counts)
    squares = sum((each.predicted - each.remembered) ** 2 / each.n for each in counts)
    return Foresight(
        bins=tuple(
            Foretold(
                low=each.bin / N_BINS,
                high=(each.bin + 1) / N_BINS,
                mean=each.predicted / each.n,
                seen=retention(each.n, each.remembered),
            )
            for each in counts
        ),
        mean=_mean(sum(each.predicted for each in counts), n),
        seen=retention(n, sum(each.remembered for each in counts)),
        error=math.sqrt(squares / n) if n else None,
    )


# --- time ---


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast some answers were, and how many of them right."""

    n: int
    seconds: float
    """The median time of one, which a break at a card leaves alone; 0 without any."""
    graded: int
    right: int


def pace_of(answers: Sequence[LatestAnswer]) -> Pace:
    """Of these answers."""
    graded = [each.correct for each in answers if each.correct is not None]
    seconds = median(each.taken_ms for each in answers) / 1000 if answers else 0.0
    return Pace(len(answers), seconds, len(graded), sum(graded))


@dataclass(frozen=True, slots=True)
class TimeSpent:
    """What studying takes."""

    days: tuple[tuple[date, Answers], ...]
    """Every study day with an answer, oldest first."""
    answers: int
    seconds: float
    """Of all answers ever, each from the card's appearing to its rating."""
    cards: int
    """Cards that they were given to."""
    latest: Pace
    by_state: tuple[tuple[State, Pace], ...]
    """The latest by the state in which the card was asked."""
    by_kind: tuple[tuple[str, Pace], ...]
    """The latest by kind of card, the slowest first."""

    def seconds_a_card(self) -> float | None:
        """All that was spent on a card up to now, on average; None before the first."""
        return self.seconds / self.cards if self.cards else None

    def weeks(self, today: date, n_weeks: int) -> tuple[tuple[date, float], ...]:
        """Monday -> seconds of its week, of the latest `n_weeks`, this one included."""
        seconds: defaultdict[date, float] = defaultdict(float)
        for day, work in self.days:
            seconds[monday(day)] += work.taken_ms / 1000
        first = monday(today) - timedelta(weeks=n_weeks - 1)
        mondays = (first + timedelta(weeks=n) for n in range(n_weeks))
        return tuple((begin, seconds[begin]) for begin in mondays)


def time_spent(sums: LogSums) -> TimeSpent:
    """What studying took."""
    states: defaultdict[State, list[LatestAnswer]] = defaultdict(list)
    kinds: defaultdict[str, list[LatestAnswer]] = defaultdict(list)
    for each in sums.latest:
        kinds[each.kind].append(each)
        if each.before is not None:
            states[each.before].append(each)
    by_kind = [(kind, pace_of(answers)) for kind, answers in kinds.items()]
    return TimeSpent(
        days=tuple(sums.work.items()),
        answers=sum(work.n for work in sums.work.values()),
        seconds=sum(work.taken_ms for work in sums.work.values()) / 1000,
        cards=sums.cards,
        latest=pace_of(sums.latest),
        by_state=tuple((state, pace_of(states[state])) for state in sorted(states)),
        by_kind=tuple(sorted(by_kind, key=lambda each: (-each[1].seconds, each[0]))),
    )


# --- maturity ---


@dataclass(frozen=True, slots=True)
class Maturity:
    """The cards of a course by how far they have come."""

    unseen: int
    learning: int
    """In the steps of a new card."""
    relearning: int
    """In the steps of a forgotten one."""
    young: int
    """In Review with an interval of less than `MATURE_DAYS`."""
    mature: int
    suspended: int
    """Of all of these, put aside for good."""
    stability_days: float | None
    """Median of those in Review; None without one."""

    @property
    def cards(self) -> int:
        """All of them."""
        return self.unseen + self.learning + self.relearning + self.young + self.mature


def maturity(card_ids: Collection[str], memories: Mapping[str, Memory], marks: Marks) -> Maturity:
    """Of the cards with these ids."""
    known = [memories[card_id] for card_id in card_ids if card_id in memories]
    states = Counter(memory.state for memory in known)
    in_review = [memory for memory in known if memory.state is State.REVIEW]
    mature = sum(interval_days(memory) >= MATURE_DAYS for memory in in_review)
    stabilities = [m.stability_days for m in in_review if m.stability_days is not None]
    return Maturity(
        unseen=len(card_ids) - len(known) + states[State.NEW],
        learning=states[State.LEARNING],
        relearning=states[State.RELEARNING],
        young=len(in_review) - mature,
        mature=mature,
        suspended=len(marks.suspended.intersection(card_ids)),
        stability_days=median(stabilities) if stabilities else None,
    )


def interval_days(memory: Memory) -> int:
    """Days from a card's last review to the day it is due; 0 for one that was never reviewed."""
    if memory.due_day is None or memory.last_review_day is None:
        return 0
    return (memory.due_day - memory.last_review_day).days
