"""Practice on the screen: what is offered, cram, pretest, study ahead, the untouched schedule."""

from __future__ import annotations

from textual.pilot import Pilot

from studykit.review.marks import Marking
from studykit.review.offers import Wish
from studykit.review.schedule import Rating
from studykit.settings import ReviewSettings, ScreenSettings, Settings
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from tests.tui.conftest import NOW, MakeServices, open_home, text_of, until
from tests.tui.past import daily, study

KNOWN = [*daily("stacks-recall", 24), *daily("stacks-choice", 24), *daily("stacks-cloze", 24)]


async def open_menu(pilot: Pilot[None]) -> None:
    await open_home(pilot)
    await pilot.press("c")
    await until(pilot, lambda: "What to practise" in text_of(pilot.app))


def marked_row(pilot: Pilot[None]) -> str:
    return next(line.strip() for line in text_of(pilot.app).splitlines() if "▸" in line)


async def mark_row(pilot: Pilot[None], text: str) -> None:
    """Go down to the row that begins so."""
    for _ in range(12):
        if marked_row(pilot).startswith(f"▸ {text}"):
            return
        await pilot.press("j")
    raise AssertionError(text_of(pilot.app))


def schedule(services: Services) -> tuple[object, ...]:
    store, today = services.progress, services.today
    return store.memories(), store.reviews(), store.done(today, services.cards)


async def test_cram_leaves_the_schedule_as_it_is(make_services: MakeServices) -> None:
    """Its label is always there, no interval is; a wrong card comes again, u takes back."""
    services = make_services("recall", "predict")
    study(services, daily("stacks-recall", 24))
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_menu(pilot)
        before = schedule(services)
        await mark_row(pilot, "Cram      Core transformer architecture   1 card")
        assert "schedule is untouched" in text_of(pilot.app)
        await pilot.press("enter")
        await until(pilot, lambda: "cram · schedule untouched · 1 left" in text_of(pilot.app))
        await pilot.press("space")
        screen = text_of(pilot.app)
        assert "1 Again" in screen and "3 Got it" in screen and "cram · sched" in screen
        assert " d " not in screen.splitlines()[-3] and "Hard" not in screen
        await pilot.press("2", "4", "1")
        assert "comes again in this practice" in text_of(pilot.app)
        await pilot.press("space", "3")
        screen = text_of(pilot.app)
        assert "Practice done" in screen and "cram · schedule untouched · 0 left" in screen
        assert "1 card practised, 0 right at the first try (0 %)" in screen
        assert [each.correct for each in services.progress.practised()] == [False, True]
        await pilot.press("u")
        assert "cram · schedule untouched · 1 left" in text_of(pilot.app)
        assert [each.correct for each in services.progress.practised()] == [False]
        assert schedule(services) == before
        await pilot.press("q")
        await until(pilot, lambda: "DECK" in text_of(pilot.app))
        await pilot.press("u")
        assert "Nothing" not in text_of(pilot.app) and schedule(services) == before


async def test_a_pretest_shows_answers_and_leaves_the_cards_new(
    make_services: MakeServices,
) -> None:
    """Offered on Home once; recall cards are not asked; the score stands at the end."""
    services = make_services("recall", "choice", "cloze")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        assert "a pretest of 2 cards before you begin: Core" in text_of(pilot.app)
        await pilot.press("c")
        await until(pilot, lambda: "they stay new" in text_of(pilot.app))
        await mark_row(pilot, "Pretest   Core transformer architecture   2 cards")
        await pilot.press("enter")
        await until(pilot, lambda: "pretest · nothing is rated · 2 left" in text_of(pilot.app))
        await pilot.press("n")
        screen = text_of(pilot.app)
        assert "Not answered" in screen and "Every position ends with nearly" in screen
        assert "1 Again" not in screen and "Enter next" in screen
        await pilot.press("1", "3", "enter", *"norm", "enter")
        assert "How sure are you?" in text_of(pilot.app)
        await pilot.press("3", "enter")
        screen = text_of(pilot.app)
        assert "1 of 2 right before learning anything" in screen
        assert "1.4 Why normalization and residuals matter: 1 of 2 right" in screen
        answers = services.progress.practised()
        assert [(each.correct, each.confidence) for each in answers] == [(False, None), (True, 75)]
        assert schedule(services)[:2] == ({}, [])
        await pilot.press("q")
        await until(pilot, lambda: "3 new" in text_of(pilot.app))
        assert "a pretest of" not in text_of(pilot.app)


