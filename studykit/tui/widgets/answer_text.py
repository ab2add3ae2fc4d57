"""Answering in writing: `cloze` and `numeric` cards, and `predict` cards that ask for a number."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import HorizontalGroup, VerticalGroup
from textual.content import Content
from textual.widgets import Input

from studykit.review.grading import Given, Grade
from studykit.text import clean
from studykit.tui.messages import Answered, AnswerUnclear
from studykit.tui.widgets.safe import Static


class AnswerInput(Input):
    """The text field; letters belong to it until Esc."""

    BINDING_GROUP_TITLE = "Text field"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "check", id="check-text", tooltip="Check what is written"),
        Binding(
            "escape",
            "leave",
            "leave field",
            key_display="Esc",
            id="leave-field",
            tooltip="Out of the field",
        ),
    ]

    def action_leave(self) -> None:
        self.screen.set_focus(None)


class TextAnswer(VerticalGroup):
    """One line to write in, with the unit behind it; then what was written."""

    def __init__(self, unit: str = "", *, is_number: bool = False) -> None:
        super().__init__()
        self._unit = unit
        self._is_number = is_number

    def compose(self) -> ComposeResult:
        with HorizontalGroup():
            yield AnswerInput(
                placeholder="a number" if self._is_number else "the missing words",
                compact=True,
                select_on_focus=False,
                classes="-number" if self._is_number else "",
            )
            yield Static(self._unit)
        yield Static(id="written")

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        event.stop()
        if written := event.value.strip():
            self.post_message(Answered(written))
        else:
            self.post_message(AnswerUnclear("type an answer; Esc, then n gives up"))

    def show_given(self, given: Given) -> None:
        """What was written, not judged yet."""
        self._show(Content.styled(f"  ● {self._written(given)}  ← yours", "bold"))

    def reopen(self) -> None:
        """What was written stands in the field again."""
        self._show(Content(), is_open=True)

    def show_grade(self, given: Given, grade: Grade) -> None:
        """What was written, with its mark."""
        if given is None:
            self._show(Content())
        elif grade.correct is None:
            self._show(Content(f"  ● {self._written(given)}  ← yours"))
        elif grade.correct:
            self._show(Content.styled(f"  ✓ {self._written(given)}", "$text-success"))
        else:
            self._show(Content.styled(f"  ✗ {self._written(given)}  ← yours", "$text-error"))

    def _written(self, given: Given) -> str:
        written = clean(str(given))
        has_unit = not self._unit or written.casefold().endswith(self._unit.casefold())
        return written if has_unit else f"{written} {self._unit}"

    def _show(self, content: Content, *, is_open: bool = False) -> None:
        self.query_one(AnswerInput).disabled = not is_open
        self.query_one(HorizontalGroup).display = is_open
        self.query_one("#written", Static).update(content)
