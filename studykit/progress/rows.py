"""Values as rows of the tables, and back: log and memories."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Any

from sqlalchemy import delete, insert
from sqlmodel import Session, col

from studykit.clock import from_ms, offset_minutes, to_ms
from studykit.progress.database import driver_of
from studykit.progress.soundness import checks_of, require, require_all, require_memory
from studykit.progress.tables import METADATA, MemoryColumns, MemoryRow, ReviewRow
from studykit.review.schedule import NEW_MEMORY, Memory, Rating, State
from studykit.review.session import Review
from studykit.text import clean

_MEMORIES = METADATA.tables["memories"]
_REVIEWS = METADATA.tables["reviews"]

_OF_A_MEMORY = (*MemoryColumns.model_fields, "caps_left")

MEMORY_COLUMNS = tuple(_MEMORIES.c[name] for name in _OF_A_MEMORY)
"""What `memory_of` wants, in its order."""

_OF_A_REVIEW = (
    *("card_id", "at_ms", "offset_min", "day", "rating", "kind", "correct", "suggested"),
    *("given", "confidence", "taken_ms", "scheduler", "parameters_id", "content_hash"),
    *("state_before", "predicted", "score"),
)

REVIEW_COLUMNS = tuple(_REVIEWS.c[name] for name in (*_OF_A_MEMORY, *_OF_A_REVIEW))
"""What `review_of` wants, in its order: the memory first."""

ALL = "1"
"""The condition that holds for every row."""

MEMORY_VALUES = ", ".join(("card_id", *_OF_A_MEMORY))
"""The columns of `memories`, which a review has, too."""

_MEMORY_CHECKS = checks_of("memories", _OF_A_MEMORY)
_REVIEW_CHECKS = checks_of("reviews", (*_OF_A_MEMORY, *_OF_A_REVIEW))
_STATES = {int(state): state for state in State}
_RATINGS = {int(rating): rating for rating in Rating}


def memory_columns(memory: Memory) -> dict[str, Any]:
    """The values of `MemoryColumns` for `memory`."""
    return {
        "state": int(memory.state),
        "step": memory.step,
        "stability_days": memory.stability_days,
        "difficulty": memory.difficulty,
        "due_at_ms": _ms(memory.due_at),
        "due_day": _iso(memory.due_day),
        "last_review_at_ms": _ms(memory.last_review_at),
        "last_review_day": _iso(memory.last_review_day),
        "reps": memory.reps,
        "lapses": memory.lapses,
        "caps_left": memory.caps_left,
    }


def memory_of(columns: Sequence[Any]) -> Memory:
    """The memory in the values of `MEMORY_COLUMNS`; its instants are in UTC.

    Raises `RowError` for values that no memory has.
    """
    require(_MEMORY_CHECKS, columns)
    return _memory_of(columns)


def _memory_of(columns: Sequence[Any]) -> Memory:
    require_memory(columns)
    return _built(*columns)


def _built(
    state: int,
    step: int | None,
    stability_days: float | None,
    difficulty: float | None,
    due_ms: int | None,
    due_day: str | None,
    last_ms: int | None,
    last_day: str | None,
    reps: int,
    lapses: int,
    caps_left: int,
) -> Memory:
    # By position: there may be many.
    return Memory(
        _STATES[state],
        step,
        stability_days,
        difficulty,
        None if due_ms is None else from_ms(due_ms),
        None if due_day is None else _day(due_day),
        None if last_ms is None else from_ms(last_ms),
        None if last_day is None else _day(last_day),
        reps,
        lapses,
        caps_left,
    )


def review_row(review: Review, sitting_id: int | None) -> ReviewRow:
    """The row of a review; what the learner typed is made safe to show."""
    return ReviewRow(
        sitting_id=sitting_id,
        card_id=review.card_id,
        at_ms=to_ms(review.at),
        offset_min=offset_minutes(review.at),
        day=review.day.isoformat(),
        rating=int(review.rating),
        kind=review.kind,
        correct=review.correct,
        suggested=None if review.suggested is None else int(review.suggested),
        given=clean(review.given),
        confidence=review.confidence,
        taken_ms=review.taken_ms,
        scheduler=review.scheduler,
        parameters_id=review.parameters_id,
        content_hash=review.content_hash,
        state_before=None if review.before is None else int(review.before),
        predicted=review.predicted,
        score=review.score,
        **memory_columns(review.after),
    )


def review_of(columns: Sequence[Any]) -> Review:
    """The review in the values of `REVIEW_COLUMNS`; raises `RowError` for values none has."""
    require(_REVIEW_CHECKS, columns)
    n_memory = len(MEMORY_COLUMNS)
    card_id, at_ms, offset_min, day, rating, kind, correct, *rest = columns[n_memory:]
    suggested, given, confidence, taken_ms, scheduler, parameters_id, content_hash, *rest = rest
    before, predicted, score = rest
    return Review(
        card_id=card_id,
        at=from_ms(at_ms, offset_min),
        day=_day(day),
        rating=_RATINGS[rating],
        kind=kind,
        correct=None if correct is None else bool(correct),
        suggested=None if suggested is None else _RATINGS[suggested],
        given=given,
        confidence=confidence,
        taken_ms=taken_ms,
        scheduler=scheduler,
        parameters_id=parameters_id,
        content_hash=content_hash,
        after=_memory_of(columns[:n_memory]),
        before=None if before is None else _STATES[before],
        predicted=predicted,
        score=score,
    )


def _ms(at: datetime | None) -> int | None:
    return None if at is None else to_ms(at)


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


@cache
def _day(text: str) -> date:
    return date.fromisoformat(text)


# Statements of the core, not of the ORM: they run between a key and the next card.
_ADD_REVIEW = insert(METADATA.tables["reviews"])
_SET_MEMORY = insert(METADATA.tables["memories"]).prefix_with("OR REPLACE")


def add_review(session: Session, review: Review, sitting_id: int | None) -> None:
    """Store a review at the end of the log."""
    columns = review_row(review, sitting_id).model_dump(exclude={"id"})
    session.connection().execute(_ADD_REVIEW, columns)


def set_memory(session: Session, card_id: str, memory: Memory) -> None:
    """Store what is known of a card; of one never reviewed nothing is stored."""
    if memory == NEW_MEMORY:
        session.exec(delete(MemoryRow).where(col(MemoryRow.card_id) == card_id))
    else:
        columns = {"card_id": card_id, **memory_columns(memory)}
        session.connection().execute(_SET_MEMORY, columns)


def stored_memories(session: Session) -> dict[str, Memory]:
    """Card id -> memory, of every card ever reviewed."""
    # Checked by SQLite and read by the driver itself, which takes half the time.
    driver = driver_of(session)
    require_all(driver, "memories")
    rows = driver.execute(f"SELECT {MEMORY_VALUES} FROM memories")
    return {card_id: _built(*columns) for card_id, *columns in rows}


def last_memories(which: str = ALL) -> str:
    """A query for what the last review of each card led to, of those for which `which` holds."""
    newest = f"SELECT max(id) FROM reviews WHERE {which} GROUP BY card_id"
    return f"SELECT {MEMORY_VALUES} FROM reviews WHERE id IN ({newest})"


def differences(connection: sqlite3.Connection, which: str = ALL) -> list[str]:
    """The cards whose stored memory is not the one that their last review led to.

    Of those for which the SQL condition `which` holds.
    """
    by_log, stored = last_memories(which), f"SELECT {MEMORY_VALUES} FROM memories WHERE {which}"
    rows = connection.execute(
        f"SELECT DISTINCT card_id FROM (SELECT * FROM ({by_log} EXCEPT {stored})"
        f" UNION ALL SELECT * FROM ({stored} EXCEPT {by_log})) ORDER BY card_id"
    )
    return [card_id for (card_id,) in rows]
