"""The database file: found, made, led to the newest schema; each failure as one `StoreError`.

Nothing is ever made in place of a file that cannot be read.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from studykit.errors import StoreError
from studykit.files import remove_drafts
from studykit.progress import migrations
from studykit.progress.backups import (
    DamagedError,
    copy_database,
    log_of,
    newest_backup,
    refuse_if_lost,
    synchronise_folder,
)
from studykit.progress.tables import METADATA
from studykit.text import clean

BUSY_TIMEOUT_S = 3.0
"""How long to wait for another program that is writing."""

N_HEADER_BYTES = 100
"""Every SQLite database has more."""
MAGIC = b"SQLite format 3\0"
WITH_LOG, WITHOUT_LOG = b"\2\2", b"\1\1"
"""What the header says of a database with a write-ahead log, and of one without, as a copy is."""

# SQLite's locks on the file (https://sqlite.org/src/doc/trunk/src/os.h): every program that has
# it open in WAL mode holds one of the bytes from here on.
_LOCKS_FROM, _N_LOCKS = 0x40000002, 510

WRITES = {"begin": "IMMEDIATE"}
"""Execution options of an engine whose transactions take the write lock as they begin."""

# As Alembic makes it, so that its scripts find it.
_CREATE_VERSION_TABLE = """\
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)
"""


class NewerError(StoreError):
    """The database was made by a newer studykit."""


def open_database(path: Path, backups_dir: Path) -> Engine:
    """An engine on the database at `path`, of the newest schema; made if there is none.

    Raises `StoreError` if it cannot be read and written.
    """
    with explained(path, backups_dir):
        remove_drafts(path.parent, ".new-*")
        if not path.exists():
            refuse_if_lost(path, backups_dir)
            _create(path)
        _require_content(path, backups_dir)
        engine = _engine(path)
        try:
            revision = _revision(engine, path)
            if revision != migrations.HEAD_REVISION:
                _migrate(engine, path, backups_dir, revision)
            _use_write_ahead_log(engine)
        except BaseException:
            engine.dispose()
            raise
        return engine


def open_for_reading(
    path: Path, backups_dir: Path
) -> tuple[Engine, TemporaryDirectory[str] | None]:
    """An engine that only reads the database at `path`, and where its private copy lies, if any.

    It takes no lock that a writer waits for, and needs neither a folder nor a disk that can be
    written. A database of an older revision is read through a copy that is led to the newest.
    Raises `StoreError` if it cannot be read.
    """
    with explained(path, backups_dir):
        if not path.exists():
            refuse_if_lost(path, backups_dir)
            raise StoreError(f"{clean(str(path))} is missing")
        _require_content(path, backups_dir)
        engine = _engine(path, foreign_keys=False)
        try:
            if _revision(engine, path, may_write=False) == migrations.HEAD_REVISION:
                return engine, None
            engine.dispose()
        except BaseException as error:
            engine.dispose()
            if not (isinstance(error, DBAPIError) and _needs_writing(error.orig)):
                raise
        return _open_private_copy(path, backups_dir)


def require_alone(path: Path) -> None:
    """Raises `StoreError` if another program has the database open: it would go on writing it."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _N_LOCKS, _LOCKS_FROM)
        except OSError:
            what = f"{clean(str(path))} is open in another window"
            raise StoreError(what, hint="close that one first") from None


@contextmanager
def migrated_copy(path: Path) -> Iterator[Path]:
    """A private copy of another machine's database, of our schema; that one is never written.

    What SQLite has left beside it counts, too. Raises `StoreError` if it cannot be read.
    """
    at = clean(str(path))
    if not path.is_file():
        raise StoreError(f"{at} is {'no regular file' if path.exists() else 'not there'}")
    with TemporaryDirectory(prefix="studykit-") as folder:
        copy = Path(folder) / "other.sqlite3"
        try:
            _copy_with_log(path, copy)
            open_database(copy, Path(folder)).dispose()
        except OSError as error:
            raise StoreError(f"{at} cannot be read: {error.strerror}") from error
        except StoreError as error:
            hint = (
                error.hint
                if isinstance(error, NewerError)
                else "it must be a whole progress database: wait until it is synchronised, or "
                "mend it on its machine with `studykit doctor`"
            )
            raise StoreError(error.what.replace(str(copy), at), hint=hint) from error
        yield copy


def _copy_with_log(path: Path, copy: Path) -> None:
    shutil.copyfile(path, copy)
    for suffix in ("-wal", "-journal"):
        left = path.with_name(path.name + suffix)
        if left.exists():
            shutil.copyfile(left, copy.with_name(copy.name + suffix))


