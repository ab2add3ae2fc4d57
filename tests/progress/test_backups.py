"""Copies are whole, come once a day, and the old ones are thinned."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from studykit.errors import StoreError
from studykit.progress.backups import back_up_daily, newest_backup
from studykit.progress.store import Store
from tests.progress.builders import MONDAY, day_after, make_review, open_store


def test_a_copy_holds_what_was_recorded_before_it(store: Store, tmp_path: Path) -> None:
    """The store stays open and in use meanwhile; the copy is one file and complete."""
    store.record(make_review("before"))
    backup = store.back_up(MONDAY.date())
    store.record(make_review("after"))

    assert backup == tmp_path / "backups" / "progress-2026-11-23.sqlite3"
    assert list(backup.parent.iterdir()) == [backup]
    assert backup.read_bytes()[18:20] == b"\1\1", "a copy needs no log, so no folder to write"
    with closing(Store.open(backup, backups_dir=tmp_path / "none")) as copy:
        assert set(copy.memories()) == {"before"}
        assert copy.check() == []


def test_a_day_is_backed_up_once(store: Store) -> None:
    """Its first copy stays: it is from before the day's answers."""
    first = store.back_up(MONDAY.date())
    assert first is not None
    content = first.read_bytes()
    store.record(make_review())

    assert store.back_up(MONDAY.date()) is None
    assert first.read_bytes() == content


def test_old_copies_are_thinned(store: Store) -> None:
    """Seven daily ones stay, and of each of the four weeks before them the newest."""
    folder = store.backups_dir
    folder.mkdir()
    days = [MONDAY.date() - timedelta(days=n) for n in range(1, 60)]
    for day in days:
        (folder / f"progress-{day}.sqlite3").touch()
    kept = ["progress-before-0002-from-0001.sqlite3", "progress-notes.sqlite3", "diary.txt"]
    for name in kept:
        (folder / name).touch()

    store.back_up(MONDAY.date())

    daily = [
        "progress-2026-11-23.sqlite3",
        *(f"progress-2026-11-{n}.sqlite3" for n in (22, 21, 20, 19, 18, 17)),
    ]
    weekly = [f"progress-2026-{day}.sqlite3" for day in ("11-16", "11-15", "11-08", "11-01")]
    assert {path.name for path in folder.iterdir()} == {*daily, *weekly, *kept}


def test_a_copy_of_a_richer_history_is_never_thinned_away(tmp_path: Path) -> None:
    """As when the file vanished and all began anew: the last of the old copies stays for good."""
    folder = tmp_path / "backups"
    with closing(open_store(tmp_path / "old")) as store:
        for n in range(20):
            store.record(make_review(f"old-{n}"))
            back_up_daily(store.path, folder, day_after(n - 100))
    with closing(open_store(tmp_path / "new")) as store:
        for n in range(60):
            store.record(make_review(f"new-{n}", at=MONDAY + timedelta(days=n)))
            back_up_daily(store.path, folder, day_after(n))

    names = {path.name for path in folder.iterdir()}
    assert len(names) == 12
    assert f"progress-{day_after(19 - 100)}.sqlite3" in names


def test_a_copy_is_as_private_as_the_progress(store: Store) -> None:
    store.path.chmod(0o600)
    backup = store.back_up(MONDAY.date())
    assert backup is not None
    assert backup.stat().st_mode & 0o777 == 0o600


def test_the_newest_copy_is_the_one_written_last(tmp_path: Path) -> None:
    """Whatever day it is named after: a clock may have been wrong."""
    for n, name in enumerate(["progress-2099-01-01", "progress-before-0002-from-0001"]):
        path = tmp_path / f"{name}.sqlite3"
        path.touch()
        os.utime(path, (n, n))

    assert newest_backup(tmp_path) == tmp_path / "progress-before-0002-from-0001.sqlite3"
    assert newest_backup(tmp_path / "none") is None


def test_a_copy_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "progress.sqlite3"
    path.write_bytes(b"no database at all" * 1000)

    with pytest.raises(sqlite3.DatabaseError):
        back_up_daily(path, tmp_path / "backups", MONDAY.date())

    assert list((tmp_path / "backups").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_explained(store: Store, tmp_path: Path) -> None:
    """The store goes on working without a backup."""
    (tmp_path / "backups").write_text("a file")

    with pytest.raises(StoreError, match="backups"):
        store.back_up(day_after(0))

    store.record(make_review())
    assert set(store.memories()) == {"a"}
