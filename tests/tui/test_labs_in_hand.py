"""Labs that run while something else is on the screen: the mark, the news, the key to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from studykit.study.lab_run import LabRun
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from studykit.tui.screens.help import HelpScreen
from studykit.tui.screens.lab import LabScreen
from studykit.tui.screens.labs import LabsScreen
from studykit.tui.screens.labs_in_hand import LabsInHandScreen
from studykit.tui.screens.review import ReviewScreen
from tests.tui.coin_course import build_services
from tests.tui.conftest import open_home, open_review, text_of, until


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return build_services(tmp_path)


def footer(pilot: Pilot[None]) -> str:
    return text_of(pilot.app).splitlines()[-1]


async def start_slow(pilot: Pilot[None], services: Services, lab: str) -> None:
    """A lab's screen with a run that ends within a minute at the earliest."""
    header = services.course.labs[lab]
    await pilot.app.push_screen(LabScreen(header, {"mood": "slow"}, None))
    await pilot.press("s")
    await pilot.pause()


async def open_card(pilot: Pilot[None], question: str) -> None:
    """The review, on the card that asks `question`."""
    await open_review(pilot)
    while question not in text_of(pilot.app):
        await pilot.press("minus")
        await pilot.pause()


async def test_a_lab_runs_while_cards_go_on(services: Services) -> None:
    """X starts it, the card stays; the end is told beside the next card, one key from it."""
    app = StudykitApp(services)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_card(pilot, "What is a fair coin?")
        await pilot.press("space")
        await pilot.press("X")
        assert isinstance(app.screen, ReviewScreen)
        run = services.labs.latest
        assert run is not None
        await until(pilot, lambda: run.is_over)
        await until(pilot, lambda: "W ✓ lab done" in footer(pilot))
        assert "✓ coins/toss done: refuted — W shows it" in text_of(app)
        await pilot.press("W")
        await until(pilot, lambda: "✗ refuted" in text_of(app))
        assert isinstance(app.screen, LabScreen)
        await pilot.press("q")
        await pilot.pause()
        assert isinstance(app.screen, ReviewScreen)
        assert "lab done" not in footer(pilot)
        assert "shows it" not in text_of(app)


async def test_the_end_does_not_answer_a_card_that_waits_for_its_answer(
    services: Services,
) -> None:
    app = StudykitApp(services)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_card(pilot, "Which share of 400 tosses")
        await pilot.press("X")
        run = services.labs.latest
        assert run is not None
        await until(pilot, lambda: run.is_over and "lab done" in footer(pilot))
        await pilot.pause(1.2)
        text = text_of(app)
        assert "confirmed" not in text and "refuted" not in text
        assert "coins/toss is kept; it stands with the answer" in text


async def test_a_prediction_that_is_held_is_judged_by_the_run_beside_it(
    services: Services,
) -> None:
    """The learner has bet; the outcome stands on the card without the lab's screen."""
    app = StudykitApp(services)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_card(pilot, "Which share of 400 tosses")
        while "▸ a  About a half" not in text_of(app) and "▸ b  About a half" not in text_of(app):
            await pilot.press("j")
        await pilot.press("enter")
        await pilot.press("X")
        run = services.labs.latest
        assert run is not None and run.prediction is not None
        await until(pilot, lambda: run.is_over)
        await until(pilot, lambda: "✓ confirmed" in text_of(app))
        assert services.runs[-1].prediction is not None
        assert services.runs[-1].prediction.correct is True


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40), (200, 50)])
async def test_the_mark_is_seen_everywhere(services: Services, size: tuple[int, int]) -> None:
    """Home, a card, a text field, the help, the list of labs; the lab itself has its meter."""
    app = StudykitApp(services)
    async with app.run_test(size=size) as pilot:
        await open_home(pilot)
        assert "lab" not in footer(pilot).replace("labs", "")
        await start_slow(pilot, services, "coins/toss")
        await until(pilot, lambda: "share" in text_of(app))
        assert "W lab" not in footer(pilot)
        await pilot.press("q")
        for key, screen in (("x", LabsScreen), ("question_mark", HelpScreen)):
            await pilot.press(key)
            assert isinstance(app.screen, screen)
            assert "W lab 50 %" in footer(pilot)
        await pilot.press("q", "q")
        await until(pilot, lambda: "W lab 50 %" in footer(pilot))
        await open_card(pilot, "Which share shows heads?")
        assert " lab 50 %" in footer(pilot)
        assert "W lab" not in footer(pilot)  # w is a letter here
        services.cancel_lab(services.labs.in_hand[0])


