"""The reviews of a `Collection` as rows of our log, with the memories that they led to.

FSRS computes stability and difficulty anew from ratings and days. States and due days are the
source's: an interval that it gave in days puts a card in review, one in seconds into a step, and
the newest due day is the one that the learner was promised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from studykit.clock import offset_minutes, to_ms
from studykit.course.cards import Kind
from studykit.exchange.circumstances import Tell
from studykit.exchange.collection import PastReview, SourceCard
from studykit.review.asking import LONGEST_ANSWER
from studykit.review.replay import NONE, Answers, Ints, Outcomes, Replayed, replay
from studykit.review.schedule import Memory, Rating, Scheduler, State

N_CARDS_AT_A_TIME = 2_000
"""A collection may have half a million reviews, each of which takes a kilobyte meanwhile."""
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_LONGEST_TAKEN_MS = int(LONGEST_ANSWER.total_seconds() * 1000)


class Known(NamedTuple):
    """A card of the course with what its source knows of it."""

    id: str
    kind: Kind
    content_hash: str
    source: SourceCard
    has_answers: bool = False
    """Our log has answers to it already."""


Begun: TypeAlias = tuple[Known, tuple[PastReview, ...]]
"""A card that was reviewed, with its reviews."""


class _Columns(NamedTuple):
    """The reviews of all cards, one card after the other."""

    answers: Answers
    taken_ms: Ints
    interval: Ints
    is_cut: Any
    """Of a card whose log lost its beginning, the last row: there the source's memory stands."""


def rows_of(
    cards: Sequence[Known], scheduler: Scheduler, now: datetime, tell: Tell
) -> Iterator[tuple[Any, ...]]:
    """The rows in the order of `additions.COLUMNS`, those of one card oldest first."""
    for start in range(0, len(cards), N_CARDS_AT_A_TIME):
        part = cards[start : start + N_CARDS_AT_A_TIME]
        begun = [card for card in part if card.source.memory is not None]
        histories = [_history(card, now) for card in begun]
        found = [(card, rows) for card, rows in zip(begun, histories, strict=True) if rows]
        if found:
            columns = _columns(found, scheduler, now)
            yield from _rows(found, columns, _replayed(found, columns, scheduler), scheduler)
        tell("cards replayed", start + len(part), len(cards))


def _replayed(found: Sequence[Begun], columns: _Columns, scheduler: Scheduler) -> Replayed:
    """The memories by FSRS, with the states and due days of the source."""
    ids, settings = [card.id for card, _ in found], [scheduler.settings]
    ours = replay(ids, columns.answers, settings).after
    theirs = _as_the_source_has_them(found, columns, ours, scheduler)
    return replay(ids, columns.answers, settings, theirs)


def _history(card: Known, now: datetime) -> tuple[PastReview, ...]:
    """The reviews; of a card that is known and has none anywhere, the one that must have been.

    Its rating is not known. Good, on the day from which its interval counts, is the least that is
    said by it, and leaves the memory as its source has it.
    """
    source, memory = card.source, card.source.memory
    is_told = bool(source.reviews) or card.has_answers
    if is_told or memory is None or memory.stability_days is None:
        return source.reviews
    day = memory.last_review_day or memory.due_day
    if memory.state is not State.REVIEW or day is None:
        return ()
    noon = datetime.combine(min(day, now.date()), time(12), now.tzinfo)
    return (PastReview(min(to_ms(noon), to_ms(now)), int(Rating.GOOD), 0),)


def _columns(found: Sequence[Begun], scheduler: Scheduler, now: datetime) -> _Columns:
    sizes = np.array([len(rows) for _, rows in found])
    values = (
        value
        for _, rows in found
        for review in rows
        for value in (review.at_ms, review.rating, review.taken_ms, review.interval)
    )
    table = np.fromiter(values, np.int64).reshape(-1, 4)
    at_ms, rating, taken_ms, interval = table.T
    offset = _offsets(at_ms, now)
    days = _days_of(at_ms, offset, scheduler)
    card = np.repeat(np.arange(len(found)), sizes)
    memories = [known.source.memory for known, _ in found]
    is_cut = np.array([m is not None and m.stability_days is not None for m in memories])
    is_last = np.zeros(len(card), np.bool_)
    is_last[np.cumsum(sizes) - 1] = True
    answers = Answers(
        card=card,
        at_ms=at_ms,
        offset_min=offset,
        # Across a day on which clocks are put back a card's days must not go back.
        day=_never_back(days, card).astype("datetime64[D]"),
        rating=rating,
        is_confident_error=np.zeros(len(card), np.bool_),
        schedule=np.zeros(len(card), np.int64),
    )
    taken_ms = np.minimum(taken_ms, _LONGEST_TAKEN_MS)
    return _Columns(answers, taken_ms, interval, np.repeat(is_cut, sizes) & is_last)


def _never_back(days: Ints, card: Ints) -> Ints:
    far = int(days.max() - days.min()) + 1
    return np.maximum.accumulate(days + card * far) - card * far


