"""A database made of plain rows, such as those of a JSON document that may come from anybody."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sqlalchemy.exc import StatementError
from sqlmodel import Session

from studykit.errors import StoreError
from studykit.progress.database import WRITES, driver_of, open_database
from studykit.progress.soundness import bad_rows
from studykit.progress.table_rows import fill_table
from studykit.text import clean


def build_database(path: Path, tables: Iterable[tuple[str, Iterable[Any]]]) -> dict[str, int]:
    """A database at `path`, where none is, of each table's rows; returns how many each has.

    It has the newest schema. Raises `StoreError` for a row that breaks a rule; what is at `path`
    then is of no use.
    """
    engine = open_database(path, path.with_suffix(""))  # no folder of copies: there are none
    counts: dict[str, int] = {}
    name = ""
    try:
        with Session(engine.execution_options(**WRITES)) as session:
            connection = session.connection()
            # Rows may come before those that they point to.
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            for name, rows in tables:
                counts[name] = fill_table(connection, name, rows)
            name = ""
            session.commit()
            fault = next(bad_rows(driver_of(session)), None)
    except (StatementError, OverflowError, ValueError, TypeError) as error:
        of = f"{name}: " if name else ""
        reason = str(error.orig) if isinstance(error, StatementError) else str(error)
        raise StoreError(f"{of}{clean(reason).splitlines()[0]}") from None
    finally:
        engine.dispose()
    if fault is not None:
        raise StoreError(clean(fault))
    return counts
