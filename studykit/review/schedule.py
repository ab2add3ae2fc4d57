"""When to ask a card again: FSRS-6 behind a few functions, on our own study days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum


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


NEW_MEMORY = Memory()
