"""A framed part of a screen: the keys scroll it, or move in the list that it holds."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget

from studykit.tui.widgets.card_text import Fitted
from studykit.tui.widgets.rows import Rows


class Panel(VerticalScroll, can_focus=True):
    """Shows one text, or a list with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll_down", "Down", show=False, id="panel-down"),
        Binding("up,k", "scroll_up", "Up", show=False, id="panel-up"),
    ]
    DEFAULT_CSS = """
    Panel {
        border: round $rule;
        border-title-color: $text-accent;
        border-title-style: bold;
        padding: 0 1;
        height: 1fr;
        width: 1fr;
        &:focus-within, &:focus { border: round $text-primary; }
    }
    """

    def __init__(self, title: str, body: Fitted | Rows, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.border_title = Content(title)
        self.body = body
        self.can_focus = not isinstance(body, Rows)

    def compose(self) -> ComposeResult:
        yield self.body

    @property
    def stop(self) -> Widget:
        """What takes the focus of the panel."""
        return self.body if isinstance(self.body, Rows) else self

    @property
    def is_in_use(self) -> bool:
        """True if the focus is in it."""
        return self.has_focus or self.body.has_focus
