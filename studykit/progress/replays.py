"""The log as columns for a replay, and what a replay finds written back.

An answer is what the learner gave and when; the memory that it led to, beside it in its row, is
computed and may be computed again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from studykit.progress.rows import ALL, MEMORY_VALUES, differences, last_memories
from studykit.progress.soundness import RowError, checked
from studykit.review.grading import Confidence
from studykit.review.replay import CLOSE, NONE, Answers, Floats, Ints, Outcomes, Replayed, replay
from studykit.review.schedule import ScheduleSettings
from studykit.review.weights import RESCHEDULED, Move, Weights, weights_from_json

_SELECT = """\
SELECT id, card_id, parameters_id, at_ms, offset_min, strftime('%s', day) / 86400, rating,
    correct IS 0 AND coalesce(confidence, 0) >= ?1 AS is_confident_error,
    state, coalesce(step, ?2), stability_days, difficulty, coalesce(due_at_ms, ?2),
    strftime('%s', due_day) / 86400, reps, lapses, caps_left,
    coalesce(state_before, ?2), predicted,
    (
        SELECT count(*) FROM removals
        WHERE what = 'review' AND removals.card_id = reviews.card_id
            AND removals.at_ms <= reviews.at_ms
    )
FROM reviews WHERE {which} ORDER BY id
"""
_ROW = np.dtype(
    [(name, np.int64) for name in ("id", "card", "schedule", "at_ms", "offset_min", "day")]
    + [("rating", np.int64), ("is_confident_error", np.bool_)]
    + [("state", np.int64), ("step", np.int64)]
    + [("stability_days", np.float64), ("difficulty", np.float64)]
    + [(name, np.int64) for name in ("due_at_ms", "due_day", "reps", "lapses", "caps_left")]
    + [("before", np.int64), ("predicted", np.float64), ("n_removed", np.int64)]
)

_UPDATE = """\
UPDATE reviews SET state_before = ?, predicted = ?, state = ?, step = ?, stability_days = ?,
    difficulty = ?, due_at_ms = ?, due_day = ?, reps = ?, lapses = ?, caps_left = ?,
    last_review_at_ms = at_ms, last_review_day = day
