"""A database that cannot be used is one clear error, and never gives way to a new one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from studykit.errors import StoreError
from studykit.progress import database
from studykit.progress.database import explained, open_database
from tests.progress.builders import MONDAY, day_after, make_review, open_store

N_REVIEWS = 30
PAGE = 4096


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with progress and one backup of it."""
    with closing(open_store(tmp_path)) as store:
        for n in range(N_REVIEWS):
            store.record(make_review(f"card-{n}", given="x" * 3000))
        store.back_up(MONDAY.date())
    return tmp_path


@pytest.fixture
def quick_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for another program."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.05)


def error_of_opening(folder: Path) -> StoreError:
    """The error of opening the store; the database's bytes are as they were before."""
    path = folder / "progress.sqlite3"
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(StoreError) as caught:
        open_store(folder).close()
    assert (path.read_bytes() if path.is_file() else None) == before
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("n_bytes", [1, 50, 100, PAGE, 3 * PAGE, 3 * PAGE + 17])
def test_a_truncated_database_is_damaged(home: Path, n_bytes: int) -> None:
    path = home / "progress.sqlite3"
    path.write_bytes(path.read_bytes()[:n_bytes])

    error = error_of_opening(home)

    assert error.what in {f"{path} is damaged", f"{path} is not a database"}


def test_an_empty_file_is_no_new_database(home: Path) -> None:
    """A file system that lost the contents must not look like a first start."""
    path = home / "progress.sqlite3"
    path.write_bytes(b"")

    assert error_of_opening(home).what == f"{path} is empty"


def test_random_bytes_are_no_database(home: Path) -> None:
    path = home / "progress.sqlite3"
    path.write_bytes(bytes(range(256)) * 64)

    assert error_of_opening(home).what == f"{path} is not a database"


def test_a_damaged_page_is_found_when_the_day_is_backed_up(home: Path) -> None:
    """And the damaged copy replaces no good one."""
    path = home / "progress.sqlite3"
    content = bytearray(path.read_bytes())
    content[4 * PAGE : 8 * PAGE] = bytes(range(256)) * (4 * PAGE // 256)
    path.write_bytes(content)

    with closing(open_store(home)) as store:
        with pytest.raises(StoreError, match="is damaged"):
            store.back_up(day_after(1))
        problems = store.check()

    assert "damaged" in problems[0]
    assert "progress-2026-11-23.sqlite3" in problems[-1]

    assert [copy.name for copy in (home / "backups").iterdir()] == ["progress-2026-11-23.sqlite3"]


def test_the_hint_of_a_damaged_database_restores_it(home: Path) -> None:
    """Copying the named backup to the named place brings every answer back."""
    path = home / "progress.sqlite3"
    path.write_bytes(b"no database at all" * 1000)
    backup = home / "backups" / "progress-2026-11-23.sqlite3"

    hint = error_of_opening(home).hint

    assert f"copy {backup} to its place" in hint
    path.unlink()
    shutil.copy(backup, path)
    with closing(open_store(home)) as store:
        assert len(store.reviews()) == N_REVIEWS
        assert store.check() == []


def test_without_a_backup_the_hint_says_so(tmp_path: Path) -> None:
    (tmp_path / "progress.sqlite3").write_bytes(b"no database at all" * 1000)

    assert "there is no copy in" in error_of_opening(tmp_path).hint


def test_a_lost_database_with_changes_left_is_not_begun_anew(home: Path) -> None:
    """SQLite would replay the log of the lost file into the new one."""
    path = home / "progress.sqlite3"
    path.unlink()
    path.with_name("progress.sqlite3-wal").write_bytes(b"frames")

    assert "is missing, but its last changes are in" in error_of_opening(home).what
    assert not path.exists()


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "progress.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE notes (text)")

    assert error_of_opening(tmp_path).what == f"{path} is a database, but not of studykit"


def test_a_newer_database_is_left_alone(home: Path) -> None:
    path = home / "progress.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    error = error_of_opening(home)

    assert error.what.startswith(f"{path} was made by a newer studykit (its revision is 9999")
    assert error.hint.startswith("upgrade studykit")


def test_a_folder_in_the_database_s_place_is_explained(tmp_path: Path) -> None:
    (tmp_path / "progress.sqlite3").mkdir()

    assert error_of_opening(tmp_path).what.endswith("progress.sqlite3 cannot be opened")


