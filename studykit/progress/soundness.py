"""What each value in the database may be, and which rows hold something else.

A database may be damaged, or edited by another program: everything read from it is checked by
these rules, and the row that breaks one is named.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, TypeAlias, get_args

from studykit.clock import FIRST_YEAR, LAST_YEAR, to_ms, year_start
from studykit.review.marks import Mark
from studykit.review.practice import Mode
from studykit.review.schedule import CAPS_DAYS, Rating, ScheduleSettings, State
from studykit.review.weights import judgement_from_json, weights_from_json
from studykit.text import clean

Check: TypeAlias = Callable[[Any], bool]

UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What it may raise to make a value of a row that breaks a rule."""

_LONGEST_SHOWN = 40
"""Characters of a wrong value that are shown."""


class RowError(ValueError):
    """A row breaks a rule; the text names the column and its value."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the values of a column may be, said twice: a long table is checked by SQLite."""

    holds: Check
    sql: str
    """The same as a condition on ``{}``, the column. It may fail for a value that holds, and then
    `holds` decides; it never holds for one that fails, but for texts that are no UTF-8."""
    is_text: bool = False
    """Any text will do."""


def _whole(low: int, high: int) -> Rule:
    return Rule(
        lambda value: type(value) is int and low <= value <= high,
        f"typeof({{0}}) = 'integer' AND {{0}} BETWEEN {low} AND {high}",
    )


def _number(low: float, high: float) -> Rule:
    return Rule(
        lambda value: type(value) in (int, float) and low <= value <= high,
        f"typeof({{0}}) IN ('integer', 'real') AND {{0}} BETWEEN {low} AND {high}",
    )


@cache
def _is_day(value: Any) -> bool:
    if type(value) is not str or not _A_DAY.fullmatch(value):
        return False
    with suppress(ValueError):
        return FIRST_YEAR <= date.fromisoformat(value).year <= _LAST_YEAR
    return False


_LAST_YEAR = LAST_YEAR + 200
"""Intervals of a century lead beyond the last year that a clock may show."""
_A_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _made_by(read: Callable[[str], object]) -> Rule:
    """What `read` can read."""

    def check(value: Any) -> bool:
        with suppress(*UNREADABLE):
            read(value)
            return True
        return False

    return Rule(check, "FALSE")


def _optional(rule: Rule) -> Rule:
    holds = rule.holds
    return Rule(lambda value: value is None or holds(value), f"({{0}} IS NULL OR {rule.sql})")


def _one_of(*values: str) -> Rule:
    listed = ", ".join(f"'{value}'" for value in values)
    return Rule(lambda value: type(value) is str and value in values, f"{{0}} IN ({listed})")


_text = Rule(lambda value: type(value) is str, "typeof({0}) = 'text'", is_text=True)
_day = Rule(
    _is_day,
    # SQLite takes 31 February for a day in March, once it is to reckon with it.
    f"date({{0}}, '+0 days') IS {{0}}"
    f" AND {{0}} BETWEEN '{FIRST_YEAR}-01-01' AND '{_LAST_YEAR}-12-31'",
)
_instant = _whole(to_ms(year_start(FIRST_YEAR)), to_ms(year_start(_LAST_YEAR)))
_offset = _whole(-1439, 1439)
_share = _number(0, 1)
_truth = _optional(_whole(0, 1))
_rating = _whole(min(Rating), max(Rating))
_count = _whole(0, 2**31)
_id = _whole(1, 2**63)

_MEMORY: dict[str, Rule] = {
    "state": _whole(min(State), max(State)),
    "step": _optional(_count),
    "stability_days": _optional(_number(1e-9, 1e9)),
    "difficulty": _optional(_number(1, 10)),
    "due_at_ms": _optional(_instant),
    "due_day": _optional(_day),
    "last_review_at_ms": _optional(_instant),
    "last_review_day": _optional(_day),
    "reps": _count,
    "lapses": _count,
    "caps_left": _whole(0, len(CAPS_DAYS)),
}
_ANSWER: dict[str, Rule] = {
    "card_id": _text,
    "at_ms": _instant,
    "offset_min": _offset,
    "day": _day,
    "kind": _text,
    "correct": _truth,
    "given": _text,
    "confidence": _optional(_whole(0, 100)),
    "taken_ms": _whole(-(2**53), 2**53),
    "score": _optional(_share),
}

