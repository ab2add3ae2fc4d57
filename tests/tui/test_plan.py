"""The plan: lines that are turned or typed, kept in the settings, with what they lead to."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from textual.pilot import Pilot

from studykit.clock import FixedClock
from studykit.files import replace_file
from studykit.review.schedule import Rating
from studykit.settings_file import load_settings
from studykit.study.plan_outlook import reckon
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from tests.tui.conftest import MakeServices, open_home, text_of, until
from tests.tui.past import daily, study

BEFORE = '# mine\n[review]\nnew_per_day = 3 # enough\n\n[screen]\ntheme = "studykit-dark"\n'


@pytest.fixture(autouse=True)
def few_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A year of few cards is there at once."""
    monkeypatch.setattr("studykit.study.workload.N_NEW", 20)
    monkeypatch.setattr("studykit.study.workload.N_KNOWN", 20)


@pytest.fixture
def learner(make_services: MakeServices) -> Services:
    """Who knows one card for weeks and has written settings."""
    services = make_services()
    study(services, daily("stacks-recall", 24))
    services.paths.settings_file.write_text(BEFORE, encoding="utf-8")
    services.settings = load_settings(services.paths.settings_file)
    return services


def written(services: Services) -> str:
    return services.paths.settings_file.read_text(encoding="utf-8")


async def open_plan(pilot: Pilot[None]) -> None:
    """Home, then the plan with a year simulated."""
    await open_home(pilot)
    await pilot.press("P")
    await until(pilot, lambda: "A YEAR AHEAD" in text_of(pilot.app))


async def mark(pilot: Pilot[None], label: str) -> None:
    """Move down to a line."""
    for _ in range(40):
        if re.search(rf"▸ +{label}", text_of(pilot.app)):
            return
        await pilot.press("j")
    raise AssertionError(label)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_the_lines_and_what_they_lead_to(learner: Services, size: tuple[int, int]) -> None:
    async with StudykitApp(learner).run_test(size=size) as pilot:
        await open_plan(pilot)
        screen = text_of(pilot.app)
        assert re.search(r"▸ +New cards a day +3", screen)
        assert re.search(r"Desired retention +90 %", screen)
        assert "with 3 new cards a day" in screen
        assert re.search(r"▸ *90 % +\d", screen)
        assert "New cards a day: new cards on a usual day" in screen


async def test_a_turn_is_kept_at_once_and_taken_back(learner: Services) -> None:
    async with StudykitApp(learner).run_test(size=(120, 40)) as pilot:
        await open_plan(pilot)
        await pilot.press("l", "l")
        await until(pilot, lambda: "with 5 new cards a day" in text_of(pilot.app))
        assert written(learner) == BEFORE.replace("= 3", "= 5")
        assert learner.limits.new_per_day == 5
        await mark(pilot, "Sunday")
        await pilot.press("h", "h")
        assert re.search(r"▸ +Sunday +off", text_of(pilot.app))
        assert "easy_days = {sun = 0.0}" in written(learner)
        assert learner.plan.share(date(2026, 11, 29)) == 0
        await pilot.press("u", "u", "u", "u")
        assert written(learner) == BEFORE
        assert "Taken back" in text_of(pilot.app)
        await pilot.press("u")
        assert written(learner) == BEFORE


async def test_a_value_is_typed(learner: Services) -> None:
    """A wrong one stays to be mended; Esc leaves all as it was."""
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_plan(pilot)
        await mark(pilot, "Holidays")
        await pilot.press("enter", *"2026-12-24/2026-12-01")
        assert "Enter take" in text_of(pilot.app).splitlines()[-1]
        await pilot.press("enter")
        assert "does not end after it begins" in text_of(pilot.app)
        await pilot.press(*["backspace"] * 5, *"12-31", "enter")
        assert re.search(r"Holidays +24 Dec – *(\n +)?31", text_of(pilot.app))
        assert learner.settings.review.holidays == ((date(2026, 12, 24), date(2026, 12, 31)),)
        await pilot.press("enter", *"nothing", "escape")
        await pilot.press("k")
        assert re.search(r"▸ +Sunday", text_of(pilot.app))
        assert 'holidays = ["2026-12-24/2026-12-31"]' in written(learner)


