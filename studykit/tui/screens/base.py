"""What the screens have in common: the status line, the hints, the services."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from textual import events
from textual.app import ComposeResult, SuspendNotSupported
from textual.binding import Binding, BindingsMap
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen

from studykit.errors import StudykitError
from studykit.study.services import Services
from studykit.text import clean
from studykit.tui.pace import SEEN_SECONDS
from studykit.tui.widgets.chrome import KeyHints, StatusLine, TooSmall
from studykit.tui.widgets.labs_in_hand import render_lab_news, render_mark

if TYPE_CHECKING:
    from studykit.course.cards import Card
    from studykit.study.definitions import Definition
    from studykit.study.lab_run import LabRun

NO_UNDO = Binding(
    "u", "no_undo", "undo", show=False, id="undo", tooltip="Says where to take something back"
)
"""For screens that only show: the key answers there, too."""

TESTS = Binding("t", "tests", "test", id="tests", tooltip="Show or hide when the claims hold")
"""For screens with evidence."""


class HasServices(Protocol):
    """The app, as far as its screens know it."""

    services: Services
    heeds_haste: bool


class OwnKeys:
    """A screen whose keys are the learner's own, where the settings have some.

    No `DOMNode` itself: Textual looks for styles along the first base that is one, and the screen
    would have none of `Screen`'s, not even a ground that hides what lies below.
    """

    @property
    def _binding_chain(self) -> list[tuple[DOMNode, BindingsMap]]:
        chain: list[tuple[DOMNode, BindingsMap]] = super()._binding_chain  # type: ignore[misc]
        keymap = cast("HasServices", cast("DOMNode", self).app).services.settings.keys
        if not keymap:
            return chain
        from studykit.tui.keymap import rebound

        return [(node, rebound(bindings, keymap)) for node, bindings in chain]


class StudyScreen(OwnKeys, Screen[None]):
    """A screen with a body of its own above the status line and the hints."""

    AUTO_FOCUS = ""
    LIVE_IN: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """Action -> the phases of the screen in which its key may do something; the others always may.

    What is wrong with the learner's keys is told by it.
    """
    NEVER_HELD: ClassVar[frozenset[str]] = frozenset({"undo", "edit", "lab_beside"})
    """Actions that a key does once, however long it is held down."""
    NEVER_BLIND: ClassVar[frozenset[str]] = frozenset()
    """Actions that a key does only once what it is about was on the screen for a moment."""
    NEVER_COVERED: ClassVar[frozenset[str]] = frozenset()
    """Others that ask for no such moment, but not for a terminal that is too small to show it."""

    _seen_at_s = 0.0
    """Of the monotonic clock, as an event's time: from then on keys are about what stands here."""

    @property
    def services(self) -> Services:
        """What all screens share."""
        return cast("HasServices", self.app).services

    def figures(self) -> tuple[Sequence[Definition], Sequence[Definition]]:
        """What figures mean, for the help: of the part that has the keys, and of all the rest."""
        return (), ()

    # Keys that nobody meant

    def show_anew(self) -> None:
        """What keys are about changes now; from its first picture on it takes a moment to see."""
        self._seen_at_s = math.inf
        self.call_after_refresh(self._note_picture)

    def _note_picture(self) -> None:
        self._seen_at_s = time.monotonic() + SEEN_SECONDS

    def is_seen(self, at_s: float) -> bool:
        """True if what stands here could be seen at `at_s`; always where nobody looks: a test."""
        return (at_s >= self._seen_at_s and not self._is_covered) or not self._heeds_haste

    @property
    def _is_covered(self) -> bool:
        return self.has_class("-too-narrow") or self.has_class("-too-low")

    @property
    def _heeds_haste(self) -> bool:
        return cast("HasServices", self.app).heeds_haste

    def heeds(self, event: events.Key, *, is_held: bool) -> bool:
        """False for a key that cannot be meant: held down, or pressed before anybody could look."""
        is_seen = self.is_seen(event.time)
        if not self._heeds_haste or (is_seen and not is_held):
            return True  # as nearly every key: looking for what it does takes a millisecond
        active = self.active_bindings.get(event.key)
        action = active.binding.action.partition("(")[0] if active else ""
        blind = self.NEVER_BLIND | (self.NEVER_COVERED if self._is_covered else frozenset())
        return not ((is_held and action in self.NEVER_HELD) or (not is_seen and action in blind))

    def heeds_text(self, event: events.Key) -> bool:
        """False for a letter that was typed before anybody could see the field it goes to."""
        return True

    def say_too_early(self) -> None:
        """Tell of a key that was not heeded."""
        self.say("That key came before there was time to look; press it again")

    def compose(self) -> ComposeResult:
        yield from self.compose_body()
        yield StatusLine()
        yield KeyHints(lambda: render_mark(self.runs_beside))
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

    def call_in_new_size(self, callback: Callable[[], object]) -> None:
        """Call `callback` once the screen is laid out in the size that it was told of.

        Of two sizes that wait Textual drops the older one only if nothing stands between them. Else
        it lays out both and announces each anew, so with a message to the screen for each of them,
        as `call_after_refresh` sends one, they would follow each other for ever. It goes to a
        widget instead.
        """
        self.query_one(StatusLine).call_after_refresh(callback)

    @property
    def is_on_top(self) -> bool:
        """No other screen covers it; Textual's `is_current` also holds right below the top one."""
        return self.app.screen is self

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

        try:
            command = editor_command(path, line, os.environ)
        except StudykitError as error:
            self.warn(str(error))
            return None
        return self.lend_terminal(command, "set $EDITOR")

    def lend_terminal(
        self, command: Sequence[str], hint: str, *, waits: bool = False
    ) -> str | None:
        """Let `command` have the terminal; says how it failed, if it did.

        None if it could not be started: why, and `hint`, stands in the status line then. `waits`:
        the learner says when what it has written is read.
        """
        from studykit.tui.terminal import lent_terminal

        try:
            with lent_terminal(self.app):
                code = subprocess.run(command, check=False).returncode
                if waits:
                    with suppress(EOFError, KeyboardInterrupt):
                        input("Enter goes back to studykit ")
        except SuspendNotSupported:
            self.warn("this terminal cannot be lent to another program")
        except OSError as error:
            self.warn(f"{clean(command[0])} cannot be started: {error.strerror} ({hint})")
        else:
            how = f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"
            return f"{clean(Path(command[0]).name)} {how}" if code else ""
        return None

    def install_models(self, names: Sequence[str]) -> None:
        """Lend the terminal to the command that installs models of the course, which asks first."""
        course = str(self.services.course.root)
        command = [sys.executable, "-m", "studykit", "--course", course, "models", "install"]
        trouble = self.lend_terminal([*command, *names], "is Python still there?", waits=True)
        if trouble is not None:
            missing = [
                model.name for model in self.services.missing_models() if model.name in names
            ]
            told = f"still not installed: {', '.join(missing)}" if missing else "✓ installed"
            self.say(told)

    @property
    def card_in_hand(self) -> Card | None:
        """The card that the screen is about now, if it is about one."""
        return None

    # Labs that run beside what the screen is for

    async def lab_started(self, run: LabRun) -> None:
        """The run that the screen has asked for stands in line, at its end."""

    @property
    def shown_run(self) -> LabRun | None:
        """The run that the screen itself shows."""
        return None

    @property
    def runs_beside(self) -> tuple[LabRun, ...]:
        """The runs in hand that the screen does not show."""
        return tuple(run for run in self.services.labs.in_hand if run is not self.shown_run)

    def tell_of_lab(self, run: LabRun) -> None:
        """Say how a run has ended that the learner does not look at."""
        self.say(render_lab_news(run))

    def action_no_undo(self) -> None:
        """Say where something can be taken back."""
        self.say("Nothing to take back here; on Home u takes today's last rating back")
