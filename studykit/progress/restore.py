"""Back to a copy: the newest sound one takes the place of the progress, with what came after it.

The file that was in its place is kept beside it, whatever its state.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence, Set
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studykit.errors import StoreError
from studykit.files import remove_drafts
from studykit.progress.backups import (
    KEYS,
    SQLITE_ERRORS,
    copies_in,
    history_of,
    log_of,
    synchronise_folder,
)
from studykit.progress.database import explained, require_alone
from studykit.progress.merge import merge
from studykit.progress.soundness import RULES, fault_of
from studykit.progress.store import DEFAULTS, Store
from studykit.review.schedule import ScheduleSettings
from studykit.text import clean

_IN_ORDER = (
    *("sittings", "reviews", "practised", "runs", "outcomes"),
    *("schedules", "weights", "removals"),
)
"""Tables that are read of a damaged file; marks are apart, memories come from the log."""

_PIECE, _MOST_ROWS = 10, 5_000_000
"""Rows that are read at once of a table with a damaged page, and more than any table has."""

_N_COMPARED = 20
"""Answers by which two databases are known to be of one history; one of them may be damaged."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What `restore` has done."""

    copy: Path | None
    """The copy that is in place now; None: none is sound, and all is what else can be read."""
    passed_over: tuple[str, ...]
    """Newer copies, each with the reason why it was not taken."""
    n_answers: int
    """Answers that the progress holds now."""
    n_since: int
    """How many of them are not in that copy."""
    kept_in: Path | None
    """The folder where that file lies now; None if there was none."""


def restore(
    path: Path,
    backups_dir: Path,
    at: datetime,
    copy: Path | None = None,
    fallback: ScheduleSettings = DEFAULTS,
) -> Restored:
    """Put the newest sound copy, or `copy`, in the place of the progress at `path`.

    Answers, practice and runs that the copy has not are taken over from the file as far as they can
    be read, and scheduled as a merge does it. Raises `StoreError` if another program has the file
    open, or if no copy is sound and nothing can be read of the file, and has changed nothing then.
    """
    path = path.resolve()
    with explained(path, backups_dir):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_drafts(path.parent, ".restore-*")
        require_alone(path)
        with TemporaryDirectory(prefix=".restore-", dir=path.parent) as folder:
            draft = Path(folder) / path.name
            copies = [copy] if copy else _copies_of_something(backups_dir)
            base, passed_over = _choose(copies, draft, fallback)
            # Where no copy is sound, the one that is damaged least may still give something.
            sources = [path] if base else [path, *copies]
            there = filter(Path.exists, sources)
            taken = (_take_over(each, draft, Path(folder), fallback) for each in there)
            n_since = next(filter(None, taken), 0)
            with closing(Store.open(draft, backups_dir=Path(folder))) as store:
                n_answers = store.n_reviews()
            if base is None and not n_since:
                if _is_sound(path, Path(folder)):
                    raise StoreError(
                        f"{clean(str(path))} is sound, and there is no copy with more in it",
                        hint="there is nothing to go back to; nothing was changed",
                    )
                raise StoreError(
                    f"there is no sound copy in {clean(str(backups_dir))}, and nothing can be read"
                    f" of {clean(str(path))} or of a copy",
                    hint="move both away to begin anew",
                )
            require_alone(path)
            kept_in = _set_aside(path, at)
            draft.replace(path)
            synchronise_folder(path.parent)
    return Restored(base, tuple(passed_over), n_answers, n_since, kept_in)


def _copies_of_something(backups_dir: Path) -> list[Path]:
    """The copies, the newest first, without those made before anything was answered or run."""
    histories = {copy: history_of(copy) for copy in copies_in(backups_dir)}
    return [copy for copy, history in histories.items() if history is None or any(history.counts)]


