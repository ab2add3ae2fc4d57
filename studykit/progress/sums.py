"""Sums over the log of reviews, made by SQLite: a log of years is too long to be read whole.

By the day they need only what the index `ix_reviews_sums` holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import Integer, bindparam, cast, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col

from studykit.progress.long_run import (
    N_BINS,
    N_ERRORS,
    N_LATEST,
    ConfidentError,
    ConfidentErrors,
    LatestAnswer,
    LogSums,
    PredictionCounts,
)
from studykit.progress.soundness import checked
from studykit.progress.stats import Answers, KnownCounts, ReportSums
from studykit.progress.tables import MemoryRow, ReviewRow
from studykit.review.grading import Confidence
from studykit.review.schedule import Rating, State

_id = col(ReviewRow.id)
_card_id = col(ReviewRow.card_id)
_day = col(ReviewRow.day)
_before = col(ReviewRow.state_before)
_correct = col(ReviewRow.correct)
_predicted = col(ReviewRow.predicted)
_taken_ms = col(ReviewRow.taken_ms)
_n = func.count()
_remembered = _n.filter(col(ReviewRow.rating) != int(Rating.AGAIN))

# As text: with max() alone SQLite takes the other columns from the row that has it. The plus keeps
# it from going through the log card by card, which takes five times as long.
_CONFIDENT_ERRORS = f"""\
WITH errors AS (
    SELECT card_id, count(*) AS n, max(id) AS id, day, confidence
    FROM reviews
    WHERE day >= ? AND correct = 0 AND confidence >= {int(Confidence.SURE)}
    GROUP BY +card_id
),
followed AS (
    SELECT *, (
        SELECT later.correct FROM reviews AS later
        WHERE later.card_id = errors.card_id AND later.id > errors.id AND later.day > errors.day
            AND later.correct IS NOT NULL
        ORDER BY later.id DESC LIMIT 1
    ) AS right_since
    FROM errors
)
SELECT count(*) OVER (), sum(right_since IS 1) OVER (), card_id, n, day, confidence, right_since
FROM followed ORDER BY right_since IS 1, id DESC LIMIT ?
"""

_ANSWERS = f"""\
count(*), count(*) FILTER (WHERE state_before = {int(State.NEW)}),
    count(*) FILTER (WHERE rating = {int(Rating.AGAIN)}), sum(taken_ms),
    count(correct), count(*) FILTER (WHERE correct = 1)