def _needs_writing(error: BaseException | None) -> bool:
    """Whether reading failed because SQLite wanted to write something beside the database."""
    name = getattr(error, "sqlite_errorname", None) or ""
    kinds = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_PERM")
    return name.startswith(kinds)


def _open_private_copy(path: Path, backups_dir: Path) -> tuple[Engine, TemporaryDirectory[str]]:
    folder = TemporaryDirectory(prefix="studykit-")
    try:
        copy = Path(folder.name) / path.name
        _copy_with_log(path, copy)
        return open_database(copy, Path(folder.name)), folder
    except BaseException as error:
        folder.cleanup()
        if isinstance(error, StoreError):
            what = error.what.replace(str(copy), clean(str(path)))
            raise StoreError(what, hint=how_to_restore(path, backups_dir)) from error
        raise


@contextmanager
def explained(path: Path, backups_dir: Path) -> Iterator[None]:
    """Turns what SQLite and the file system report inside it into a `StoreError` with a hint."""
    try:
        yield
    except DBAPIError as error:
        if isinstance(error.orig, sqlite3.Error):
            raise _explain(error.orig, path, backups_dir) from error
        raise
    except UnicodeDecodeError as error:  # SQLite's message quotes what is damaged
        what = f"{clean(str(path))} is damaged"
        raise StoreError(what, hint=how_to_restore(path, backups_dir)) from error
    except sqlite3.Error as error:
        raise _explain(error, path, backups_dir) from error
    except OSError as error:
        where = clean(str(error.filename or path))
        hint = f"the progress needs a folder it can write, {clean(str(path))}"
        raise StoreError(f"{where}: {error.strerror}", hint=hint) from error


def _explain(error: sqlite3.Error, path: Path, backups_dir: Path) -> StoreError:
    name = getattr(error, "sqlite_errorname", "") or ""
    at = clean(str(path))
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreError(
            f"{at} is locked by another program", hint="close that program, or try again"
        )
    if name.startswith("SQLITE_READONLY"):
        return StoreError(
            f"{at} is read-only",
            hint=f"make the file and its folder {clean(str(path.parent))} writable",
        )
    if name.startswith("SQLITE_CANTOPEN"):
        return StoreError(
            f"{at} cannot be opened",
            hint="it must be a file that you may read and write, in a folder that you may write",
        )
    if name.startswith("SQLITE_FULL"):
        return StoreError(
            f"{at} cannot be written: the disk is full",
            hint="free some space and try again; what was saved before is safe",
        )
    if name.startswith("SQLITE_IOERR"):
        return StoreError(
            f"{at} cannot be read or written: the disk reports an error",
            hint="see that the disk is there, sound and not full, and try again",
        )
    if name.startswith("SQLITE_NOTADB"):
        return StoreError(f"{at} is not a database", hint=how_to_restore(path, backups_dir))
    if name.startswith("SQLITE_CORRUPT") or isinstance(error, DamagedError):
        return StoreError(f"{at} is damaged", hint=how_to_restore(path, backups_dir))
    # Of a sound database of ours SQLite has no other complaint.
    what = f"{at} cannot be used: {clean(' '.join(str(error).split()))}"
    return StoreError(what, hint=how_to_restore(path, backups_dir))


def how_to_restore(path: Path, backups_dir: Path) -> str:
    """What the learner can do about a damaged database, naming the newest copy."""
    backup = newest_backup(backups_dir)
    if backup is None:
        return (
            f"there is no copy in {clean(str(backups_dir))} to go back to; "
            "`studykit doctor --restore newest` keeps what can still be read"
        )
    return (
        "`studykit doctor --restore newest` goes back to the newest sound copy, "
        f"{clean(str(backup))} if it is one, and takes over what was answered since"
    )


