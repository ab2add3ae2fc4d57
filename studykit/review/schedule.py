"""When to ask a card again: FSRS-6 behind a few functions, on our own study days."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from functools import cached_property
from typing import Protocol

import fsrs
from fsrs.scheduler import (
    DEFAULT_PARAMETERS,
    LOWER_BOUNDS_PARAMETERS,
    UPPER_BOUNDS_PARAMETERS,
)

from studykit.clock import from_ms, offset_minutes, study_day, to_ms
from studykit.settings import ReviewSettings

FIRST_LAPSES = 8
"""A card that lapsed so often is a leech."""

NEXT_LAPSES = 4
"""Said again after so many more."""

FUZZ_FROM_DAYS = 2.5
"""A shorter interval stays as it is."""

FUZZ_BANDS = ((2.5, 7.0, 0.15), (7.0, 20.0, 0.10), (20.0, math.inf, 0.05))
"""From, to, share: each day of an interval inside a band widens its range by `share` of a day."""

CAPS_DAYS = (1, 7)
"""The longest that the first and the second interval after a confident error may be.

What was wrong and firmly believed is corrected at once and gladly, but the old belief returns
within the week unless the right answer is recalled before.
"""

LONGEST_INTERVAL_DAYS = 36500
"""No card waits longer than a century."""

CLOCK_SLACK = timedelta(minutes=5)
"""A clock that is put back by less is not noticed."""

DEFAULT_WEIGHTS = DEFAULT_PARAMETERS
"""The weights that FSRS-6 comes with, fitted to many learners."""

WEIGHT_BOUNDS = tuple(zip(LOWER_BOUNDS_PARAMETERS, UPPER_BOUNDS_PARAMETERS, strict=True))
"""Least and greatest value of each weight of FSRS-6."""

DAYS_PER_YEAR = 365.25
DAYS_PER_MONTH = DAYS_PER_YEAR / 12


class Rating(IntEnum):
    """How well the learner knew the answer."""

    AGAIN = 1
    HARD = 2
    GOOD = 3
    EASY = 4


class State(IntEnum):
    """Where a card is in its life."""

    NEW = 0
    LEARNING = 1
    REVIEW = 2
    RELEARNING = 3


@dataclass(frozen=True, slots=True)
class Memory:
    """What is known of the learner's memory of one card. A card never reviewed is `NEW_MEMORY`."""

    state: State = State.NEW
    step: int | None = None
    """Index of the (re)learning step, None in Review."""
    stability_days: float | None = None
    difficulty: float | None = None
    """1 (easy) to 10."""
    due_at: datetime | None = None
    """The instant that a (re)learning step ends; None in New and Review."""
    due_day: date | None = None
    """The study day from which a card in any state but New is asked."""
    last_review_at: datetime | None = None
    last_review_day: date | None = None
    reps: int = 0
    """Reviews so far."""
    lapses: int = 0
    """Times that it was rated Again in Review."""
    caps_left: int = 0
    """Intervals in days yet to come that `CAPS_DAYS` keeps short."""


