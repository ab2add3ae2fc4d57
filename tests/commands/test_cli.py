"""The program itself: help, errors as one line, terminals and pipes, completion."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from studykit.cli import app, main
from studykit.commands import due as due_command
from tests.commands.dice_course import LAB
from tests.commands.runner import PROGRAM, REPOSITORY, Run
from tests.course.test_models import TINY, write


def all_commands() -> list[list[str]]:
    """The words of every command and group, the program's own included."""
    found: list[list[str]] = []

    def walk(command: Any, words: list[str]) -> None:
        found.append(words)
        for name, child in getattr(command, "commands", {}).items():
            walk(child, [*words, name])

    walk(typer.main.get_command(app), [])
    return found


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_every_help_has_an_example(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The example is a command line of this very command."""
    assert main([*words, "--help"]) == 0
    example = f"Example: {' '.join(['studykit', *words])} "
    assert example in capsys.readouterr().out.replace("\n", " ") + " "


def test_the_version_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """For bug reports and scripts."""
    assert main(["--version"]) == 0
    name, version = capsys.readouterr().out.split()
    assert name == "studykit"
    assert version.count(".") == 2


def test_without_a_terminal_the_screens_do_not_open(run: Run) -> None:
    """In a pipe one line says so; nothing hangs, and no escape sequence is written."""
    outcome = run()
    assert outcome.code == 2
    assert "need a terminal" in outcome.complaint
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["nope"], "No such command 'nope'"),
        (["lab"], "Missing command"),
        (["lab", "run"], "Missing argument"),
        (["due", "--jsn"], "No such option: --jsn"),
        (["lab", "run", LAB, "--seeds", "0"], "0 is not in the range"),
        (["lab", "run", LAB, "--device", "gpu"], "'gpu' is not one of 'auto', 'cpu', 'cuda'"),
        (["lab", "run", LAB, "--set", "sides"], "write --set KNOB=VALUE"),
        (["lab", "run", LAB, "--set", "size=6"], "its knobs: sides, weight, fair"),
        (["lab", "run", LAB, "--set", "sides=-7"], "it may be a whole number above 0"),
        (["lab", "run", LAB, "--set", "fair=maybe"], "it may be True or False"),
        (["lab", "show", "rolls"], f"did you mean {LAB}?"),
        (["lab", "show", "zzz"], "studykit lab list shows them"),
        (["verify", "--deck", "cards"], "decks: dice"),
        (["check", "/"], "/ is not a course"),
        (["review", "--ahead", "99999999999"], "is not in the range"),
        (["report", "--since", "monday"], "'monday'"),
        (["report", "--since", "2026-11-24"], "today is 2026-11-23"),
    ],
)
def test_a_usage_error_is_one_line_and_exit_code_2(
    arguments: list[str], what: str, run: Run
) -> None:
    """It says what would have been right."""
    outcome = run(*arguments)
    assert outcome.code == 2
    assert what in outcome.complaint
    assert outcome.out == ""


def test_an_unknown_course_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder without a manifest is no course."""
    assert main(["--course", str(tmp_path), "due"]) == 2
    assert "a course is a folder with decks/course.yaml" in capsys.readouterr().err


def test_an_unexpected_error_is_one_line_and_a_log(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traceback is for a bug report, not for the terminal."""
    monkeypatch.setattr(due_command, "environment", lambda ctx: 1 / 0)
    outcome = run("due")
    assert outcome.code == 1
    assert "unexpected ZeroDivisionError: division by zero" in outcome.complaint
    log = home / "last-error.log"
    assert str(log) in outcome.complaint
    assert "Traceback" in log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ["import", "FILE", "--into", "new"],
        ["export", "--to", "FILE"],
        ["backup", "FILE"],
        ["restore", "FILE"],
        ["merge", "FILE"],
        ["check", "FILE"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_name_that_no_file_can_have_is_no_unexpected_error(
    arguments: list[str], run: Run, home: Path
) -> None:
    """One line says what to do; a log for a bug report would only mislead."""
    name = "x" * 300 + ".apkg"
    outcome = run(*(name if word == "FILE" else word for word in arguments))
    assert outcome.code == 1
    assert "File name too long (name a shorter one)" in outcome.complaint
    assert not (home / "last-error.log").exists()


def test_a_wrong_time_is_a_usage_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """STUDYKIT_NOW is read before anything is done."""
    monkeypatch.setenv("STUDYKIT_NOW", "noon")
    outcome = run("due")
    assert outcome.code == 2
    assert "STUDYKIT_NOW" in outcome.complaint


def test_wrong_settings_stop_what_needs_them(run: Run, home: Path) -> None:
    """Nothing is scheduled with guessed preferences; a course can still be checked."""
    home.mkdir()
    (home / "settings.toml").write_text("[review]\nnew_per_day = 'all'\n", encoding="utf-8")
    outcome = run("due")
    assert outcome.code == 1
    assert "review.new_per_day: 'all' is not a whole number" in outcome.complaint
    assert run("check").code == 0


def test_a_home_that_cannot_be_written_is_one_line(run: Run, home: Path) -> None:
    """The operating system's reason, and the path."""
    home.write_text("a file where a folder must be", encoding="utf-8")
    outcome = run("lab", "run", LAB, "--trust")
    assert outcome.code == 1
    assert outcome.complaint.startswith(f"{home}")


def test_a_terminal_without_unicode_shows_the_rest(course: Path) -> None:
    """A mark that cannot be encoded becomes a question mark; the word beside it stays."""
    finished = subprocess.run(
        [*PROGRAM, "--course", str(course), "lab", "show", LAB],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        encoding="latin-1",
        check=True,
    )
    assert "? rare    confirmed" in finished.stdout
    assert finished.stderr == ""


def test_a_reader_that_leaves_early_is_no_error(course: Path) -> None:
    """`studykit … | head` says nothing on stderr."""
    process = subprocess.Popen(
        [*PROGRAM, "--course", str(course), "lab", "show", LAB],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    process.wait(timeout=30)
    assert errors == b""


@pytest.mark.parametrize("stream", ["<", ">", "2>"])
def test_a_stream_that_is_closed_is_no_error(course: Path, home: Path, stream: str) -> None:
    """As jobs that run by the clock are started by some; there is nobody to read it."""
    words = shlex.join([*PROGRAM, "--course", str(course), "lab", "show", LAB])
    finished = subprocess.run(
        ["sh", "-c", f"{words} {stream}&-"], cwd=REPOSITORY, capture_output=True, check=False
    )
    assert (finished.returncode, finished.stderr) == (0, b"")
    assert not (home / "last-error.log").exists()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["lab", "run", ""], {LAB}),
        (["lab", "run", LAB, "--set", "si"], {"sides=20", "sides=6"}),
        (["lab", "run", LAB, "--set", "fair="], {"fair=True", "fair=False"}),
        (["lab", "run", "dice/none", "--set", ""], set()),
        (["models", "install", "ti"], {"tiny"}),
    ],
)
def test_the_shell_completes_labs_knobs_and_models(
    words: list[str], offered: set[str], course: Path
) -> None:
    """Of the course that the command line names."""
    write(course, tiny=TINY, other=TINY)
    line = ["studykit", "--course", str(course), *words]
    program = "import sys; from studykit.cli import main; sys.exit(main())"
    finished = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "_STUDYKIT_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(line),
            "COMP_CWORD": str(len(line) - 1),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(finished.stdout.split()) == offered
    assert finished.stderr == ""