def _engine(path: Path, *, mode: str = "rw", foreign_keys: bool = True) -> Engine:
    """An engine that never makes the file (unless `mode` is "rwc") and begins transactions itself.

    Every thread that uses it has a connection of its own.
    """
    url = URL.create(
        "sqlite",
        database=path.absolute().as_uri(),
        query={"mode": mode, "uri": "true", "timeout": str(BUSY_TIMEOUT_S)},
    )
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the sqlite3 module shall not begin transactions
        # Damaged text is damage of one value, and must not end the reading of all others.
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")
        connection.execute("PRAGMA synchronous = FULL")  # a commit returns when it is on the disk
        connection.execute(f"PRAGMA foreign_keys = {int(foreign_keys)}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("begin", "DEFERRED")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine


def driver_of(session: Session) -> sqlite3.Connection:
    """The connection of the `sqlite3` module below a session."""
    driver = session.connection().connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _create(path: Path) -> None:
    """A new, empty database at `path`, put there whole, so that a crash leaves none half made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".new-", dir=path.parent) as folder:
        draft = Path(folder) / path.name
        engine = _engine(draft, mode="rwc")
        with engine.begin() as connection:
            METADATA.create_all(connection, checkfirst=False)
            connection.exec_driver_sql(_CREATE_VERSION_TABLE)
            connection.exec_driver_sql(
                "INSERT INTO alembic_version VALUES (?)", (migrations.HEAD_REVISION,)
            )
        engine.dispose()
        try:
            os.link(draft, path)
        except FileExistsError:
            return  # another program has just made it; it may hold answers already
        except OSError:  # a file system without links
            draft.replace(path)
    synchronise_folder(path.parent)


def may_be_progress(path: Path) -> bool:
    """Whether a file is a progress, or a database that is too damaged to tell."""
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            return False
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'")
            return found.fetchone() is not None
    except sqlite3.DatabaseError:
        return True


def _require_content(path: Path, backups_dir: Path) -> None:
    """Raises `StoreError` for what SQLite would take for something else than it is.

    That is what is no file at all, a file so short that it would count as a new database, one
    that a damaged header makes read-only, and a log that belongs to the file that lay
    there before.
    """
    if not path.is_file():
        what = f"{clean(str(path))} is {'a folder' if path.is_dir() else 'no regular file'}"
        raise StoreError(what, hint="studykit keeps its progress in a file there: move this away")
    with path.open("rb") as file:
        header = file.read(N_HEADER_BYTES)
    at, restore = clean(str(path)), how_to_restore(path, backups_dir)
    if len(header) < N_HEADER_BYTES:
        what = "is not a database" if header else "is empty"
        raise StoreError(f"{at} {what}", hint=restore)
    formats = header[18:20]
    if header.startswith(MAGIC) and formats not in (WITH_LOG, WITHOUT_LOG):
        raise StoreError(f"{at} is damaged", hint=restore)
    log = log_of(path)
    if formats == WITHOUT_LOG and log.exists() and log.stat().st_size:
        # A copy that was put back by hand: SQLite would replay another file's changes into it.
        raise StoreError(
            f"{clean(str(log))} does not belong to {path.name}, which was put back without it",
            hint=f"move {log.name} and {path.name}-shm away",
        )


def _use_write_ahead_log(engine: Engine) -> None:
    """Readers and the writer do not wait for each other; the file itself keeps this setting."""
    with closing(engine.raw_connection()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("PRAGMA journal_mode = WAL")


def _revision(engine: Engine, path: Path, *, may_write: bool = True) -> str:
    """The schema's revision; with `may_write`, what can be opened can be written, too."""
    with engine.execution_options(**(WRITES if may_write else {})).connect() as connection:
        tables = connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars().all()
        if "alembic_version" not in tables:
            raise StoreError(
                f"{clean(str(path))} is a database, but not of studykit",
                hint="move it away, or set STUDYKIT_HOME to another folder",
            )
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        # SQLite gives the write lock even for a read-only file and refuses when it is written.
        # Nothing is: the block ends without a commit.
        if may_write:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = version_num")
    if not isinstance(revision, str) or not revision.isdecimal():
        raise DamagedError("its revision cannot be read")
    if revision not in migrations.REVISIONS:
        raise NewerError(
            f"{clean(str(path))} was made by a newer studykit (its revision is {revision}, "
            f"this version knows {migrations.HEAD_REVISION})",
            hint="upgrade studykit; nothing was changed",
        )
    return str(revision)


def _migrate(engine: Engine, path: Path, backups_dir: Path, revision: str) -> None:
    """Lead the schema from `revision` to the newest, after a copy, in one transaction."""
    from alembic import command
    from alembic.config import Config

    engine.dispose()
    name = f"{path.stem}-before-{migrations.HEAD_REVISION}-from-{revision}{path.suffix}"
    backup = backups_dir / name
    copy_database(path, backup)
    config = Config()
    config.set_main_option("script_location", str(migrations.SCRIPTS).replace("%", "%%"))
    # Alembic copies a table to alter it and drops the old one: with foreign keys on, that
    # would delete or refuse. They are checked below instead, before the commit.
    migrating = _engine(path, foreign_keys=False)
    try:
        with migrating.execution_options(**WRITES).begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if broken:
                raise ValueError(f"{len(broken)} rows would point nowhere")
    except Exception as error:
        raise StoreError(
            f"{clean(str(path))} cannot be brought up to date: {clean(str(error)).splitlines()[0]}",
            hint=f"nothing was changed; a copy is {clean(str(backup))}",
        ) from error
    finally:
        migrating.dispose()
