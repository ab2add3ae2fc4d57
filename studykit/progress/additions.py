"""Answers and marks that were given in another program, put into the log at their place in time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, NamedTuple

from studykit.progress.numbering import renumber
from studykit.progress.replays import read_log, write_replayed
from studykit.review.marks import Mark
from studykit.review.schedule import ScheduleSettings

COLUMNS = (
    *("card_id", "at_ms", "offset_min", "day", "rating", "kind", "given", "taken_ms"),
    *("scheduler", "parameters_id", "content_hash", "state_before", "predicted"),
    *("state", "step", "stability_days", "difficulty", "due_at_ms", "due_day"),
    *("last_review_at_ms", "last_review_day", "reps", "lapses"),
)
"""What a row that is added tells; all other columns have their defaults."""

_TOUCHED = "card_id IN (SELECT card_id FROM temp.touched WHERE number BETWEEN {} AND {})"
N_CARDS_AT_A_TIME = 5_000
"""Whose logs are in memory at once."""


class Additions(NamedTuple):
    """What was added, or would be."""

    n_answers: int
    n_marks: int


def add_past(
    connection: sqlite3.Connection,
    answers: Iterable[tuple[Any, ...]],
    marks: Iterable[tuple[str, Mark]],
    marked: tuple[int, int, str],
    fallback: ScheduleSettings,
) -> Additions:
    """Add rows of `COLUMNS` to the log, and marks; what is there already, or was taken back, stays.

    An answer is there if one with its card, instant and rating is. `marked`: instant, offset and
    study day at which the marks count as set. The memories of all cards that get an answer are
    computed from their whole log; where the rows that are added say another day than the schedule
    would, that day stands (see `replay`).
    """
    do = connection.execute
    names = ", ".join(COLUMNS)
    do("DROP TABLE IF EXISTS temp.added")
    do("DROP TABLE IF EXISTS temp.touched")
    do(f"CREATE TEMP TABLE added AS SELECT {names} FROM reviews WHERE 0")
    places = ", ".join("?" * len(COLUMNS))
    connection.executemany(f"INSERT INTO temp.added VALUES ({places})", answers)
    do(
        "DELETE FROM temp.added AS a WHERE EXISTS (SELECT 1 FROM main.reviews AS r"
        " WHERE r.card_id = a.card_id AND r.at_ms = a.at_ms AND r.rating = a.rating)"
        " OR EXISTS (SELECT 1 FROM main.removals AS r WHERE r.what = 'review'"
        " AND r.card_id = a.card_id AND r.at_ms = a.at_ms)"
    )
    do("CREATE TEMP TABLE touched (number INTEGER PRIMARY KEY, card_id TEXT UNIQUE)")
    do("INSERT INTO temp.touched (card_id) SELECT DISTINCT card_id FROM temp.added")
    (newest,) = do("SELECT coalesce(max(at_ms), 0) FROM main.reviews").fetchone()
    (oldest,) = do("SELECT min(at_ms) FROM temp.added").fetchone()
    n_answers = do(
        f"INSERT INTO main.reviews ({names}) SELECT {names} FROM temp.added"
        " ORDER BY at_ms, card_id, rating"
    ).rowcount
    if n_answers:
        if oldest < newest:
            renumber(connection, "reviews", ["at_ms"])
        (n_touched,) = do("SELECT count(*) FROM temp.touched").fetchone()
        for first in range(1, n_touched + 1, N_CARDS_AT_A_TIME):
            which = _TOUCHED.format(first, first + N_CARDS_AT_A_TIME - 1)
            log = read_log(connection, fallback, which)
            write_replayed(connection, log, log.replayed(), which)
    before = connection.total_changes
    connection.executemany(
        "INSERT OR IGNORE INTO marks (card_id, mark, at_ms, offset_min, day)"
        " SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS"
        " (SELECT 1 FROM removals WHERE what = ?2 AND card_id = ?1)",
        ((card_id, mark, *marked) for card_id, mark in marks),
    )
    return Additions(n_answers, connection.total_changes - before)
