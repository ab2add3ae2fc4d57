"""The log, and the table of memories: a cache of what the last review of each card led to."""

from __future__ import annotations

from sqlalchemy import delete, func, insert
from sqlalchemy import select as select_columns
from sqlmodel import Session, col

from studykit.progress.rows import (
    MEMORY_COLUMNS,
    REVIEW_COLUMNS,
    memory_columns,
    memory_of,
    review_of,
    review_row,
)
from studykit.progress.tables import METADATA, MemoryRow, ReviewRow
from studykit.review.schedule import NEW_MEMORY, Memory
from studykit.review.session import Review

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
    rows = session.connection().execute(select_columns(col(MemoryRow.card_id), *MEMORY_COLUMNS))
    return {row[0]: memory_of(row[1:]) for row in rows}


def differences(session: Session) -> dict[str, Memory]:
    """Card id -> its memory by the log, for each card whose stored memory is another one."""
    newest = select_columns(func.max(col(ReviewRow.id))).group_by(col(ReviewRow.card_id))
    query = select_columns(*REVIEW_COLUMNS).where(col(ReviewRow.id).in_(newest))
    log = map(review_of, session.connection().execute(query))
    by_log = {review.card_id: review.after for review in log}
    stored = stored_memories(session)
    return {
        card_id: by_log.get(card_id, NEW_MEMORY)
        for card_id in sorted(by_log.keys() | stored.keys())
        if by_log.get(card_id, NEW_MEMORY) != stored.get(card_id, NEW_MEMORY)
    }
