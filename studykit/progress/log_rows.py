"""The log as bare columns, one row after the other: what is written out for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session

from studykit.progress.tables import METADATA

N_ROWS_AT_A_TIME = 5000


class LogRow(NamedTuple):
    """One review; its instants are UTC milliseconds, its days ISO dates."""

    card_id: str
    at_ms: int
    day: str
    rating: int
    taken_ms: int
    state_before: int | None
    state: int
    difficulty: float | None
    due_day: str | None
    due_at_ms: int | None


def stored_log_rows(session: Session) -> Iterator[LogRow]:
    """Every row in the order of the answers; however long the log is, few are in memory."""
    columns = METADATA.tables["reviews"].c
    query = select(*(columns[name] for name in LogRow._fields)).order_by(columns.id)
    options = {"yield_per": N_ROWS_AT_A_TIME}
    for row in session.connection().execute(query, execution_options=options):
        yield LogRow._make(row)