RULES: Mapping[str, Mapping[str, Rule]] = {
    "sittings": {
        "id": _id,
        "started_at_ms": _instant,
        "offset_min": _offset,
        "day": _day,
        "ended_at_ms": _optional(_instant),
    },
    "reviews": {
        "id": _id,
        "sitting_id": _optional(_id),
        **_MEMORY,
        **_ANSWER,
        "rating": _rating,
        "suggested": _optional(_rating),
        "scheduler": _text,
        "parameters_id": _text,
        "content_hash": _text,
        "state_before": _optional(_whole(min(State), max(State))),
        "predicted": _optional(_share),
    },
    "memories": {"card_id": _text, **_MEMORY},
    "marks": {
        "card_id": _text,
        "mark": _one_of(*get_args(Mark)),
        "at_ms": _instant,
        "offset_min": _offset,
        "day": _day,
    },
    "practised": {"id": _id, **_ANSWER, "mode": _one_of(*get_args(Mode))},
    "schedules": {"parameters_id": _text, "settings": _made_by(ScheduleSettings.from_json)},
    "removals": {
        "what": _one_of("review", "practised", *get_args(Mark)),
        "card_id": _text,
        "at_ms": _instant,
    },
    "weights": {
        "id": _id,
        "at_ms": _instant,
        "offset_min": _offset,
        "parameters": _made_by(weights_from_json),
        "source": _text,
        "n_reviews": _count,
        "judged": _made_by(judgement_from_json),
        "adopted": _whole(0, 1),
    },
}
"""Table -> column -> what its values may be. Runs of labs are checked by their own parser."""


def checks_of(table: str, names: Iterable[str]) -> tuple[tuple[str, Check], ...]:
    """The rules of some columns, for `require`."""
    return tuple((name, RULES[table][name].holds) for name in names)


def require(checks: Sequence[tuple[str, Check]], values: Sequence[Any]) -> None:
    """Raise `RowError` for the first of `values` that breaks its rule."""
    for (name, check), value in zip(checks, values, strict=True):
        if not check(value):
            raise RowError(f"{name} cannot be {shown(value)}")


def require_row(table: str, row: object) -> None:
    """As `require`, for every column of a row of the table."""
    rules = RULES[table]
    require(checks_of(table, rules), [getattr(row, name) for name in rules])


def checked(table: str, name: str, value: Any) -> Any:
    """`value`, if a column may hold it; raises `RowError` if not."""
    require(checks_of(table, [name]), [value])
    return value


def require_memory(values: Sequence[Any]) -> None:
    """Raise `RowError` if what a card in this state needs is missing.

    `values`: state, step, stability_days, difficulty, due_at_ms, due_day, last_review_at_ms,
    last_review_day, and whatever follows; each obeys its own rule.
    """
    state, step, stability, difficulty, due_at, due_day, last_at, last_day, *_ = values
    in_steps = state in (State.LEARNING, State.RELEARNING)
    has_all = None not in (stability, difficulty, due_day, last_at, last_day)
    if state == State.NEW or not has_all or (in_steps and None in (step, due_at)):
        raise RowError(f"what a card in state {State(state).name.lower()} needs is missing")


