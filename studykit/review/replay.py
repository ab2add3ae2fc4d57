"""The memories that a log leads to, of many cards at once.

Equal to `Scheduler.review` called answer by answer: numbers to 1e-9, states, steps, days and
counts exactly. Round n takes the n-th answer of every card, so that the arithmetic of FSRS is
done on arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from studykit.clock import from_ms
from studykit.review.fsrs_arrays import FsrsArrays
from studykit.review.schedule import (
    CAPS_DAYS,
    FUZZ_BANDS,
    FUZZ_FROM_DAYS,
    Memory,
    Rating,
    ScheduleSettings,
    State,
    draw_of,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Days = NDArray[np.datetime64]
"""Study days, `datetime64[D]`; NaT for none."""

NONE = np.iinfo(np.int64).min
"""A whole number that is not there: of a step, or of an instant in milliseconds. As a day: NaT."""

CLOSE = 1e-9
"""Relative difference up to which two numbers of a memory are the same."""

_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Answers:
    """What cards were answered: n rows, those of one card in the order in which they were given."""

    card: Ints
    """Index of the card in `card_ids`."""
    at_ms: Ints
    offset_min: Ints
    day: Days
    """The study day that the answer counts for."""
    rating: Ints
    is_confident_error: Bools
    schedule: Ints
    """Index of the settings by which the card was scheduled then."""


class Outcomes(NamedTuple):
    """The memories that n answers led to, as columns; see `Memory`."""

    state: Ints
    step: Ints
    """`NONE` in Review."""
    stability_days: Floats
    difficulty: Floats
    due_at_ms: Ints
    """`NONE` in Review."""
    due_day: Days
    reps: Ints
    lapses: Ints
    caps_left: Ints

    def take(self, rows: Any) -> Outcomes:
        """Those of some rows."""
        return Outcomes(*(column[rows] for column in self))

    def memory(self, row: int, answers: Answers) -> Memory:
        """The memory after one answer."""
        step, due_at_ms = int(self.step[row]), int(self.due_at_ms[row])
        offset = int(answers.offset_min[row])
        return Memory(
            state=State(int(self.state[row])),
            step=None if step == NONE else step,
            stability_days=float(self.stability_days[row]),
            difficulty=float(self.difficulty[row]),
            due_at=None if due_at_ms == NONE else from_ms(due_at_ms, offset),
            due_day=self.due_day[row].item(),
            last_review_at=from_ms(int(answers.at_ms[row]), offset),
            last_review_day=answers.day[row].item(),
            reps=int(self.reps[row]),
            lapses=int(self.lapses[row]),
            caps_left=int(self.caps_left[row]),
        )


class Replayed(NamedTuple):
    """What a replay finds of n answers."""

    before: Ints
    """State of the card as it was asked; `NONE` where answers before this one are missing."""
    predicted: Floats
    """Probability of recall of a card that was in Review; else NaN."""
    after: Outcomes


def replay(
    card_ids: Sequence[str],
    answers: Answers,
    schedules: Sequence[ScheduleSettings],
    *stored: Outcomes,
    n_removed: Ints | None = None,
) -> Replayed:
    """The memories after each of `answers`, in their order.

    `stored` are versions of what the log holds of them, the preferred one first. Where the
    stability and difficulty of one agree with the replay, its state, step and due day stand: a day
    may have been moved to balance the load, or set by another program. Where the first version
    counts more reviews than there are answers (and answers taken back before, `n_removed`), some
    are missing from the log: what they led to cannot be computed again, so all of it stands.
    """
    n = len(answers.card)
    now = _empty(len(card_ids))
    after, before = _empty(n), np.zeros(n, np.int64)
    predicted = np.full(n, np.nan)
    removed = np.zeros(n, np.int64) if n_removed is None else n_removed
    lacks = _lack_answers(answers.card, len(card_ids), stored, removed)
    schedulers = [_Scheduler(settings) for settings in schedules]
    last_day = np.full(len(card_ids), NONE)
    days = answers.day.astype("datetime64[D]").astype(np.int64)
    for rows in _rounds(answers.card):
        for which in np.unique(answers.schedule[rows]):
            part = rows[answers.schedule[rows] == which]
            cards, scheduler = answers.card[part], schedulers[which]
            known = now.take(cards)
            since = days[part] - last_day[cards]
            is_known = known.state == State.REVIEW
            predicted[part[is_known]] = scheduler.fsrs.retrievability(
                known.stability_days[is_known], since[is_known]
            )
            before[part] = known.state
            found = scheduler.answer(known, _Round(answers, part, days, since, card_ids))
            stands = np.zeros(len(part), np.bool_)
            for version in stored:
                theirs = version.take(part)
                agrees = _agree(found, theirs) & ~stands
                found, stands = _with_stored(found, theirs, agrees), stands | agrees
            if stored:
                theirs = stored[0].take(part)
                is_cut = lacks[cards] & (theirs.reps > found.reps + removed[part])
                found = Outcomes(*map(_either(is_cut), theirs, found))
                before[part[is_cut]], predicted[part[is_cut]] = NONE, np.nan
            for column, kept, value in zip(after, now, found, strict=True):
                column[part] = value
                kept[cards] = value
            last_day[cards] = days[part]
    return Replayed(before, predicted, after)


def _empty(n: int) -> Outcomes:
    """Of cards never reviewed."""
    return Outcomes(
        state=np.full(n, int(State.NEW)),
        step=np.full(n, NONE),
        stability_days=np.full(n, np.nan),
        difficulty=np.full(n, np.nan),
        due_at_ms=np.full(n, NONE),
        due_day=np.full(n, "NaT", "datetime64[D]"),
        reps=np.zeros(n, np.int64),
        lapses=np.zeros(n, np.int64),
        caps_left=np.zeros(n, np.int64),
    )


def _rounds(card: Ints) -> Iterator[Ints]:
    """The rows that are the first of their card, then those that are the second, …"""
    by_card = np.argsort(card, kind="stable")
    sizes = np.bincount(card)
    firsts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = np.arange(len(card)) - firsts
    by_place = by_card[np.argsort(place, kind="stable")]
    yield from np.split(by_place, np.cumsum(np.bincount(place))[:-1])


def _lack_answers(card: Ints, n_cards: int, stored: Sequence[Outcomes], removed: Ints) -> Bools:
    """The cards of which the first version counts more reviews than there ever were answers.

    Of all answers to a card together: a single one that was given by a clock put back may stand
    before others that it counts.
    """
    most, gone = np.zeros(n_cards, np.int64), np.zeros(n_cards, np.int64)
    if stored:
        np.maximum.at(most, card, stored[0].reps)
    np.maximum.at(gone, card, removed)
    lacks: Bools = most > np.bincount(card, minlength=n_cards) + gone
    return lacks


def _agree(found: Outcomes, stored: Outcomes) -> Bools:
    same: Bools = ~np.isnat(stored.due_day)
    same &= np.abs(found.stability_days - stored.stability_days) <= CLOSE * found.stability_days
    same &= np.abs(found.difficulty - stored.difficulty) <= CLOSE * found.difficulty
    return same


def _with_stored(found: Outcomes, stored: Outcomes, agrees: Bools) -> Outcomes:
    """The stored values where they agree; what is counted is counted anew."""
    return Outcomes(*map(_either(agrees), stored, found))._replace(
        reps=found.reps, lapses=found.lapses, caps_left=found.caps_left
    )


def _either(condition: Bools) -> Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]:
    return lambda ours, theirs: np.where(condition, ours, theirs)


@dataclass(frozen=True, slots=True)
class _Round:
    """One answer each of some cards."""

    answers: Answers
    rows: Ints
    days: Ints
    since: Ints
    """Days since the answer before."""
    card_ids: Sequence[str]

    @property
    def rating(self) -> Ints:
        return self.answers.rating[self.rows]

    @property
    def day(self) -> Ints:
        return self.days[self.rows]


class _Scheduler:
    """`Scheduler` for a whole round at once."""

    def __init__(self, settings: ScheduleSettings) -> None:
        self.settings = settings
        self.fsrs = FsrsArrays(settings.parameters)
        self.steps = [StepTable(settings.learning_steps), StepTable(settings.relearning_steps)]

    def answer(self, known: Outcomes, these: _Round) -> Outcomes:
        """What is known of the cards after the answers."""
        rating = these.rating
        is_new = known.stability_days != known.stability_days  # no answer yet, no number
        stability, difficulty = self.fsrs.first(rating)
        old = ~is_new
        stability[old], difficulty[old] = self.fsrs.next(
            known.stability_days[old], known.difficulty[old], rating[old], these.since[old]
        )
        state, step, wait_ms, least_days = self._moved(known, rating)
        lapsed = (known.state == State.REVIEW) & (rating == Rating.AGAIN)
        caps_left = np.where(
            these.answers.is_confident_error[these.rows], len(CAPS_DAYS), known.caps_left
        )
        is_known = state == State.REVIEW

        at_ms = these.answers.at_ms[these.rows]
        due_at_ms = np.where(is_known, NONE, at_ms + wait_ms)
        local_ms = at_ms + wait_ms + these.answers.offset_min[these.rows] * 60_000
        # A day that has begun goes on, also where clocks are put back across its beginning.
        due_day = np.maximum(
            (local_ms - self.settings.rollover_hour * _HOUR_MS) // _DAY_MS, these.day
        )
        days = self._days(stability, rating, is_new, least_days)
        days = self._fuzz(days, known, these, is_known)
        capped = is_known & (caps_left > 0)
        if capped.any():
            days[capped] = np.minimum(days[capped], np.array(CAPS_DAYS)[-caps_left[capped]])
        return Outcomes(
            state=state,
            step=step,
            stability_days=stability,
            difficulty=difficulty,
            due_at_ms=due_at_ms,
            due_day=np.where(is_known, these.day + days, due_day).astype("datetime64[D]"),
            reps=known.reps + 1,
            lapses=known.lapses + lapsed,
            caps_left=caps_left - capped,
        )

    def _moved(self, known: Outcomes, rating: Ints) -> tuple[Ints, Ints, Ints, Ints]:
        """State and step after the ratings, the waits of those in steps, and least intervals."""
        n = len(rating)
        state, step = np.full(n, int(State.REVIEW)), np.full(n, NONE)
        wait_ms, least_days = np.zeros(n, np.int64), np.ones(n, np.int64)
        in_review = known.state == State.REVIEW
        groups = (
            ((known.state == State.NEW) | (known.state == State.LEARNING), State.LEARNING, 0),
            (known.state == State.RELEARNING, State.RELEARNING, 1),
            (in_review & (rating == Rating.AGAIN), State.RELEARNING, 1),
        )
        for mask, named, which in groups:
            if not mask.any():
                continue
            table, ratings = self.steps[which], rating[mask]
            # Who forgets in Review begins the steps, as Again does in any of them.
            place = np.where(known.step[mask] == NONE, 0, known.step[mask])
            place = np.minimum(place, table.n)
            step[mask] = table.step[place, ratings]
            wait_ms[mask] = table.wait_ms[place, ratings]
            least_days[mask] = table.least_days[place, ratings]
            state[mask] = np.where(step[mask] == NONE, int(State.REVIEW), int(named))
        return state, step, wait_ms, least_days

    def _days(self, stability: Floats, rating: Ints, is_new: Bools, least_days: Ints) -> Ints:
        """Intervals before the fuzz; that of a better rating is never the shorter one."""
        intervals = self._interval(stability)
        if is_new.any():
            intervals[is_new] = self._first_days[rating[is_new]]
        return np.maximum(intervals, least_days)

    @cached_property
    def _first_days(self) -> Ints:
        """Rating -> interval of a new card that goes to Review at once.

        Weights whose first stabilities are out of order must not make Easy the shortest. Of later
        answers FSRS itself gives a better rating no shorter interval.
        """
        stability, _ = self.fsrs.first(np.arange(1, 5))
        days = self._interval(stability)
        table = self.steps[0]
        for rating in (Rating.GOOD, Rating.EASY):
            lower = [r for r in (Rating.HARD, Rating.GOOD) if r < rating]
            in_review = [r for r in lower if table.step[0, r] == NONE]
            days[rating - 1] = max([days[rating - 1], *(days[r - 1] for r in in_review)])
        return np.concatenate([[0], days])

    def _interval(self, stability: Floats) -> Ints:
        settings = self.settings
        days = self.fsrs.interval(
            stability, settings.desired_retention, settings.maximum_interval_days
        )
        return days.astype(np.int64)

    def _fuzz(self, days: Ints, known: Outcomes, these: _Round, is_known: Bools) -> Ints:
        """As `Scheduler` moves an interval inside its range, by the same draw."""
        low, high = _fuzz_ranges(days)
        maximum = self.settings.maximum_interval_days
        beyond = high > maximum
        previous = known.due_day.astype(np.int64) - (these.day - these.since)
        grows = ~beyond & (known.state == State.REVIEW) & (previous <= high)
        low = np.where(grows, np.maximum(low, previous + (days > previous)), low)
        low, high = np.where(beyond, np.minimum(low, maximum), low), np.minimum(high, maximum)
        places = np.flatnonzero(is_known & (high > low))
        columns = these.answers.card[these.rows], known.reps, high - low + 1
        drawn = zip(*(column[places].tolist() for column in columns), strict=True)
        moved = low.copy()
        moved[places] += np.fromiter(
            (draw_of(these.card_ids[card], reps) * size >> 64 for card, reps, size in drawn),
            np.int64,
            len(places),
        )
        return moved


class StepTable:
    """What becomes of a card in the (re)learning steps `waits`: tables of step × rating.

    Step `n` stands for that one and all beyond it, where a card is whose steps were made fewer.
    """

    def __init__(self, waits: Sequence[timedelta]) -> None:
        self.n = len(waits)
        shape = (self.n + 1, len(Rating) + 1)
        self.step = np.full(shape, NONE)
        """The step then; `NONE` if the card is in Review."""
        self.wait_ms = np.zeros(shape, np.int64)
        self.least_days = np.ones(shape, np.int64)
        """Whole days that a lower rating (Again left out) would wait in its step."""
        for step in range(self.n + 1):
            for rating in Rating:
                self._set(step, rating, waits)
            for rating in Rating:
                lower = [r for r in (Rating.HARD, Rating.GOOD) if r < rating]
                days = (self.wait_ms[step, r] // _DAY_MS for r in lower)
                self.least_days[step, rating] = max([1, *days])

    def _set(self, step: int, rating: Rating, waits: Sequence[timedelta]) -> None:
        if not waits or (step >= len(waits) and rating is not Rating.AGAIN):
            return
        match rating:
            case Rating.AGAIN:
                after, wait = 0, waits[0]
            case Rating.HARD if step == 0:
                after = 0
                wait = waits[0] * 1.5 if len(waits) == 1 else (waits[0] + waits[1]) / 2
            case Rating.HARD:
                after, wait = step, waits[step]
            case Rating.GOOD if step + 1 < len(waits):
                after, wait = step + 1, waits[step + 1]
            case _:
                return
        self.step[step, rating] = after
        self.wait_ms[step, rating] = round(wait / timedelta(milliseconds=1))


def _fuzz_ranges(days: Ints) -> tuple[Ints, Ints]:
    """`fuzz_range` of each interval."""
    spread = 1.0 + sum(
        share * np.maximum(0.0, np.minimum(days, end) - start) for start, end, share in FUZZ_BANDS
    )
    is_short = days < FUZZ_FROM_DAYS
    low = np.where(is_short, days, np.floor(days - spread + 0.5))
    high = np.where(is_short, days, np.floor(days + spread + 0.5))
    return low.astype(np.int64), high.astype(np.int64)