def test_a_file_in_the_folder_s_place_is_explained(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")

    with pytest.raises(StoreError, match="home"):
        open_store(tmp_path / "home")


@pytest.mark.usefixtures("quick_timeout")
def test_a_database_that_another_program_writes_is_locked(home: Path) -> None:
    path = home / "progress.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")

        assert error_of_opening(home).what == f"{path} is locked by another program"

    with closing(open_store(home)) as store:
        assert len(store.reviews()) == N_REVIEWS


@pytest.mark.usefixtures("quick_timeout")
def test_an_answer_that_meets_a_lock_can_be_given_again(home: Path) -> None:
    path = home / "progress.sqlite3"
    with closing(open_store(home)) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="is locked by another program"):
                store.record(make_review("late"))
            assert len(store.reviews()) == N_REVIEWS
        store.record(make_review("late"))
        assert len(store.reviews()) == N_REVIEWS + 1


def test_a_read_only_connection_is_explained(home: Path) -> None:
    """What SQLite says of a write to a read-only file becomes a hint about permissions."""
    path = home / "progress.sqlite3"
    with (
        pytest.raises(StoreError, match="is read-only; nothing was saved") as caught,
        explained(path, home / "backups"),
        closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection,
    ):
        connection.execute("DELETE FROM reviews")

    assert str(home) in caught.value.hint


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
@pytest.mark.parametrize(
    ("file_mode", "folder_mode"), [(0o444, 0o777), (0o444, 0o555), (0o666, 0o555)]
)
def test_a_read_only_file_or_folder_is_explained(file_mode: int, folder_mode: int) -> None:
    """Seen by a user who may not write there; so not by root, whom permissions do not stop."""
    with published_folder() as folder:
        with closing(open_store(folder)) as store:
            store.record(make_review())
        path = folder / "progress.sqlite3"
        path.chmod(file_mode)
        folder.chmod(folder_mode)

        message = as_nobody(lambda: open_store(folder).close())

        folder.chmod(0o777)
    assert message.startswith("StoreError: ")
    assert "is read-only; nothing was saved" in message or "cannot be opened" in message
    assert str(path) in message
    assert "writ" in message.split("(")[1], "the hint must speak of permission to write"


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
def test_a_folder_that_cannot_be_written_is_explained() -> None:
    """On the very first start, when there is nothing to read yet."""
    with published_folder() as folder:
        folder.chmod(0o555)

        message = as_nobody(lambda: open_store(folder / "home").close())

        folder.chmod(0o777)
    assert message.startswith("StoreError: ")
    assert "Permission denied" in message
    assert "the progress needs a folder it can write" in message


@contextmanager
def published_folder() -> Iterator[Path]:
    """A folder that every user can reach, as pytest's are not."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        yield Path(name)


def as_nobody(action: object) -> str:
    """The error of `action`, called in a child process without root's rights."""
    assert callable(action)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            action()
        except Exception as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        message = pipe.read()
    os.waitpid(child, 0)
    return message


def test_a_path_with_odd_characters_is_a_path(tmp_path: Path) -> None:
    """Nothing in it is taken for a part of a URL."""
    folder = tmp_path / "100% ?mode=ro&x#y é"
    with closing(open_store(folder)) as store:
        store.record(make_review())

    assert (folder / "progress.sqlite3").is_file()
    with closing(open_store(folder)) as store:
        assert len(store.reviews()) == 1


def test_two_first_starts_at_once_keep_both_s_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slower one finds the database of the faster one and leaves it in place."""
    path, backups_dir = tmp_path / "progress.sqlite3", tmp_path / "backups"
    link = os.link

    def overtaken(draft: Path, target: Path) -> None:
        monkeypatch.setattr(os, "link", link)
        with closing(open_store(tmp_path)) as faster:
            faster.record(make_review("faster"))
        link(draft, target)

    monkeypatch.setattr(os, "link", overtaken)
    open_database(path, backups_dir).dispose()

    with closing(open_store(tmp_path)) as store:
        assert set(store.memories()) == {"faster"}
    assert [item.name for item in tmp_path.iterdir()] == ["progress.sqlite3"]