async def test_the_way_out_is_named_beside_the_mark(services: Services) -> None:
    """In a narrow terminal other hints give way to them, also where Esc leads out, too."""
    app = StudykitApp(services)
    async with app.run_test(size=(60, 20)) as pilot:
        await open_home(pilot)
        await start_slow(pilot, services, "coins/toss")
        await pilot.press("q")
        await open_card(pilot, "Which share of 400 tosses")
        await until(pilot, lambda: "W lab" in footer(pilot))
        assert "q home" in footer(pilot) and "? help" in footer(pilot)
        services.cancel_lab(services.labs.in_hand[0])


async def test_several_labs_in_hand_are_chosen_from(services: Services) -> None:
    """Each says how far it is; one leaves the line by a key, another is opened."""
    app = StudykitApp(services)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        for lab in ("coins/toss", "coins/absent"):
            await start_slow(pilot, services, lab)
            await pilot.press("q")
        await until(pilot, lambda: "+1" in footer(pilot))
        await pilot.press("W")
        assert isinstance(app.screen, LabsInHandScreen)
        text = text_of(app)
        assert "coins/toss · mood slow" in text
        assert "runs, " in text and "waits, 1 ahead" in text
        await pilot.press("j", "c")
        assert "coins/absent is out of the line" in text_of(app)
        assert "waits" not in text_of(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LabScreen))
        await pilot.press("c")
        await until(pilot, lambda: "Cancelled" in text_of(app))
        await pilot.press("q")
        await until(pilot, lambda: "coins/toss" not in text_of(app))
        assert isinstance(app.screen, LabsInHandScreen)


async def test_an_end_below_another_screen_is_not_taken_for_seen(services: Services) -> None:
    """The code lay on the lab: the news are told there, and seen once the lab is back."""
    app = StudykitApp(services)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await start_slow(pilot, services, "coins/toss")
        run = services.labs.latest
        assert run is not None
        await until(pilot, lambda: run.n_begun == 1)
        await pilot.press("o")
        services.cancel_lab(run)
        await until(pilot, lambda: "! lab ended" in footer(pilot))
        assert "! coins/toss was cancelled — W shows it" in text_of(app)
        assert not run.is_seen
        await pilot.press("q")
        await pilot.pause()
        assert run.is_seen
        assert "lab ended" not in footer(pilot)


async def test_a_card_does_not_open_the_run_of_another_cards_knobs(services: Services) -> None:
    """It is set up by its own; a run with its knobs is shown, whichever card asked for it."""
    header = services.course.labs["coins/toss"]
    asked, other = services.cards["coin-number"], services.cards["coin-recall"]
    for bias, phase in ((0.01, "knobs"), (0.5, "run")):
        run = LabRun(header, {"bias": bias}, other, None)
        services.labs.add(run)
        app = StudykitApp(services)
        async with app.run_test(size=(80, 24)) as pilot:
            await open_home(pilot)
            screen = LabScreen(header, asked.knobs, asked)
            await app.push_screen(screen)
            await pilot.pause()
            assert screen.phase == phase
        run.state, run.is_seen = "finished", True


async def test_a_single_quit_stops_no_lab(services: Services) -> None:
    """Minutes of work would be lost by it; once nothing runs, it quits."""
    app = StudykitApp(services)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await start_slow(pilot, services, "coins/toss")
        await pilot.press("q", "q")
        assert "Once more quits and stops coins/toss" in text_of(app)
        assert app.is_running and services.labs.unfinished
        await pilot.press("q")
        await until(pilot, lambda: not app.is_running)
    assert [run.header.id for run in services.labs.cut_off] == ["coins/toss"]


async def test_nothing_is_asked_once_no_lab_runs(services: Services) -> None:
    app = StudykitApp(services)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await start_slow(pilot, services, "coins/toss")
        services.cancel_lab(services.labs.in_hand[0])
        await until(pilot, lambda: not services.labs.unfinished)
        await pilot.press("q", "q")
        await until(pilot, lambda: not app.is_running)
