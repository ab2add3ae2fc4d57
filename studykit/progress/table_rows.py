"""Whole tables as plain values, out of a database and into one: what a copy in JSON consists of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Connection, insert, select

from studykit.progress.tables import METADATA

N_ROWS_AT_A_TIME = 2000

TABLES = tuple(table.name for table in METADATA.sorted_tables)
"""Every table, each after those that its rows point to."""


def rows_of_table(connection: Connection, name: str) -> Iterator[dict[str, Any]]:
    """Each row as column -> value, by primary key; what is null is left out."""
    table = METADATA.tables[name]
    names = table.columns.keys()
    query = select(table).order_by(*table.primary_key.columns)
    options = {"yield_per": N_ROWS_AT_A_TIME}
    for row in connection.execute(query, execution_options=options):
        yield {key: value for key, value in zip(names, row, strict=True) if value is not None}


def fill_table(connection: Connection, name: str, rows: Iterable[Any]) -> int:
    """Insert the rows, mappings whose missing columns are null; returns how many there were.

    Raises `DBAPIError` for values that the schema refuses, `ValueError` for what is no row of it.
    """
    table = METADATA.tables[name]
    # One statement serves all rows, so each names every column; the one default there is, is 0.
    columns = {c.name: None if c.server_default is None else 0 for c in table.columns}
    statement = insert(table)
    rows = iter(rows)
    n = 0
    while batch := [_whole_row(columns, row) for row in islice(rows, N_ROWS_AT_A_TIME)]:
        connection.execute(statement, batch)
        n += len(batch)
    return n


def _whole_row(columns: Mapping[str, Any], row: Any) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise ValueError("a row is no object")
    if unknown := row.keys() - columns.keys():
        raise ValueError(f"no column is called {min(unknown)[:80]!r}")
    return {**columns, **row}
