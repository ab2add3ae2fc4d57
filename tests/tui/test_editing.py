"""A card edited in the middle of a sitting: the editor, the card as it is then, broken decks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from studykit.errors import StudykitError
from studykit.study.editing import editor_command
from studykit.tui.app import StudykitApp
from tests.tui.conftest import (
    MakeServices,
    open_home,
    open_review,
    text_of,
    until,
    will_replace,
)


async def test_the_card_stands_with_its_new_text(
    make_services: MakeServices, editor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the answer and after it, where the same answer is judged by the new text."""
    services = make_services("cloze")
    async with StudykitApp(services).run_test(size=(80, 40)) as pilot:
        await open_review(pilot)
        will_replace(monkeypatch, editor, "Before each branch", "Ahead of every branch")
        await pilot.press("escape", "e")
        assert "Ahead of every branch" in text_of(pilot.app)
        await pilot.press("s", "c", "a", "l", "e", "enter", "enter")
        assert "✗ Wrong" in text_of(pilot.app)
        will_replace(monkeypatch, editor, "accept: [layer norm", "accept: [scale, layer norm")
        await pilot.press("e")
        assert "✓ Right" in text_of(pilot.app) and "▸ 3 Good ◂" in text_of(pilot.app)
        await pilot.press("e", "enter")
        (saved,) = services.progress.reviews()
        assert (saved.correct, saved.given) == (True, "scale")
        assert saved.content_hash == services.cards["stacks-cloze"].content_hash


async def test_a_broken_deck_leaves_the_old_text(
    make_services: MakeServices, editor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says where; the next edit can mend it."""
    services = make_services("recall", "choice")
    async with StudykitApp(services).run_test(size=(120, 40)) as pilot:
        await open_review(pilot)
        will_replace(monkeypatch, editor, "kind: recall", "kind: recal")
        await pilot.press("e")
        screen = text_of(pilot.app)
        assert "! not taken over: decks/1-core.yaml:13:15: " in screen
        assert "Answer in your head" in screen and "2 new" in screen
        will_replace(monkeypatch, editor, "kind: recal", "kind: recall")
        await pilot.press("e")
        assert "Nothing was changed on the card" in text_of(pilot.app)


async def test_a_card_taken_out_of_the_deck_gives_way_to_the_next(
    make_services: MakeServices, editor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = make_services("recall", "numeric")
    async with StudykitApp(services).run_test(size=(120, 40)) as pilot:
        await open_review(pilot)
        will_replace(monkeypatch, editor, "id: stacks-recall", "id: stacks-another")
        await pilot.press("e")
        screen = text_of(pilot.app)
        assert "stacks-recall is in the deck no longer; its answers are kept" in screen
        assert "2 new" in screen


async def test_browse_edits_the_marked_card(
    make_services: MakeServices, editor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays marked, in a list that is read again; a broken deck leaves the list as it is."""
    services = make_services("recall", "cloze", "numeric")
    async with StudykitApp(services).run_test(size=(120, 30)) as pilot:
        await open_home(pilot)
        await pilot.press("slash")
        await until(pilot, lambda: "of 3 cards" in text_of(pilot.app))
        await pilot.press("down", "enter")
        will_replace(monkeypatch, editor, "Before each branch", "Ahead of every branch")
        await pilot.press("e")
        await until(pilot, lambda: "Read again" in text_of(pilot.app))
        screen = text_of(pilot.app)
        assert "▸ stacks-cloze" in screen and "Ahead of every branch" in screen
        will_replace(monkeypatch, editor, "kind: cloze", "kind: close")
        await pilot.press("e")
        assert "! not taken over: decks/1-core.yaml:" in text_of(pilot.app)
        assert "▸ stacks-cloze" in text_of(pilot.app)


async def test_what_cannot_be_edited_is_one_line(
    make_services: MakeServices, editor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such editor, a terminal that cannot be lent, a deck that is read-only."""
    services = make_services("recall")
    async with StudykitApp(services).run_test(size=(120, 24)) as pilot:
        await open_review(pilot)
        monkeypatch.setenv("VISUAL", "no-such-editor --wait")
        await pilot.press("e")
        assert "! no-such-editor cannot be started" in text_of(pilot.app)
        monkeypatch.setattr(os, "access", lambda *_: False)
        await pilot.press("e")
        screen = text_of(pilot.app)
        assert "1-core.yaml is read-only (copy the course's folder" in " ".join(screen.split())
        monkeypatch.undo()
        await pilot.press("e")
        assert "! this terminal cannot be lent to another program" in text_of(pilot.app)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ["vi", "+12"]),
        ({"VISUAL": " ", "EDITOR": ""}, ["vi", "+12"]),
        ({"VISUAL": "''", "EDITOR": "nano"}, ["nano", "+12"]),
        ({"EDITOR": "nano", "VISUAL": "{bin}/nvim -R"}, ["{bin}/nvim", "-R", "+12"]),
        ({"EDITOR": "code --wait"}, ["code", "--wait"]),
    ],
)
def test_editors_that_can_open_at_a_line(
    tmp_path: Path, environ: dict[str, str], expected: list[str]
) -> None:
    deck = tmp_path / "deck.yaml"
    deck.touch()
    for program in ("vi", "nano", "nvim", "code"):
        (tmp_path / program).touch(0o755)
    chosen = {name: value.format(bin=tmp_path) for name, value in environ.items()}
    *command, path = editor_command(deck, 12, chosen | {"PATH": str(tmp_path)})
    assert command == [word.format(bin=tmp_path) for word in expected]
    assert Path(path) == deck


def test_what_keeps_a_file_from_being_edited(tmp_path: Path) -> None:
    deck = tmp_path / "deck.yaml"
    with pytest.raises(StudykitError, match="is there no longer"):
        editor_command(deck, 1, {})
    deck.touch()
    with pytest.raises(StudykitError, match="set EDITOR to yours"):
        editor_command(deck, 1, {"PATH": str(tmp_path)})
    with pytest.raises(StudykitError, match="set VISUAL to your editor"):
        editor_command(deck, 1, {"VISUAL": "no-such-editor", "PATH": str(tmp_path)})
