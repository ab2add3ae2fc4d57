"""What stands instead of everything else when the progress cannot be used."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content

from studykit.errors import StudykitError
from studykit.text import clean
from studykit.tui.screens.base import StudyScreen
from studykit.tui.widgets.safe import Static


class FailureScreen(StudyScreen):
    """What went wrong and what to do; leaving it leaves the program."""

    CSS_PATH = "failure.tcss"
    BINDING_GROUP_TITLE = "Trouble"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape,enter", "leave", "quit", key_display="q", id="leave", tooltip="Leave"),
    ]

    def __init__(self, error: StudykitError) -> None:
        super().__init__()
        self._error = error

    def compose_body(self) -> ComposeResult:
        error = self._error
        # A database has no lines to point at.
        where = f"{error.place.path}: " if error.place else ""
        with Container(classes="frame"), Vertical(id="trouble"):
            yield Static(Content.styled("The progress cannot be used", "bold $text-error"))
            yield Static(clean(where + error.what))
            if error.hint:
                yield Static(Content.assemble(("What to do: ", "bold"), clean(error.hint)))
            yield Static("Nothing was changed. q leaves.", id="way-out")

    def action_leave(self) -> None:
        self.app.exit(return_code=self._error.exit_code)