async def test_a_wrong_guess_is_refuted_and_promises_no_return(make_services: MakeServices) -> None:
    services = make_services("predict")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_menu(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: "Predict what the lab measures" in text_of(pilot.app))
        options = [o.claim for o in pilot.app.screen._sitting.shown.options]  # type: ignore[attr-defined]
        await pilot.press("abc"[options.index("slower")], "4", "enter")
        screen = text_of(pilot.app)
        assert "✗ Wrong, and you were certain" in screen and "It never gets there" in screen
        assert "asked again after a day" not in screen


async def test_more_new_cards_are_reviews(make_services: MakeServices) -> None:
    """After today's limit, as many as were chosen; Home counts them as today's answers."""
    limit = Settings(
        review=ReviewSettings(new_per_day=0), screen=ScreenSettings(theme="studykit-dark")
    )
    services = make_services(settings=limit)
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        assert "Done for today" in text_of(pilot.app) and "c practises more" in text_of(pilot.app)
        await pilot.press("c")
        await until(pilot, lambda: "8 new cards more" in text_of(pilot.app))
        assert marked_row(pilot).startswith("▸ More new  5 new cards more than today's limit")
        await pilot.press("enter")
        await until(pilot, lambda: "5 new" in text_of(pilot.app).splitlines()[0])
        await pilot.press("space", "4")
        assert len(services.progress.reviews()) == 1
        assert services.progress.practised() == []


async def test_study_ahead_and_the_cards_that_are_hard(make_services: MakeServices) -> None:
    """Every choice that has cards, with their number; cards put aside are in none."""
    services = make_services("recall", "choice", "cloze")
    study(services, [*KNOWN, ("stacks-cloze", 0, Rating.AGAIN)])
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        for id_, mark in (("stacks-choice", "flagged"), ("stacks-recall", "suspended")):
            services.progress.mark(Marking(id_, mark, NOW, services.today))  # type: ignore[arg-type]
        await pilot.press("c")
        await until(pilot, lambda: "Cram" in text_of(pilot.app))
        screen = text_of(pilot.app)
        assert "Cram      Answered wrongly in the last 7 days   1 card" in screen
        assert "Cram      Flagged   1 card" in screen
        assert "Cram      Core transformer architecture   2 cards" in screen
        assert "Leeches" not in screen and "Pretest" not in screen


async def test_the_end_of_a_sitting_leads_on_to_practice(make_services: MakeServices) -> None:
    """c chooses there, and Home lies below whatever is chosen."""
    services = make_services("recall")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await pilot.press("enter", "space", "4")
        assert "c practises more" in text_of(pilot.app)
        await pilot.press("c")
        await until(pilot, lambda: "What to practise" in text_of(pilot.app))
        await pilot.press("enter")
        await until(pilot, lambda: "schedule untouched · 1 left" in text_of(pilot.app))
        await pilot.press("q")
        await until(pilot, lambda: "DECK" in text_of(pilot.app))


async def test_what_the_command_line_wishes_stands_first(make_services: MakeServices) -> None:
    services = make_services("recall", "choice", "cloze")
    study(services, KNOWN)
    async with StudykitApp(services, Wish("cram", "core")).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "cram · schedule untouched · 3 left" in text_of(pilot.app))
        await pilot.press("q")
        await until(pilot, lambda: "DECK" in text_of(pilot.app))


async def test_a_wish_that_has_no_card_is_answered_on_home(make_services: MakeServices) -> None:
    services = make_services("recall")
    async with StudykitApp(services, Wish("cram", "leeches")).run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "There is no card now for: Leeches" in text_of(pilot.app))


async def test_undo_answers_where_nothing_is_changed(make_services: MakeServices) -> None:
    """A lab, the labs, Progress and the menu say where something can be taken back."""
    services = make_services("recall")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await pilot.press("x", "enter")
        await until(pilot, lambda: "n_layers" in text_of(pilot.app))
        await pilot.press("u")
        assert "on Home u takes today's last rating back" in text_of(pilot.app)
        await pilot.press("q", "q")
        await until(pilot, lambda: "DECK" in text_of(pilot.app))
        for key in ("x", "p", "c"):
            await pilot.press(key)
            await pilot.pause()
            await pilot.press("u")
            assert "on Home u takes today's last rating back" in text_of(pilot.app)
            await pilot.press("q")
            await until(pilot, lambda: "DECK" in text_of(pilot.app))
