"""Weights of FSRS in the database, and what they are fitted to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlmodel import Session, col, select

from studykit.clock import from_ms, offset_minutes, to_ms
from studykit.progress.soundness import checked, require_row
from studykit.progress.tables import WeightsRow
from studykit.review.habits import Rated
from studykit.review.schedule import DEFAULT_WEIGHTS, Rating, State
from studykit.review.weights import (
    History,
    Weights,
    WeightsEntry,
    judgement_as_json,
    judgement_from_json,
    weights_as_json,
    weights_from_json,
)

# As text, and row by row from the driver: a log of years is read within a second.
_LOG = "SELECT card_id, day, rating FROM reviews ORDER BY id"

_RATED = """\
SELECT state_before, last, rating, count(*), sum(taken_ms) FROM (
    SELECT state_before, rating, taken_ms,
        lag(rating) OVER (PARTITION BY card_id ORDER BY id) AS last
    FROM (SELECT * FROM reviews ORDER BY id DESC LIMIT ?)
)
WHERE state_before IS NOT NULL GROUP BY state_before, last, rating
"""

_IN_USE = "SELECT parameters FROM weights WHERE adopted = 1 ORDER BY at_ms DESC, id DESC LIMIT 1"


def add_weights(session: Session, entry: WeightsEntry) -> int:
    """Store one more entry of the history; returns its id."""
    row = WeightsRow(
        at_ms=to_ms(entry.at),
        offset_min=offset_minutes(entry.at),
        parameters=weights_as_json(entry.weights),
        source=entry.source,
        n_reviews=entry.n_reviews,
        judged=judgement_as_json(entry.judgement),
        adopted=int(entry.is_adopted),
    )
    session.add(row)
    session.flush()
    assert row.id is not None
    return row.id


def stored_weights(session: Session) -> list[WeightsEntry]:
    """The history, oldest first."""
    rows = session.exec(select(WeightsRow).order_by(col(WeightsRow.at_ms), col(WeightsRow.id)))
    return [_entry_of(row) for row in rows]


def weights_in_use(session: Session) -> Weights:
    """Those adopted last, else the defaults of FSRS."""
    text = session.connection().exec_driver_sql(_IN_USE).scalar()
    if text is None:
        return DEFAULT_WEIGHTS
    return weights_from_json(checked("weights", "parameters", text))


def _entry_of(row: WeightsRow) -> WeightsEntry:
    require_row("weights", row)
    return WeightsEntry(
        at=from_ms(row.at_ms, row.offset_min),
        weights=weights_from_json(row.parameters),
        source=row.source,
        n_reviews=row.n_reviews,
        judgement=judgement_from_json(row.judged),
        is_adopted=bool(row.adopted),
        id=row.id,
    )


def log_to_fit(session: Session) -> History:
    """The whole log as weights are fitted to it."""
    numbers: defaultdict[str, int] = defaultdict(lambda: len(numbers))
    days: dict[str, int] = {}
    card, day, rating = [], [], []
    for card_id, text, rated in session.connection().exec_driver_sql(_LOG):
        ordinal = days.get(text)
        if ordinal is None:
            ordinal = date.fromisoformat(checked("reviews", "day", text)).toordinal()
            days[text] = ordinal
        card.append(numbers[card_id])
        day.append(ordinal)
        rating.append(checked("reviews", "rating", rated))
    return History(card, day, rating)


def rated_lately(session: Session, n_answers: int) -> list[Rated]:
    """The latest answers, counted by state, rating, and rating before."""
    rows: Sequence[Any] = session.connection().exec_driver_sql(_RATED, (n_answers,)).all()
    return [
        Rated(
            State(checked("reviews", "state_before", before)),
            None if last is None else Rating(last),
            Rating(checked("reviews", "rating", rating)),
            n,
            taken_ms / 1000,
        )
        for before, last, rating, n, taken_ms in rows
    ]