NEW_MEMORY = Memory()


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """Everything but the card's own history that decides when it comes again."""

    desired_retention: float = 0.9
    """Probability of recall at which a card becomes due."""
    learning_steps: tuple[timedelta, ...] = (timedelta(minutes=1), timedelta(minutes=10))
    """Waits of a new card before its first interval in days; none: in days at once."""
    relearning_steps: tuple[timedelta, ...] = (timedelta(minutes=10),)
    """Waits of a forgotten card before its next interval in days."""
    maximum_interval_days: int = LONGEST_INTERVAL_DAYS
    rollover_hour: int = 4
    """Local hour at which a study day begins."""
    parameters: tuple[float, ...] = DEFAULT_WEIGHTS
    """The 21 weights of FSRS-6."""

    def as_json(self) -> str:
        """All of them as a JSON object, for `from_json`."""
        return json.dumps(asdict(self), default=timedelta.total_seconds)

    @classmethod
    def from_json(cls, text: str) -> ScheduleSettings:
        """What `as_json` has written; unknown names are passed over, missing ones are the defaults.

        Raises `ValueError`, `TypeError` or `OverflowError` for anything else.
        """
        document = json.loads(text)
        if not isinstance(document, dict):
            raise ValueError("not an object")
        known = {each.name for each in fields(cls)}
        values = {name: value for name, value in document.items() if name in known}
        for name in ("learning_steps", "relearning_steps"):
            if name in values:
                values[name] = tuple(timedelta(seconds=seconds) for seconds in values[name])
        values["parameters"] = tuple(values.get("parameters", DEFAULT_WEIGHTS))
        settings = cls(**values)
        Scheduler(settings)  # which refuses weights that are none
        hour, longest = settings.rollover_hour, settings.maximum_interval_days
        steps = (*settings.learning_steps, *settings.relearning_steps)
        if not (
            0 < settings.desired_retention < 1
            and (type(hour) is int and 0 <= hour < 24)
            and (type(longest) is int and 1 <= longest <= LONGEST_INTERVAL_DAYS)
            and all(timedelta(0) <= step <= timedelta(LONGEST_INTERVAL_DAYS) for step in steps)
        ):
            raise ValueError("a retention, an hour, an interval or a step that no schedule has")
        return settings

    @classmethod
    def from_settings(
        cls, review: ReviewSettings, weights: tuple[float, ...] = DEFAULT_WEIGHTS
    ) -> ScheduleSettings:
        """The learner's preferences and weights."""
        return cls(
            parameters=weights,
            desired_retention=review.desired_retention,
            learning_steps=tuple(timedelta(minutes=m) for m in review.learning_steps_minutes),
            relearning_steps=tuple(timedelta(minutes=m) for m in review.relearning_steps_minutes),
            maximum_interval_days=review.maximum_interval_days,
            rollover_hour=review.rollover_hour,
        )


class Placing(Protocol):
    """Chooses among the days on which the fuzz lets a review fall."""

    def __call__(self, day: date, low: int, high: int, most: int, draw: int) -> int:
        """An interval in days, from the study day `day` on.

        It is from `low` to `high`, both at least 1, or `most`, if that is less. `draw` is random,
        from 0 to 2^64 - 1, and the same for the same card and count of reviews.
        """


def draw_evenly(day: date, low: int, high: int, most: int, draw: int) -> int:
    """A `Placing` for which all days are alike."""
    return min(low + (draw * (high - low + 1) >> 64), most)


