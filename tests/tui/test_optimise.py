"""The weights of the schedule on the screen: fit, use, tell what would move, move it."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from studykit.review.schedule import DEFAULT_WEIGHTS
from studykit.review.weights import WeightsEntry
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from studykit.tui.messages import OpenWeights
from studykit.tui.screens.base import StudyScreen
from tests.study.long_log import fill_log
from tests.tui.conftest import MakeServices, open_home, text_of, until

LONGER = (*(4 * w for w in DEFAULT_WEIGHTS[:4]), *DEFAULT_WEIGHTS[4:])


async def open_weights(pilot: Pilot[None]) -> None:
    await open_home(pilot)
    home = pilot.app.screen
    assert isinstance(home, StudyScreen)
    pilot.app.post_message(OpenWeights(home))
    await until(pilot, lambda: "Weights of the schedule" in text_of(pilot.app))


@pytest.fixture
def learner(make_services: MakeServices) -> Services:
    """Who has answered 1,500 times, and whose weights were fitted once."""
    services = make_services()
    services.open()
    fill_log(services.progress, 1500, services.clock.now())
    entry = WeightsEntry(services.clock.now(), LONGER, "a fitter", 400, None, is_adopted=True)
    services.progress.add_weights(entry)
    services.progress.close()
    services.store = None
    return services


async def test_weights_are_fitted_and_judged_on_the_screen(learner: Services) -> None:
    """In another process; the history has one line more then, and it is marked."""
    pytest.importorskip("fsrs_rs_python")
    async with StudykitApp(learner).run_test(size=(100, 40)) as pilot:
        await open_weights(pilot)
        assert "the defaults of FSRS" in text_of(pilot.app)
        await pilot.press("o")
        await until(pilot, lambda: "held out" in text_of(pilot.app))
        entry = learner.progress.weights()[-1]
        assert entry.judgement is not None
        screen = text_of(pilot.app)
        assert f"{entry.judgement.before.log_loss:.4f} before" in screen
        assert f"▸ {'●' if entry.is_adopted else ' '}  2 " in screen
        assert learner.scheduler.settings.parameters == learner.progress.weights_in_use()


async def test_one_goes_back_to_the_marked_weights(learner: Services) -> None:
    async with StudykitApp(learner).run_test(size=(100, 40)) as pilot:
        await open_weights(pilot)
        assert learner.scheduler.settings.parameters == LONGER
        await pilot.press("up")
        await until(pilot, lambda: "a large population of learners" in text_of(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "r tells what would move" in text_of(pilot.app))
        assert learner.progress.weights_in_use() == DEFAULT_WEIGHTS
        assert learner.scheduler.settings.parameters == DEFAULT_WEIGHTS


async def test_cards_move_only_after_it_was_told(learner: Services) -> None:
    """The key that moves them does nothing before."""
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_weights(pilot)
        before = learner.progress.memories()
        await pilot.press("m")
        await pilot.press("r")
        await until(pilot, lambda: "m moves them" in text_of(pilot.app))
        assert learner.progress.memories() == before
        await pilot.press("m")
        await until(pilot, lambda: "a copy of before is in backups/" in text_of(pilot.app))
        assert learner.progress.memories() != before
        assert learner.progress.check() == []
        await pilot.press("r")
        await until(pilot, lambda: "none moves" in text_of(pilot.app))
        assert "m move" not in text_of(pilot.app)


async def test_what_cannot_be_fitted_is_said(make_services: MakeServices) -> None:
    pytest.importorskip("fsrs_rs_python")
    async with StudykitApp(make_services()).run_test(size=(100, 40)) as pilot:
        await open_weights(pilot)
        await pilot.press("o")
        await until(pilot, lambda: "from 400 reviews on, and there are 0" in text_of(pilot.app))
        await pilot.press("q")
        await until(pilot, lambda: "Weights of the schedule" not in text_of(pilot.app))


async def test_the_palette_opens_it(make_services: MakeServices) -> None:
    async with StudykitApp(make_services()).run_test(size=(100, 40)) as pilot:
        await open_home(pilot)
        await pilot.press("colon", *"optimize")
        await until(pilot, lambda: "optimize the schedule" in text_of(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "Weights of the schedule" in text_of(pilot.app))
