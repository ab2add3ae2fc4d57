"""``studykit backup`` and ``studykit restore``: all that is the learner's, and the way back."""

from __future__ import annotations

import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from tests.commands.dice_course import open_store, study
from tests.commands.runner import AT, Run

FILES = {
    "settings.toml": "[review]\nnew_per_day = 3\n",
    "decks/dice-own.yaml": "# my own cards\n",
    "pins/dice.json": "[]",
    "bench/dice/labs/dice/throws.py": "KNOBS = {}\n",
}


@pytest.fixture
def mine(home: Path) -> Path:
    """A learner's folder with an answer and a file of each sort."""
    study(home, "dice-probability", AT)
    for name, text in FILES.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return home


def cards_of(home: Path) -> list[str]:
    with closing(open_store(home)) as store:
        assert store.check() == []
        return [review.card_id for review in store.reviews()]


def test_a_backup_holds_everything_and_brings_it_back(run: Run, mine: Path, tmp_path: Path) -> None:
    outcome = run("backup", str(tmp_path / "stick" / "all.zip"))
    assert (outcome.code, "all.zip: 5 files, " in outcome.out) == (0, True)
    with zipfile.ZipFile(tmp_path / "stick" / "all.zip") as archive:
        assert set(archive.namelist()) == {"progress.sqlite3", *FILES}
    shutil.rmtree(mine)

    outcome = run("restore", str(tmp_path / "stick" / "all.zip"))
    assert outcome.out.splitlines() == [
        f"restored   {tmp_path / 'stick' / 'all.zip'}: 1 answer, 0 of them given since",
        "restored   decks/dice-own.yaml",
        "restored   pins/dice.json",
        "restored   settings.toml",
        "not taken  bench/dice/labs/dice/throws.py: a program; --trust brings it back",
    ]
    assert cards_of(mine) == ["dice-probability"]
    assert run("restore", str(tmp_path / "stick" / "all.zip"), "--trust").code == 0
    assert {name: (mine / name).read_text() for name in FILES} == FILES


def test_what_is_there_stays_and_answers_given_since_stay_too(run: Run, mine: Path) -> None:
    assert run("backup").code == 0
    (archive,) = (mine / "backups").glob("*.zip")
    assert archive.name == f"studykit-{AT:%Y-%m-%d-%H%M%S}.zip"
    (mine / "settings.toml").write_text("[review]\nnew_per_day = 9\n")
    study(mine, "dice-highest", AT + timedelta(minutes=1))

    outcome = run("restore", str(archive))
    assert "2 answers, 1 of them given since" in outcome.out
    assert "not taken  settings.toml: another one is there, and stays" in outcome.out
    assert (mine / "settings.toml").read_text() == "[review]\nnew_per_day = 9\n"
    assert cards_of(mine) == ["dice-probability", "dice-highest"]


def test_a_backup_writes_over_nothing(run: Run, mine: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.zip"
    there.write_bytes(b"something else")
    outcome = run("backup", str(there))
    assert (outcome.code, "there.zip exists" in outcome.err) == (2, True)
    assert there.read_bytes() == b"something else"


def test_where_there_is_nothing_no_backup_is_made(run: Run, tmp_path: Path) -> None:
    outcome = run("backup", str(tmp_path / "all.zip"))
    assert (outcome.code, "there is nothing to back up" in outcome.err) == (1, True)
    assert not (tmp_path / "all.zip").exists()


def test_the_newest_backup_helps_where_there_is_no_copy(run: Run, mine: Path) -> None:
    assert run("backup").code == 0
    (mine / "progress.sqlite3").write_bytes(b"no database" * 99)
    assert run("restore").code == 0
    assert cards_of(mine) == ["dice-probability"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-400])


def leads_elsewhere(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../evil.yaml", "")


def holds_another_file(path: Path) -> None:
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("bench/dice/labs/../../../evil.py", "")


def holds_wrong_settings(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("settings.toml", "[review]\nnew_per_day = 'many'\n")


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no archive" * 99),
        cut,
        leads_elsewhere,
        holds_another_file,
        holds_wrong_settings,
    ],
)
def test_a_backup_that_is_damaged_or_hostile_changes_nothing(
    run: Run, mine: Path, tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    target = tmp_path / "all.zip"
    assert run("backup", str(target)).code == 0
    harm(target)
    (mine / "settings.toml").unlink()
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    outcome = run("restore", str(target))
    assert (outcome.code, outcome.err.count("\n")) == (1, 1), outcome.err
    assert {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()} == before


def test_a_backup_is_known_whatever_its_name(run: Run, mine: Path, tmp_path: Path) -> None:
    """`backup FILE` takes any name, so `restore`, `doctor` and `merge` do, too."""
    target = str(tmp_path / "mine of today")
    assert run("backup", target).code == 0
    for back in (("restore", target), ("doctor", "--restore", target), ("merge", target)):
        shutil.rmtree(mine)
        outcome = run(*back)
        assert (outcome.code, outcome.err) == (0, "")
        assert cards_of(mine) == ["dice-probability"]


@pytest.mark.parametrize("back", [("restore",), ("doctor", "--restore")], ids=" ".join)
def test_a_file_that_is_no_progress_is_refused(
    run: Run, mine: Path, tmp_path: Path, back: tuple[str, ...]
) -> None:
    """The wrong file is no reason to take the progress to pieces."""
    notes, other = tmp_path / "notes.txt", tmp_path / "other.sqlite3"
    notes.write_text("no database" * 99)
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE notes (text)")
    for wrong in (notes, other):
        outcome = run(*back, str(wrong))
        assert (outcome.code, outcome.out) == (1, "")
        assert f"{wrong} is neither a backup nor a copy of the progress" in outcome.complaint
    assert not list(mine.glob("replaced-*"))


def test_a_backup_can_be_merged(run: Run, mine: Path, tmp_path: Path) -> None:
    target = tmp_path / "all.zip"
    assert run("backup", str(target)).code == 0
    shutil.rmtree(mine)
    study(mine, "dice-highest", AT + timedelta(minutes=1))
    assert run("merge", str(target)).out.startswith("all.zip: 1 answer, 1 card scheduled anew\n")
    assert cards_of(mine) == ["dice-probability", "dice-highest"]
