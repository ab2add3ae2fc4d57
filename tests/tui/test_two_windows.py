"""Two windows on one progress: each sees what the other has answered, and no answer is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest

from studykit.clock import FixedClock
from studykit.review.schedule import NEW_MEMORY, Rating
from studykit.review.session import ElsewhereError, Session
from studykit.settings import ReviewSettings, Settings
from studykit.study.services import Services
from studykit.study.sitting import Sitting
from studykit.tui.app import StudykitApp
from studykit.tui.screens import asking
from tests.tui.conftest import MakeServices, open_review, text_of, until


def other_window(services: Services) -> Sitting[Session]:
    """A sitting in another program on the same course and progress."""
    other = Services(
        services.course, services.settings, services.paths, services.clock, services._open_store
    )
    other.open()
    return Sitting(other, other.open_session())


def rate(sitting: Sitting[Session], rating: Rating) -> str:
    sitting.take(None)
    return sitting.asking.rate(rating).card_id


async def test_a_card_answered_in_another_window_gives_way(make_services: MakeServices) -> None:
    """Before it is answered here; the next card stands, and a line says why."""
    services = make_services("recall", "numeric")
    async with StudykitApp(services).run_test(size=(100, 30)) as pilot:
        await open_review(pilot)
        assert "Answer in your head" in text_of(pilot.app)
        rate(other_window(services), Rating.EASY)
        await until(pilot, lambda: "27 equally likely letters" in text_of(pilot.app))
        assert "! changed in another window: stacks-recall" in text_of(pilot.app)
        assert "1 new" in text_of(pilot.app)


async def test_a_card_revealed_in_both_windows_is_not_rated_blindly(
    make_services: MakeServices,
) -> None:
    """The first press shows the new intervals; the second one counts both answers, in turn."""
    services = make_services("recall", "numeric")
    async with StudykitApp(services).run_test(size=(100, 30)) as pilot:
        await open_review(pilot)
        other = other_window(services)
        await pilot.press("space")
        rate(other, Rating.EASY)
        await pilot.press("4")
        assert "a rating here counts beside the other" in " ".join(text_of(pilot.app).split())
        assert len(services.progress.reviews()) == 1
        await pilot.press("4")
        first, second = services.progress.reviews()
        again = services.scheduler.review(first.card_id, first.after, second.rating, second.at)
        assert second.after == again
        assert services.progress.check() == []


async def test_undo_names_the_other_window_first(
    make_services: MakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes back the last answer of any window, but not without having said so."""
    # The keys alone look elsewhere here: a tick between two of them would bring another card.
    monkeypatch.setattr(asking, "TICK_SECONDS", 3600.0)
    services = make_services("recall", "numeric", "cloze")
    async with StudykitApp(services).run_test(size=(100, 30)) as pilot:
        await open_review(pilot)
        await pilot.press("space", "4")
        answered = rate(other_window(services), Rating.GOOD)
        await pilot.press("escape", "u")
        line = " ".join(text_of(pilot.app).split())
        assert f"! not taken back: the last answer, to {answered}, was given in another" in line
        assert len(services.progress.reviews()) == 2
        await pilot.press("escape", "u")
        assert [review.card_id for review in services.progress.reviews()] == ["stacks-recall"]
        await pilot.press("escape", "u")
        assert services.progress.memory("stacks-recall") == NEW_MEMORY


def test_line_by_line_a_refused_rating_can_be_given_again(make_services: MakeServices) -> None:
    """What the other window has answered is known then."""
    services = make_services("recall")
    services.open()
    here, there = Sitting(services, services.open_session()), other_window(services)
    rate(there, Rating.GOOD)
    here.take(None)
    with pytest.raises(ElsewhereError, match="rate again to count both"):
        here.asking.rate(Rating.GOOD)
    assert here.asking.rate(Rating.GOOD).after.reps == 2


async def test_a_window_left_open_overnight_has_no_limit_of_its_own(
    make_services: MakeServices,
) -> None:
    """What the morning has used of the day in another window is used up here, too."""
    settings = Settings(review=ReviewSettings(new_per_day=1))
    services = make_services("recall", "cloze", "numeric", settings=settings)
    clock = services.clock
    assert isinstance(clock, FixedClock)
    async with StudykitApp(services).run_test(size=(100, 30)) as pilot:
        await open_review(pilot)
        assert "Answer in your head" in text_of(pilot.app)
        clock.advance(timedelta(days=1))
        assert rate(other_window(services), Rating.EASY) == "stacks-recall"
        await until(pilot, lambda: "Done for today" in text_of(pilot.app))
        assert "! changed in another window: stacks-recall" in text_of(pilot.app)
        assert len(services.progress.reviews()) == 1
