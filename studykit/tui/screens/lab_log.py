"""What a lab that did not end well has left: its traceback, or the end of what it wrote."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from studykit.text import clean
from studykit.tui.screens.base import StudyScreen
from studykit.tui.widgets.safe import Static


class LabLogScreen(StudyScreen):
    """The trace of one run, as it came."""

    BINDING_GROUP_TITLE = "Log of a lab"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape,v", "app.pop_screen", "back", id="back", tooltip="Back to the lab"),
        Binding("down,j", "scroll(1)", "down", show=False, id="log-down"),
        Binding("up,k", "scroll(-1)", "up", show=False, id="log-up"),
    ]
    DEFAULT_CSS = """
    LabLogScreen {
        .title { padding: 0 1; margin-bottom: 1; }
        VerticalScroll { padding: 0 1; }
    }
    """

    def __init__(self, lab_id: str, trace: str) -> None:
        super().__init__()
        self._lab_id = lab_id
        self._trace_text = trace

    def compose_body(self) -> ComposeResult:
        yield Static(Content.styled(f"Log of {self._lab_id}", "bold"), classes="title")
        with VerticalScroll(can_focus=False):
            yield Static(clean(self._trace_text))

    def on_mount(self) -> None:
        """The end says why, so begin there."""
        self.query_one(VerticalScroll).scroll_end(animate=False)

    def action_scroll(self, step: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=step, animate=False)
