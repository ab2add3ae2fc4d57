"""Copies of the progress database: one for each study day, thinned, and one before a migration."""

from __future__ import annotations

import glob
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from studykit.errors import StoreError
from studykit.files import DRAFT, remove_drafts
from studykit.text import clean, plural

N_DAILY = 7
"""Daily copies kept, the newest ones."""

N_BEFORE_MERGES = 7
"""Copies kept of those made before merges, the newest ones."""

N_WEEKLY = 4
"""Copies kept of the weeks before those, the newest of each week."""


SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What `sqlite3` raises for a damaged file: the second where SQLite's message quotes the damage."""


class DamagedError(sqlite3.DatabaseError):
    """The database can be read but is not sound."""


def back_up_daily(database: Path, folder: Path, day: date) -> Path | None:
    """The copy made for `day`, or None if there is one already; old copies are thinned.

    A copy that holds an answer or a run which no newer one has is never taken away. Raises as
    `copy_database` does.
    """
    remove_drafts(folder, f"*{glob.escape(database.stem)}-*{DRAFT}")
    target = folder / f"{database.stem}-{day.isoformat()}{database.suffix}"
    if target.exists():
        return None
    copy_database(database, target)
    copies = _daily(database, folder)
    superfluous = _superfluous(copies)
    # Of two copies of one history the newer one holds all of the older: ask the new one first.
    kept = [path for path in copies.values() if path not in superfluous]
    for path in superfluous:
        if any(_holds_all_of(newer, path) for newer in kept):
            path.unlink(missing_ok=True)
        else:
            kept.append(path)
    return target


def copy_before_merge(database: Path, folder: Path, at: datetime) -> Path:
    """The copy made before a merge at `at`; of older ones the newest seven stay.

    One that holds an answer or a run which no newer one has is never taken away. Raises as
    `copy_database` does.
    """
    name = f"{database.stem}-before-merge-"
    target = folder / f"{name}{at:%Y-%m-%d-%H%M%S}{database.suffix}"
    n = 1
    while target.exists():
        target, n = folder / f"{name}{at:%Y-%m-%d-%H%M%S}-{n}{database.suffix}", n + 1
    copy_database(database, target)
    copies = sorted(folder.glob(f"{glob.escape(name)}*{database.suffix}"), reverse=True)
    for path in copies[N_BEFORE_MERGES:]:
        if _holds_all_of(target, path):
            path.unlink(missing_ok=True)
    return target