def shown(value: Any) -> str:
    """A value as a message shows it: short and safe."""
    if isinstance(value, bytes):
        value = value[:_LONGEST_SHOWN].decode(errors="backslashreplace")
    text = clean(" ".join(repr(value).split()))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def bad_rows(connection: sqlite3.Connection, tables: Iterable[str] = RULES) -> Iterator[str]:
    """Each row that breaks a rule as one line: table, id, card and what is wrong with it.

    Raises `sqlite3.DatabaseError` where the file is too damaged to be read on.
    """
    factory = connection.text_factory
    connection.text_factory = bytes  # what is no UTF-8 must not stop the reading
    try:
        for table in tables:
            names = list(RULES[table])
            query = f"SELECT {', '.join(names)} FROM {table} WHERE rowid = ?"
            for row_id in _suspects(connection, table):
                for values in connection.execute(query, (row_id,)):
                    if fault := _fault(table, values):
                        yield f"row {row_id} of {table}{_of_card(names, values)}: {fault}"
    finally:
        connection.text_factory = factory


def require_all(
    connection: sqlite3.Connection, table: str, names: Iterable[str] | None = None
) -> None:
    """Raise `RowError` if a row of the table breaks a rule of these columns, or of all."""
    sound = _sound(table) if names is None else _condition(table, names)
    if connection.execute(f"SELECT 1 FROM {table} WHERE NOT ({sound})").fetchone():
        raise RowError(f"a row of {table} has a value that it cannot have")


def _sound(table: str) -> str:
    """A condition that holds for no row that breaks a rule, but for texts that are no UTF-8."""
    columns = _condition(table, RULES[table])
    return f"{columns} AND {_NEEDED}" if table in ("reviews", "memories") else columns


def _condition(table: str, names: Iterable[str]) -> str:
    conditions = [f"({RULES[table][name].sql.format(name)})" for name in names]
    return f"coalesce({' AND '.join(conditions)}, FALSE)"


_NEEDED = f"""\
state <> {int(State.NEW)} AND stability_days IS NOT NULL AND difficulty IS NOT NULL
AND due_day IS NOT NULL AND last_review_at_ms IS NOT NULL AND last_review_day IS NOT NULL
AND (state = {int(State.REVIEW)} OR (step IS NOT NULL AND due_at_ms IS NOT NULL))
"""
"""As `require_memory` has it."""


def _suspects(connection: sqlite3.Connection, table: str) -> Iterator[int]:
    """Ids of the rows that may break a rule, found by SQLite, and among them of all that do."""
    rules = RULES[table]
    texts = [name for name, rule in rules.items() if rule.is_text]
    text = f" || '{_SEPARATOR}' || ".join(f"CAST({name} AS BLOB)" for name in texts) or "''"
    rows = connection.execute(f"SELECT rowid, {_sound(table)}, CAST({text} AS BLOB) FROM {table}")
    while some := rows.fetchmany(N_ROWS_AT_A_TIME):
        # Of many texts at once, as there is hardly ever one that is not UTF-8.
        all_readable = _is_readable(_SEPARATOR.encode().join(text or b"" for *_, text in some))
        for row_id, is_sound, text in some:
            if not is_sound or not (all_readable or _is_readable(text)):
                yield row_id


N_ROWS_AT_A_TIME = 5_000
_SEPARATOR = "|"
"""Between two texts, so that half a character of each does not make a whole one."""


def _is_readable(text: bytes) -> bool:
    try:
        str(text, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _fault(table: str, stored: Sequence[Any]) -> str:
    try:
        values = [str(value, "utf-8") if type(value) is bytes else value for value in stored]
    except UnicodeDecodeError:
        return "a text is not UTF-8"
    return fault_of(table, dict(zip(RULES[table], values, strict=True)))


def fault_of(table: str, row: Mapping[str, Any]) -> str:
    """What rule some columns of a row break, if not all are there; empty if none."""
    names = [name for name in row if name in RULES[table]]
    try:
        require(checks_of(table, names), [row[name] for name in names])
        if table in ("reviews", "memories"):
            require_memory([row.get(name) for name in _MEMORY])
    except RowError as error:
        return str(error)
    return ""


def _of_card(names: Sequence[str], values: Sequence[Any]) -> str:
    """Of which card the row is, if it says so."""
    if "card_id" not in names:
        return ""
    card_id = values[names.index("card_id")]
    text = card_id.decode(errors="replace") if isinstance(card_id, bytes) else str(card_id)
    return f", card {clean(text[:_LONGEST_SHOWN])}"
