"""The end of a day: what was wrong, how sure one was, and the way through the labs behind it."""

from __future__ import annotations

import pytest
from textual.app import App

from studykit.review.schedule import Rating
from studykit.tui.app import StudykitApp
from studykit.tui.screens.lab import LabScreen
from studykit.tui.screens.review import ReviewScreen
from tests.tui.conftest import MakeServices, open_review, text_of, until
from tests.tui.test_two_windows import other_window, rate


def said_by(app: App[None]) -> str:
    return " ".join(text_of(app).split())


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40), (200, 50)])
async def test_the_closing_page_names_what_was_wrong(
    make_services: MakeServices, size: tuple[int, int]
) -> None:
    """In every terminal: the sum, the firmest error, its right answer, and the next day."""
    services = make_services("cloze", "numeric", "recall")
    async with StudykitApp(services).run_test(size=size) as pilot:
        await open_review(pilot)
        await pilot.press(*"batch", "enter", "4", "4")  # certain, wrong, and rated Easy
        await pilot.press("1", "enter", "1", "4")
        await pilot.press("space", "4")
        await until(pilot, lambda: "Done for today" in text_of(pilot.app))
        said = said_by(pilot.app)
        assert "Today 3 answers in under a minute" in said
        assert "Right when certain 0 of 1, guess 0 of 1" in said
        assert "WRONG TODAY ✗ certain: " in said
        assert "right: norm" in said
        assert "Next: " in said
        assert max(map(len, text_of(pilot.app).splitlines())) <= size[0]


async def test_one_key_walks_through_the_labs_behind_the_misses(
    make_services: MakeServices,
) -> None:
    """Each lab with its knobs once; then the key is gone, and the page stands as before."""
    services = make_services("cloze", "numeric")
    async with StudykitApp(services).run_test(size=(100, 30)) as pilot:
        await open_review(pilot)
        await pilot.press(*"batch", "enter", "1", "4", "1", "enter", "1", "4")
        await until(pilot, lambda: "WRONG TODAY" in text_of(pilot.app))
        n_opened = 0
        while "x their labs" in text_of(pilot.app):
            n_opened += 1
            await pilot.press("x")
            await until(pilot, lambda: isinstance(pilot.app.screen, LabScreen))
            await pilot.press("q")
            await until(pilot, lambda: isinstance(pilot.app.screen, ReviewScreen))
            assert "WRONG TODAY" in text_of(pilot.app)
        assert n_opened >= 1
        await pilot.press("x")
        assert isinstance(pilot.app.screen, ReviewScreen)


async def test_the_whole_day_counts_in_whichever_window(make_services: MakeServices) -> None:
    services = make_services("recall", "cloze", "numeric")
    services.open()
    rate(other_window(services), Rating.EASY)
    async with StudykitApp(services).run_test(size=(100, 30)) as pilot:
        await open_review(pilot)
        await pilot.press(*"norm", "enter", "1", "4", "1", "enter", "1", "4")
        await until(pilot, lambda: "Done for today" in text_of(pilot.app))
        assert "Today 3 answers in" in said_by(pilot.app)
        assert "; 2 of them in this sitting" in said_by(pilot.app)


async def test_a_day_without_a_miss_has_nothing_to_walk_through(
    make_services: MakeServices,
) -> None:
    async with StudykitApp(make_services("recall")).run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        await pilot.press("space", "4")
        await until(pilot, lambda: "Done for today" in text_of(pilot.app))
        assert "WRONG" not in text_of(pilot.app)
        assert "their labs" not in text_of(pilot.app)
