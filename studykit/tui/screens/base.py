"""What the screens have in common: the status line, the hints, the services."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Protocol, cast

from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding
from textual.content import Content
from textual.screen import Screen

from studykit.course.cards import Card
from studykit.errors import StudykitError
from studykit.study.services import Services
from studykit.text import clean
from studykit.tui.widgets.chrome import KeyHints, StatusLine, TooSmall

NO_UNDO = Binding(
    "u", "no_undo", "undo", show=False, id="undo", tooltip="Says where to take something back"
)
"""For screens that only show: the key answers there, too."""

TESTS = Binding("t", "tests", "test", id="tests", tooltip="Show or hide when the claims hold")
"""For screens with evidence."""


class HasServices(Protocol):
    """The app, as far as its screens know it."""

    services: Services


class StudyScreen(Screen[None]):
    """A screen with a body of its own above the status line and the hints."""

    AUTO_FOCUS = ""

    @property
    def services(self) -> Services:
        """What all screens share."""
        return cast("HasServices", self.app).services

    def compose(self) -> ComposeResult:
        yield from self.compose_body()
        yield StatusLine()
        yield KeyHints()
        yield TooSmall()

    def compose_body(self) -> ComposeResult:
        """Everything above the status line."""
        yield from ()

    def action_tests(self) -> None:
        """Show the tests of claims, or hide them, here and on every other screen."""
        self.services.shows_tests = not self.services.shows_tests
        self.show_tests()
        if not self.services.shows_tests:
            # They may have stood out of sight.
            self.say("Tests hidden")

    def show_tests(self) -> None:
        """Draw the evidence anew, with tests or without; for screens that have `TESTS`."""

    def say(self, text: str | Content) -> None:
        """Put `text` in the status line."""
        self.query_one(StatusLine).say(text)

    def warn(self, text: str) -> None:
        """Put `text` in the status line, to be noticed."""
        self.say(Content.styled(f"! {text}", "$text-warning"))

    def fail(self, text: str) -> None:
        """Put `text` in the status line: what was wanted was not done."""
        self.say(Content.styled(f"! {text}", "$text-error"))

    def edit_deck(self, card: Card) -> str | None:
        """Open the card's deck in the learner's editor and take it up; says what became of it.

        None if nothing was taken up: why, stands in the status line then.
        """
        trouble = self.edit_file(card.place.path, card.place.line)
        if trouble is None:
            return None
        try:
            self.services.reload_decks(card.place.path)
        except StudykitError as error:
            self.warn(f"not taken over: {error}")
            return None
        new = self.services.cards.get(card.id)
        if new is None:
            return f"{card.id} is in the deck no longer; its answers are kept"
        told = "nothing was changed on the card" if new == card else "read again"
        return f"! {trouble}; {told}" if trouble else told.capitalize()

    def edit_file(self, path: Path, line: int = 1) -> str | None:
        """Lend the terminal to the learner's editor for `path`; says how it failed, if it did.

        None if it could not be started: why, stands in the status line then.
        """
        from studykit.study.editing import editor_command
        from studykit.tui.terminal import lent_terminal

        try:
            command = editor_command(path, line, os.environ)
            with lent_terminal(self.app):
                code = subprocess.run(command, check=False).returncode
        except SuspendNotSupported:
            self.warn("this terminal cannot be lent to an editor")
        except OSError as error:
            self.warn(f"{clean(command[0])} cannot be started: {error.strerror} (set $EDITOR)")
        except StudykitError as error:
            self.warn(str(error))
        else:
            return f"{clean(Path(command[0]).name)} ended with exit code {code}" if code else ""
        return None

    def action_no_undo(self) -> None:
        """Say where something can be taken back."""
        self.say("Nothing to take back here; on Home u takes today's last rating back")
