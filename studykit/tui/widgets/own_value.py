"""A line in which a value is written that no key turns to: of a knob, of a setting."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import HorizontalGroup
from textual.content import Content

from studykit.tui.widgets.answer_text import TextField
from studykit.tui.widgets.safe import Static


class ValueField(TextField):
    """Where the value is written."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "take", id="take-value", tooltip="Take the value as written"),
    ]


class OwnValue(HorizontalGroup):
    """A line to write a value in; it is there while it has the keys."""

    DEFAULT_CSS = """
    OwnValue {
        height: auto;
        #own-name { width: auto; text-style: bold; }
        ValueField { width: 14; background: $surface; }
        #own-hint { width: 1fr; }
        &.-text ValueField { width: 1fr; }
        &.-text #own-hint { display: none; }
    }
    """

    def compose(self) -> ComposeResult:
        yield Static(id="own-name")
        yield ValueField(compact=True, select_on_focus=False)
        yield Static(id="own-hint")

    def on_mount(self) -> None:
        self.display = False

    def ask(self, name: str, value: str, hint: str) -> None:
        """Ask for a value; `hint` says what it may be.

        `value` is there to be changed: it is marked, so that what is typed takes its place.
        """
        self.query_one("#own-name", Static).update(f"    {name} = ")
        self.query_one("#own-hint", Static).update(Content.styled(hint, "$text-muted"))
        self.display = True
        field = self.query_one(ValueField)
        field.value = value
        self.set_class(bool(value), "-text")
        field.focus()
        field.select_all()

    def on_descendant_blur(self) -> None:
        self.display = False