def copy_database(database: Path, target: Path) -> None:
    """Write `target`, one self-contained file, whole and sound or not at all.

    Raises `sqlite3.DatabaseError` for a damaged database, so that no good copy ever gives way
    to a bad one, and `OSError` when the folder cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}{DRAFT}")
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
            shutil.copymode(database, draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(target)
        synchronise_folder(target.parent)
    finally:
        draft.unlink(missing_ok=True)


def copies_in(folder: Path) -> list[Path]:
    """The copies, of whatever sort, the one written last first."""
    copies = [path for path in folder.glob("*.sqlite3") if path.is_file()]
    return sorted(copies, key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)


def newest_backup(folder: Path) -> Path | None:
    """The copy written last, of whatever sort."""
    return next(iter(copies_in(folder)), None)


def log_of(path: Path) -> Path:
    """Where SQLite keeps the latest changes of the database at `path`."""
    return path.with_name(f"{path.name}-wal")


def refuse_if_lost(path: Path, backups_dir: Path) -> None:
    """Raises `StoreError` if there was progress at `path`, which is not there now."""
    for link in (path, *path.parents):
        if not link.is_symlink() or link.exists():
            continue
        raise StoreError(  # it may lead to a drive that is not plugged in
            f"{clean(str(link))} is a link to {clean(str(link.readlink()))}, which is not there",
            hint="see that what it leads to is there; to begin anew, take the link away",
        )
    if log_of(path).exists() and log_of(path).stat().st_size:
        # SQLite would replay it into the new file.
        raise StoreError(
            f"{clean(str(path))} is missing, but its last changes are in {log_of(path).name}",
            hint=f"put {path.name} back beside it; or `studykit doctor --restore newest` goes back"
            " to the newest copy",
        )
    told = newest_history(backups_dir)
    if told is not None:
        raise StoreError(
            f"{clean(str(path))} is missing, but there was progress: {told}",
            hint="`studykit doctor --restore newest` brings it back; to begin anew, move "
            f"{clean(str(backups_dir))} away",
        )


# --- what a copy holds ---

KEYS = {
    "reviews": ("card_id", "at_ms"),
    "practised": ("card_id", "at_ms"),
    "runs": ("lab", "started_at_ms"),
}
"""Tables of what a learner did, and the columns by which one row is known from another."""


# Nearly all rows of a copy stand in the database at the same place: only of the others a sorted
# list is made, which takes far longer.
_MISSING = """\
SELECT count(*) FROM (
    SELECT {columns} FROM copy.{table} AS theirs WHERE NOT EXISTS (
        SELECT 1 FROM main.{table} AS ours WHERE ours.rowid = theirs.rowid AND {same}
    )
    EXCEPT SELECT {columns} FROM main.{table}
)
"""


def newest_history(folder: Path) -> str | None:
    """The newest copy that holds anything a learner did, in words; None if none does.

    One that cannot be read may have held something.
    """
    unreadable = None
    for path in copies_in(folder):
        history = history_of(path)
        if history is None:
            unreadable = unreadable or f"{clean(str(path))} cannot be read"
        elif any(history.counts):
            return f"{clean(str(path))} holds {history}"
    return unreadable


@dataclass(frozen=True, slots=True)
class History:
    """What somebody did until a copy was made."""

    n_answers: int
    n_practised: int
    n_runs: int
    last_day: str
    """Study day of the last answer, empty if there is none."""

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.n_answers, self.n_practised, self.n_runs

    def __str__(self) -> str:
        until = f" until {clean(self.last_day)}" if self.last_day else ""
        runs = f", {plural(self.n_runs, 'run')}" if self.n_runs else ""
        return f"{plural(self.n_answers, 'answer')}{until}{runs}"


def history_of(copy: Path) -> History | None:
    """What a copy holds; None if it cannot be read."""
    with suppress(*SQLITE_ERRORS), closing(_open_copy(copy)) as connection:
        known = _tables(connection, "main")
        n_answers, n_practised, n_runs = (
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            if table in known
            else 0
            for table in KEYS
        )
        (last_day,) = connection.execute("SELECT max(day) FROM reviews").fetchone()
        return History(n_answers, n_practised, n_runs, str(last_day or ""))
    return None


def n_missing(database: sqlite3.Connection, copy: Path) -> int:
    """How many answers and runs a copy holds that the database has not.

    `database` must take URIs. Raises one of `SQLITE_ERRORS` if either cannot be read.
    """
    database.execute("ATTACH ? AS copy", (f"{copy.absolute().as_uri()}?immutable=1",))
    try:
        return sum(
            database.execute(
                _MISSING.format(
                    table=table,
                    columns=", ".join(KEYS[table]),
                    same=" AND ".join(f"ours.{name} IS theirs.{name}" for name in KEYS[table]),
                )
            ).fetchone()[0]
            for table in _tables(database, "copy")
        )
    finally:
        database.execute("DETACH copy")


def _holds_all_of(newer: Path, copy: Path) -> bool:
    """Also where there is nothing that can be read of `copy`."""
    if history_of(copy) is None:
        return True
    try:
        with closing(_open_copy(newer)) as connection:
            return n_missing(connection, copy) == 0
    except SQLITE_ERRORS:
        return False


def _tables(connection: sqlite3.Connection, schema: str) -> list[str]:
    """Those of `KEYS` that are there: an older revision may not have all."""
    names = {name for (name,) in connection.execute(f"SELECT name FROM {schema}.sqlite_master")}
    return [table for table in KEYS if table in names]


def _open_copy(copy: Path) -> sqlite3.Connection:
    # Nobody writes a copy: so no files appear beside it, also where the folder is read-only.
    return sqlite3.connect(f"{copy.absolute().as_uri()}?immutable=1", uri=True)


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
