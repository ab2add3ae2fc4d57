"""Labs that take texts and models: a sentence of one's own, and what is not installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from studykit.course.labs import load_lab_header
from studykit.lab.trust import remember
from studykit.study.overview import build_overview
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from studykit.tui.screens.lab import LabScreen
from tests.commands.dice_course import edit
from tests.course.test_models import TINY, write
from tests.tui.coin_course import build_services
from tests.tui.conftest import open_home, text_of, until

SENTENCE = "The animal didn't cross the street because it was too tired, says the long example."


@pytest.fixture
def services(tmp_path: Path) -> Services:
    """The lab of the coins also takes a text, and a model that stands in for weights."""
    services = build_services(tmp_path)
    lab = services.course.labs["coins/toss"].path
    edit(lab, 'KNOBS = {"bias"', f'KNOBS = {{"sentence": ({SENTENCE!r}, "Two."), "bias"')
    edit(lab, "SEEDS = 2", 'SEEDS = 2\nTEXT_KNOBS = ("sentence",)\nNEEDS = ("model:tiny",)')
    edit(lab, "def run(*, bias", "def run(*, sentence, model, bias")
    edit(lab, "    heads = 0\n", '    heads = 0\n    yield Measurement("n_read", len(sentence))\n')
    remember(services.course.root, services.paths.data_dir)
    write_models(services, module="json")
    return services


def write_models(services: Services, **changes: Any) -> None:
    """What the course says of its model; the package json is always there."""
    # A file that is there, of a size that does not change while the tests run.
    model = {**TINY, "files": {"weights": weights_in_json()}, **changes}
    write(services.course.root, tiny=model)


def weights_in_json() -> dict[str, Any]:
    size = Path(json.__file__).with_name("decoder.py").stat().st_size
    return {"path": "decoder.py", "bytes": size, "sha256": "0" * 64}


@asynccontextmanager
async def opened(
    services: Services, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Pilot[None]]:
    lab = services.course.labs["coins/toss"].path
    header = load_lab_header(lab, services.course.root)
    app = StudykitApp(services)
    async with app.run_test(size=size) as pilot:
        await open_home(pilot)
        await app.push_screen(LabScreen(header, header.defaults, None))
        await pilot.pause()
        yield pilot


def words(pilot: Pilot[None]) -> str:
    return " ".join(text_of(pilot.app).split())


async def finished(pilot: Pilot[None]) -> None:
    screen = pilot.app.screen
    assert isinstance(screen, LabScreen)
    await until(pilot, lambda: screen.phase == "outcome")


async def test_a_sentence_of_ones_own_is_measured(services: Services) -> None:
    """It is changed, or typed anew over the one that stands there; the others stay at hand."""
    async with opened(services) as pilot:
        assert f"[{SENTENCE}]" in words(pilot)
        assert "1 of 2" in words(pilot)
        await pilot.press("l")
        assert "[Two.] 2 of 2" in words(pilot)
        await pilot.press("equals_sign", "end", "backspace", *" or 3?", "enter")
        assert "[Two or 3?] 3 of 3" in words(pilot)
        await pilot.press("equals_sign", *"Mine.", "enter")
        assert "[Mine.]" in words(pilot)
        await pilot.press("s")
        await finished(pilot)

        assert services.runs[-1].knobs["sentence"] == "Mine."
        result = services.result_of(services.runs[-1])
        assert result is not None and result.values("n_read") == (5, 5)


async def test_a_quick_look_at_a_sentence_takes_one_seed(services: Services) -> None:
    """Its maps are there at once; nothing is judged by it, and the lab still waits."""
    lab = services.course.labs["coins/toss"].path
    edit(lab, ", budget):", "):")
    edit(lab, "400 * budget", "400")
    remember(services.course.root, services.paths.data_dir)
    async with opened(services) as pilot:
        assert "1 quick" in words(pilot)
        await pilot.press("equals_sign", *"Mine.", "enter", "1")
        await finished(pilot)

        assert "saved as a quick look; it is no evidence for a card" in words(pilot)
        result = services.result_of(services.runs[-1])
        assert result is not None and (result.budget, result.seed_numbers) == (1, (0,))
        assert "coins/toss" in [lab.id for lab in build_overview(services).waiting]


async def test_a_text_that_no_line_holds_is_refused(services: Services) -> None:
    async with opened(services) as pilot:
        await pilot.press("equals_sign", *"x" * 201, "enter")

        assert (
            "! sentence must be a text of one line, at most 200 characters; this one has 201"
            in words(pilot)
        )
        await pilot.press("escape")
        assert f"[{SENTENCE}]" in words(pilot)


async def test_a_long_text_is_told_by_its_beginning(services: Services) -> None:
    """Where knobs stand in a line, as above a run; which weights it was, too."""
    async with opened(services, (120, 40)) as pilot:
        await pilot.press("s")
        await finished(pilot)

        assert "sentence “The animal didn't cross the street beca…”" in words(pilot)
        assert "model tiny" in words(pilot)


async def test_other_weights_are_a_value_of_the_model_s_knob(services: Services) -> None:
    """They are no evidence: what a card asks for is the default."""
    async with opened(services) as pilot:
        await pilot.press("j", "j", "j", "equals_sign", *"/some/weights", "enter", "s")
        await finished(pilot)

        (run,) = services.runs
        assert run.knobs["model"] == "/some/weights"
        header = load_lab_header(services.course.labs["coins/toss"].path, services.course.root)
        assert services.evidence_at(header, header.defaults) is None


class Terminal:
    """Stands for the terminal that is lent: the command, and what it does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, services: Services, code: int) -> None:
        self.commands: list[Sequence[str]] = []
        self._services, self._code = services, code
        monkeypatch.setattr(StudykitApp, "suspend", lambda _: nullcontext())
        monkeypatch.setattr(subprocess, "run", self._run)
        monkeypatch.setattr("builtins.input", lambda _: "")

    def _run(self, command: Sequence[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        if self._code == 0:
            write_models(self._services, module="json")
        return subprocess.CompletedProcess(command, self._code)


@pytest.mark.parametrize("code", [0, 1])
async def test_a_model_that_is_missing_is_installed_from_the_lab(
    services: Services, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The terminal is lent to the command, which asks; then the lab can be run, or not yet."""
    write_models(services, module="no_such_module")
    terminal = Terminal(monkeypatch, services, code)
    async with opened(services) as pilot:
        assert "needs the model tiny, which is not installed: i installs, 1 kB" in words(pilot)
        await pilot.press("i")
        await pilot.pause()

        (command,) = terminal.commands
        assert command[:3] == [sys.executable, "-m", "studykit"]
        assert command[-3:] == ["models", "install", "tiny"]
        assert ("✓ installed" in words(pilot)) == (code == 0)
        assert ("still not installed: tiny" in words(pilot)) == (code == 1)
        assert ("i install" in words(pilot)) == (code == 1)


async def test_a_lab_that_lacks_its_model_says_so_instead_of_running(services: Services) -> None:
    write_models(services, module="no_such_module")
    async with opened(services) as pilot:
        await pilot.press("s")
        await finished(pilot)

        assert "needs the model tiny, which is not installed" in words(pilot)
        assert "studykit models install tiny" in words(pilot)
        assert services.runs == []


async def test_the_list_of_labs_tells_what_is_missing(services: Services) -> None:
    write_models(services, module="no_such_module")
    lab = services.course.labs["coins/toss"].path
    header = load_lab_header(lab, services.course.root)
    labs = {**services.course.labs, header.id: header}
    services.course = replace(services.course, labs=labs)
    services.__dict__.pop("bench", None)
    app = StudykitApp(services)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await pilot.press("x")
        await pilot.pause()

        assert "not run yet · needs tiny, not installed" in " ".join(text_of(app).split())


async def test_the_palette_installs_a_model_from_anywhere(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_models(services, module="no_such_module")
    terminal = Terminal(monkeypatch, services, 0)
    app = StudykitApp(services)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await pilot.press("colon", *"install tiny")
        await until(pilot, lambda: "install model tiny" in text_of(app))
        assert "1 kB, A tiny model" in text_of(app)
        await pilot.press("down", "enter")
        await until(pilot, lambda: bool(terminal.commands))

        assert terminal.commands[0][-3:] == ["models", "install", "tiny"]
        assert "✓ installed" in text_of(app)
