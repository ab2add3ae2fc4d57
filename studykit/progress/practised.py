"""The table of answers that were practised beside the schedule."""

from __future__ import annotations

from datetime import date
from typing import cast

from sqlalchemy import delete
from sqlmodel import Session, col, select

from studykit.clock import from_ms, offset_minutes, to_ms
from studykit.course.cards import Kind
from studykit.progress.tables import PractisedRow
from studykit.review.practice import Mode, Practised
from studykit.text import clean


def add_practised(session: Session, practised: Practised) -> int:
    """Store an answer, made safe to show; returns the id of its row."""
    row = PractisedRow(
        card_id=practised.card_id,
        mode=practised.mode,
        at_ms=to_ms(practised.at),
        offset_min=offset_minutes(practised.at),
        day=practised.day.isoformat(),
        kind=practised.kind,
        correct=practised.correct,
        given=clean(practised.given),
        confidence=practised.confidence,
        taken_ms=practised.taken_ms,
    )
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id


def remove_practised(session: Session, number: int) -> None:
    """Remove the row with this id."""
    session.exec(delete(PractisedRow).where(col(PractisedRow.id) == number))


def stored_practised(session: Session, mode: Mode | None) -> list[Practised]:
    """Those of a mode, or all, oldest first."""
    query = select(PractisedRow).order_by(col(PractisedRow.id))
    if mode is not None:
        query = query.where(col(PractisedRow.mode) == mode)
    rows = session.exec(query)
    return [
        Practised(
            card_id=row.card_id,
            mode=cast("Mode", row.mode),
            at=from_ms(row.at_ms, row.offset_min),
            day=date.fromisoformat(row.day),
            kind=cast("Kind", row.kind),
            correct=None if row.correct is None else bool(row.correct),
            given=row.given,
            confidence=row.confidence,
            taken_ms=row.taken_ms,
        )
        for row in rows
    ]
