"""`studykit check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from studykit.cli import main
from tests.commands.dice_course import LAB, edit, lab_file
from tests.commands.runner import Run


def test_check_is_silent_about_a_whole_course(run: Run) -> None:
    """One line with the numbers, exit code 0."""
    outcome = run("check")
    assert (outcome.code, outcome.out) == (0, "3 cards, 1 lab: 0 problems\n")


def test_check_prints_a_line_a_problem(run: Run, course: Path) -> None:
    """Each begins with file:line:column, and the exit code is 1."""
    edit(course / "decks" / "1-dice.yaml", "answer: 0.05", "answer: five")
    outcome = run("check")
    assert outcome.code == 1
    problem, *_ = outcome.out.splitlines()
    line = (course / "decks" / "1-dice.yaml").read_text().splitlines().index("        answer: five")
    assert problem.startswith(f"{course}/decks/1-dice.yaml:{line + 1}:17: ")


def test_check_takes_a_path(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The course need not be the one that is studied."""
    assert main(["check", str(course), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["course"] == str(course)
    assert (document["cards"], document["labs"]) == (3, 1)
    assert document["problems"] == []
    assert document["coverage"] is None


def test_check_shows_the_coverage_of_the_outline(run: Run) -> None:
    """Topics without cards are the work that is left."""
    out = run("check", "--coverage").out
    assert "1.2    0      Two dice: 0 of 1 points asked" in out
    assert "1.1.2  2      " in out
    document = run("check", "--coverage", "--json").document
    assert document["coverage"][0]["points"] == {"1.1.1": 1, "1.1.2": 2}
    assert document["coverage"][0]["n_cards"] == 3


def test_check_runs_nothing_of_the_course(run: Run, course: Path) -> None:
    """Also not a lab that would leave a trace when it is imported."""
    trace = course / "trace"
    edit(lab_file(course), "import random", f"import random\nopen({str(trace)!r}, 'w').close()")
    run("check")
    run("lab", "list")
    run("lab", "show", LAB)
    run("due")
    assert not trace.exists()
