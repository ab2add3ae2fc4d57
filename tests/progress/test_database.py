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
from studykit.progress.database import explained, open_database, open_for_reading
from studykit.progress.store import Store
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


def test_the_hint_of_a_damaged_database_names_the_newest_copy(home: Path) -> None:
    (home / "progress.sqlite3").write_bytes(b"no database at all" * 1000)
    backup = home / "backups" / "progress-2026-11-23.sqlite3"

    hint = error_of_opening(home).hint
    assert f"--restore newest` goes back to the newest sound copy, {backup} if it is one" in hint


def test_a_vanished_database_is_no_first_start(home: Path) -> None:
    """Neither for the app nor for a command that only reads; what is in the copies is told."""
    path, backups_dir = home / "progress.sqlite3", home / "backups"
    path.unlink()

    for open_it in (open_database, open_for_reading):
        with pytest.raises(StoreError, match="is missing, but there was progress") as caught:
            open_it(path, backups_dir)
        told = "progress-2026-11-23.sqlite3 holds 30 answers until 2026-11-23"
        assert told in caught.value.what
        assert "--restore newest" in caught.value.hint
    assert not path.exists()

    shutil.rmtree(backups_dir)
    open_store(home).close()


def test_a_copy_that_cannot_be_read_may_have_held_something(home: Path) -> None:
    (home / "progress.sqlite3").unlink()
    copy = home / "backups" / "progress-2026-11-23.sqlite3"
    copy.write_bytes(copy.read_bytes()[:5000])

    with pytest.raises(StoreError, match=f"there was progress: {copy} cannot be read"):
        open_store(home)


def test_a_copy_of_a_life_without_answers_is_no_progress(tmp_path: Path) -> None:
    """Who only looked around may begin again."""
    with closing(open_store(tmp_path)) as store:
        store.back_up(MONDAY.date())
    (tmp_path / "progress.sqlite3").unlink()

    open_store(tmp_path).close()


def test_the_log_of_another_file_is_not_replayed(home: Path) -> None:
    """As a copy that was put back by hand finds it; without it the copy is as it was made."""
    path = home / "progress.sqlite3"
    log = home / "progress.sqlite3-wal"
    with closing(open_store(home)) as store:
        store.record(make_review("since"))
        left = log.read_bytes()
        assert left
    shutil.copy(home / "backups" / "progress-2026-11-23.sqlite3", path)
    log.write_bytes(left)

    error = error_of_opening(home)

    assert error.what == f"{log} does not belong to {path.name}, which was put back without it"
    assert log.read_bytes() == left
    log.unlink()
    with closing(open_store(home)) as store:
        assert len(store.reviews()) == N_REVIEWS


def test_a_header_that_makes_it_read_only_is_damage(home: Path) -> None:
    """SQLite reads such a file and refuses each answer."""
    path = home / "progress.sqlite3"
    content = bytearray(path.read_bytes())
    content[18] = 3
    path.write_bytes(content)

    assert error_of_opening(home).what == f"{path} is damaged"


@pytest.mark.usefixtures("quick_timeout")
def test_reading_needs_no_lock(home: Path) -> None:
    """A prompt that counts what is due does not wait for the app, nor the app for it."""
    path = home / "progress.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with closing(Store.open_for_reading(path, backups_dir=home / "backups")) as store:
            assert len(store.reviews()) == N_REVIEWS


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX permissions")
@pytest.mark.parametrize("has_log", [False, True])
def test_reading_needs_nothing_that_can_be_written(has_log: bool) -> None:
    """Neither the file nor its folder; answers that are still in the log count."""
    with published_folder() as folder:
        path = folder / "progress.sqlite3"
        with closing(open_store(folder)) as store:
            store.record(make_review())
            if has_log:
                for name in ("progress.sqlite3", "progress.sqlite3-wal"):
                    shutil.copy(folder / name, folder / f"kept-{name}")
        if has_log:
            for name in ("progress.sqlite3", "progress.sqlite3-wal"):
                (folder / f"kept-{name}").replace(folder / name)
        for item in folder.iterdir():
            item.chmod(0o444)
        folder.chmod(0o555)
        before = sorted(folder.iterdir())

        def read() -> None:
            with closing(Store.open_for_reading(path, backups_dir=folder / "backups")) as store:
                raise AssertionError(f"{len(store.reviews())} review")

        message = as_nobody(read)

        assert sorted(folder.iterdir()) == before
        folder.chmod(0o777)
    assert message == "AssertionError: 1 review"


def test_what_killed_processes_left_is_removed(home: Path) -> None:
    """Once it is old: a draft that is being written stays."""
    drafts = [
        home / ".new-abc",
        home / "backups" / "progress-2026-11-20.sqlite3.123.part",
        home / "backups" / ".progress-2026-11-21.sqlite3.123.part",
    ]
    for is_old in (False, True):
        for draft in drafts:
            if draft.name.startswith(".new"):
                draft.mkdir(exist_ok=True)
            else:
                draft.touch()
            if is_old:
                os.utime(draft, (0, 0))
        with closing(open_store(home)) as store:
            store.back_up(day_after(1 + is_old))
        assert [draft.exists() for draft in drafts] == [not is_old] * 3


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

    assert error_of_opening(tmp_path).what.endswith("progress.sqlite3 is a folder")


def test_a_link_that_leads_nowhere_is_no_first_start(home: Path) -> None:
    """The progress may lie on a drive that is not plugged in."""
    path, away = home / "progress.sqlite3", home / "drive"
    shutil.rmtree(home / "backups")
    path.rename(away)
    path.symlink_to(away)
    with closing(open_store(home)) as store:
        assert store.n_reviews() == N_REVIEWS
    away.unlink()
    for open_ in (open_database, open_for_reading):
        with pytest.raises(StoreError, match=r"is a link to .*drive, which is not there"):
            open_(path, home / "backups")
    assert path.is_symlink() and not away.exists()


def test_nor_is_a_folder_that_is_such_a_link(tmp_path: Path) -> None:
    (tmp_path / "home").symlink_to(tmp_path / "drive")
    for open_ in (open_database, open_for_reading):
        with pytest.raises(StoreError, match=r"home is a link to .*drive, which is not there"):
            open_(tmp_path / "home" / "progress.sqlite3", tmp_path / "home" / "backups")


def test_what_is_no_file_is_explained(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "progress.sqlite3")
    for open_ in (open_database, open_for_reading):
        with pytest.raises(StoreError, match="is no regular file"):
            open_(tmp_path / "progress.sqlite3", tmp_path / "backups")


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
        pytest.raises(StoreError, match="is read-only") as caught,
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
    assert "is read-only" in message or "cannot be opened" in message
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
