"""SQLite databases of other programs, opened to be read and nothing else.

A database can hold programs: a view in place of a table, a trigger, a virtual table. None of the
programs whose files are read here has any, so a file with one is refused.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from studykit.errors import StudykitError
from studykit.progress.backups import SQLITE_ERRORS
from studykit.text import clean

LONGEST_VALUE = 64 * 1024**2
"""Bytes of one text or blob; Anki's note types stand in one."""
MOST_STEPS = 20_000_000_000
"""Of SQLite's virtual machine in all: a hundred times what the largest collections take."""

_STEPS_AT_A_TIME = 1_000_000
_PROGRAMS = "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view') OR sql LIKE ?"

Collation = Callable[[str, str], int]


@contextmanager
def open_foreign(
    path: Path, shown: Path, collations: Mapping[str, Collation]
) -> Iterator[sqlite3.Connection]:
    """A connection to the private file at `path`; in messages it is called `shown`.

    SQLite makes no file beside it, not even for one in WAL mode. Raises `StudykitError` for what
    is no sound database, also while the block reads from it.
    """
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            # Before the first statement: SQLite remembers a schema whose collation it lacked.
            for name, collation in collations.items():
                connection.create_collation(name, collation)
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
            connection.set_progress_handler(_stop_after(MOST_STEPS), _STEPS_AT_A_TIME)
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            if found := connection.execute(_PROGRAMS, ("%CREATE VIRTUAL%",)).fetchone():
                what = f"its database holds a program, {clean(str(found[0]))}"
                raise StudykitError(f"{clean(str(shown))} is refused: {what}")
            yield connection
    except SQLITE_ERRORS as error:
        is_told = isinstance(error, sqlite3.Error)
        detail = clean(" ".join(str(error).split())) if is_told else "it is damaged"
        what = f"the database in {clean(str(shown))} cannot be read: {detail}"
        raise StudykitError(what, hint="export it again; nothing was written") from None


def _stop_after(most: int) -> Callable[[], bool]:
    left = most // _STEPS_AT_A_TIME

    def count() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    return count