"""
"""The columns of `Answers`."""

_ANSWERS_OF_DAYS = f"SELECT day, {_ANSWERS} FROM reviews GROUP BY day ORDER BY day"

# Not card by card either; and the index on the days helps only where some of them are asked for.
_ANSWERS_TO_CARDS = f"""\
SELECT card_id, {_ANSWERS} FROM reviews {{index}} WHERE day BETWEEN ? AND ? GROUP BY +card_id
"""


def read_sums(session: Session, since: date) -> LogSums:
    """All that statistics need of the log."""
    return LogSums(
        work=work_by_day(session),
        known=known_by_day(session, date.min),
        cards=session.connection().execute(select_columns(_n).select_from(MemoryRow)).scalar_one(),
        latest=latest_answers(session),
        told=right_by_confidence(session, since),
        predictions=counts_by_prediction(session, since),
        errors=confident_errors(session, since),
    )


def read_report_sums(
    session: Session, since: date | None, until: date, pretested: Iterable[str]
) -> ReportSums:
    """All that a report of the study days from `since` (None: the first) to `until` needs."""
    first = since or date.min
    return ReportSums(
        days=work_by_day(session),
        known=known_by_day(session, first),
        cards=answers_by_card(session, since, until),
        told=right_by_confidence(session, first, until),
        latest_grades=latest_grades(session, pretested),
    )


def answers_by_day(session: Session) -> dict[date, int]:
    """Study day -> its answers, of every day that has any, oldest first."""
    query = select_columns(_day, _n).group_by(_day).order_by(_day)
    rows = session.connection().execute(query)
    return {_read_day(day): n for day, n in rows}


def work_by_day(session: Session) -> dict[date, Answers]:
    """Study day -> the answers given on it, of every day that has any, oldest first."""
    rows = session.connection().exec_driver_sql(_ANSWERS_OF_DAYS)
    days = {_read_day(day): Answers(*counts) for day, *counts in rows}
    for answers in days.values():
        checked("reviews", "taken_ms", answers.taken_ms)  # what no answer takes, no day does
    return days


def answers_by_card(session: Session, since: date | None, until: date) -> dict[str, Answers]:
    """Card id -> its answers on the study days from `since` (None: the first) to `until`."""
    statement = _ANSWERS_TO_CARDS.format(index="" if since else "NOT INDEXED")
    bounds = ((since or date.min).isoformat(), until.isoformat())
    rows = session.connection().exec_driver_sql(statement, bounds)
    return {checked("reviews", "card_id", id_): Answers(*counts) for id_, *counts in rows}


def latest_grades(session: Session, card_ids: Iterable[str]) -> dict[str, bool]:
    """Card id -> whether its last graded answer was right, of those that have one."""
    query = (
        select_columns(_correct)
        .where(_card_id == bindparam("card_id"), _correct.is_not(None))
        .order_by(_id.desc())
        .limit(1)
    )
    found = {
        id_: session.connection().execute(query, {"card_id": id_}).scalar() for id_ in card_ids
    }
    return {id_: bool(correct) for id_, correct in found.items() if correct is not None}


def latest_taken_ms(session: Session, n_answers: int) -> list[int]:
    """How long the latest answers took, newest first."""
    query = select_columns(_taken_ms).order_by(_id.desc()).limit(n_answers)
    taken = session.connection().execute(query).scalars()
    return [checked("reviews", "taken_ms", each) for each in taken]


def latest_answers(session: Session) -> tuple[LatestAnswer, ...]:
    """The `N_LATEST` latest, newest first."""
    columns = (col(ReviewRow.kind), _before, _correct, _taken_ms)
    query = select_columns(*columns).order_by(_id.desc()).limit(N_LATEST)
    return tuple(
        LatestAnswer(
            checked("reviews", "kind", kind),
            None if before is None else State(checked("reviews", "state_before", before)),
            None if correct is None else bool(correct),
            checked("reviews", "taken_ms", taken_ms),
        )
        for kind, before, correct, taken_ms in session.connection().execute(query)
    )


def known_by_day(session: Session, since: date) -> dict[date, KnownCounts]:
    """Study day -> reviews of cards that were in Review, oldest first."""
    graded, right = func.count(_correct), _n.filter(_correct.is_(True))
    query = (
        select_columns(
            *(_day, _n, _remembered, graded, right),
            *(func.total(_predicted), func.count(_predicted)),
        )
        .where(_day >= since.isoformat(), _before == int(State.REVIEW))
        .group_by(_day)
        .order_by(_day)
    )
    rows = session.connection().execute(query)
    days = {_read_day(day): KnownCounts(*counts) for day, *counts in rows}
    for counts in days.values():
        _check_mean(counts.predicted, counts.n_predicted)
    return days


def counts_by_prediction(session: Session, since: date) -> tuple[PredictionCounts, ...]:
    """Reviews of cards that were in Review by their probability of recall, the lowest first."""
    bin_ = func.min(N_BINS - 1, cast(_predicted * N_BINS, Integer)).label("bin")
    query = (
        select_columns(bin_, _n, func.total(_predicted), _remembered)
        .where(_day >= since.isoformat(), _before == int(State.REVIEW), _predicted.is_not(None))
        .group_by("bin")
        .order_by("bin")
    )
    bins = tuple(PredictionCounts(*row) for row in session.connection().execute(query))
    for each in bins:
        _check_mean(each.predicted, each.n)
    return bins


def right_by_confidence(
    session: Session, since: date, until: date = date.max
) -> dict[int, tuple[int, int]]:
    """Confidence in per cent -> graded answers given with it, and how many of them were right."""
    confidence = col(ReviewRow.confidence)
    # Counted in the order of the index first: SQLite would sort every single answer otherwise.
    alike = (
        select_columns(confidence, _n.label("n"), _n.filter(_correct.is_(True)).label("right"))
        .where(
            _day.between(since.isoformat(), until.isoformat()),
            confidence.is_not(None),
            _correct.is_not(None),
        )
        .group_by(_day, _before, col(ReviewRow.rating), _correct, confidence)
        .subquery()
        .c
    )
    query = (
        select_columns(alike.confidence, func.sum(alike.n), func.sum(alike.right))
        .group_by(alike.confidence)
        .order_by(alike.confidence)
    )
    rows = session.connection().execute(query)
    return {checked("reviews", "confidence", percent): (n, k) for percent, n, k in rows}


def confident_errors(session: Session, since: date) -> ConfidentErrors:
    """The cards that were answered wrongly by a learner who was sure."""
    asked = (since.isoformat(), N_ERRORS)
    rows = session.connection().exec_driver_sql(_CONFIDENT_ERRORS, asked).all()
    n_cards, n_mended = rows[0][:2] if rows else (0, 0)
    told = (
        ConfidentError(
            checked("reviews", "card_id", card_id),
            n,
            _read_day(day),
            checked("reviews", "confidence", confidence),
            None if right_since is None else bool(right_since),
        )
        for _, _, card_id, n, day, confidence, right_since in rows
    )
    return ConfidentErrors(n_cards, n_mended, tuple(told))


def _check_mean(predicted: float, n: int) -> None:
    """Raise `RowError` for probabilities whose mean is none."""
    if n:
        checked("reviews", "predicted", predicted / n)


def _read_day(value: Any) -> date:
    return date.fromisoformat(checked("reviews", "day", value))
