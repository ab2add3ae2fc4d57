"""The numbers of rows, which grow with the time as they do where rows are only ever added."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence


def renumber(
    connection: sqlite3.Connection,
    table: str,
    order: Sequence[str],
    references: Iterable[tuple[str, str]] = (),
) -> None:
    """Number the rows of a table by these columns, from 1 on; alike ones stay in their order.

    `references`: tables with the columns of theirs that hold the numbers. Which ones changed is in
    `temp.numbers` then, as `old` and `new`.
    """
    do = connection.execute
    do("DROP TABLE IF EXISTS temp.numbers")
    do("CREATE TEMP TABLE numbers (old INTEGER PRIMARY KEY, new INTEGER)")
    do(
        "INSERT INTO temp.numbers SELECT * FROM (SELECT id, row_number() OVER"
        f" (ORDER BY {', '.join(order)}, id) AS new FROM main.{table}) WHERE id <> new"
    )
    for name, column in ((table, "id"), *references):
        # By way of negative numbers: no two rows may have one number in between.
        do(
            f"UPDATE main.{name} SET {column} = -numbers.new FROM temp.numbers"
            f" WHERE numbers.old = {column}"
        )
        do(f"UPDATE main.{name} SET {column} = -{column} WHERE {column} < 0")
