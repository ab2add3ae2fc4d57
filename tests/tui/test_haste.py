"""Keys that nobody can have meant: held down, doubled, or pressed before there was time to look."""

from __future__ import annotations

import time
from functools import partial

from textual import events
from textual.pilot import Pilot

from studykit.review.grading import Confidence
from studykit.review.schedule import Rating
from studykit.tui.app import StudykitApp
from studykit.tui.messages import ConfidencePicked, RatingPicked
from studykit.tui.pace import SEEN_SECONDS
from studykit.tui.screens.asking import AskingScreen
from studykit.tui.widgets.answer_text import AnswerInput
from studykit.tui.widgets.confidence_bar import ConfidenceBar
from tests.tui.conftest import MakeServices, open_review, text_of, until

REPEATS = 30
"""Of a held key within a second."""


async def begin(pilot: Pilot[None], app: StudykitApp) -> None:
    """The first card, looked at, in an app that knows haste."""
    await open_review(pilot)
    app.heeds_haste = True
    await look(pilot)


async def look(pilot: Pilot[None]) -> None:
    """As long as it takes to see what stands there."""
    await pilot.pause(SEEN_SECONDS * 1.5)


def phase_of(app: StudykitApp) -> str:
    assert isinstance(app.screen, AskingScreen)
    return app.screen._sitting.phase


def _is_in(app: StudykitApp, phase: str) -> bool:
    return phase_of(app) == phase


async def hold(pilot: Pilot[None], key: str) -> None:
    """A key that is held for a second: once, after 0.4 s again and again, by the events' times."""
    began_s = time.monotonic()
    for after_s in (0.0, *(0.4 + n / REPEATS for n in range(18))):
        event = events.Key(key, None)
        event.time = began_s + after_s
        pilot.app.post_message(event)
    await pilot.pause()
    await pilot.pause()


async def test_a_held_enter_rates_no_card_that_was_not_seen(make_services: MakeServices) -> None:
    """Its first repeat may rate the card that it has revealed; the next card stays a question."""
    services = make_services("recall", "choice", "cloze", "numeric")
    app = StudykitApp(services)
    async with app.run_test(size=(80, 30)) as pilot:
        await begin(pilot, app)
        await hold(pilot, "enter")
        assert len(services.progress.reviews()) <= 1
        assert phase_of(app) == "asked"


async def test_a_doubled_rating_does_not_answer_the_next_card(make_services: MakeServices) -> None:
    """The second 4 would choose the next card's option d; what was done stays told."""
    services = make_services("recall", "choice")
    app = StudykitApp(services)
    async with app.run_test(size=(80, 30)) as pilot:
        await begin(pilot, app)
        await pilot.press("space")
        await look(pilot)
        app.simulate_key("3")
        app.simulate_key("3")
        await until(pilot, lambda: "rated Good" in text_of(app))
        await look(pilot)
        assert not app.screen.query_one(ConfidenceBar).display
        assert "rated Good" in text_of(app)
        assert [review.rating for review in services.progress.reviews()] == [Rating.GOOD]


async def test_another_key_that_comes_too_early_is_told_of(make_services: MakeServices) -> None:
    """It does nothing, and with time to look it does."""
    services = make_services("recall")
    app = StudykitApp(services)
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, app)
        app.simulate_key("space")
        app.simulate_key("4")
        await until(pilot, lambda: "press it again" in text_of(app))
        assert not services.progress.reviews()
        await look(pilot)
        await pilot.press("4")
        assert [review.rating for review in services.progress.reviews()] == [Rating.EASY]


async def test_how_sure_one_is_can_follow_the_answer_at_once(make_services: MakeServices) -> None:
    """Nothing has to be looked at for it; a doubled key does not say it."""
    services = make_services("choice")
    app = StudykitApp(services)
    async with app.run_test(size=(80, 30)) as pilot:
        await begin(pilot, app)
        for key in "33":
            app.simulate_key(key)
        await until(pilot, lambda: phase_of(app) == "answered")
        app.simulate_key("4")
        await until(pilot, lambda: phase_of(app) == "revealed")


async def test_a_letter_meant_for_the_card_before_is_not_written(
    make_services: MakeServices,
) -> None:
    services = make_services("cloze")
    app = StudykitApp(services)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_review(pilot)
        app.heeds_haste = True
        app.screen.show_anew()  # type: ignore[attr-defined]
        await pilot.press("3")
        assert app.screen.query_one(AnswerInput).value == ""
        await look(pilot)
        for key in "aab":
            app.simulate_key(key)
        await pilot.pause()
        assert app.screen.query_one(AnswerInput).value == "aab"


async def test_no_key_answers_a_card_that_the_terminal_is_too_small_to_show(
    make_services: MakeServices,
) -> None:
    """Neither its options nor how sure one is; with room again the same keys do."""
    app = StudykitApp(make_services("choice"))
    async with app.run_test(size=(80, 24)) as pilot:
        await begin(pilot, app)
        for key, before, after in (("a", "asked", "answered"), ("enter", "answered", "revealed")):
            await pilot.resize_terminal(40, 12)
            await until(pilot, lambda: "60x18 needed" in text_of(app))
            app.simulate_key(key)
            await pilot.pause()
            assert phase_of(app) == before
            await pilot.resize_terminal(80, 24)
            await until(pilot, lambda: "60x18 needed" not in text_of(app))
            await look(pilot)
            app.simulate_key(key)
            await until(pilot, partial(_is_in, app, after))


async def test_a_double_click_rates_one_card(make_services: MakeServices) -> None:
    """The second click falls where the next answer's ratings stand."""
    services = make_services("choice", "recall")
    app = StudykitApp(services)
    async with app.run_test(size=(80, 30)) as pilot:
        await begin(pilot, app)
        await pilot.press("a")
        await look(pilot)
        app.screen.post_message(ConfidencePicked(Confidence.SURE))
        app.screen.post_message(RatingPicked(Rating.GOOD))
        await look(pilot)
        assert not services.progress.reviews()
        await pilot.click("RatingBar", offset=(30, 2))
        assert len(services.progress.reviews()) == 1


async def test_a_held_u_does_not_take_the_day_back(make_services: MakeServices) -> None:
    services, n_rated = make_services("recall", "choice", "numeric"), 4
    app = StudykitApp(services)
    async with app.run_test(size=(80, 30)) as pilot:
        await open_review(pilot)
        while len(services.progress.reviews()) < n_rated:
            # Out of a field; give up or show the answer; accept what is suggested.
            await pilot.press("enter", "escape") if app.screen.query(AnswerInput) else None
            await pilot.press("n", "space", "1")
        app.heeds_haste = True
        await look(pilot)
        await hold(pilot, "u")
        # The press itself, and the first repeat, which no terminal tells from a second press.
        assert len(services.progress.reviews()) >= n_rated - 2


async def test_one_letter_may_come_fast_where_sides_are_shared(make_services: MakeServices) -> None:
    """In a match card, where each side is given once, the second one is held down."""
    for name, n_given in (("place", 3), ("match", 1)):
        app = StudykitApp(make_services(name))
        async with app.run_test(size=(80, 30)) as pilot:
            await begin(pilot, app)
            for _ in range(3):
                app.simulate_key("a")
            await pilot.pause()
            assert text_of(app).count("→  a") == n_given
