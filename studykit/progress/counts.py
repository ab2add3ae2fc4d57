"""Counts that the database makes itself: what screens show of a long log without reading it."""

from __future__ import annotations

from datetime import date

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from studykit.progress.tables import ReviewRow
from studykit.review.schedule import Rating, State

_id = col(ReviewRow.id)
_day = col(ReviewRow.day)
_n = func.count()


def answers_by_day(session: Session) -> dict[date, int]:
    """Study day -> its answers, of every day that has any, oldest first."""
    query = select_columns(_day, _n).group_by(_day).order_by(_day)
    rows = session.connection().execute(query)
    return {date.fromisoformat(day): n for day, n in rows}


def latest_taken_ms(session: Session, n_answers: int) -> list[int]:
    """How long the latest answers took, newest first."""
    query = select_columns(col(ReviewRow.taken_ms)).order_by(_id.desc()).limit(n_answers)
    return list(session.connection().execute(query).scalars())


def known_by_day(session: Session, since: date) -> dict[date, tuple[int, int]]:
    """Study day -> reviews of cards that were in Review, and how many of them were remembered."""
    before = aliased(ReviewRow)
    state_before = (
        select_columns(col(before.state))
        .where(col(before.card_id) == col(ReviewRow.card_id), col(before.id) < _id)
        .order_by(col(before.id).desc())
        .limit(1)
        .scalar_subquery()
    )
    remembered = _n.filter(col(ReviewRow.rating) != int(Rating.AGAIN))
    query = (
        select_columns(_day, _n, remembered)
        .where(_day >= since.isoformat(), state_before == int(State.REVIEW))
        .group_by(_day)
        .order_by(_day)
    )
    rows = session.connection().execute(query)
    return {date.fromisoformat(day): (n, k) for day, n, k in rows}


def right_by_confidence(session: Session, since: date) -> dict[int, tuple[int, int]]:
    """Confidence in per cent -> judged answers given with it, and how many of them were right."""
    confidence, correct = col(ReviewRow.confidence), col(ReviewRow.correct)
    query = (
        select_columns(confidence, _n, _n.filter(correct.is_(True)))
        .where(_day >= since.isoformat(), confidence.is_not(None), correct.is_not(None))
        .group_by(confidence)
        .order_by(confidence)
    )
    rows = session.connection().execute(query)
    return {percent: (n, k) for percent, n, k in rows if percent is not None}
