"""What Anki's review log and card data say of a card, by the rules that Anki itself has for them.

The rules are those by which Anki hands its log to FSRS (``rslib/src/scheduler/fsrs/params.rs`` and
``memory_state.rs``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from studykit.clock import FIRST_YEAR, LAST_YEAR, from_ms, study_day, to_ms, year_start
from studykit.exchange.collection import PastReview
from studykit.review.schedule import Memory, State

NEW, LEARNING, REVIEW, RELEARNING = range(4)
"""What ``cards.type`` says a card is."""
_LEARN, _FILTERED, _MANUAL, _RESCHEDULED = 0, 3, 4, 5
"""What ``revlog.type`` says of a review: in learning, in a filtered deck, no review at all."""

_DAY_S = 86_400
LONGEST_INTERVAL = 36_500
"""Days; a due day beyond is damage."""
_EARLIEST_MS = to_ms(year_start(FIRST_YEAR))
_LATEST_MS = to_ms(year_start(LAST_YEAR))


class LogRow(NamedTuple):
    """One row of ``revlog``."""

    at_ms: int
    ease: int
    """1 to 4; 0 where nothing was answered."""
    interval: int
    """Days, or below 0 seconds."""
    factor: int
    taken_ms: int
    kind: int


class CardRow(NamedTuple):
    """What ``cards`` says of a card's schedule."""

    type: int
    due: int
    """Days since the collection's first for a card in review, seconds since the epoch for one in
    learning, of a new card its place."""
    interval: int
    factor: int
    """Ease in thousandths."""
    data: str


class History(NamedTuple):
    """The answers that a card's schedule rests on."""

    reviews: tuple[PastReview, ...] = ()
    is_whole: bool = False
    """It begins where the card was learned: the reviews alone say how well it is known."""


def history_of(rows: Sequence[LogRow]) -> History:
    """The answers that the schedule rests on, of one card's rows in their order.

    What was before the card was forgotten by hand is over, and so is what was before its first
    step of learning since; a preview in a filtered deck never counted. A log that holds no step
    of learning has lost its beginning, and counts from its first interval in days.
    """
    start = 0
    for n, row in enumerate(rows):
        if row.kind == _MANUAL and row.factor == 0:
            start = n + 1
    graded = [row for row in rows[start:] if _is_graded(row)]
    learned = next((n for n, row in enumerate(graded) if row.kind == _LEARN), None)
    in_days = next((n for n, row in enumerate(graded) if _is_in_days(row)), len(graded))
    reviews = (
        PastReview(row.at_ms, row.ease, max(0, row.taken_ms), _bounded(row.interval))
        for row in graded[in_days if learned is None else learned :]
    )
    return History(tuple(reviews), is_whole=learned is not None)


def _bounded(interval: int) -> int:
    return max(-LONGEST_INTERVAL * _DAY_S, min(interval, LONGEST_INTERVAL))


def _is_in_days(row: LogRow) -> bool:
    return row.interval >= 1 or row.interval <= -_DAY_S


def _is_graded(row: LogRow) -> bool:
    if not (isinstance(row.interval, int) and isinstance(row.taken_ms, int)):
        return False  # NULL, which Anki does not write; all else was read as an integer
    is_preview = row.kind == _FILTERED and row.factor == 0
    is_answer = row.kind not in (_MANUAL, _RESCHEDULED) and 1 <= row.ease <= 4
    return is_answer and not is_preview and _EARLIEST_MS < row.at_ms < _LATEST_MS


def memory_of(card: CardRow, first_day: date, now: datetime, rollover_hour: int) -> Memory | None:
    """What Anki knows of a card; None of a new one, and of one whose values nothing can mean.

    Its stability is Anki's own, of FSRS or else worked out from the interval and the ease.
    """
    if card.type not in (LEARNING, REVIEW, RELEARNING):
        return None
    stability, difficulty = _fsrs_of(card)
    if card.type == REVIEW:
        if not -LONGEST_INTERVAL <= card.due <= 2 * LONGEST_INTERVAL:
            return None
        due_day = first_day + timedelta(days=card.due)
        return Memory(
            State.REVIEW,
            stability_days=stability,
            difficulty=difficulty,
            due_day=due_day,
            last_review_day=due_day - timedelta(days=min(max(1, card.interval), LONGEST_INTERVAL)),
        )
    due_at = _due_at(card.due, first_day, now)
    return Memory(
        State.LEARNING if card.type == LEARNING else State.RELEARNING,
        stability_days=stability,
        difficulty=difficulty,
        due_at=due_at,
        due_day=study_day(due_at, rollover_hour),
    )


def _due_at(due: int, first_day: date, now: datetime) -> datetime:
    """When a card in learning comes: steps of a day and more are counted in days."""
    if 0 <= due <= 2 * LONGEST_INTERVAL:
        day = first_day + timedelta(days=due)
        return datetime(day.year, day.month, day.day, 12, tzinfo=now.tzinfo)
    if _EARLIEST_MS < due * 1000 < _LATEST_MS:
        return from_ms(due * 1000).astimezone(now.tzinfo)
    return now


def _fsrs_of(card: CardRow) -> tuple[float | None, float | None]:
    """Stability in days and difficulty; None both for a card that was never in review."""
    try:
        data = json.loads(card.data) if card.data else {}
        stability, difficulty = float(data["s"]), float(data["d"])
        if 0 < stability < 1e6 and 1 <= difficulty <= 10:
            return stability, difficulty
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        pass
    if card.interval < 1 or card.factor < 1000:
        return None, None
    return from_sm2(card.factor / 1000, min(card.interval, LONGEST_INTERVAL))


def from_sm2(ease: float, interval_days: float) -> tuple[float, float]:
    """Stability and difficulty with which FSRS-6 goes on where SM-2 stood.

    As fsrs-rs's ``memory_state_from_sm2`` with default weights and a retention of 0.9: the
    stability is the interval, and the difficulty the one at which Good multiplies it by the ease.
    """
    w8, w9, w10 = 1.8722, 0.1666, 0.796
    growth = math.exp(w8) * interval_days**-w9 * math.expm1(0.1 * w10)
    return float(interval_days), min(10.0, max(1.0, 11 - (ease - 1) / growth))
