"""A learner and a small course for every test of the commands."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from studykit.cli import main
from tests.commands.dice_course import LAB, write_course
from tests.commands.runner import AT, Outcome, Run


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A learner's folder of their own, and a time that stands still."""
    folder = tmp_path / "home"
    monkeypatch.setenv("STUDYKIT_HOME", str(folder))
    monkeypatch.setenv("STUDYKIT_NOW", AT.isoformat())
    monkeypatch.setenv("COLUMNS", "100")
    # The course's lab needs no torch, which takes a second to import.
    monkeypatch.setattr("studykit.commands.runs.PRELOAD", ())
    return folder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course, its results recorded as an author does it."""
    root = write_course(tmp_path_factory.mktemp("author") / "course")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STUDYKIT_HOME", str(root.parent / "home"))
        record = ["--course", str(root), "lab", "run", LAB, "--record", "--trust"]
        assert main(record) == 0
        assert main([*record, "--set", "sides=6"]) == 0
    return root


@pytest.fixture
def course(recorded: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    root = tmp_path / "course"
    shutil.copytree(recorded, root)
    return root


@pytest.fixture
def run(course: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line on the course."""

    def run_command(*arguments: str) -> Outcome:
        code = main(["--course", str(course), *arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run_command
