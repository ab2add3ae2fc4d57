"""Browse: find a card, read it, mark it, open its lab."""

from __future__ import annotations

from datetime import date

import pytest
from textual.pilot import Pilot

from studykit.course.decks import load_course
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from studykit.tui.widgets.card_list import CardList
from tests.tui.conftest import MakeServices, open_home, text_of, until
from tests.tui.past import daily, study
from tests.tui.screen_course import write_course


async def open_browse(pilot: Pilot[None]) -> None:
    """Home, then Browse with its cards; the keys belong to the field."""
    await open_home(pilot)
    await pilot.press("slash")
    await until(pilot, lambda: "of 8 cards" in text_of(pilot.app))


def rows(text: str) -> list[str]:
    """The first words of the rows of the list."""
    return [word for line in text.splitlines() if (word := line.strip(" ▸*").split(" ")[0])]


@pytest.fixture
def learner(make_services: MakeServices) -> Services:
    """Who has met two of eight cards."""
    services = make_services()
    study(services, [*daily("stacks-recall", 24), *daily("stacks-cloze", 1)])
    return services


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_search_as_one_types(learner: Services, size: tuple[int, int]) -> None:
    """Each key narrows the list; state, due day and recall stand in the row."""
    async with StudykitApp(learner).run_test(size=size) as pilot:
        await open_browse(pilot)
        assert "8 of 8 cards" in text_of(pilot.app)
        await pilot.press(*"s:rev")
        screen = text_of(pilot.app)
        assert "1 of 8 cards" in screen
        row = next(line for line in screen.splitlines() if "▸" in line)
        assert "What does a" in row and "review" in row and "in " in row and "%" in row
        assert ("stacks-recall" in row) is (size[0] >= 120)
        await pilot.press(*(["backspace"] * 3), *"new cha")
        screen = text_of(pilot.app)
        assert "1 of 8 cards" in screen and "stacks-predict" in screen
        assert "new: never asked" in screen and "Where does the one without end?" in screen


async def test_an_unknown_filter_and_no_card(learner: Services) -> None:
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_browse(pilot)
        await pilot.press(*"s:nwe")
        assert "s: takes new, learning, review, due" in text_of(pilot.app)
        assert "0 of 8 cards" in text_of(pilot.app)
        assert "No card is like that" in text_of(pilot.app)
        await pilot.press("enter", "enter", "x", "s")
        assert "Browse" in text_of(pilot.app)


async def test_filters_are_named_where_one_types(learner: Services) -> None:
    """At first all of them, then what the one takes that is being written; no other is taken."""
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_browse(pilot)
        assert "Filters  s:state  t:kind  d:deck  l:lab" in text_of(pilot.app)
        await pilot.press(*"l:")
        assert "l: takes core/stacks" in text_of(pilot.app)
        await pilot.press(*(["backspace"] * 2), *"state:new")
        assert "! state: is no filter; s:state" in text_of(pilot.app)
        assert "0 of 8 cards" in text_of(pilot.app)


async def test_cards_in_another_order(learner: Services) -> None:
    """o turns through the orders; new cards stand last, and the marked card stays marked."""
    async with StudykitApp(learner).run_test(size=(120, 40)) as pilot:
        await open_browse(pilot)
        await pilot.press("enter", "o")
        cards = pilot.app.screen.query_one(CardList)
        assert "8 of 8 cards by due day" in text_of(pilot.app)
        dues = [entry.memory.due_day for entry in cards.entries]
        assert dues == sorted(dues, key=lambda day: day or date.max) and dues[-1] is None
        assert cards.current is not None and cards.current.card.id == "stacks-recall"
        await pilot.press("o")
        recalls = [entry.card.id for entry in cards.entries][:2]
        assert recalls == ["stacks-cloze", "stacks-recall"]
        await pilot.press("o", "o")
        assert [entry.card.id for entry in cards.entries] == list(learner.cards)


async def test_the_answer_below_the_question(learner: Services) -> None:
    """Space shows it, of the next card as well, and hides it again."""
    async with StudykitApp(learner).run_test(size=(120, 40)) as pilot:
        await open_browse(pilot)
        await pilot.press("enter")
        assert "a path around every" not in text_of(pilot.app)
        await pilot.press("space")
        screen = text_of(pilot.app)
        assert "a path around every" in screen
        answer = next(part for part in screen.split("\n\n") if "a path around every" in part)
        assert "Pre-norm, 12 layers" not in answer and "The Jacobian" not in answer
        await pilot.press("j")
        assert "✓ Its tokens become alike before the last layer" in text_of(pilot.app)
        await pilot.press("space")
        assert "✓ Its tokens" not in text_of(pilot.app)


async def test_what_is_listed_can_be_practised(learner: Services) -> None:
    """The known cards of it, with the schedule untouched; new ones only when others are known."""
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_browse(pilot)
        await pilot.press(*"s:new", "enter", "c")
        assert "Nothing here to practise" in text_of(pilot.app)
        await pilot.press("slash", *(["backspace"] * 5), *"stacks-recall", "enter", "c")
        await until(pilot, lambda: "cram · schedule untouched · 1 left" in text_of(pilot.app))