async def test_an_exam_says_what_it_asks_for(learner: Services) -> None:
    async with StudykitApp(learner).run_test(size=(120, 40)) as pilot:
        await open_plan(pilot)
        await mark(pilot, "Exam ")
        await pilot.press("enter", *"2026-12-10", "enter")
        await until(pilot, lambda: "EXAMS" in text_of(pilot.app))
        screen = " ".join(text_of(pilot.app).split())
        assert "screens on 10 Dec, in 17 days: 7 cards to meet, 1 a day" in screen
        assert re.search(r"9\d % of 8 cards recalled on the day", screen)


async def test_what_it_leads_to_can_be_scrolled(learner: Services) -> None:
    """Exams stand below the year, out of sight on a small terminal."""
    exams = "exams = {core = 2026-12-10, screens = 2026-12-20}\n"
    learner.paths.settings_file.write_text(f"[review]\n{exams}", encoding="utf-8")
    learner.settings = load_settings(learner.paths.settings_file)
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_plan(pilot)
        await pilot.press("tab", *"jjjjjjjj")
        await until(pilot, lambda: "A YEAR AHEAD" not in text_of(pilot.app))
        await pilot.press("tab", "j")
        assert re.search(r"▸ +Reviews a day", text_of(pilot.app))


async def test_the_weights_lie_behind_it(learner: Services) -> None:
    """And on the way back what they lead to is simulated anew."""
    async with StudykitApp(learner).run_test(size=(120, 40)) as pilot:
        await open_plan(pilot)
        await pilot.press("o")
        await until(pilot, lambda: "Weights of the schedule" in text_of(pilot.app))
        with patch("studykit.tui.screens.plan.reckon", wraps=reckon) as simulating:
            await pilot.press("q")
            await until(pilot, lambda: simulating.called)
        assert simulating.call_args.args[1] is None
        await until(pilot, lambda: "A YEAR AHEAD" in text_of(pilot.app))


async def test_a_file_that_cannot_be_written_changes_nothing(learner: Services) -> None:
    error = OSError(28, "No space left on device")
    async with StudykitApp(learner).run_test(size=(120, 40)) as pilot:
        await open_plan(pilot)
        with patch("studykit.files.replace_file", side_effect=error):
            await pilot.press("l")
        assert "No space left on device" in " ".join(text_of(pilot.app).split())
        assert re.search(r"▸ +New cards a day +3", text_of(pilot.app))
        assert learner.settings.review.new_per_day == 3
        assert replace_file is not None


async def test_home_and_the_review_go_by_what_was_planned(make_services: MakeServices) -> None:
    """A holiday that is planned now holds now."""
    services = make_services()
    study(services, [("stacks-recall", 60, Rating.GOOD)])
    async with StudykitApp(services).run_test(size=(120, 40)) as pilot:
        await open_plan(pilot)
        await mark(pilot, "Holidays")
        today = services.today.isoformat()
        await pilot.press("enter", *today, "enter", "q")
        await until(pilot, lambda: "a day off" in text_of(pilot.app))
        screen = text_of(pilot.app)
        assert "a day off: 1 card waits until 24 Nov" in screen
        assert "Done for today" in screen
        clock = services.clock
        assert isinstance(clock, FixedClock)
        clock.advance(timedelta(days=1))
        assert services.open_session().counts.learning == 1


async def test_a_settings_file_that_was_broken_meanwhile_is_told(
    learner: Services, tmp_path: Path
) -> None:
    async with StudykitApp(learner).run_test(size=(120, 40)) as pilot:
        await open_plan(pilot)
        learner.paths.settings_file.write_text("[review\n", encoding="utf-8")
        await pilot.press("l")
        assert "not valid TOML" in text_of(pilot.app)
        assert written(learner) == "[review\n"


async def test_the_year_keeps_to_its_lines_on_a_small_terminal(
    learner: Services,
) -> None:
    """A row that wraps at 60 columns reads like two."""
    async with StudykitApp(learner).run_test(size=(60, 18)) as pilot:
        await open_plan(pilot)
        assert re.search(r"▸ 90 % +[0-9.]+ +[0-9]+", text_of(pilot.app))


async def test_help_explains_the_lines_that_are_there(learner: Services) -> None:
    """Where no deck could be read, there is none of a deck's retention."""
    learner.course = replace(learner.course, decks=())
    async with StudykitApp(learner).run_test(size=(100, 60)) as pilot:
        await open_plan(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: "Help" in text_of(pilot.app))
        screen = text_of(pilot.app)
        assert "New cards a day  new cards on a usual day" in screen
        assert "the same for this deck alone" not in screen
