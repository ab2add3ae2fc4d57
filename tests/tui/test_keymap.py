"""The learner's own keys: what they replace, and what is said of those that cannot work."""

from __future__ import annotations

import pytest

from studykit.review.schedule import Rating
from studykit.settings import Settings
from studykit.tui.app import StudykitApp
from studykit.tui.keymap import key_problems
from tests.tui.conftest import MakeServices, open_home, open_review, text_of, until


async def test_an_own_key_takes_no_key_from_others_that_shared_the_old_one(
    make_services: MakeServices,
) -> None:
    """Textual's keymap would take Enter from the ratings and 3 from the confidence as well."""
    keys = {"reveal": "v", "rate-good": "g, 3", "rate-easy": "m"}
    services = make_services("recall", "choice", settings=Settings(keys=keys))
    app = StudykitApp(services)
    async with app.run_test(size=(80, 30)) as pilot:
        await open_review(pilot)
        await pilot.press("enter")
        assert "Answer in your head" in text_of(app) and "v show answer" in text_of(app)
        await pilot.press("v", "4")
        assert "Good" in text_of(app) and not services.progress.reviews()
        await pilot.press("enter")
        (first,) = services.progress.reviews()
        assert first.rating is Rating.GOOD
        await pilot.press("a", "3")
        assert "Wrong" in text_of(app) or "Right" in text_of(app)
        await pilot.press("m")
        assert [review.rating for review in services.progress.reviews()][1:] == [Rating.EASY]


async def test_the_learners_key_goes_first_where_two_are_on_it(make_services: MakeServices) -> None:
    """It is said at once, and while there is nothing to rate the other one answers."""
    services = make_services("recall", settings=Settings(keys={"rate-good": "q"}))
    app = StudykitApp(services)
    async with app.run_test(size=(120, 30)) as pilot:
        await open_home(pilot)
        await until(pilot, lambda: "q is both rate-good and home" in text_of(app))
        await pilot.press("enter", "q")
        await open_home(pilot)
        await pilot.press("enter", "space", "q")
        (review,) = services.progress.reviews()
        assert review.rating is Rating.GOOD


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"rate-good": "q"}, "q is both rate-good and home (Review)"),
        ({"lab": "y"}, "y is both lab and copy (Review)"),
        ({"lab-log": "s"}, None),  # never there at the same time
        ({"lab-log": "r"}, "r is both lab-again and lab-log (Lab)"),
        ({"rate-good": "3,space"}, "space is both accept and rate-good (Review)"),
        ({"rate-good": "3,space", "accept": "enter"}, None),  # nor these, of which one reveals
        ({"flag-card": "?"}, "question_mark is both flag-card and help (Review)"),
        ({"rate-good": "gx"}, "rate-good: gx is no key"),
        ({"rate-good": "3,"}, "rate-good: nothing is no key"),
        ({"rate-god": "g"}, "no key is called rate-god"),
        ({"rate-good": "3,g,ctrl+g,f5,minus,ü,?"}, "question_mark is both rate-good and help"),
        ({"rate-good": "3,g", "quit": "Q", "reveal": "v"}, None),
    ],
)
def test_what_is_wrong_with_keys(keys: dict[str, str], said: str | None) -> None:
    problems = key_problems(keys)
    assert any(problem.startswith(said) for problem in problems) if said else problems == []
