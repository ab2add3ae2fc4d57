"""``studykit import me.json``: on a new machine, into progress that is there, and again."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from studykit.review.schedule import Rating
from tests.commands.dice_course import study
from tests.commands.runner import AT, Run

LAB = "bench/dice/labs/dice/rolls.py"


@pytest.fixture
def elsewhere(tmp_path: Path, home: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What another machine has exported: three answers, settings, a lab of one's own."""
    other = tmp_path / "other"
    study(other, "dice-probability", AT - timedelta(days=9), Rating.GOOD)
    study(other, "dice-probability", AT - timedelta(days=2), Rating.AGAIN)
    study(other, "elsewhere", AT - timedelta(days=1))
    (other / "settings.toml").write_text("[review]\nnew_per_day = 7\n", encoding="utf-8")
    (other / LAB).parent.mkdir(parents=True)
    (other / LAB).write_text("print()\n", encoding="utf-8")
    path = tmp_path / "me.json"
    with monkeypatch.context() as patch:
        patch.setenv("STUDYKIT_HOME", str(other))
        assert run("export", "--to", str(path)).code == 0
    return path


def exported(run: Run, path: Path) -> dict[str, object]:
    assert run("export", "--to", str(path)).code == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def test_a_new_machine_has_everything_afterwards(
    run: Run, elsewhere: Path, tmp_path: Path, home: Path
) -> None:
    """What it exports is what it was given, byte by byte."""
    done = run("import", str(elsewhere), "--trust")
    assert done.out == f"me.json: 3 answers\nfiles that were not here: settings.toml, {LAB}\n"
    assert (home / LAB).read_text(encoding="utf-8") == "print()\n"
    run("export", "--to", str(tmp_path / "again.json"))
    assert (tmp_path / "again.json").read_bytes() == elsewhere.read_bytes()
    assert run("doctor").code == 0


def test_it_joins_progress_that_is_there(
    run: Run, elsewhere: Path, tmp_path: Path, home: Path
) -> None:
    """Nothing is lost on either side, and the second time brings nothing."""
    study(home, "dice-probability", AT - timedelta(days=5), Rating.HARD)
    (home / "settings.toml").write_text("[review]\nnew_per_day = 3\n", encoding="utf-8")
    done = run("import", str(elsewhere))
    first, kept, left, copy = done.out.splitlines()
    assert first == "me.json: 3 answers, 2 cards scheduled anew"
    assert kept == "others are here, and stay: settings.toml"
    assert left.startswith(f"programs, left out: {LAB}; `studykit import ")
    assert copy.startswith("a copy of the progress as it was: ")
    assert Path(copy.partition(": ")[2]).exists()
    rows = exported(run, tmp_path / "all.json")["reviews"]
    assert isinstance(rows, list)
    assert [(row["card_id"], row["rating"]) for row in rows] == [
        *(("dice-probability", 3), ("dice-probability", 2)),
        *(("dice-probability", 1), ("elsewhere", 4)),
    ]
    assert not (home / LAB).exists()
    again = run("import", str(elsewhere))
    assert again.out.startswith("me.json: nothing that is not here already\n")
    assert "a copy of the progress" not in again.out


def test_it_joins_where_the_settings_are_wrong(run: Run, elsewhere: Path, home: Path) -> None:
    """As a merge does: progress is never kept out by a mistake in another file."""
    study(home, "dice-probability", AT - timedelta(days=5), Rating.HARD)
    (home / "settings.toml").write_text("[review]\nnew_per_day = 'many'\n", encoding="utf-8")
    done = run("import", str(elsewhere))
    assert (done.code, done.out.splitlines()[0]) == (
        0,
        "me.json: 3 answers, 2 cards scheduled anew",
    )


@pytest.mark.parametrize("is_new", [True, False])
def test_a_dry_run_writes_nothing(
    is_new: bool, run: Run, elsewhere: Path, home: Path, tmp_path: Path
) -> None:
    """It tells the same."""
    if not is_new:
        study(home, "dice-probability", AT - timedelta(days=5), Rating.HARD)
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}
    tried = run("import", str(elsewhere), "--dry-run")
    assert tried.out.endswith("Nothing was written.\n")
    after = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}
    changed = {path for path in after if before.get(path) != after[path]}
    assert not [path for path in changed if not path.name.endswith(("-wal", "-shm"))]
    done = run("import", str(elsewhere))
    assert done.out.splitlines()[:2] == tried.out.splitlines()[:2]


def test_progress_that_was_lost_is_not_begun_anew(run: Run, elsewhere: Path, home: Path) -> None:
    """Copies are there, so the progress was: going back to them comes first."""
    (home / "backups").mkdir(parents=True)
    study(home, "dice-probability", AT)
    (home / "progress.sqlite3").rename(home / "backups" / "progress-2026-11-23.sqlite3")
    for path in home.glob("progress.sqlite3-*"):
        path.unlink()
    failed = run("import", str(elsewhere))
    assert failed.code == 1
    assert "is missing" in failed.complaint
    assert not (home / "progress.sqlite3").exists()
    assert not (home / "settings.toml").exists()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "not valid JSON"),
        ("[]", "not valid JSON"),
        ("{}", "is no export of studykit: it has no format"),
        ('{"format": "studykit-learner", "version": 1, "schema": "9999"}', "newer studykit"),
    ],
)
def test_any_other_json_is_refused(
    text: str, what: str, run: Run, tmp_path: Path, home: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    failed = run("import", str(path))
    assert failed.code == 1
    assert what in failed.complaint
    assert not home.exists() or not [*home.rglob("*")]


def test_it_makes_no_course(run: Run, elsewhere: Path, tmp_path: Path) -> None:
    failed = run("import", str(elsewhere), "--into", str(tmp_path / "course2"))
    assert failed.code == 2
    assert failed.complaint.startswith("--into and --title make a course")
