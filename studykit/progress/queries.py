"""What the store asks of the database beside the log: marks, practised answers, removals."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import cast

from sqlalchemy import Select, delete, func, insert
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from studykit.clock import from_ms, offset_minutes, to_ms
from studykit.course.cards import Kind
from studykit.progress.soundness import checked, require_row
from studykit.progress.tables import METADATA, MarkRow, PractisedRow, ReviewRow
from studykit.review.marks import Mark, Marking, Marks
from studykit.review.practice import Mode, Practised
from studykit.review.schedule import ScheduleSettings
from studykit.text import clean

_REMOVE = "INSERT OR IGNORE INTO removals (what, card_id, at_ms)"
_ADD_SCHEDULE = insert(METADATA.tables["schedules"]).prefix_with("OR IGNORE")


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
    # By a clock that was put back it may be set before the one that was taken off.
    session.connection().exec_driver_sql(
        "DELETE FROM removals WHERE what = ? AND card_id = ? AND at_ms >= ?",
        (row.mark, row.card_id, row.at_ms),
    )


def unset_mark(session: Session, card_id: str, mark: Mark) -> None:
    """Remove a mark, if it is there."""
    session.connection().exec_driver_sql(
        f"{_REMOVE} SELECT mark, card_id, at_ms FROM marks WHERE card_id = ? AND mark = ?",
        (card_id, mark),
    )
    session.exec(delete(MarkRow).where(col(MarkRow.card_id) == card_id, col(MarkRow.mark) == mark))


def stored_marks(session: Session, day: date) -> Marks:
    """The marks that hold on `day`."""
    ids: defaultdict[str, set[str]] = defaultdict(set)
    columns = select_columns(col(MarkRow.card_id), col(MarkRow.mark), col(MarkRow.day))
    for card_id, mark, set_on in session.connection().execute(columns):
        checked("marks", "card_id", card_id)
        checked("marks", "mark", mark)
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
    if row is not None:
        require_row("marks", row)
    reviewed_ms = session.connection().execute(_latest_answer(day)).scalar()
    if row is None or (reviewed_ms is not None and reviewed_ms >= row.at_ms):
        return None
    return Marking(row.card_id, cast("Mark", row.mark), from_ms(row.at_ms, row.offset_min), day)


def remove_review(session: Session, number: int) -> None:
    """Remove the row of the log with this id."""
    session.connection().exec_driver_sql(
        f"{_REMOVE} SELECT 'review', card_id, at_ms FROM reviews WHERE id = ?", (number,)
    )
    session.exec(delete(ReviewRow).where(col(ReviewRow.id) == number))


def add_schedule(session: Session, parameters_id: str, settings: ScheduleSettings) -> None:
    """Store what an id stands for, unless it is known already."""
    row = {"parameters_id": parameters_id, "settings": settings.as_json()}
    session.connection().execute(_ADD_SCHEDULE, row)


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
        score=practised.score,
    )
    session.add(row)
    session.flush()
    assert row.id is not None
    forget_removal(session, "practised", row.card_id, row.at_ms)
    return row.id


def forget_removal(session: Session, what: str, card_id: str, at_ms: int) -> None:
    """What was taken back has been given again, in the same millisecond."""
    session.connection().exec_driver_sql(
        "DELETE FROM removals WHERE what = ? AND card_id = ? AND at_ms = ?", (what, card_id, at_ms)
    )


def remove_practised(session: Session, number: int) -> None:
    """Remove the row with this id."""
    session.connection().exec_driver_sql(
        f"{_REMOVE} SELECT 'practised', card_id, at_ms FROM practised WHERE id = ?", (number,)
    )
    session.exec(delete(PractisedRow).where(col(PractisedRow.id) == number))


def stored_practised(session: Session, mode: Mode | None) -> list[Practised]:
    """Those of a mode, or all, oldest first."""
    query = select(PractisedRow).order_by(col(PractisedRow.id))
    if mode is not None:
        query = query.where(col(PractisedRow.mode) == mode)
    return [_practised_of(row) for row in session.exec(query)]


def _practised_of(row: PractisedRow) -> Practised:
    require_row("practised", row)
    return Practised(
        card_id=row.card_id,
        mode=cast("Mode", row.mode),
        at=from_ms(row.at_ms, row.offset_min),
        day=date.fromisoformat(row.day),
        kind=cast("Kind", row.kind),
        correct=None if row.correct is None else bool(row.correct),
        given=row.given,
        confidence=row.confidence,
        taken_ms=row.taken_ms,
        score=row.score,
    )
