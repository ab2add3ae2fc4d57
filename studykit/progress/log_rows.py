"""The log as bare columns, one row after the other: what is written out for other programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlmodel import Session

from studykit.progress.database import driver_of
from studykit.progress.soundness import require_all
from studykit.progress.tables import METADATA


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


def checked_log_rows(
    session: Session, names: Sequence[str], since: date, until: date
) -> Iterator[tuple[Any, ...]]:
    """These columns of the study days from `since` to `until`, in the order of the answers.

    Few rows are in memory. Raises `RowError` first of all if the log has a row with a value in one
    of the columns that it cannot have.
    """
    columns = METADATA.tables["reviews"].c
    driver = driver_of(session)
    require_all(driver, "reviews", names)
    statement = (
        f"SELECT {', '.join(columns[name].name for name in names)} FROM reviews"
        " WHERE +day BETWEEN ? AND ? ORDER BY id"
    )
    # By the driver itself: between it and a million rows SQLAlchemy takes as long as all the rest.
    yield from driver.execute(statement, (since.isoformat(), until.isoformat()))