def _choose(
    copies: Sequence[Path], draft: Path, fallback: ScheduleSettings
) -> tuple[Path | None, list[str]]:
    """Make `draft` of the first sound copy; which it is, and why those before it were not taken.

    If none is sound the draft is a new, empty database.
    """
    passed_over: list[str] = []
    for copy in copies:
        shutil.copyfile(copy, draft)
        try:
            problems = _problems(draft, fallback)
        except StoreError as error:
            problems = [error.what]
        if not problems:
            return copy, passed_over
        passed_over.append(f"{clean(str(copy))}: {problems[0].replace(str(draft), 'the copy')}")
        _remove(draft)
    Store.open(draft, backups_dir=draft.parent).close()
    return None, passed_over


def _problems(draft: Path, fallback: ScheduleSettings) -> list[str]:
    """What is wrong with a copy once all that can be made again is, and unreadable runs are gone.

    It is led to our schema.
    """
    with closing(Store.open(draft, backups_dir=draft.parent)) as store:
        if not store.check():
            return []
        with suppress(StoreError):  # where the log itself is at fault, which the check will say
            store.rebuild(fallback)
            store.remove_unreadable_runs()
        return store.check()


def _remove(database: Path) -> None:
    for each in (database, log_of(database), database.with_name(f"{database.name}-shm")):
        each.unlink(missing_ok=True)


def _take_over(path: Path, draft: Path, folder: Path, fallback: ScheduleSettings) -> int:
    """Add to `draft` what else the database at `path` holds; how many answers that is.

    Nothing is added if the two are not of one history, or if the result were not sound.
    """
    damaged, attempt = folder / "damaged.sqlite3", folder / "attempt.sqlite3"
    rest = folder / "rest.sqlite3"
    for each in (damaged, attempt, rest):
        _remove(each)
    shutil.copyfile(path, damaged)
    if log_of(path).exists():
        shutil.copyfile(log_of(path), log_of(damaged))
    shutil.copyfile(draft, attempt)
    try:
        with closing(sqlite3.connect(damaged)) as source:
            source.text_factory = bytes
            if not _read_rest(source, attempt, rest):
                return 0
            n_answers = merge(attempt, folder, rest, fallback).n_answers
            _take_marks(source, attempt)
        if _problems(attempt, fallback):
            return 0
    except (*SQLITE_ERRORS, StoreError):
        return 0
    attempt.replace(draft)
    return n_answers


def _is_sound(path: Path, folder: Path) -> bool:
    """Whether the progress needs no copy: all that it holds can be read."""
    own = folder / "own.sqlite3"
    if not path.exists():
        return False
    shutil.copyfile(path, own)
    if log_of(path).exists():
        shutil.copyfile(log_of(path), log_of(own))
    try:
        with closing(Store.open(own, backups_dir=folder)) as store:
            return not store.check()
    except StoreError:
        return False


_UNLINK = """\
UPDATE reviews SET sitting_id = NULL WHERE sitting_id NOT IN (SELECT id FROM sittings);
UPDATE runs SET sitting_id = NULL WHERE sitting_id NOT IN (SELECT id FROM sittings);
DELETE FROM outcomes WHERE run_id NOT IN (SELECT id FROM runs);
"""
"""What a row that could not be read leaves behind."""


def _read_rest(source: sqlite3.Connection, attempt: Path, rest: Path) -> bool:
    """Make `rest` of what can be read of a damaged database and `attempt` has not.

    False, and of no use, where the two are not of one history.
    """
    Store.open(rest, backups_dir=rest.with_name("no copies")).close()
    with closing(sqlite3.connect(rest)) as target, closing(sqlite3.connect(attempt)) as draft:
        for table in _IN_ORDER:
            names, rows = _readable(source, target, table)
            # By its key a row is known in the copy: what else is in it may be damaged.
            key = [names.index(name) for name in KEYS.get(table, ()) if name in names]
            query = f"SELECT {', '.join(KEYS[table])} FROM {table}" if key else ""
            known = set(draft.execute(query)) if key else set()
            found = [tuple(row[n] for n in key) for row in rows]
            if table == "reviews" and not _is_one_history(draft, set(found)):
                return False
            for row, row_key in zip(rows, found, strict=True):
                # What it has is sound there, and may be damaged here.
                if not key or row_key not in known:
                    _add(target, table, names, row)
        target.executescript(_UNLINK)
        target.commit()
    return True