class Scheduler:
    """FSRS-6 on study days: memory + rating + instant -> memory, the same for the same input.

    The `fsrs` package counts whole periods of 24 hours and fuzzes by the global random numbers.
    Here it is told midnights in UTC, one for each study day, so that its day count is the
    difference of study days; and the fuzz is our own, drawn from the card's id and review count.
    """

    def __init__(self, settings: ScheduleSettings) -> None:
        self.settings = settings
        self._fsrs = fsrs.Scheduler(
            parameters=settings.parameters,
            desired_retention=settings.desired_retention,
            learning_steps=settings.learning_steps,
            relearning_steps=settings.relearning_steps,
            maximum_interval=settings.maximum_interval_days,
            enable_fuzzing=False,
        )
        self._decay = -settings.parameters[20]
        self._factor: float = 0.9 ** (1 / self._decay) - 1
        self._aimed: dict[float, Scheduler] = {settings.desired_retention: self}

    def aiming_at(self, desired_retention: float) -> Scheduler:
        """The scheduler that differs in the desired retention alone."""
        if desired_retention not in self._aimed:
            settings = replace(self.settings, desired_retention=desired_retention)
            self._aimed[desired_retention] = Scheduler(settings)
        return self._aimed[desired_retention]

    @cached_property
    def version(self) -> str:
        """The model's package with its version, as every review row names it."""
        # Imported here: it costs as much as all of fsrs and only a rating needs it.
        from importlib.metadata import version

        return f"fsrs-{version('fsrs')}"

    @cached_property
    def parameters_id(self) -> str:
        """Short name of the settings: two schedulers with one id schedule alike."""
        return hashlib.blake2b(repr(self.settings).encode(), digest_size=6).hexdigest()

    def study_day(self, at: datetime) -> date:
        """The study day that `at` belongs to."""
        return study_day(at, self.settings.rollover_hour)

    def review(
        self,
        card_id: str,
        memory: Memory,
        rating: Rating,
        at: datetime,
        *,
        is_confident_error: bool = False,
        placing: Placing = draw_evenly,
    ) -> Memory:
        """What is known of the card's memory once it has been rated at `at`.

        A clock that went back counts as the same study day: no days have passed.
        """
        day = self.study_day(at)
        card, wait = self._ask_fsrs(memory, rating, day)
        known = Memory(
            state=State(card.state),
            step=card.step,
            stability_days=card.stability,
            difficulty=card.difficulty,
            last_review_at=at,
            last_review_day=day,
            reps=memory.reps + 1,
            lapses=memory.lapses + (memory.state is State.REVIEW and rating is Rating.AGAIN),
            caps_left=len(CAPS_DAYS) if is_confident_error else memory.caps_left,
        )
        if known.state is State.REVIEW:
            # Weights whose first stabilities are out of order must not make Easy the shortest.
            lower = [r for r in (Rating.HARD, Rating.GOOD) if r < rating]
            waits = [wait.days, *(self._ask_fsrs(memory, r, day)[1].days for r in lower)]
            most = self.settings.maximum_interval_days
            if known.caps_left:
                most = min(most, CAPS_DAYS[-known.caps_left])
                known = replace(known, caps_left=known.caps_left - 1)
            draw = draw_of(card_id, memory.reps)
            # A lower rating that leads to a step of minutes has no days.
            intervals = {n for n in waits if n}
            placed = (placing(day, *self._range(n, memory), most, draw) for n in intervals)
            return replace(known, due_day=day + timedelta(days=max(placed)))
        # Through UTC: adding to a local time would lose or gain the hour when clocks change.
        ends = (at.astimezone(UTC) + wait).astimezone(at.tzinfo)
        # A fixed offset: instants of one zone that has summer time compare by the wall clock.
        due_at = from_ms(to_ms(ends), offset_minutes(ends))
        return replace(known, due_at=due_at, due_day=self.study_day(due_at))

    def preview(
        self,
        card_id: str,
        memory: Memory,
        at: datetime,
        *,
        is_confident_error: bool = False,
        placing: Placing = draw_evenly,
    ) -> dict[Rating, Memory]:
        """What `review` would give for each rating."""
        return {
            rating: self.review(
                card_id,
                memory,
                rating,
                at,
                is_confident_error=is_confident_error,
                placing=placing,
            )
            for rating in Rating
        }

    def retrievability(self, memory: Memory, day: date) -> float:
        """Probability of recall on `day`; 0 for a card never reviewed."""
        if memory.last_review_day is None or memory.stability_days is None:
            return 0.0
        # As the package works it out, without a card of its own for each: a fifth of the time.
        days = max(0, (day - memory.last_review_day).days)
        recall: float = (1 + self._factor * days / memory.stability_days) ** self._decay
        return recall

    def predicted(self, memory: Memory, day: date) -> float | None:
        """Probability of recall on `day` of a card in Review; None in any other state.

        Of those FSRS expects nothing that an answer could be held against: a step of minutes is
        within one day, and on one day nothing is forgotten.
        """
        return self.retrievability(memory, day) if memory.state is State.REVIEW else None

    @staticmethod
    def fading(memory: Memory, day: date) -> float:
        """Days since the last review over the stability; infinite for a card never reviewed.

        In FSRS `retrievability` falls with it and with nothing else, so it puts many cards into
        the same order at a tenth of the time.
        """
        if memory.last_review_day is None or memory.stability_days is None:
            return math.inf
        return max(0, (day - memory.last_review_day).days) / memory.stability_days

    def _ask_fsrs(self, memory: Memory, rating: Rating, day: date) -> tuple[fsrs.Card, timedelta]:
        """The card after the rating, and how long until it is due: whole days in Review."""
        card, _ = self._fsrs.review_card(_to_fsrs(memory, day), fsrs.Rating(rating), _midnight(day))
        return card, card.due - _midnight(day)

    def _range(self, days: int, memory: Memory) -> tuple[int, int]:
        """The intervals that `days` may become, so that cards learned together part.

        A better rating never gives a shorter interval: both ends grow with `days`.
        """
        low, high = fuzz_range(days)
        maximum = self.settings.maximum_interval_days
        if high > maximum:
            # Here the fuzz keeps its room below, or all cards would end at the same interval.
            return min(low, maximum), maximum
        if memory.state is State.REVIEW and memory.due_day and memory.last_review_day:
            previous = (memory.due_day - memory.last_review_day).days
            if previous <= high:  # else the model itself says that it was too long
                low = max(low, previous + (days > previous))
        return low, high


