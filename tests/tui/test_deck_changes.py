"""Decks changed by another program while the app is open: edited, broken, renamed, gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from studykit.review.schedule import Rating
from studykit.study.services import Services
from studykit.study.sitting import Sitting
from studykit.tui.app import StudykitApp
from studykit.tui.screens import home
from tests.tui.conftest import MakeServices, open_home, open_review, text_of
from tests.tui.screen_course import CARDS


def deck_of(services: Services) -> Path:
    return services.course.decks[0].path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


async def test_home_takes_up_what_was_changed(make_services: MakeServices) -> None:
    """When it gets the screen back: numbers and cards are those of the deck as it is now."""
    services = make_services("recall")
    async with StudykitApp(services).run_test(size=(100, 30)) as pilot:
        await open_home(pilot)
        await pilot.press("x")
        with deck_of(services).open("a", encoding="utf-8") as deck:
            deck.write(CARDS["cloze"])
        await pilot.press("q")
        screen = text_of(pilot.app)
        assert "2 due" in screen and "The decks were changed: 1 new" in screen


async def test_the_next_card_is_asked_as_its_deck_has_it_now(make_services: MakeServices) -> None:
    """The card that stands is left alone; the line about the rating is still there."""
    services = make_services("recall", "cloze")
    async with StudykitApp(services).run_test(size=(100, 30)) as pilot:
        await open_review(pilot)
        change(deck_of(services), "Before each branch", "Ahead of every branch")
        await pilot.press("space")
        assert "What does a residual connection add" in text_of(pilot.app)
        await pilot.press("4")
        screen = text_of(pilot.app)
        assert "Ahead of every branch" in screen
        assert "✓ stacks-recall rated Easy" in screen
        assert "The decks were changed: 1 card changed" in screen


async def test_home_leaves_a_change_to_the_review_above_it(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Home looks at the decks too, and whoever looks first is told."""
    monkeypatch.setattr(home, "LOOK_SECONDS", 0.05)
    services = make_services("recall", "cloze")
    async with StudykitApp(services).run_test(size=(100, 30)) as pilot:
        await open_review(pilot)
        change(deck_of(services), "Before each branch", "Ahead of every branch")
        await pilot.pause(0.3)
        await pilot.press("space")
        await pilot.press("4")
        screen = text_of(pilot.app)
        assert "Ahead of every branch" in screen
        assert "The decks were changed: 1 card changed" in screen


async def test_a_deck_that_breaks_leaves_the_old_cards(make_services: MakeServices) -> None:
    """The line says where, once; mended, the deck is taken up."""
    services = make_services("recall", "cloze", "numeric")
    async with StudykitApp(services).run_test(size=(100, 30)) as pilot:
        await open_review(pilot)
        change(deck_of(services), "kind: cloze", "kind: close")
        await pilot.press("space", "4")
        screen = " ".join(text_of(pilot.app).split())
        assert "the old cards stay: decks/1-core.yaml:" in screen
        assert "Before each branch" in screen and "2 new" in screen
        assert services.reload_changed_decks() == ""
        change(deck_of(services), "kind: close", "kind: cloze")
        assert services.reload_changed_decks() == ""
        assert list(services.cards) == ["stacks-recall", "stacks-cloze", "stacks-numeric"]


@pytest.mark.parametrize("way", ["removed", "renamed"])
def test_a_deck_that_is_gone_for_a_while(make_services: MakeServices, way: str) -> None:
    """Its cards are not asked, and come back with all that is known of them."""
    services = make_services("recall", "numeric")
    services.open()
    sitting = Sitting(services, services.open_session())
    sitting.take(None)
    known = sitting.asking.rate(Rating.EASY).after
    deck = deck_of(services)
    text, other = deck.read_text(encoding="utf-8"), deck.with_name("2-core.yaml")
    if way == "renamed":
        change(deck.with_name("course.yaml"), deck.name, other.name)
        deck.rename(other)
        assert services.reload_changed_decks() == ""
        assert services.cards["stacks-recall"].place.path == other
    else:
        deck.unlink()
        assert services.reload_changed_decks() == "The decks were changed: 2 gone, answers kept"
        sitting.change_cards()
        assert sitting.card is None
        deck.write_text(text, encoding="utf-8")
        assert services.reload_changed_decks() == "The decks were changed: 2 new"
    sitting.change_cards()
    assert sitting.asking.memories == {"stacks-recall": known}
    assert sitting.card is not None and sitting.card.id == "stacks-numeric"