def _is_one_history(draft: sqlite3.Connection, found: Set[Sequence[Any]]) -> bool:
    """Whether most of the last answers of the copy are among those that were `found`."""
    columns = ", ".join(KEYS["reviews"])
    query = f"SELECT {columns} FROM reviews ORDER BY id DESC LIMIT {_N_COMPARED}"
    last = draft.execute(query).fetchall()
    return 2 * sum(row in found for row in last) >= len(last)


def _readable(
    source: sqlite3.Connection, target: sqlite3.Connection, table: str
) -> tuple[list[str], list[Sequence[Any]]]:
    """Columns that both have, and the rows of `source` that can be read, texts as texts."""
    names = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
    found: dict[int, Sequence[Any]] = {}
    with suppress(*SQLITE_ERRORS):
        of_source = {str(row[1], "utf-8") for row in source.execute(f"PRAGMA table_info({table})")}
        names = [name for name in names if name in of_source]
    query = f"SELECT rowid, {', '.join(names)} FROM {table}"
    if not _read_between(source, query, found, 0, _MOST_ROWS):
        # A page that cannot be read ends the reading: so piece by piece, beyond it.
        last = min(max(found, default=0) + 200 * _PIECE, _MOST_ROWS)
        for first in range(0, last + 1, _PIECE):
            _read_between(source, query, found, first, first + _PIECE)
    return names, [row for n in sorted(found) if (row := _decoded(found[n])) is not None]


def _read_between(
    source: sqlite3.Connection, query: str, found: dict[int, Sequence[Any]], first: int, end: int
) -> bool:
    """Add the rows with numbers from `first` to before `end`; whether all could be read."""
    bounds = f"WHERE rowid >= {first} AND rowid < {end} ORDER BY rowid"
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.DatabaseError):
            for number, *values in source.execute(f"{query} {bounds} {order}"):
                found[number] = values
            return True
    return False


def _decoded(stored: Sequence[Any]) -> Sequence[Any] | None:
    try:
        return [str(value, "utf-8") if type(value) is bytes else value for value in stored]
    except UnicodeDecodeError:
        return None


def _take_marks(source: sqlite3.Connection, attempt: Path) -> None:
    """The marks as they are in the file, if all can be read; else those of the copy stay, too."""
    with closing(sqlite3.connect(attempt)) as target, target:
        names = [row[1] for row in target.execute("PRAGMA table_info(marks)")]
        try:
            n_rows = len(source.execute(f"SELECT {', '.join(names)} FROM marks").fetchall())
        except SQLITE_ERRORS:
            n_rows = -1
        _, rows = _readable(source, target, "marks")
        if n_rows == len(rows):
            target.execute("DELETE FROM marks")
        for row in rows:
            _add(target, "marks", names, row)


def _add(
    target: sqlite3.Connection, table: str, names: Sequence[str], values: Sequence[Any]
) -> None:
    """Add a row if it obeys the rules of its table."""
    if table in RULES and fault_of(table, dict(zip(names, values, strict=True))):
        return
    with suppress(sqlite3.IntegrityError):
        marks = ", ".join("?" * len(names))
        target.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", values)


def _set_aside(path: Path, at: datetime) -> Path | None:
    """Move the file and what SQLite keeps beside it into a folder of their own; which it is."""
    parts = [path, log_of(path), path.with_name(f"{path.name}-shm")]
    if not any(part.exists() for part in parts):
        return None
    name = f"replaced-{at:%Y-%m-%d-%H%M%S}"
    folder = path.with_name(name)
    n = 1
    while folder.exists():
        folder, n = path.with_name(f"{name}-{n}"), n + 1
    folder.mkdir()
    # The file first: without it a log left behind is noticed, and is never applied to another.
    for part in parts:
        if part.exists():
            part.replace(folder / part.name)
    synchronise_folder(folder)
    return folder
