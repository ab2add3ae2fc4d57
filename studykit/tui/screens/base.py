"""What the screens have in common: the status line, the hints, the way to a lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import getters
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen

from studykit.course.cards import Card, Knobs, LabHeader
from studykit.tui.app import StudykitApp
from studykit.tui.services import Services
from studykit.tui.widgets.key_hints import KeyHints
from studykit.tui.widgets.status_line import StatusLine
from studykit.tui.widgets.too_small import TooSmall

if TYPE_CHECKING:
    from studykit.lab.results import Prediction


class StudyScreen(Screen[None]):
    """A screen with a body of its own above the status line and the hints."""

    app = getters.app(StudykitApp)
    AUTO_FOCUS = ""

    @property
    def services(self) -> Services:
        """What all screens share."""
        return self.app.services

    def compose(self) -> ComposeResult:
        yield from self.compose_body()
        yield StatusLine()
        yield KeyHints()
        yield TooSmall()

    def compose_body(self) -> ComposeResult:
        """Everything above the status line."""
        yield from ()

    def say(self, text: str | Content) -> None:
        """Put `text` in the status line."""
        self.query_one(StatusLine).say(text)

    def open_lab(
        self,
        header: LabHeader,
        knobs: Knobs,
        card: Card | None = None,
        prediction: Prediction | None = None,
    ) -> None:
        """Show a lab; `lab_closed` is called when the learner comes back."""
        from studykit.tui.screens.lab import LabScreen

        self.app.push_screen(LabScreen(header, knobs, card, prediction), self._return_from_lab)

    def _return_from_lab(self, _: None) -> None:
        self.call_later(self.lab_closed)

    async def lab_closed(self) -> None:
        """The learner is back from a lab."""
