"""Answering in writing: `cloze` and `numeric` cards, and `predict` cards that ask for a number."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import HorizontalGroup
from textual.content import Content
from textual.widgets import Input

from studykit.review.grading import Given, Grade
from studykit.text import clean
from studykit.tui.messages import Answered, AnswerUnclear
from studykit.tui.widgets.safe import Static


class TextField(Input):
    """One line to write in; letters belong to it until Esc."""

    BINDING_GROUP_TITLE = "Text field"
    BINDINGS: ClassVar[list[BindingType]] = [
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


class AnswerInput(TextField):
    """Where an answer is written."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "check", id="check-text", tooltip="Check what is written"),
    ]


class TextAnswer(HorizontalGroup):
    """One line to write in, with the unit behind it; then what was written, in their place."""

    def __init__(self, unit: str = "", *, is_number: bool = False) -> None:
        super().__init__()
        self._unit = unit
        self._is_number = is_number

    def compose(self) -> ComposeResult:
        yield AnswerInput(
            placeholder="a number" if self._is_number else "the missing words",
            compact=True,
            select_on_focus=False,
            classes="-number" if self._is_number else "",
        )
        yield Static(self._unit)

    @on(Input.Submitted)
    def _submit(self, event: Input.Submitted) -> None:
        event.stop()
        if written := event.value.strip():
            self.post_message(Answered(written))
        else:
            self.post_message(AnswerUnclear("type an answer; Esc, then n gives up"))

    def show_given(self, given: Given) -> None:
        """What was written, not judged yet."""
        self._show(Content.styled(f"● {self._written(given)}  ← yours", "bold"))

    def reopen(self) -> None:
        """What was written stands in the field again."""
        self.remove_class("-closed")
        self.query_one(AnswerInput).disabled = False
        self.query_one(Static).update(self._unit)

    def show_grade(self, given: Given, grade: Grade) -> None:
        """What was written, with its mark."""
        if given is None:
            self._show(Content())
        elif grade.correct is None:
            self._show(Content(f"● {self._written(grade.given)}  ← yours"))
        elif grade.correct:
            self._show(Content.styled(f"✓ {self._written(grade.given)}", "$text-success"))
        else:
            self._show(Content.styled(f"✗ {self._written(grade.given)}  ← yours", "$text-error"))

    def _written(self, given: Given) -> str:
        written = clean(str(given))
        has_unit = not self._unit or written.casefold().endswith(self._unit.casefold())
        return written if has_unit else f"{written} {self._unit}"

    def _show(self, content: Content) -> None:
        self.add_class("-closed")
        self.query_one(AnswerInput).disabled = True
        self.query_one(Static).update(content)
