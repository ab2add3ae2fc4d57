"""The documentation is complete: commands, options, settings, keys of JSON, keys of the screens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from studykit.cli import app, main
from studykit.clock import SystemClock
from studykit.lab.results import Prediction, RunResult
from studykit.review.practice import Practised
from studykit.review.schedule import Rating
from studykit.settings import Settings
from studykit.study.definitions import DEFINITIONS
from studykit.tui.keymap import key_bindings
from tests.commands.dice_course import LAB, edit, lab_file, open_store, study, write_course

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = {
    path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8")
    for path in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
}
OF_TYPER = {"--help", "--install-completion", "--show-completion"}


def commands() -> Iterator[tuple[str, set[str]]]:
    """Every command with its options; a group is one if it does something without a command."""

    def walk(command: Any, words: list[str]) -> Iterator[tuple[str, set[str]]]:
        children = getattr(command, "commands", {})
        if not children or command.invoke_without_command:
            names = {name for parameter in command.params for name in parameter.opts}
            options = {name for name in names if name.startswith("--")}
            yield " ".join(words), options - OF_TYPER
        for name, child in children.items():
            yield from walk(child, [*words, name])

    yield from walk(typer.main.get_command(app), ["studykit"])


def sections(page: str) -> dict[str, str]:
    """Title of each section of a page -> its text, title included."""
    parts = re.split(r"^## ", PAGES[page], flags=re.M)[1:]
    return {part.split("\n")[0]: part for part in parts}


@pytest.mark.parametrize(("command", "options"), commands())
def test_every_command_and_option_is_documented(command: str, options: set[str]) -> None:
    """A row each in the command's own section, and no row for what is no option."""
    text = sections("docs/commands.md")[f"`{command}`"]
    assert set(re.findall(r"^\| `(--[\w-]+)", text, re.M)) == options


def test_no_command_is_documented_that_does_not_exist() -> None:
    """What was renamed or dropped leaves the page, too."""
    titles = {f"`{command}`" for command, _ in commands()}
    assert set(sections("docs/commands.md")) == titles


def test_the_readme_names_every_command() -> None:
    """Whoever reads only one page knows what there is."""
    for command, _ in commands():
        first_words = " ".join(command.split()[:2])
        assert f"`{first_words}" in PAGES["README.md"], first_words


def test_every_setting_is_documented_with_its_default() -> None:
    """One row each, below the heading of its table, and no row for what is no setting."""
    page = {
        title.split("`")[1]: text
        for title, text in sections("docs/settings.md").items()
        if "`" in title
    }
    defaults = Settings()
    for table in ("review", "lab", "screen"):
        values = getattr(defaults, table)
        expected = {
            item.name: json.dumps(getattr(values, item.name))  # TOML writes these as JSON does
            for item in fields(values)
        }
        written = dict(re.findall(r"^\| `(\w+)` \| `(.+?)` \|", page[f"[{table}]"], re.M))
        assert written == expected


@pytest.mark.parametrize("variable", ["STUDYKIT_HOME", "STUDYKIT_NOW"])
def test_environment_variables_are_documented(variable: str) -> None:
    """Where the settings are."""
    assert f"`{variable}`" in PAGES["docs/settings.md"]


def test_every_figure_is_documented_as_its_help_defines_it() -> None:
    """In the same words and the same order."""
    table = PAGES["docs/statistics.md"].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", table, re.M)[1:]
    assert rows == [tuple(each) for each in DEFINITIONS.values()]


# --- keys ---


def test_every_key_is_documented() -> None:
    """With its id, by which the settings give it other keys."""
    rows = re.findall(r"^\| `([\w-]+)` \| `(.+?)` \|", PAGES["docs/keys.md"], re.M)
    assert set(rows) == key_bindings()


# --- JSON ---

MAPPINGS = {
    *(
        "cards",
        "changed_knobs",
        "claims",
        "holds_if",
        "knob_help",
        "knobs",
        "literature",
        "measurements",
        "points",
    ),
    *("recorded", "seconds", "verdicts", "versions"),
}
"""Keys whose objects, if they are objects, have the course's or the machine's own keys."""

COMMANDS = {
    "due": ["due", "--json"],
    "stats": ["stats", "--json"],
    "check": ["check", "--coverage", "--json"],
    "lab list": ["lab", "list", "--json"],
    "lab show": ["lab", "show", LAB, "--json"],
    "lab run": ["lab", "run", LAB, "--trust", "--json"],
    "verify": ["verify", "--trust", "--json"],
    "report": ["report", "--format", "json"],
    "workload": ["workload", "--json"],
    "optimize": ["optimize", "--use", "default", "--json"],
}


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a course and a home whose progress leaves no list of a report empty."""
    folder = tmp_path_factory.mktemp("learner")
    course = write_course(folder / "course")
    edit(lab_file(course), "import Curve, ", "import Curve, HeatMap, Step, Table, Walk, ")
    edit(
        lab_file(course),
        '    yield Measurement("share"',
        '    yield HeatMap("h", ["r"], ["c"], [[None]])\n'
        '    yield Table("t", ["c"], [[1.0]])\n'
        '    yield Walk("w", ["r"], ["c"], ["m"], [Step((0, 0), "s", [[1.0]])])\n'
        '    yield Measurement("share"',
    )
    home = folder / "home"
    now = SystemClock().now()
    study(home, "dice-probability", now - timedelta(days=30))
    study(home, "dice-probability", now - timedelta(days=5), Rating.AGAIN)
    result = RunResult(
        lab=LAB,
        knobs={"sides": 20, "weight": 1.0, "fair": True},
        device="cpu",
        machine="a machine",
        versions={},
        code_hash="",
        started_at=now,
        seconds=1.0,
        status="done",
        seeds=(),
    )
    prediction = Prediction("Rarer than once in ten", "rare", confidence=60, correct=True)
    with closing(open_store(home)) as store:
        store.record_run(result, card_id="dice-highest", prediction=prediction)
        day = now.date()
        store.record_practised(
            Practised("dice-highest", "pretest", now, day, "predict", True, "", None, 1000)
        )
    return folder


def keys(value: Any) -> set[str]:
    """Every key in `value` that the program, not the course, has chosen."""
    if isinstance(value, list):
        return set().union(*map(keys, value))
    if not isinstance(value, dict):
        return set()
    found = set(value)
    for key, item in value.items():
        if key in MAPPINGS and isinstance(item, dict):
            found |= keys(list(item.values()))
        else:
            found |= keys(item)
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_every_key_of_json_is_documented(
    command: str,
    learner: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Under the command's own heading; the result that `lab show` shows is a run's."""
    monkeypatch.setenv("STUDYKIT_HOME", str(learner / "home"))
    main(["--course", str(learner / "course"), *COMMANDS[command]])
    found = keys(json.loads(capsys.readouterr().out))
    assert len(found) > 3
    wanted = [command, "lab run"] if command == "lab show" else [command]
    text = "".join(
        part
        for title, part in sections("docs/json.md").items()
        if any(f"studykit {name}" in title for name in wanted)
    )
    missing = {key for key in found if f"`{key}`" not in text}
    assert missing == set()
