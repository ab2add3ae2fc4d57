"""A course whose cards have no labs: every screen says so, and no key leads nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from studykit.course.decks import load_course
from studykit.study.services import Services
from studykit.tui.app import StudykitApp
from tests.tui.conftest import MakeServices, open_home, open_review, text_of, until

MANIFEST = """\
format: 1
course: words
title: Words
labs: optional
decks:
  - 1-words.yaml
"""
DECK = """\
format: 1
deck: words
title: Words
topics:
  - id: words-verbs
    number: "1.1"
    title: Verbs
    cards:
      - {id: to-go, kind: recall, question: to go, answer: ir, tags: [irregular]}
"""


@pytest.fixture
def words(make_services: MakeServices, tmp_path: Path) -> Services:
    idle = make_services()
    decks = tmp_path / "words" / "decks"
    decks.mkdir(parents=True)
    (decks / "course.yaml").write_text(MANIFEST)
    (decks / "1-words.yaml").write_text(DECK)
    course = load_course(tmp_path / "words")
    services = Services(course, idle.settings, idle.paths, idle.clock, idle._open_store)
    services.__dict__["runner"] = idle.runner
    return services


async def test_a_card_says_that_it_has_no_lab(words: Services) -> None:
    async with StudykitApp(words).run_test(size=(100, 30)) as pilot:
        await open_review(pilot)
        await pilot.press("space")
        await until(pilot, lambda: "No lab: nothing here measures the answer" in text_of(pilot.app))
        assert "x lab" not in text_of(pilot.app)
        await pilot.press("x")
        assert "could not be read" not in text_of(pilot.app)


async def test_home_and_the_list_of_labs_have_none(words: Services) -> None:
    async with StudykitApp(words).run_test(size=(100, 40)) as pilot:
        await open_home(pilot)
        assert "LABS" not in text_of(pilot.app)
        await pilot.press("x")
        await until(pilot, lambda: "This course has no labs" in text_of(pilot.app))


async def test_a_card_is_found_by_its_tag(words: Services) -> None:
    async with StudykitApp(words).run_test(size=(100, 30)) as pilot:
        await open_home(pilot)
        await pilot.press("slash")
        await until(pilot, lambda: "1 of 1 cards" in text_of(pilot.app))
        await pilot.press(*"irregular")
        await until(pilot, lambda: "no lab · irregular" in text_of(pilot.app))