def _offsets(at_ms: Ints, now: datetime) -> Ints:
    """Offset of the local time from UTC at each instant, in minutes."""
    zone = _zone_of(now)
    hours, places = np.unique(at_ms // _HOUR_MS, return_inverse=True)
    of_hour = (datetime.fromtimestamp(hour * 3600, zone) for hour in hours.tolist())
    offsets = [offset_minutes(at if zone else at.astimezone()) for at in of_hour]
    return np.array(offsets, np.int64)[places]


def _zone_of(now: datetime) -> tzinfo | None:
    """The zone whose summer times count: the machine's (None), unless the clock is set to another.

    The system clock tells the offset alone.
    """
    return None if now.astimezone().utcoffset() == now.utcoffset() else now.tzinfo


def _as_the_source_has_them(
    found: Sequence[Begun],
    columns: _Columns,
    ours: Outcomes,
    scheduler: Scheduler,
) -> Outcomes:
    """Our memories, with the states and due days of the source."""
    answers, interval = columns.answers, columns.interval
    days = answers.day.astype(np.int64)
    longest = scheduler.settings.maximum_interval_days
    in_days, in_seconds = interval > 0, interval < 0
    # A step after an interval in days is one of relearning.
    n_before = np.cumsum(in_days)
    firsts = np.flatnonzero(np.diff(answers.card, prepend=-1))
    sizes = np.array([len(rows) for _, rows in found])
    had_days = n_before > np.repeat((n_before - in_days)[firsts], sizes)
    step_state = np.where(had_days, int(State.RELEARNING), int(State.LEARNING))
    state = np.where(in_days, int(State.REVIEW), np.where(in_seconds, step_state, ours.state))
    step = np.where(in_days, NONE, np.where(in_seconds & (ours.step == NONE), 0, ours.step))
    due_at_ms = np.where(
        in_days, NONE, np.where(in_seconds, answers.at_ms - interval * 1000, ours.due_at_ms)
    )
    due = np.where(
        in_days,
        days + np.minimum(interval, longest),
        np.where(
            in_seconds,
            np.maximum(days, _days_of(due_at_ms, answers.offset_min, scheduler)),
            ours.due_day.astype(np.int64),
        ),
    )
    stability, difficulty = ours.stability_days.copy(), ours.difficulty.copy()
    last = np.cumsum(sizes) - 1
    for row, (card, _) in zip(last.tolist(), found, strict=True):
        memory = card.source.memory
        assert memory is not None
        if memory.stability_days is not None and memory.difficulty is not None:
            stability[row], difficulty[row] = memory.stability_days, memory.difficulty
        if memory.due_day is not None:
            _set_due(memory, row, state, step, due_at_ms, due, days)
    return Outcomes(
        state=state,
        step=step,
        stability_days=stability,
        difficulty=difficulty,
        due_at_ms=due_at_ms,
        due_day=due.astype("datetime64[D]"),
        # One more than there are rows says that the log does not hold all of them.
        reps=ours.reps + columns.is_cut,
        lapses=ours.lapses,
        caps_left=ours.caps_left,
    )


def _set_due(
    memory: Memory, row: int, state: Ints, step: Ints, due_at_ms: Ints, due: Ints, days: Ints
) -> None:
    """Let the card be asked when the source asks for it."""
    assert memory.due_day is not None
    state[row] = int(memory.state)
    due[row] = max(_number(memory.due_day), int(days[row]))
    if memory.state is State.REVIEW or memory.due_at is None:
        state[row], step[row], due_at_ms[row] = int(State.REVIEW), NONE, NONE
    else:
        step[row] = max(0, int(step[row]))
        due_at_ms[row] = to_ms(memory.due_at)


def _days_of(at_ms: Ints, offset: Ints, scheduler: Scheduler) -> Ints:
    rollover_ms = scheduler.settings.rollover_hour * _HOUR_MS
    safe = np.where(at_ms == NONE, 0, at_ms)
    return (safe + offset * 60_000 - rollover_ms) // _DAY_MS


def _number(day: date) -> int:
    return (day - date(1970, 1, 1)) // timedelta(days=1)


def _rows(
    found: Sequence[Begun],
    columns: _Columns,
    replayed: Replayed,
    scheduler: Scheduler,
) -> Iterator[tuple[Any, ...]]:
    names = [(card.id, card.kind, card.content_hash) for card, _ in found]
    version, parameters_id = scheduler.version, scheduler.parameters_id
    answers, after = columns.answers, replayed.after
    values: list[Sequence[Any]] = [
        answers.card.tolist(),
        answers.at_ms.tolist(),
        answers.offset_min.tolist(),
        answers.day.astype(str).tolist(),
        answers.rating.tolist(),
        columns.taken_ms.tolist(),
        _nullable(replayed.before),
        [None if value != value else value for value in replayed.predicted.tolist()],
        after.state.tolist(),
        _nullable(after.step),
        after.stability_days.tolist(),
        after.difficulty.tolist(),
        _nullable(after.due_at_ms),
        after.due_day.astype(str).tolist(),
        after.reps.tolist(),
        after.lapses.tolist(),
    ]
    for card, at_ms, offset, day, rating, taken_ms, before, predicted, *memory in zip(
        *values, strict=True
    ):
        card_id, kind, content_hash = names[card]
        *known, reps, lapses = memory
        yield (
            *(card_id, at_ms, offset, day, rating, kind, "", taken_ms),
            *(version, parameters_id, content_hash, before, predicted),
            *known,
            *(at_ms, day, reps, lapses),
        )


def _nullable(column: Ints) -> list[int | None]:
    return [None if value == NONE else value for value in column.tolist()]
