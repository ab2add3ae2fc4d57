"""Home as a place to act: a deck, a topic, a lab is marked, and the keys are about it."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from studykit.course.decks import load_course
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from studykit.tui.screens.home import HomeScreen
from studykit.tui.screens.lab import LabScreen
from studykit.tui.screens.review import ReviewScreen
from tests.files import write_files
from tests.tui.conftest import MakeServices, open_home, text_of, until
from tests.tui.past import daily, study
from tests.tui.screen_course import MANIFEST

TWO_TOPICS = """\
format: 1
deck: more
title: A second deck
topics:
  - id: first
    number: "2.1"
    title: The first topic
    points: {2.1.1: One point.}
    cards:
      - {id: more-a, kind: recall, points: [2.1.1], question: Which a?, answer: This.,
         explain: So., lab: core/stacks, claim: stuck}
  - id: second
    number: "2.2"
    title: The second topic
    points: {2.2.1: Another point.}
    cards:
      - {id: more-b, kind: recall, points: [2.2.1], question: Which b?, answer: That.,
         explain: So., lab: core/stacks, claim: stuck}
"""

OUTLINE = """\
  - number: 2
    title: A second deck
    topics:
      - {number: "2.1", title: The first topic, points: 1}
      - {number: "2.2", title: The second topic, points: 1}
"""


@pytest.fixture
def services(make_services: MakeServices) -> Services:
    """Two decks, the second one of two topics."""
    made = make_services("recall", "choice")
    manifest = MANIFEST.replace("[1-core.yaml]", "[1-core.yaml, 2-more.yaml]") + OUTLINE
    files = {"decks/2-more.yaml": TWO_TOPICS, "decks/course.yaml": manifest}
    write_files(made.course.root, files)
    made.course = load_course(made.course.root)
    made.cards = made.course.cards
    assert made.course.problems == ()
    return made


def marked(pilot: Pilot[None]) -> str:
    """The row with the cursor."""
    rows = [line for line in text_of(pilot.app).splitlines() if "▸" in line]
    return rows[0].strip() if rows else ""


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40), (200, 50)])
async def test_a_marked_topic_is_reviewed_alone(services: Services, size: tuple[int, int]) -> None:
    """Its deck shows it; the others' cards stay for later, and the end says how many."""
    async with StudykitApp(services).run_test(size=size) as pilot:
        await open_home(pilot)
        await pilot.press("j", "j", "l", "j", "j")
        assert marked(pilot).startswith("▸   2.2 The")
        assert "asks its 1 card" in text_of(pilot.app)
        await pilot.press("enter")
        await until(pilot, lambda: "Which b?" in text_of(pilot.app))
        await pilot.press("space", "4")
        ended = " ".join(text_of(pilot.app).split())
        assert "Done for today with 2.2 The second topic; 3 cards left elsewhere" in ended
        await pilot.press("q")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        assert "Nothing left in it today" in text_of(pilot.app)
        await pilot.press("escape", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReviewScreen))
        assert "3 new" in text_of(pilot.app)


async def test_nothing_marked_is_the_whole_day(services: Services) -> None:
    """Up from the first row, and folded topics give the mark back to their deck."""
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await pilot.press("k")
        assert marked(pilot) == ""
        await pilot.press("j", "j", "l", "j", "h")
        assert marked(pilot).startswith("▸ A second deck")
        await pilot.press("k", "k")
        assert marked(pilot) == "" and "The first topic" not in text_of(pilot.app)
        await pilot.press("space")
        await until(pilot, lambda: "4 new" in text_of(pilot.app))


async def test_a_marked_deck_is_browsed_and_practised(services: Services) -> None:
    study(services, [*daily("stacks-recall", 24), *daily("more-a", 24)])
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await pilot.press("j", "j", "slash")
        await until(pilot, lambda: "2 of 4 cards" in text_of(pilot.app))
        assert "d:more" in text_of(pilot.app)
        await pilot.press("escape", "q", "l", "j", "slash")
        await until(pilot, lambda: "1 of 4 cards" in text_of(pilot.app))
        await pilot.press("escape", "q", "k", "c")
        await until(pilot, lambda: "What to practise" in text_of(pilot.app))
        assert marked(pilot).startswith("▸ Cram") and "A second deck" in marked(pilot)


async def test_a_marked_lab_is_opened(services: Services) -> None:
    """From the keys, and with the mouse at the second click."""
    async with StudykitApp(services).run_test(size=(200, 50)) as pilot:
        await open_home(pilot)
        await pilot.press("j", "j", "j")
        assert "What if I remove" in marked(pilot) and "Enter open lab" in text_of(pilot.app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, LabScreen))
        await pilot.press("q")
        await open_home(pilot)
        await pilot.press("escape")
        await pilot.click("LabLines", offset=(6, 1))
        assert "What if I remove" in marked(pilot)
        await pilot.click("LabLines", offset=(6, 1))
        await until(pilot, lambda: isinstance(pilot.app.screen, LabScreen))


async def test_a_lab_that_a_smaller_terminal_hides_is_marked_no_longer(services: Services) -> None:
    async with StudykitApp(services).run_test(size=(200, 50)) as pilot:
        await open_home(pilot)
        await pilot.press("j", "j", "j")
        assert "Enter open lab" in text_of(pilot.app)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: marked(pilot).startswith("▸ A second deck"))
        assert "Enter review" in text_of(pilot.app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ReviewScreen))


@pytest.mark.parametrize("width", [60, 72, 80, 100, 107, 112, 120, 160, 180, 200])
async def test_no_line_of_home_is_broken_for_want_of_room(services: Services, width: int) -> None:
    """The week stands in one row of seven days, and retention keeps its lines whole."""
    async with StudykitApp(services).run_test(size=(width, 40)) as pilot:
        await until(pilot, lambda: "TRUE RETENTION" in text_of(pilot.app))
        rows = text_of(pilot.app).splitlines()
        (week,) = (row for row in rows if "today" in row and "answer" not in row)
        assert len(week.split("today")[1].split()[:6]) == 6
        assert any("TRUE RETENTION  last 30 days" in row for row in rows)
        assert any("too few to judge" in row for row in rows)
        assert any("known cards that fall due" in row for row in rows)