@pytest.mark.parametrize(("size", "columns"), [((60, 20), 20), ((80, 24), 40), ((120, 40), 50)])
async def test_rows_are_whole_and_questions_readable(
    learner: Services, size: tuple[int, int], columns: int
) -> None:
    async with StudykitApp(learner).run_test(size=size) as pilot:
        await open_browse(pilot)
        rows = text_of(pilot.app).splitlines()
        head = next(row for row in rows if "QUESTION" in row)
        assert head.endswith("RECALL")
        assert head.index("STATE") - head.index("QUESTION") >= columns
        assert sum(" new" in row for row in rows) >= 2


async def test_open_a_card_to_read(learner: Services) -> None:
    """Enter leaves the field, Enter shows the answer and marks the right option; q returns."""
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_browse(pilot)
        await pilot.press("down", "enter", "enter")
        await until(pilot, lambda: "stacks-choice  choice" in text_of(pilot.app))
        screen = text_of(pilot.app)
        assert "✓ Its tokens become alike before the last layer" in screen
        assert "✗ The optimiser's state overflows — Nothing overflows here." in screen
        assert "1 Again" not in screen
        await pilot.press("q")
        await until(pilot, lambda: "8 of 8 cards" in text_of(pilot.app))
        await pilot.press("k", "x")
        await until(pilot, lambda: "n_layers" in text_of(pilot.app))


async def test_marks_are_stored_and_taken_back(learner: Services) -> None:
    """Suspended and flagged cards are told apart in the list, and not asked if suspended."""
    async with StudykitApp(learner).run_test(size=(120, 40)) as pilot:
        await open_browse(pilot)
        await pilot.press("enter", "s", "j", "f", "j", "b", "b")
        screen = text_of(pilot.app)
        assert "suspended" in screen and " *stacks-choice" in screen
        assert "stacks-cloze is no longer buried" in screen
        marks = learner.progress.marks(learner.today)
        assert (marks.suspended, marks.buried) == (frozenset({"stacks-recall"}), frozenset())
        assert marks.flagged == {"stacks-choice"}


async def test_undo_takes_marks_back_one_by_one(learner: Services) -> None:
    """Also a mark's taking off, and on whichever card the cursor is by then."""
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_browse(pilot)
        await pilot.press("enter", "s", "j", "f", "f", "j", "u")
        marks = learner.progress.marks(learner.today)
        assert marks.suspended == {"stacks-recall"} and marks.flagged == {"stacks-choice"}
        await pilot.press("u", "u")
        marks = learner.progress.marks(learner.today)
        assert not marks.suspended and not marks.flagged
        assert "Taken back: stacks-recall is no longer suspended" in text_of(pilot.app)
        await pilot.press("u")
        assert "Nothing was marked here" in text_of(pilot.app)


async def test_the_ends_of_the_list(learner: Services) -> None:
    """As in vi, and with the keys that have it on them."""
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_browse(pilot)
        await pilot.press("enter")
        cards = pilot.app.screen.query_one(CardList)
        for key, place in (("G", 7), ("g", 0), ("end", 7), ("home", 0)):
            await pilot.press(key)
            assert cards.cursor == place


async def test_letters_belong_to_the_field(learner: Services) -> None:
    """Neither q nor s is a command while one types; / comes back to the field."""
    async with StudykitApp(learner).run_test(size=(80, 24)) as pilot:
        await open_browse(pilot)
        await pilot.press(*"q-s/b")
        assert "/ q-s/b" in text_of(pilot.app)
        await pilot.press("escape", "slash", *(["backspace"] * 5))
        assert "8 of 8 cards" in text_of(pilot.app)
        await pilot.press("escape", "q")
        await until(pilot, lambda: "DECK" in text_of(pilot.app))


async def test_the_list_scrolls_with_the_cursor(
    make_services: MakeServices, learner: Services
) -> None:
    """Far more cards than rows: the marked one is always in sight."""
    card = "      - id: more-{n}\n        kind: recall\n        points: [1.4.1]\n"
    card += "        question: What is {n}?\n        answer: it\n        explain: so\n"
    card += "        lab: core/stacks\n        claim: stuck\n"
    extra = "".join(card.format(n=n) for n in range(60))
    learner.course = load_course(write_course(learner.course.root, extra=extra))
    assert learner.course.problems == ()
    async with StudykitApp(learner).run_test(size=(120, 24)) as pilot:
        await open_home(pilot)
        await pilot.press("slash")
        await until(pilot, lambda: "68 of 68 cards" in text_of(pilot.app))
        await pilot.press("enter", *(["pagedown"] * 7))
        assert "more-59" in text_of(pilot.app) and "stacks-recall" not in text_of(pilot.app)
        await pilot.press("k", "k")
        assert "▸ more-57" in text_of(pilot.app)
        await pilot.press(*(["pageup"] * 7))
        assert "▸ stacks-recall" in text_of(pilot.app)
