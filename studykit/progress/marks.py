"""The table of marks that the learner has set on cards."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import cast

from sqlalchemy import Select, delete, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from studykit.clock import from_ms, offset_minutes, to_ms
from studykit.progress.tables import MarkRow, ReviewRow
from studykit.review.marks import Mark, Marking, Marks


def set_mark(session: Session, marking: Marking) -> None:
    """Store a mark, in place of the same mark set before.

    It stands after the day's answers, also where the clock has been put back since.
    """
    latest_ms = session.connection().execute(_latest_answer(marking.day)).scalar()
    row = MarkRow(
        card_id=marking.card_id,
        mark=marking.mark,
        at_ms=max(to_ms(marking.at), (latest_ms or 0) + 1),
        offset_min=offset_minutes(marking.at),
        day=marking.day.isoformat(),
    )
    session.merge(row)


def unset_mark(session: Session, card_id: str, mark: Mark) -> None:
    """Remove a mark, if it is there."""
    session.exec(delete(MarkRow).where(col(MarkRow.card_id) == card_id, col(MarkRow.mark) == mark))


def stored_marks(session: Session, day: date) -> Marks:
    """The marks that hold on `day`."""
    ids: defaultdict[str, set[str]] = defaultdict(set)
    columns = select_columns(col(MarkRow.card_id), col(MarkRow.mark), col(MarkRow.day))
    for card_id, mark, set_on in session.connection().execute(columns):
        if mark != "buried" or set_on == day.isoformat():
            ids[mark].add(card_id)
    return Marks(**{mark: frozenset(cards) for mark, cards in ids.items()})


def _latest_answer(day: date) -> Select[int]:
    """When the last answer of `day` was given."""
    latest = select_columns(func.max(col(ReviewRow.at_ms)))
    return latest.where(col(ReviewRow.day) == day.isoformat())


def newest_hiding(session: Session, day: date) -> Marking | None:
    """The day's latest mark that hid a card, unless the day has a later review."""
    query = (
        select(MarkRow)
        .where(col(MarkRow.day) == day.isoformat(), col(MarkRow.mark) != "flagged")
        .order_by(col(MarkRow.at_ms).desc())
    )
    row = session.exec(query).first()
    reviewed_ms = session.connection().execute(_latest_answer(day)).scalar()
    if row is None or (reviewed_ms is not None and reviewed_ms >= row.at_ms):
        return None
    return Marking(row.card_id, cast("Mark", row.mark), from_ms(row.at_ms, row.offset_min), day)
