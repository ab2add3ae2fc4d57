"""Whose labs are run, and who is asked."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.commands.dice_course import LAB, edit, lab_file
from tests.commands.runner import PROGRAM, REPOSITORY, Run
from tests.course.test_without_labs import DECK, MANIFEST


def test_a_foreign_course_does_not_run_unasked(run: Run, course: Path, home: Path) -> None:
    """Where nobody can be asked, only --trust lets its labs run, and is remembered."""
    outcome = run("lab", "run", LAB)
    assert outcome.code == 1
    assert "pass --trust" in outcome.complaint
    assert run("verify").code == 1
    assert run("verify", "--trust").code == 0
    assert run("lab", "run", LAB).code == 0
    edit(lab_file(course), "import random", "import random  # changed")
    assert "pass --trust" in run("lab", "run", LAB).complaint


def test_without_labs_there_is_nothing_to_trust(run: Run, course: Path) -> None:
    """A course of words, as an import from Anki makes one."""
    (course / "decks" / "course.yaml").write_text(MANIFEST, encoding="utf-8")
    (course / "decks" / "1-words.yaml").write_text(DECK, encoding="utf-8")
    shutil.rmtree(course / "labs")
    outcome = run("verify")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.startswith("0 runs in ")


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("own", 0), ("n", 1), ("", 1)])
def test_a_person_is_asked_once_about_a_foreign_course(
    answer: str, code: int, course: Path, home: Path, run: Run
) -> None:
    """ "no" leaves the lab alone; "own" asks for no more after a change."""
    leader, follower = pty.openpty()
    os.write(leader, f"{answer}\n".encode())
    finished = subprocess.run(
        [*PROGRAM, "--course", str(course), "lab", "run", LAB],
        cwd=REPOSITORY,
        stdin=follower,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(leader)
    os.close(follower)
    assert "Do you trust them?" in finished.stderr
    assert finished.returncode == code
    assert ("confirmed" in finished.stdout) == (code == 0)
    assert (home / "trusted.json").exists() == (code == 0)
    if code == 0:
        edit(lab_file(course), "import random", "import random  # changed")
        assert run("lab", "run", LAB).code == (0 if answer == "own" else 1)
