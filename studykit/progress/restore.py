"""Back to a copy: the newest sound one takes the place of the progress, with what came after it.

The file that was in its place is kept beside it, whatever its state.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from operator import eq
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studykit.errors import StoreError
from studykit.files import remove_drafts
from studykit.progress.backups import (
    SQLITE_ERRORS,
    copies_in,
    history_of,
    log_of,
    synchronise_folder,
)
from studykit.progress.database import explained, require_alone
from studykit.progress.soundness import RULES, RowError, require
from studykit.progress.store import Store
from studykit.text import clean

_IN_ORDER = ("sittings", "reviews", "practised", "runs", "outcomes")
"""Tables whose rows are numbered as they are added: what has a higher number came later."""

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


def restore(path: Path, backups_dir: Path, at: datetime, copy: Path | None = None) -> Restored:
    """Put the newest sound copy, or `copy`, in the place of the progress at `path`.

    Answers, practice and runs that were added to the file after the copy was made are taken over
    as far as they can be read. Raises `StoreError` if another program has the file open, or if no
    copy is sound and nothing can be read of the file, and has changed nothing then.
    """
    path = path.resolve()
    with explained(path, backups_dir):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_drafts(path.parent, ".restore-*")
        require_alone(path)
        with TemporaryDirectory(prefix=".restore-", dir=path.parent) as folder:
            draft = Path(folder) / path.name
            copies = [copy] if copy else _copies_of_something(backups_dir)
            base, passed_over = _choose(copies, draft)
            # Where no copy is sound, the one that is damaged least may still give something.
            sources = [path] if base else [path, *copies]
            taken = (_take_over(each, draft, Path(folder)) for each in sources if each.exists())
            n_since = next(filter(None, taken), 0)
            with closing(Store.open(draft, backups_dir=Path(folder))) as store:
                n_answers = sum(store.answers_by_day().values())
            if base is None and not n_since:
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


def _choose(copies: Sequence[Path], draft: Path) -> tuple[Path | None, list[str]]:
    """Make `draft` of the first sound copy; which it is, and why those before it were not taken.

    If none is sound the draft is a new, empty database.
    """
    passed_over: list[str] = []
    for copy in copies:
        shutil.copyfile(copy, draft)
        try:
            problems = _problems(draft)
        except StoreError as error:
            problems = [error.what]
        if not problems:
            return copy, passed_over
        passed_over.append(f"{clean(str(copy))}: {problems[0].replace(str(draft), 'the copy')}")
        _remove(draft)
    Store.open(draft, backups_dir=draft.parent).close()
    return None, passed_over


def _problems(draft: Path) -> list[str]:
    """What is wrong with a copy once all that can be made again is, and unreadable runs are gone.

    It is led to our schema.
    """
    with closing(Store.open(draft, backups_dir=draft.parent)) as store:
        if not store.check():
            return []
        with suppress(StoreError):  # where the log itself is at fault, which the check will say
            store.rebuild()
            store.remove_unreadable_runs()
        return store.check()


def _remove(database: Path) -> None:
    for each in (database, log_of(database), database.with_name(f"{database.name}-shm")):
        each.unlink(missing_ok=True)


def _take_over(path: Path, draft: Path, folder: Path) -> int:
    """Add to `draft` what was added to the database at `path` later; how many answers that is.

    Nothing is added if the two are not of one history, or if the result were not sound.
    """
    damaged, attempt = folder / "damaged.sqlite3", folder / "attempt.sqlite3"
    shutil.copyfile(path, damaged)
    if log_of(path).exists():
        shutil.copyfile(log_of(path), log_of(damaged))
    shutil.copyfile(draft, attempt)
    try:
        n_answers = _add_later_rows(damaged, attempt)
        if _problems(attempt):
            return 0
    except (*SQLITE_ERRORS, StoreError):
        return 0
    attempt.replace(draft)
    return n_answers


def _add_later_rows(damaged: Path, attempt: Path) -> int:
    with (
        closing(sqlite3.connect(damaged)) as source,
        closing(sqlite3.connect(attempt)) as target,
    ):
        source.text_factory = bytes
        if not _is_one_history(source, target):
            return 0
        n_added = {table: _add_later(source, target, table) for table in _IN_ORDER}
        _add_marks(source, target)
        target.executescript(_UNLINK)
        return n_added["reviews"]


_UNLINK = """\
UPDATE reviews SET sitting_id = NULL WHERE sitting_id NOT IN (SELECT id FROM sittings);
UPDATE runs SET sitting_id = NULL WHERE sitting_id NOT IN (SELECT id FROM sittings);
DELETE FROM outcomes WHERE run_id NOT IN (SELECT id FROM runs);
"""
"""What a row that could not be read leaves behind."""


def _is_one_history(source: sqlite3.Connection, target: sqlite3.Connection) -> bool:
    """Whether most of the last answers of the copy are in the file, under the same numbers."""
    query = "SELECT id, CAST(card_id AS BLOB), at_ms FROM reviews"
    last = target.execute(f"{query} ORDER BY id DESC LIMIT {_N_COMPARED}").fetchall()
    found = [source.execute(f"{query} WHERE id = ?", row[:1]).fetchone() for row in last]
    n_alike: int = sum(map(eq, found, last))
    return 2 * n_alike >= len(last)


def _add_later(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> int:
    """Add the rows of a table with numbers above those that the copy has; returns how many."""
    names = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
    key = "run_id" if table == "outcomes" else "id"
    (last,) = target.execute(f"SELECT coalesce(max({key}), 0) FROM {table}").fetchone()
    found: dict[int, Sequence[Any]] = {}
    # A page that cannot be read ends the reading: so from both ends.
    for order in ("ASC", "DESC"):
        query = (
            f"SELECT {', '.join([key, *names])} FROM {table} WHERE {key} > ? ORDER BY {key} {order}"
        )
        with suppress(sqlite3.DatabaseError):
            for number, *values in source.execute(query, (last,)):
                if number in found:
                    break
                found[number] = values
    return sum(_add(target, table, names, found[number]) for number in sorted(found))


def _add_marks(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """The marks as they are in the file, if all can be read; else those of the copy stay, too."""
    names = [row[1] for row in target.execute("PRAGMA table_info(marks)")]
    rows: list[Sequence[Any]] = []
    try:
        rows.extend(source.execute(f"SELECT {', '.join(names)} FROM marks"))
    except sqlite3.DatabaseError:
        pass
    else:
        target.execute("DELETE FROM marks")
    for row in rows:
        _add(target, "marks", names, row)


def _add(
    target: sqlite3.Connection, table: str, names: Sequence[str], stored: Sequence[Any]
) -> bool:
    """Add a row if it obeys the rules of its table; whether it does."""
    try:
        values = [str(value, "utf-8") if type(value) is bytes else value for value in stored]
        if table in RULES:
            require(list(RULES[table].items()), [values[names.index(n)] for n in RULES[table]])
        marks = ", ".join("?" * len(names))
        target.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", values)
    except (UnicodeDecodeError, RowError, sqlite3.IntegrityError):
        return False
    return True


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
