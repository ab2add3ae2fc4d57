"""`studykit doctor`."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from tests.commands.dice_course import LAB, edit, open_store, study
from tests.commands.runner import AT, Run


def test_the_doctor_finds_all_well(run: Run, home: Path) -> None:
    """Before and after the first sitting."""
    assert run("doctor").out.splitlines()[-1] == "all is well"
    study(home, "dice-probability", AT)
    outcome = run("doctor")
    assert outcome.code == 0
    assert "1 review, " in outcome.out


def test_the_doctor_lists_what_is_wrong(run: Run, home: Path, course: Path) -> None:
    """Settings, database and course at once, and exit code 1."""
    home.mkdir()
    (home / "settings.toml").write_text("[screen]\ncolour = 'red'\n", encoding="utf-8")
    (home / "progress.sqlite3").write_bytes(b"not a database, not at all" * 400)
    edit(course / "decks" / "1-dice.yaml", "lab: dice/rolls", "lab: dice/coins")
    outcome = run("doctor")
    assert outcome.code == 1
    problems = [line for line in outcome.out.splitlines() if line.startswith("problem: ")]
    for fragment in ("screen.colour", "progress.sqlite3", "dice/coins"):
        assert any(fragment in problem for problem in problems), fragment


def test_the_doctor_names_a_folder_that_takes_no_progress(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first sitting, not at its first answer."""
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != home.parent)
    outcome = run("doctor")
    assert outcome.code == 1
    assert f"problem: {home.parent} is read-only: no answer could be saved" in outcome.out


def test_the_doctor_looks_on_where_the_course_cannot_be_read(
    run: Run, home: Path, course: Path
) -> None:
    """What the learner has done is told all the same."""
    study(home, "dice-probability", AT)
    (course / "decks" / "course.yaml").write_text("format: 1\n", encoding="utf-8")
    outcome = run("doctor")
    assert (outcome.code, outcome.err) == (1, "")
    assert f"progress   {home / 'progress.sqlite3'}: 1 review" in outcome.out
    assert "problem: " in outcome.out and "course.yaml" in outcome.out


def test_the_doctor_names_keys_that_cannot_work(run: Run, home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text('[keys]\nrate-good = "q"\nnope = "x"\n', encoding="utf-8")
    outcome = run("doctor")
    assert outcome.code == 1
    assert "[keys]: no key is called nope" in outcome.out
    assert "[keys]: q is both rate-good and home (Review)" in outcome.out
    (home / "settings.toml").write_text('[keys]\nrate-good = "3,g"\n', encoding="utf-8")
    assert run("doctor").out.splitlines()[-1] == "all is well"


def test_the_doctor_names_plans_for_decks_that_are_not_here(run: Run, home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text(
        "[review]\nexams = {core = 2027-02-01, dice = 2027-02-01}\nretention = {dcie = 0.8}\n",
        encoding="utf-8",
    )
    outcome = run("doctor")
    assert outcome.code == 0
    notes = [line for line in outcome.out.splitlines() if line.startswith("note: review.")]
    assert [note.partition(":")[2].partition(": no deck")[0] for note in notes] == [
        " review.retention names dcie",
        " review.exams names core",
    ]


def test_the_doctor_rebuilds_memories_from_the_log(run: Run, home: Path) -> None:
    """A cache that went wrong is made again; the log is the truth."""
    study(home, "dice-probability", AT)
    before = run("due", "--json").out
    with sqlite3.connect(home / "progress.sqlite3") as connection:
        connection.execute("DELETE FROM memories")
    connection.close()
    assert run("doctor").code == 1
    assert "rebuilt    1 " in run("doctor", "--rebuild").out
    assert run("doctor").code == 0
    assert run("due", "--json").out == before


def test_the_workload_of_the_settings_is_said_beside_them(run: Run, home: Path) -> None:
    """At the pace that is assumed, and for the number of new cards that is set."""
    assert "5 new cards a day: ≈ 29 answers (10 min) a day in the first month" in run("doctor").out
    home.mkdir(exist_ok=True)
    (home / "settings.toml").write_text("[review]\nnew_per_day = 10\n", encoding="utf-8")
    assert "10 new cards a day: ≈ 58 answers (19 min)" in run("doctor").out


def back_up(home: Path, day: str) -> Path:
    with closing(open_store(home)) as store:
        copy = store.back_up(date.fromisoformat(day))
    assert copy is not None
    return copy


def test_the_doctor_brings_a_lost_progress_back(run: Run, home: Path) -> None:
    """Until then no command begins anew, whether it writes or only reads."""
    study(home, "dice-probability", AT)
    copy = back_up(home, "2026-11-23")
    (home / "progress.sqlite3").unlink()
    for command in (("due",), ("report",), ("stats",), ("lab", "show", LAB), ("review", "--plain")):
        outcome = run(*command)
        assert outcome.code == 1
        assert f"is missing, but there was progress: {copy} holds 1 answer" in outcome.complaint
    outcome = run("doctor")
    assert outcome.code == 1
    assert "the newest with 1 answer until 2026-11-23" in outcome.out
    assert not (home / "progress.sqlite3").exists()

    outcome = run("doctor", "--restore", "newest")

    assert outcome.code == 0
    assert f"restored   {copy}: 1 answer, 0 of them given since" in outcome.out
    assert outcome.out.splitlines()[-1] == "all is well"
    assert run("due").code == 0


def test_without_a_copy_the_doctor_keeps_what_can_be_read(run: Run, home: Path) -> None:
    study(home, "dice-probability", AT)
    with closing(sqlite3.connect(home / "progress.sqlite3")) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE memories SET state = 7")
    assert run("due").code == 1
    outcome = run("doctor", "--restore", "newest")
    assert outcome.code == 0
    assert "restored   what could still be read: 1 answer\n" in outcome.out
    assert run("due").code == 0


def test_the_doctor_names_copies_that_do_not_belong_to_the_progress(run: Run, home: Path) -> None:
    """One of another history, as an old file that was put back finds it; and a damaged one."""
    study(home, "dice-probability", AT)
    ours, theirs = back_up(home, "2026-11-22"), back_up(home, "2026-11-23")
    (home / "progress.sqlite3").unlink()
    study(home / "other", "dice-highest", AT)
    shutil.copy(home / "other" / "progress.sqlite3", home / "progress.sqlite3")
    theirs.write_bytes(theirs.read_bytes()[:5000])
    outcome = run("doctor")
    assert outcome.code == 0
    notes = [line for line in outcome.out.splitlines() if line.startswith("note: ")]
    assert sorted(notes) == [
        f"note: {ours} holds 1 answer or run that the progress has not",
        f"note: {theirs} is damaged",
    ]


def test_the_doctor_restores_the_copy_that_is_named(run: Run, home: Path, tmp_path: Path) -> None:
    study(home, "dice-probability", AT)
    copy = back_up(home, "2026-11-23").rename(tmp_path / "mine.sqlite3")
    outcome = run("doctor", "--restore", str(copy))
    assert outcome.code == 0
    assert f"restored   {copy}: 1 answer" in outcome.out
    assert f"kept       the file as it was, in {home / 'replaced-2026-11-23-090000'}" in outcome.out
    assert run("doctor", "--restore", "nowhere").code == 2
