"""The bench: `e` on a lab's screen, the own version, its runs beside those of the original."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from studykit.tui.screens.lab import LabScreen
from studykit.tui.screens.lab_runs import LabRunsScreen
from studykit.tui.screens.labs import LabsScreen
from tests.tui.coin_course import build_services
from tests.tui.conftest import open_home, text_of, until, will_replace


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_services(tmp_path)


async def run_to_its_end(pilot: Pilot[None]) -> None:
    screen = pilot.app.screen
    assert isinstance(screen, LabScreen)
    await pilot.press("s")
    await until(pilot, lambda: screen.phase == "outcome")


async def test_an_idea_is_edited_run_and_compared_with_the_original(
    services: Services, editor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = StudykitApp(services)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await pilot.press("x", "j", "enter")
        await pilot.pause()
        await run_to_its_end(pilot)
        will_replace(monkeypatch, editor, "rng.random() < bias", "rng.random() < bias / 8")
        await pilot.press("e")
        await pilot.pause()
        assert "mine/coins/toss · measures 1.1.1" in text_of(app)
        await run_to_its_end(pilot)
        assert "saved · p compares it with the original" in text_of(app)
        assert "✗ refuted" in text_of(app)
        await pilot.press("p")
        assert isinstance(app.screen, LabRunsScreen)
        text = text_of(app)
        assert "Past runs  mine/coins/toss · 1 of yours" in text
        assert "▸ B  23 Nov 09:00  cpu   original" in text
        assert "JUDGED DIFFERENTLY" in text
        assert "older version" not in text
        card = services.cards["coin-share"]
        evidence = services.evidence(card)
        assert evidence is not None and evidence.lab == "coins/toss"

        await pilot.press("q")
        will_replace(monkeypatch, editor, "How often does a coin", "How rarely does my coin")
        await pilot.press("e")
        await pilot.pause()
        assert "How rarely does my coin show heads?" in text_of(app)
        assert services.course.labs["coins/toss"].question == "How often does a coin show heads?"
        # The version gives way to its next form; the original lies below it.
        await pilot.press("q")
        assert "How often does a coin show heads?" in text_of(app)
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(app.screen, LabsScreen)
        assert "mine/coins/toss · your own version" in text_of(app)
        await pilot.press("j", "enter")
        await pilot.pause()
        assert "How rarely does my coin show heads?" in text_of(app)


async def test_a_version_that_cannot_be_read_is_mended_by_the_next_edit(
    services: Services, editor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says where; the lab that was open stays."""
    app = StudykitApp(services)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_home(pilot)
        await app.push_screen(LabScreen(services.course.labs["coins/toss"], {}, None))
        will_replace(monkeypatch, editor, "SEEDS = 2", "SEEDS = two")
        await pilot.press("e")
        told = "".join(text_of(app).split())
        assert "nottakenover:" in told and "toss.py:21:9:mustbealiteral" in told
        will_replace(monkeypatch, editor, "SEEDS = two", "SEEDS = 1")
        await pilot.press("e")
        await pilot.pause()
        assert "mine/coins/toss" in text_of(app)
        will_replace(monkeypatch, editor, "nothing", "like this")
        await pilot.press("e")
        assert "Nothing was changed in" in " ".join(text_of(app).split())


async def test_prints_stand_beside_the_numbers_and_whole_in_the_log(
    services: Services, editor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the lab runs and after it; the log grows while it is read."""
    app = StudykitApp(services)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_home(pilot)
        knobs = {"mood": "slow"}
        await app.push_screen(LabScreen(services.course.labs["coins/toss"], knobs, None))
        will_replace(monkeypatch, editor, "    heads = 0", "    heads = print(*range(9)) or 0")
        await pilot.press("e")
        await pilot.pause()
        will_replace(monkeypatch, editor, "time.sleep(60)", 'print("slow [b]"); time.sleep(2)')
        await pilot.press("e")
        await pilot.pause()
        assert "v log" not in text_of(app)
        await pilot.press("s")
        await until(pilot, lambda: "PRINTED" in text_of(app))
        assert "0 1 2 3 4 5 6 7 8" in text_of(app)
        await until(pilot, lambda: "v log" in text_of(app))
        await pilot.press("v")
        await pilot.pause()
        assert "seed 1 printed" not in text_of(app)
        await until(pilot, lambda: "seed 1 printed" in text_of(app))
        await until(pilot, lambda: text_of(app).count("slow [b]") == 2)
        await pilot.press("q")
        screen = app.screen
        assert isinstance(screen, LabScreen)
        await until(pilot, lambda: screen.phase == "outcome")
        assert "PRINTED  the last lines; v shows all" in text_of(app)
