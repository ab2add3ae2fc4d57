"""`studykit doctor`."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.commands.dice_course import edit, study
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


def test_the_doctor_names_keys_that_cannot_work(run: Run, home: Path) -> None:
    home.mkdir()
    (home / "settings.toml").write_text('[keys]\nrate-good = "q"\nnope = "x"\n', encoding="utf-8")
    outcome = run("doctor")
    assert outcome.code == 1
    assert "[keys]: no key is called nope" in outcome.out
    assert "[keys]: q is both rate-good and home (Review)" in outcome.out
    (home / "settings.toml").write_text('[keys]\nrate-good = "3,g"\n', encoding="utf-8")
    assert run("doctor").out.splitlines()[-1] == "all is well"


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