WHERE id = ?
"""


class Rescheduling(NamedTuple):
    """From when on all earlier answers count as scheduled by some weights."""

    at_ms: int
    weights: Weights


@dataclass(frozen=True, slots=True)
class StoredLog:
    """Answers of the log, in its order, with what they led to as it is stored."""

    ids: Ints
    card_ids: list[str]
    answers: Answers
    after: Outcomes
    before: Ints
    predicted: Floats
    n_removed: Ints
    """Answers to the card until then that were taken back."""
    schedules: list[ScheduleSettings]
    """What `answers.schedule` counts."""

    reschedulings: list[Rescheduling]
    """Oldest first."""

    def replayed(self, *others: Outcomes) -> Replayed:
        """What the answers lead to; a stored memory, or one of `others`, stands where it agrees.

        Answers before the latest rescheduling count as scheduled by its weights. What was predicted
        of each is what the schedule of its time expected: weights that were fitted to an answer do
        not tell how well it was foreseen.
        """
        found = self._replayed(len(self.reschedulings), *others)
        predicted = found.predicted.copy()
        times = [each.at_ms for each in self.reschedulings]
        n_before = np.searchsorted(times, self.answers.at_ms)
        for n in range(len(times)):
            if (rows := n_before == n).any():
                predicted[rows] = self._replayed(n, *others).predicted[rows]
        return found._replace(predicted=predicted)

    def _replayed(self, n_reschedulings: int, *others: Outcomes) -> Replayed:
        """What they led to after so many reschedulings."""
        answers, schedules = self.answers, self.schedules
        if n_reschedulings:
            at_ms, weights = self.reschedulings[n_reschedulings - 1]
            moved = answers.schedule + len(schedules) * (answers.at_ms <= at_ms)
            answers = replace(answers, schedule=moved)
            schedules = schedules + [replace(each, parameters=weights) for each in schedules]
        return replay(
            self.card_ids, answers, schedules, self.after, *others, n_removed=self.n_removed
        )


def read_log(
    connection: sqlite3.Connection, fallback: ScheduleSettings, which: str = ALL
) -> StoredLog:
    """The answers for which the SQL condition `which` holds: all or none of each card.

    Answers scheduled by settings that the database does not know count as scheduled by
    `fallback`. Raises `RowError` for values that no answer has.
    """
    cards: dict[str, int] = {}
    names: dict[str, int] = {}
    query = _SELECT.format(which=which)
    rows = connection.execute(query, (int(Confidence.SURE), NONE))
    try:
        table = np.fromiter(
            (
                (
                    row[0],
                    cards.setdefault(row[1], len(cards)),
                    names.setdefault(row[2], len(names)),
                    *row[3:],
                )
                for row in rows
            ),
            _ROW,
        )
    except (TypeError, OverflowError) as error:  # a null or a text where a number belongs
        raise RowError(str(error)) from error
    _require_sound(table)
    days = {name: table[name].astype("datetime64[D]") for name in ("day", "due_day")}
    return StoredLog(
        ids=table["id"],
        card_ids=list(cards),
        answers=Answers(
            card=table["card"],
            at_ms=table["at_ms"],
            offset_min=table["offset_min"],
            day=days["day"],
            rating=table["rating"],
            is_confident_error=table["is_confident_error"],
            schedule=table["schedule"],
        ),
        after=Outcomes(**{name: days.get(name, table[name]) for name in Outcomes._fields}),
        before=table["before"],
        predicted=table["predicted"],
        n_removed=table["n_removed"],
        schedules=_schedules(connection, list(names), fallback),
        reschedulings=reschedulings(connection),
    )


def write_replayed(
    connection: sqlite3.Connection,
    log: StoredLog,
    found: Replayed,
    which: str = ALL,
    *,
    is_exact: bool = False,
) -> int:
    """Store what a replay of `log`, read with `which`, found: in the log and as memories.

    What was predicted is written again for its last bits, which depend on who computes a power,
    only if `is_exact`. Returns how many memories it changes.
    """
    tolerance = 0 if is_exact else CLOSE
    same = found.before == log.before
    same &= np.isclose(found.predicted, log.predicted, rtol=tolerance, atol=0, equal_nan=True)
    for name in Outcomes._fields:
        same &= getattr(found.after, name) == getattr(log.after, name)
    rows = np.flatnonzero(~same)
    connection.executemany(_UPDATE, _updates(log.ids, found, rows))
    wrong = differences(connection, which)
    if wrong:
        connection.execute(f"DELETE FROM memories WHERE {which}")
        connection.execute(f"INSERT INTO memories ({MEMORY_VALUES}) {last_memories(which)}")
    return len(wrong)


def rebuild_memories(connection: sqlite3.Connection, fallback: ScheduleSettings) -> int:
    """Compute all memories again from the answers; returns how many were wrong."""
    log = read_log(connection, fallback)
    return write_replayed(connection, log, log.replayed())


def find_moves(
    connection: sqlite3.Connection, fallback: ScheduleSettings, weights: Weights
) -> list[Move]:
    """When each card is due, and when it would be if `weights` had scheduled every answer."""
    log = read_log(connection, fallback)
    always = Rescheduling(int(log.answers.at_ms.max(initial=0)), weights)
    found = replace(log, reschedulings=[always])._replayed(1)
    newest = np.zeros(len(log.card_ids), np.int64)
    newest[log.answers.card] = np.arange(len(log.ids))  # of several rows the last stays
    before, after = log.after.due_day[newest].tolist(), found.after.due_day[newest].tolist()
    return [Move(*each) for each in zip(log.card_ids, before, after, strict=True)]


def reschedulings(connection: sqlite3.Connection) -> list[Rescheduling]:
    """Those of the history of weights, oldest first; raises `RowError` for one that is wrong."""
    rows = connection.execute(
        "SELECT at_ms, parameters FROM weights WHERE source = ? AND adopted = 1 ORDER BY at_ms, id",
        (RESCHEDULED,),
    )
    return [
        Rescheduling(
            checked("weights", "at_ms", at_ms),
            weights_from_json(checked("weights", "parameters", text)),
        )
        for at_ms, text in rows
    ]


def _updates(ids: Ints, found: Replayed, rows: Ints) -> Iterator[tuple[Any, ...]]:
    after = found.after.take(rows)
    columns: list[Sequence[Any]] = [_nullable(found.before[rows])]
    columns.append([None if value != value else value for value in found.predicted[rows].tolist()])
    columns += [after.state.tolist(), _nullable(after.step)]
    columns += [after.stability_days.tolist(), after.difficulty.tolist()]
    columns += [_nullable(after.due_at_ms), after.due_day.astype(str).tolist()]
    columns += [after.reps.tolist(), after.lapses.tolist(), after.caps_left.tolist()]
    return zip(*columns, ids[rows].tolist(), strict=True)


def _nullable(column: Ints) -> list[int | None]:
    return [None if value == NONE else value for value in column.tolist()]


def _schedules(
    connection: sqlite3.Connection, names: Sequence[str], fallback: ScheduleSettings
) -> list[ScheduleSettings]:
    known = dict(connection.execute("SELECT parameters_id, settings FROM schedules"))
    schedules = []
    for name in names:
        try:
            schedules.append(ScheduleSettings.from_json(known[name]) if name in known else fallback)
        except (ValueError, TypeError, OverflowError) as error:
            raise RowError(f"the settings of {name} cannot be read: {error}") from error
    return schedules


def _require_sound(table: Any) -> None:
    """Raises `RowError` for what a replay could not compute with; the rest of the rules are
    those of `soundness`."""
    ratings, states = table["rating"], table["state"]
    if not (
        np.isin(ratings, (1, 2, 3, 4)).all()
        and np.isin(states, (1, 2, 3)).all()
        and (np.abs(table["offset_min"]) < 1440).all()
    ):
        raise RowError("a rating, a state or an offset that no answer has")