def draw_of(card_id: str, reps: int) -> int:
    """A whole number from 0 to 2^64 - 1: one draw for all four ratings of a review."""
    digest = hashlib.blake2b(f"{card_id}:{reps}".encode(), digest_size=8).digest()
    return int.from_bytes(digest)


def fuzz_range(days: int) -> tuple[int, int]:
    """Shortest and longest interval that `days` may become."""
    if days < FUZZ_FROM_DAYS:
        return days, days
    spread = 1.0 + sum(share * max(0.0, min(days, end) - start) for start, end, share in FUZZ_BANDS)
    return math.floor(days - spread + 0.5), math.floor(days + spread + 0.5)


def is_due(memory: Memory, at: datetime, day: date) -> bool:
    """True if a card that was reviewed before is to be asked at `at`, on the study day `day`."""
    if memory.state is State.NEW or memory.due_day is None:
        return False
    if memory.state is State.REVIEW or memory.due_at is None:
        return memory.due_day <= day
    if memory.last_review_at is not None and is_behind(at, memory.last_review_at):
        return True  # how much of the step is over is unknown, and it is short
    return memory.due_at <= at or memory.due_day < day


def is_behind(at: datetime, latest: datetime) -> bool:
    """True if the clock, which says `at`, was put back after it had said `latest`."""
    return latest - at > CLOCK_SLACK


def describe_interval(after: Memory) -> str:
    """How long from its last review until a card comes again: "10 min", "13 d", "2.1 mo"."""
    if after.last_review_at is None or after.last_review_day is None or after.due_day is None:
        return ""
    if after.due_at is not None:
        # Whole seconds: the end of a step is kept in milliseconds, the review may be finer.
        minutes = round((after.due_at - after.last_review_at).total_seconds()) / 60
        if minutes < 1:
            return "<1 min"
        whole = math.floor(minutes + 0.5)  # round() makes 4 of 4.5 and 6 of 5.5
        return f"{whole} min" if whole < 60 else f"{_short(minutes / 60)} h"
    days = (after.due_day - after.last_review_day).days
    if days < 31:
        return f"{days} d"
    if days < 365:
        return f"{_short(days / DAYS_PER_MONTH)} mo"
    return f"{_short(days / DAYS_PER_YEAR)} y"


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _to_fsrs(memory: Memory, day: date) -> fsrs.Card:
    """The memory as the package has it, seen on `day`; it has no New, and sleeps to make an id."""
    last = memory.last_review_day
    return fsrs.Card(
        card_id=0,
        state=fsrs.State(memory.state or State.LEARNING),
        step=memory.step,
        stability=memory.stability_days,
        difficulty=memory.difficulty,
        due=_midnight(day),
        last_review=None if last is None else _midnight(last),
    )


def is_leech(memory: Memory) -> bool:
    """True from the eighth lapse on."""
    return memory.lapses >= FIRST_LAPSES


def turned_leech(before: Memory, after: Memory) -> bool:
    """True if the review between them is the one to say it at: the 8th lapse, the 12th, …"""
    lapsed = after.lapses > before.lapses
    return lapsed and is_leech(after) and (after.lapses - FIRST_LAPSES) % NEXT_LAPSES == 0
