"""Progress: six panels, in one view or one row at a time, and what opens from them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.pilot import Pilot

from studykit.lab.results import Prediction
from studykit.review.schedule import Rating
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from tests.tui.conftest import MakeServices, open_home, text_of, until
from tests.tui.past import daily, study
from tests.tui.screen_course import build_result

TITLES = (
    "True retention",
    "Due in the next 30 days",
    "Mastery by topic",
    "Confidence: said and right",
    "Hardest cards",
    "Labs and predictions",
)


async def open_progress(pilot: Pilot[None]) -> None:
    """Home, then Progress with its numbers."""
    await open_home(pilot)
    await pilot.press("p")
    await until(pilot, lambda: "Progress" in text_of(pilot.app))
    await until(pilot, lambda: "Counting" not in text_of(pilot.app))


@pytest.fixture
def learner(make_services: MakeServices) -> Services:
    """Who knows one card for weeks and forgot another twice."""
    services = make_services()
    lapses = [
        ("stacks-cloze", n, Rating.AGAIN if n in (9, 4) else Rating.GOOD) for n in range(12, 3, -1)
    ]
    study(services, [*daily("stacks-recall", 24), *lapses], confidence=75)
    return services


async def test_everything_at_once_where_there_is_room(learner: Services) -> None:
    async with StudykitApp(learner).run_test(size=(120, 40)) as pilot:
        await open_progress(pilot)
        screen = text_of(pilot.app)
        assert all(title in screen for title in TITLES)
        assert "in 30 days as wanted: 90 %" in screen
        assert re.search(r"7 days +too few to judge \(9 reviews\)", screen)
        assert re.search(r"30 days .*├.*┊.*●.*┤ +92\.9 %  \(77–98 %\)", screen)
        assert "75 %" in screen and "right  94 % of 33" in screen
        assert "2/8 met" in screen
        assert "2×  1.4  Before each branch of a pre-norm block" in screen
        assert re.search(
            r"–  What if I remove the residual connections\? .*\n.* not run yet", screen
        )


async def test_one_row_at_a_time_at_80_columns(learner: Services) -> None:
    """Tab goes through all of them and around; the title names those out of sight."""
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_progress(pilot)
        for row in (0, 2, 4, 0):
            screen = text_of(pilot.app)
            shown = [title for title in TITLES if title in screen]
            assert shown == list(TITLES[row : row + 2])
            assert "retention · forecast · mastery · calibration · hardest · labs" in screen
            await pilot.press("tab", "tab")
        await pilot.press("shift+tab", "shift+tab", "shift+tab")
        assert TITLES[5] in text_of(pilot.app)


async def test_all_panels_are_named_at_60_columns(learner: Services) -> None:
    """Most of them are out of sight there; the name of the screen gives way to theirs."""
    async with StudykitApp(learner).run_test(size=(60, 20)) as pilot:
        await open_home(pilot)
        await pilot.press("p")
        await until(pilot, lambda: "True retention" in text_of(pilot.app))
        title = text_of(pilot.app).splitlines()[0]
        assert title.split() == [
            "retention",
            "forecast",
            "mastery",
            "calibration",
            "hardest",
            "labs",
        ]


async def test_hardest_cards_open_to_read(learner: Services) -> None:
    """With the answer; q comes back to the list."""
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_progress(pilot)
        await pilot.press("tab", "tab", "tab", "tab", "enter")
        await until(pilot, lambda: "stacks-cloze  cloze" in text_of(pilot.app))
        screen = text_of(pilot.app)
        assert "norm (also: layer norm, LayerNorm)" in screen and "MEASURED" in screen
        assert "2 lapses" in screen
        await pilot.press("q")
        await until(pilot, lambda: "Hardest cards" in text_of(pilot.app))


async def test_labs_tell_what_was_predicted_and_open(learner: Services) -> None:
    """A wrong prediction has its mark and its count."""
    bet = Prediction("It stays", claim="stuck", confidence=95, correct=False)
    store = learner._open_store()
    root: Path = learner.course.root
    store.record_run(build_result(root, n_layers=8), card_id=None, prediction=bet)
    store.close()
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_progress(pilot)
        await pilot.press("shift+tab")
        assert "✗  What if I remove" in text_of(pilot.app)
        assert "0 of 1 prediction right" in text_of(pilot.app)
        await pilot.press("enter")
        await until(pilot, lambda: "n_layers" in text_of(pilot.app))


async def test_the_mark_of_a_lab_is_that_of_the_latest_prediction(learner: Services) -> None:
    """On Home and in Progress alike; the count tells the rest."""
    store = learner._open_store()
    for correct in (True, True, False):
        bet = Prediction("It stays", claim="stuck", confidence=95, correct=correct)
        store.record_run(
            build_result(learner.course.root, n_layers=8), card_id=None, prediction=bet
        )
    store.close()
    async with StudykitApp(learner).run_test(size=(120, 40)) as pilot:
        await open_home(pilot)
        await until(pilot, lambda: "✗ last predicted wrong" in text_of(pilot.app))
        await pilot.press("p")
        await until(pilot, lambda: "2 of 3 predictions right" in text_of(pilot.app))
        assert "✗  What if I remove" in text_of(pilot.app)


async def test_a_new_learner_reads_that_there_is_nothing_yet(make_services: MakeServices) -> None:
    async with StudykitApp(make_services("recall")).run_test(size=(120, 40)) as pilot:
        await open_progress(pilot)
        screen = text_of(pilot.app)
        assert screen.count("too few to judge (0 reviews)") == 4
        assert "nothing is scheduled" in screen
        assert "no answers with a confidence yet" in screen
        assert "no card was forgotten yet" in screen
        await pilot.press("q")
        await until(pilot, lambda: "Welcome!" in text_of(pilot.app))
