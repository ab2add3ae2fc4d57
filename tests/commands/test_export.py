"""``studykit export``: every format from the command line, and what goes wrong."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import zipfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from studykit.review.schedule import Rating
from tests.commands.dice_course import study
from tests.commands.runner import AT, Run


@pytest.fixture(autouse=True)
def history(home: Path) -> None:
    """Two answers to a card of the course and one to a card of another."""
    study(home, "dice-probability", AT - timedelta(days=9), Rating.GOOD)
    study(home, "dice-probability", AT - timedelta(days=2), Rating.EASY)
    study(home, "elsewhere", AT - timedelta(days=1))


def test_a_package_for_anki(run: Run, tmp_path: Path) -> None:
    """With the answers that the recorded runs of the lab give to predictions."""
    path = tmp_path / "dice.apkg"
    done = run("export", "--to", str(path))
    others = "1 review of cards that are not in this course stay out"
    assert done.out == f"{path}: 3 cards, 2 reviews; {others}\n"
    with zipfile.ZipFile(path) as package:
        package.extract("collection.anki21", tmp_path)
    with closing(sqlite3.connect(tmp_path / "collection.anki21")) as connection:
        notes = dict(connection.execute("SELECT guid, flds FROM notes").fetchall())
        cards = connection.execute("SELECT type, due FROM cards ORDER BY type, due").fetchall()
    fields = {guid: text.split("\x1f") for guid, text in notes.items()}
    assert fields["dice/dice-highest"][1] == "Rarer than once in ten"
    assert fields["dice/dice-share-of-six"][1].startswith("0.16")
    assert fields["dice/dice-probability"][1] == "0.05 (± 0.001)"
    assert [type_ for type_, _ in cards] == [0, 0, 2]


@pytest.mark.parametrize(
    ("name", "options", "told", "begins"),
    [
        ("a.txt", [], "3 cards", "#separator:tab\n"),
        ("a.csv", [], "3 cards", "id,deck,topic,"),
        ("a.TSV", [], "3 cards", "id\tdeck\ttopic\t"),
        ("a.csv", ["--format", "revlog"], "3 reviews", "card_id,review_time,"),
        ("a.json", [], "everything of yours, 3 reviews", '{\n"format": "studykit-learner",'),
    ],
)
def test_other_formats(
    name: str, options: list[str], told: str, begins: str, run: Run, tmp_path: Path
) -> None:
    """By the ending, or by name."""
    path = tmp_path / name
    done = run("export", "--to", str(path), *options)
    assert (done.code, done.out, done.err) == (0, f"{path}: {told}\n", "")
    assert path.read_text(encoding="utf-8").startswith(begins)
    assert not [*tmp_path.glob(".*")]


def test_a_name_without_an_ending_is_a_folder_of_markdown(run: Run, tmp_path: Path) -> None:
    """A new one, or one that is empty."""
    path = tmp_path / "notes"
    path.mkdir()
    done = run("export", "--to", str(path))
    assert (done.code, done.out, done.err) == (0, f"{path}: 3 cards\n", "")
    (deck,) = path.iterdir()
    assert deck.name == "01-rolling-dice.md"
    assert deck.read_text(encoding="utf-8").startswith('---\nname = "Rolling dice"\n---\n\nQ: ')
    assert not [*tmp_path.glob(".*")]


def test_a_damaged_log_is_named_before_anything_is_written(
    run: Run, tmp_path: Path, home: Path
) -> None:
    """Another program would take the wrong day for the truth."""
    with closing(sqlite3.connect(home / "progress.sqlite3")) as connection, connection:
        connection.execute("UPDATE reviews SET due_day = '2026-99-99' WHERE id = 1")
    done = run("export", "--to", str(tmp_path / "dice.apkg"))
    assert done.code == 1
    assert "is damaged: row 1 of reviews, card dice-probability: due_day cannot be" in done.err
    assert not (tmp_path / "dice.apkg").exists()


def test_without_progress_all_cards_are_new(run: Run, tmp_path: Path, home: Path) -> None:
    """Before the first answer an export writes nothing of its own into the learner's folder."""
    for path in home.rglob("*.sqlite3*"):
        path.unlink()
    for folder in home.iterdir():
        if folder.is_dir():
            folder.rmdir()
    done = run("export", "--to", str(tmp_path / "a.csv"))
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert {row["state"] for row in csv.DictReader(file)} == {"new"}
    assert done.code == 0
    assert not [*home.rglob("*")]


def test_everything_as_json(run: Run, tmp_path: Path, home: Path) -> None:
    """Files, tables and cards, in one document that any program reads."""
    (home / "settings.toml").write_text("[review]\nnew_per_day = 7\n", encoding="utf-8")
    (home / "notes.txt").write_text("no file of ours", encoding="utf-8")
    run("export", "--to", str(tmp_path / "a.json"))
    document = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert (document["format"], document["version"]) == ("studykit-learner", 1)
    assert document["files"] == {"settings.toml": "[review]\nnew_per_day = 7\n"}
    assert [row["card_id"] for row in document["reviews"]] == [
        *("dice-probability", "dice-probability", "elsewhere")
    ]
    assert {row["card_id"] for row in document["memories"]} == {"dice-probability", "elsewhere"}
    card = next(card for card in document["cards"] if card["id"] == "dice-probability")
    assert (card["course"], card["deck"], card["topic"]) == ("dice", "dice", "one-die")
    assert card["answer"] == "0.05 (± 0.001)"


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("a.docx", [], "a.docx ends in none of .apkg, .txt, .json, .csv, .tsv"),
        ("a.csv", ["--format", "pdf"], "'pdf' is not one of"),
        (".", ["--format", "json"], "is a folder"),
        (".", ["--format", "markdown"], "is not empty"),
    ],
)
def test_what_cannot_be_asked_for(
    name: str, options: list[str], complaint: str, run: Run, tmp_path: Path
) -> None:
    """One line, exit code 2."""
    failed = run("export", "--to", str(tmp_path / name), *options)
    assert failed.code == 2
    assert complaint in failed.complaint


def test_a_failed_export_leaves_the_old_file(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a package must never stand where a whole one was."""
    path = tmp_path / "a.apkg"
    path.write_bytes(b"the old one")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("zipfile.ZipFile.write", fail)
    failed = run("export", "--to", str(path))
    assert failed.complaint == f"{path} cannot be written: No space left on device"
    assert failed.code == 1
    assert path.read_bytes() == b"the old one"
    assert not [*tmp_path.glob(".*")]


def test_a_folder_that_is_missing_is_named(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "missing" / "a.json"
    failed = run("export", "--to", str(path))
    assert failed.complaint.startswith(f"{path} cannot be written: No such file")


def test_no_file_takes_the_place_of_a_device(run: Run, tmp_path: Path) -> None:
    """As root `--to /dev/null` would cost the machine its null device."""
    path = tmp_path / "pipe.csv"
    os.mkfifo(path)
    failed = run("export", "--to", str(path))
    assert failed.complaint == f"{path} cannot be written: not a regular file"
    assert failed.code == 1
    assert path.is_fifo()


def test_of_a_link_its_target_is_written(run: Run, tmp_path: Path) -> None:
    """Who keeps the file elsewhere, as in a synchronised folder, finds it there."""
    target, link = tmp_path / "there.csv", tmp_path / "here.csv"
    link.symlink_to(target)
    assert run("export", "--to", str(link)).code == 0
    assert link.is_symlink()
    assert target.read_text().startswith("id,")
