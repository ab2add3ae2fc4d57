"""The help and the command palette, both made from the bindings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from textual.command import CommandPalette

from studykit.settings import Settings
from studykit.settings_file import load_settings
from studykit.tui.app import StudykitApp
from studykit.tui.screens.help import HelpScreen, sections_of
from studykit.tui.screens.home import HomeScreen
from tests.tui.conftest import MakeServices, open_home, open_review, text_of, until


async def test_help_lists_the_keys_of_the_screen_below(make_services: MakeServices) -> None:
    """The screen's keys, those of its list of options, the app's; remapped ones as they are."""
    settings = Settings(keys={"copy": "c", "rate-easy": "e"})
    async with StudykitApp(make_services("order", settings=settings)).run_test(
        size=(80, 48)
    ) as pilot:
        await open_review(pilot)
        await pilot.press("question_mark")
        rows = [line.split() for line in text_of(pilot.app).splitlines()]
        assert ["c", "Copy", "the", "card", "as", "text"] in [row[:6] for row in rows]
        assert ["1", "2", "3", "e", "Again,", "Hard,"] in [row[:6] for row in rows]
        assert ["J/K", "Move", "the", "marked", "step"] in [row[:5] for row in rows]
        assert "? help" not in text_of(pilot.app)
        await pilot.press("question_mark")
        assert not isinstance(pilot.app.screen, HelpScreen)


@pytest.mark.parametrize("size", [(60, 20), (120, 40)])
async def test_help_has_each_key_once_for_where_one_is(
    make_services: MakeServices, size: tuple[int, int]
) -> None:
    """On Home, at a question, at its outcome, in Browse; keys of other moments stand apart."""
    app = StudykitApp(make_services("choice"))
    async with app.run_test(size=size) as pilot:
        await open_home(pilot)
        titles = set()
        for keys, first in (
            ([], ("Enter Space", "Ask the due cards")),
            (["enter"], ("Enter", "Choose the marked option")),
            (["a", "enter"], ("Enter", "Mark as suggested")),
            (["q", "slash", "enter"], ("Enter", "Read the card and its answer")),
        ):
            await pilot.press(*keys)
            await until(pilot, lambda: not app.screen.query("LoadingIndicator"))
            now, later, *_ = sections_of(app.screen, {})
            assert first in now.keys
            for section in (now, later):
                shown = [names for names, _ in section.keys]
                assert len(shown) == len(set(shown)) > 3
            titles.add(later.title)
            alone = [name for names, _ in now.keys for name in names.split()]
            assert len(alone) == len(set(alone))
        assert "At other moments" in titles


async def test_what_keys_have_in_common_is_said_once(make_services: MakeServices) -> None:
    """The four keys of the confidence are one entry with one beginning."""
    async with StudykitApp(make_services("order")).run_test(size=(120, 60)) as pilot:
        await open_review(pilot)
        await pilot.press("question_mark")
        told = text_of(pilot.app)
        assert told.count("Before the outcome:") == 1 and "guess, unsure, sure" in told


async def test_hints_are_whole_and_can_be_clicked(make_services: MakeServices) -> None:
    """Whole hints are left out, never the way out and help; a click presses the key."""
    async with StudykitApp(make_services("order")).run_test(size=(60, 24)) as pilot:
        await open_review(pilot)
        hints = text_of(pilot.app).splitlines()[-1]
        assert hints == " Enter check  J/K move step  n don't know  q home  ? help"
        await pilot.click("KeyHints", offset=(hints.index("? help"), 0))
        assert isinstance(pilot.app.screen, HelpScreen)


async def test_f1_helps_in_a_text_field(make_services: MakeServices) -> None:
    """? is text there, and the hints say F1."""
    async with StudykitApp(make_services("cloze")).run_test() as pilot:
        await open_review(pilot)
        assert "F1 help" in text_of(pilot.app)
        await pilot.press("f1")
        assert "TEXT FIELD: NOW" in text_of(pilot.app)


async def test_the_palette_offers_what_is_worth_a_line(make_services: MakeServices) -> None:
    """Not the letters of the options, nor the keys that move about, and nothing twice."""
    app = StudykitApp(make_services("choice"))
    async with app.run_test(size=(80, 60)) as pilot:
        await open_review(pilot)
        await pilot.press("colon")
        await until(pilot, lambda: "help (?)" in text_of(app))
        screen = text_of(app)
        assert "don't know (n)" in screen and "theme studykit-light" in screen
        assert "option" not in screen.replace("the marked option", "")
        assert "(↓)" not in screen and "F1" not in screen
        await pilot.press(*"option b")
        await until(pilot, lambda: "option b" in text_of(app).replace("🔎 option b", ""))


async def test_the_palette_finds_actions_and_themes(make_services: MakeServices) -> None:
    """: opens it; what it finds is done."""
    app = StudykitApp(make_services("recall"))
    async with app.run_test() as pilot:
        await open_home(pilot)
        await pilot.press("colon", *"studykit-li")
        await until(pilot, lambda: "theme studykit-light" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "studykit-light")
        await pilot.press("ctrl+p", *"labs")
        await until(pilot, lambda: "labs (x)" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: "What if I remove" in text_of(app))


@pytest.mark.parametrize(
    ("typed", "found", "opened"),
    [
        ("core review", "review Core transformer architecture", "Answer in your head"),
        ("lab residual", "lab core/stacks", "n_layers"),
        ("card stacks-rec", "card stacks-recall", "stacks-recall"),
        ("residual connection x[i]", "What does a residual", "stacks-recall"),
    ],
)
async def test_the_palette_finds_decks_labs_and_cards(
    make_services: MakeServices, typed: str, found: str, opened: str
) -> None:
    """By any of their words; none of their texts is taken for markup."""
    services = make_services("recall")
    app = StudykitApp(services)
    async with app.run_test(size=(100, 30)) as pilot:
        await open_home(pilot)
        await pilot.press("colon", *typed)
        await until(pilot, lambda: found in text_of(app))
        await pilot.press("down", "enter") if "review" in typed else await pilot.press("enter")
        await until(pilot, lambda: not isinstance(app.screen, (HomeScreen, CommandPalette)))
        await until(pilot, lambda: opened in text_of(app))


async def test_the_palette_takes_no_text_for_markup(
    make_services: MakeServices,
) -> None:
    """A question may have brackets, which would be lost, end the app, or be clicked."""
    services = make_services("recall")
    question = "[b]How[/nope] does [@click=app.quit]x[i][/] survive?"
    services.cards["stacks-recall"] = replace(services.cards["stacks-recall"], question=question)
    app = StudykitApp(services)
    async with app.run_test(size=(100, 30)) as pilot:
        await open_home(pilot)
        await pilot.press("colon", *"survive")
        await until(pilot, lambda: question in text_of(app))


async def test_a_theme_of_the_palette_is_kept(make_services: MakeServices) -> None:
    services = make_services("recall")
    app = StudykitApp(services)
    async with app.run_test(size=(100, 30)) as pilot:
        await open_home(pilot)
        await pilot.press("colon", *"studykit-li")
        await until(pilot, lambda: "theme studykit-light" in text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: "kept in settings.toml" in text_of(app))
    assert load_settings(services.paths.settings_file).screen.theme == "studykit-light"


async def test_nothing_is_seen_through_a_screen(make_services: MakeServices) -> None:
    """A screen has the ground of all screens, and its style sheet finds it."""
    app = StudykitApp(make_services("recall"))
    async with app.run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert app.screen.styles.background.a == 1
        assert app.screen.styles.layers == ("base", "too-small")
