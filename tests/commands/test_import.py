"""``studykit import``: from a package of Anki's to cards that are due, and again."""

from __future__ import annotations

import json
import shutil
import sqlite3
import zipfile
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from studykit.course.decks import load_course
from studykit.progress.store import Store
from studykit.review.schedule import Rating, State
from studykit.study.check import check_course
from tests.commands.dice_course import study
from tests.commands.runner import AT, Run
from tests.exchange.anki_truth import PACKAGES, pairs

MADE_AT = json.loads((PACKAGES / "truth.json").read_text())["day_cutoff"] - 3600
"""An hour before the end of the day on which Anki wrote the packages."""
LATEST = str(PACKAGES / "latest.apkg")


@pytest.fixture(autouse=True)
def on_that_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUDYKIT_NOW", datetime.fromtimestamp(MADE_AT, UTC).isoformat())


def progress(home: Path) -> Store:
    return Store.open(home / "progress.sqlite3", backups_dir=home / "backups")


def changed_package(tmp_path: Path, *statements: str) -> str:
    """The same collection later on, in the form of Legacy 2."""
    database, path = tmp_path / "db", tmp_path / "later.apkg"
    with zipfile.ZipFile(PACKAGES / "legacy2.apkg") as source:
        database.write_bytes(source.read("collection.anki21"))
    with closing(sqlite3.connect(database)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        target.write(database, "collection.anki21")
    return str(path)


def test_a_dry_run_tells_and_writes_nothing(run: Run, home: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    done = run("import", LATEST, "--dry-run", "--into", str(tmp_path / "mine"))

    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines()]
    assert ["Facts", "11", "11", "6", "0"] in rows
    assert ["Spanish", "/", "Nouns", "4", "4", "10", "3"] in rows
    assert any("by a picture or a sound alone" in line for line in done.out.splitlines())
    assert done.out.endswith("\nNothing was written.\n")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_cards_schedule_and_marks_come(run: Run, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"

    done = run("import", LATEST, "--into", str(folder), "--title", "My decks")

    assert done.code == 0, done.err
    assert f"{folder}: 18 new cards, 32 new reviews, 4 marks" in done.out
    course = load_course(folder)
    assert (course.title, course.problems) == ("My decks", ())
    assert check_course(folder).problems == ()
    store = progress(home)
    memories, marks = store.memories(), store.marks(date(2026, 11, 30))
    store.close()
    due = {course.cards[id_].question: memory.due_day for id_, memory in memories.items()}
    for pair in pairs(PACKAGES / "latest.apkg"):
        if (in_days := pair.truth["due_in_days"]) is not None:
            assert due[pair.card.question] == pair.today + timedelta(days=in_days)
    assert sum(memory.state is State.REVIEW for memory in memories.values()) == 8
    assert [len(ids) for ids in (marks.suspended, marks.buried, marks.flagged)] == [1, 1, 2]
    assert run("doctor").code == 0
    assert run("--course", str(folder), "lab", "list").out == "This course has no labs.\n"
    # What is due in Anki is due here: two cards overdue, of which none is hidden.
    assert run("--course", str(folder), "due", "--json").document["total"]["review"] == 2


def test_the_schedule_stands_when_memories_are_made_again(
    run: Run, home: Path, tmp_path: Path
) -> None:
    run("import", LATEST, "--into", str(tmp_path / "mine"))
    store = progress(home)
    before = store.memories()
    store.close()

    assert run("doctor", "--rebuild").code == 0

    store = progress(home)
    assert store.memories() == before
    store.close()


def test_a_file_of_which_nothing_can_come_is_refused(run: Run, home: Path, tmp_path: Path) -> None:
    """Rather than promising a course that is not made."""
    deck = tmp_path / "long.md"
    deck.write_text(f"Q: {'a' * 100_000}\nA: b\n", encoding="utf-8")

    done = run("import", str(deck), "--into", str(tmp_path / "mine"))

    assert done.code == 1
    assert "holds no card that can come" in done.err
    assert not (tmp_path / "mine").exists()


def test_why_no_card_can_come_is_told(run: Run, home: Path, tmp_path: Path) -> None:
    """Of a package whose cards all ask by a picture alone."""
    package = changed_package(
        tmp_path,
        "DELETE FROM cards WHERE nid NOT IN (SELECT id FROM notes WHERE flds LIKE 'Water?%')",
        "UPDATE notes SET flds = '<img src=a.png>'",
    )

    done = run("import", package, "--into", str(tmp_path / "mine"))

    assert done.code == 1
    assert "cards that ask by a picture or a sound alone" in done.out
    assert "holds no card that can come" in done.err
    assert not (tmp_path / "mine").exists()


def test_a_second_import_adds_nothing(run: Run, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    run("import", LATEST, "--into", str(folder))
    files = {path: path.read_bytes() for path in folder.rglob("*.yaml")}
    n_backups = len([*(home / "backups").iterdir()])

    done = run("import", str(PACKAGES / "legacy1.apkg"), "--into", str(folder))

    assert f"{folder}: 0 new cards, 0 new reviews\n" in done.out
    assert "another text" not in done.out
    assert {path: path.read_bytes() for path in folder.rglob("*.yaml")} == files
    assert len([*(home / "backups").iterdir()]) == n_backups


def test_a_newer_package_adds_what_is_new(run: Run, home: Path, tmp_path: Path) -> None:
    """A note and a review more; what was edited and taken off here stays so."""
    folder = tmp_path / "mine"
    run("import", LATEST, "--into", str(folder))
    deck = folder / "decks" / "1-facts.yaml"
    deck.write_text(deck.read_text().replace("since 987", "since a thousand years"))
    store = progress(home)
    (suspended,) = store.marks(date(2026, 11, 30)).suspended
    store.unmark(suspended, "suspended")
    before = store.memories()
    store.close()
    (oldest,) = (id_ for id_, memory in before.items() if memory.reps == 7)
    package = changed_package(
        tmp_path,
        "INSERT INTO notes SELECT 77, 'new guid', mid, 0, 0, '', 'added' || char(31) || 'later',"
        " 0, 0, 0, '' FROM notes WHERE flds LIKE 'Water?%'",
        "INSERT INTO cards SELECT 78, 77, did, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, ''"
        " FROM cards WHERE nid IN (SELECT id FROM notes WHERE flds LIKE 'Water?%')",
        "INSERT INTO revlog SELECT max(id) + 86400000, cid, 0, 3, 30, 12, 2300, 5000, 1"
        " FROM revlog WHERE cid IN (SELECT c.id FROM cards c JOIN notes n ON n.id = c.nid"
        " WHERE n.flds LIKE 'to <b>go%')",
        "UPDATE cards SET due = due + 30 WHERE nid IN"
        " (SELECT id FROM notes WHERE flds LIKE 'to <b>go%')",
    )

    done = run("import", package, "--into", str(folder))

    assert f"{folder}: 1 new card, 1 new review\n" in done.out
    told = "cards that have another text in your course, which stays 2"
    assert told in [" ".join(line.split()) for line in done.out.splitlines()]
    course = load_course(folder)
    assert course.problems == () and len(course.cards) == 19
    assert course.decks[-1].title == "Facts (added 2026-11-30)"
    assert "since a thousand years" in deck.read_text()
    store = progress(home)
    after = store.memories()
    assert store.marks(date(2026, 11, 30)).suspended == frozenset()
    store.close()
    assert after[oldest].reps == 8
    due, was = after[oldest].due_day, before[oldest].due_day
    assert due is not None and was is not None and due - was == timedelta(days=30)
    del after[oldest], before[oldest]
    assert after == before


def test_answers_given_here_stand_beside_those_from_there(
    run: Run, home: Path, tmp_path: Path
) -> None:
    """The log is in the order of time, whichever came first."""
    folder = tmp_path / "mine"
    study(home, "dice-probability", AT - timedelta(days=9), Rating.GOOD)
    study(home, "dice-probability", AT - timedelta(days=2), Rating.EASY)

    done = run("import", LATEST, "--into", str(folder))

    assert "32 new reviews" in done.out
    store = progress(home)
    reviews = store.reviews()
    store.close()
    assert [review.at for review in reviews] == sorted(review.at for review in reviews)
    assert len(reviews) == 34
    assert run("doctor").code == 0
    assert any("before-import" in path.name for path in (home / "backups").iterdir())


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([LATEST], 2, "--into is missing (the folder that the course shall lie in)"),
        (["nowhere.apkg", "--into", "x"], 2, "nowhere.apkg does not exist"),
    ],
)
def test_what_is_missing_is_said(run: Run, arguments: list[str], code: int, told: str) -> None:
    done = run("import", *arguments)

    assert done.code == code
    assert done.complaint.startswith(told)


def test_no_folder_of_somebody_else_is_written_to(run: Run, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("Dear Ada")
    (tmp_path / "file").write_text("")

    full = run("import", LATEST, "--into", str(tmp_path / "full"))
    file = run("import", LATEST, "--into", str(tmp_path / "file"))

    assert full.code == file.code == 2
    assert "is neither empty nor a course" in full.complaint
    assert "is no folder" in file.complaint
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["letter.txt"]


def test_a_course_whose_cards_need_labs_takes_none(run: Run, course: Path) -> None:
    done = run("import", LATEST, "--into", str(course))

    assert done.code == 1
    assert "each card of this course needs a lab (write `labs: optional`" in done.complaint


def test_a_course_with_a_mistake_is_mended_first(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    run("import", LATEST, "--into", str(folder))
    deck = folder / "decks" / "1-facts.yaml"
    deck.write_text(deck.read_text().replace("kind: cloze", "kind: close", 1))

    done = run("import", LATEST, "--into", str(folder))

    assert done.code == 1
    assert "no kind is called `close`" in done.complaint


def test_an_import_that_was_broken_off_goes_on(run: Run, home: Path, tmp_path: Path) -> None:
    """The course is there and the log is not: as after a full disk."""
    folder = tmp_path / "mine"
    run("import", LATEST, "--into", str(folder))
    shutil.rmtree(home)

    done = run("import", LATEST, "--into", str(folder))

    assert f"{folder}: 0 new cards, 32 new reviews, 4 marks\n" in done.out
