"""A long table is checked by SQLite, which finds the rows that the rules in Python find."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from studykit.progress.soundness import RULES, bad_rows
from studykit.progress.tables import METADATA
from tests.progress.builders import make_review, open_store

COLUMNS = [(table, name) for table, rules in RULES.items() for name in rules]
DAYS = ["2026-02-28", "2026-02-29", "2024-02-29", "2026-02-31", "1969-12-31", "9999-12-31", "today"]
VALUES = st.one_of(
    st.none(),
    st.integers(-3, 102),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),  # which SQLite stores as NULL
    st.sampled_from([*DAYS, "buried", "cram", "2026-1-01", "2026-01-01 ", "2026-01-01T00:00"]),
    st.dates().map(str),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.binary(max_size=12),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(COLUMNS), VALUES)
@example(("reviews", "day"), b"2026-02-28")
@example(("reviews", "day"), "2026-02-31")
@example(("reviews", "rating"), 1.0)
@example(("reviews", "given"), b"bytes")
@example(("marks", "mark"), b"buried")
def test_sql_says_of_a_value_what_python_says(column: tuple[str, str], value: object) -> None:
    """Of what only Python can read it says nothing good, so that Python is asked."""
    table, name = column
    rule = RULES[table][name]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE one (it)")
        connection.execute("INSERT INTO one VALUES (?)", (value,))
        (found,) = connection.execute(f"SELECT {rule.sql.format('it')} FROM one").fetchone()
        (stored,) = connection.execute("SELECT it FROM one").fetchone()

    assert bool(found) == (rule.sql != "FALSE" and rule.holds(stored))


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("given", b"caf\xc3", "a text is not UTF-8"),
        ("given", b"\xa9 half", "a text is not UTF-8"),
        ("day", "2026-02-31", "day cannot be '2026-02-31'"),
        ("rating", 5, "rating cannot be 5"),
        ("predicted", 1.5, "predicted cannot be 1.5"),
        ("difficulty", 0.5, "difficulty cannot be 0.5"),
        ("confidence", 101, "confidence cannot be 101"),
        ("caps_left", 3, "caps_left cannot be 3"),
        ("state", 0, "what a card in state new needs is missing"),
        ("due_day", None, "what a card in state review needs is missing"),
    ],
)
def test_a_bad_row_among_many_is_named(
    tmp_path: Path, name: str, value: object, fault: str
) -> None:
    """And no other, whatever stands beside it."""
    with closing(open_store(tmp_path)) as store:
        for n in range(7):
            store.record(make_review(f"card-{n}"))
    with closing(sqlite3.connect(tmp_path / "progress.sqlite3")) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        assert list(bad_rows(connection)) == []
        kind = "CAST(? AS TEXT)" if isinstance(value, bytes) else "?"
        connection.execute(f"UPDATE reviews SET {name} = {kind} WHERE id = 4", (value,))
        assert list(bad_rows(connection)) == [f"row 4 of reviews, card card-3: {fault}"]


def test_every_column_of_a_checked_table_has_a_rule() -> None:
    for table, rules in RULES.items():
        assert rules.keys() == set(METADATA.tables[table].columns.keys())
