"""``studykit merge`` on the command line: what it says, and what it leaves alone."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from studykit.progress.backups import copy_database
from tests.commands.dice_course import open_store, study
from tests.commands.runner import AT, Run


@pytest.fixture
def other(home: Path, tmp_path: Path) -> Path:
    """The progress of another machine, which grew apart from the one here by an answer."""
    study(home, "dice-probability", AT)
    folder = tmp_path / "other"
    copy_database(home / "progress.sqlite3", folder / "progress.sqlite3")
    study(folder, "dice-highest", AT + timedelta(minutes=1))
    return folder / "progress.sqlite3"


def n_answers(home: Path) -> int:
    with closing(open_store(home)) as store:
        return store.n_reviews()


def test_the_other_machines_answers_come_and_a_copy_is_kept(
    run: Run, home: Path, other: Path
) -> None:
    outcome = run("merge", str(other))
    copy = home / "backups" / f"progress-before-merge-{AT:%Y-%m-%d-%H%M%S}.sqlite3"
    assert outcome.out.splitlines() == [
        "progress.sqlite3: 1 answer, 1 card scheduled anew",
        f"a copy of the progress as it was: {copy}",
    ]
    assert (outcome.code, n_answers(home)) == (0, 2)
    assert run("doctor").code == 0
    assert run("merge", str(other)).out == "progress.sqlite3: nothing that is not here already\n"


def test_a_dry_run_tells_the_same_and_changes_nothing(run: Run, home: Path, other: Path) -> None:
    before = (home / "progress.sqlite3").read_bytes()
    outcome = run("merge", str(other), "--dry-run")
    assert outcome.out == "progress.sqlite3: 1 answer, 1 card scheduled anew\n"
    assert (home / "progress.sqlite3").read_bytes() == before
    assert not list((home / "backups").glob("*before-merge*"))


def test_a_folder_is_merged_file_by_file(run: Run, home: Path, other: Path) -> None:
    """What is damaged there is told and passed over."""
    shutil.copy(other, other.with_name("a copy.db"))
    other.with_name("half.sqlite3").write_bytes(other.read_bytes()[:3000])
    other.with_name("notes.txt").write_text("no database")
    outcome = run("merge", str(other.parent), "--json")
    assert outcome.code == 1
    assert "half.sqlite3 is damaged" in outcome.err and outcome.err.count("\n") == 1
    document = json.loads(outcome.out)
    counts = {Path(each["from"]).name: each.get("answers") for each in document["merged"]}
    assert counts == {"a copy.db": 1, "half.sqlite3": None, "progress.sqlite3": 0}
    assert n_answers(home) == 2


def test_what_cannot_be_merged_is_refused_in_one_line(
    run: Run, home: Path, other: Path, tmp_path: Path
) -> None:
    outcome = run("merge", str(home / "progress.sqlite3"))
    assert (outcome.code, "is the progress of this machine" in outcome.err) == (2, True)
    assert run("merge", str(tmp_path / "nowhere.sqlite3")).code == 2
    (tmp_path / "empty").mkdir()
    assert "holds no progress" in run("merge", str(tmp_path / "empty")).err
    other.write_bytes(b"no database" * 99)
    outcome = run("merge", str(other))
    assert (outcome.code, outcome.err.count("\n")) == (1, 1)


def test_a_new_machine_takes_all_of_it(run: Run, home: Path, other: Path) -> None:
    shutil.rmtree(home)
    outcome = run("merge", str(other))
    assert outcome.out == "progress.sqlite3: 2 answers, 2 cards scheduled anew\n"
    assert run("due", "--json").code == 0
