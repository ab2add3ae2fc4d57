"""Copies of the progress database: one for each study day, thinned, and one before a migration."""

from __future__ import annotations

import glob
import os
import sqlite3
from contextlib import closing, suppress
from datetime import date
from pathlib import Path

N_DAILY = 7
"""Daily copies kept, the newest ones."""

N_WEEKLY = 4
"""Copies kept of the weeks before those, the newest of each week."""


class DamagedError(sqlite3.DatabaseError):
    """The database can be read but is not sound."""


def back_up_daily(database: Path, folder: Path, day: date) -> Path | None:
    """The copy made for `day`, or None if there is one already; old copies are thinned.

    Raises as `copy_database` does.
    """
    target = folder / f"{database.stem}-{day.isoformat()}{database.suffix}"
    if target.exists():
        return None
    copy_database(database, target)
    for path in _superfluous(_daily(database, folder)):
        path.unlink(missing_ok=True)
    return target


def copy_database(database: Path, target: Path) -> None:
    """Write `target`, one self-contained file, whole and sound or not at all.

    Raises `sqlite3.DatabaseError` for a damaged database, so that no good copy ever gives way
    to a bad one, and `OSError` when the folder cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with (
            closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", uri=True)) as source,
            closing(sqlite3.connect(draft)) as copy,
        ):
            copy.execute("PRAGMA synchronous = OFF")  # synchronised once, below
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            (finding,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            if finding != "ok":
                raise DamagedError(finding)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(target)
        synchronise_folder(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def newest_backup(folder: Path) -> Path | None:
    """The copy written last, of whatever sort."""
    copies = [path for path in folder.glob("*.sqlite3") if path.is_file()]
    return max(copies, key=lambda path: (path.stat().st_mtime_ns, path.name), default=None)


def synchronise_folder(folder: Path) -> None:
    """Make the names in `folder` durable, not only the files."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _daily(database: Path, folder: Path) -> dict[date, Path]:
    """Day -> its copy, newest first."""
    copies: dict[date, Path] = {}
    for path in folder.glob(f"{glob.escape(database.stem)}-*{database.suffix}"):
        with suppress(ValueError):  # a copy before a migration, or no copy of ours
            copies[date.fromisoformat(path.stem.removeprefix(f"{database.stem}-"))] = path
    return dict(sorted(copies.items(), reverse=True))


def _superfluous(copies: dict[date, Path]) -> list[Path]:
    """The copies, of those newest first, that are neither daily nor weekly ones to keep."""
    older = list(copies)[N_DAILY:]
    newest_of_week: dict[tuple[int, int], date] = {}
    for day in older:
        newest_of_week.setdefault(day.isocalendar()[:2], day)
    kept = set(list(newest_of_week.values())[:N_WEEKLY])
    return [copies[day] for day in older if day not in kept]
