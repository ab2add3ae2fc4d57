"""Answering an `order` card, or ranking rows: steps that can be moved up and down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from studykit.review.grading import Given, Grade
from studykit.tui.messages import Answered
from studykit.tui.widgets.card_text import parse_inline
from studykit.tui.widgets.rows import Row, Rows, in_columns


class OrderAnswer(Rows):
    """The steps, numbered as they stand now."""

    BINDING_GROUP_TITLE = "Steps"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "check", "check", id="check-order", tooltip="Check the order"),
        Binding(
            "J,shift+down",
            "shift(1)",
            "move step",
            key_display="J/K",
            id="step-down",
            tooltip="Move the marked step",
        ),
        Binding("K,shift+up", "shift(-1)", "move step up", show=False, id="step-up"),
    ]

    def __init__(
        self, shown: Sequence[str], right: Sequence[str], values: Sequence[str] = ()
    ) -> None:
        """`values`: what was measured of each step of `right`, told with it."""
        super().__init__()
        self._shown = shown
        self._right = right
        self._values = values
        self._order = list(range(len(shown)))
        self.set_reactive(Rows.rows, self._live_rows())

    def _live_rows(self) -> tuple[Row, ...]:
        return tuple(
            Row(str(place), parse_inline(self._shown[index]))
            for place, index in enumerate(self._order, 1)
        )

    def action_shift(self, step: int) -> None:
        """Swap the step at the cursor with its neighbour and stay on it."""
        target = self.cursor + step
        if 0 <= target < len(self._order):
            order = self._order
            order[self.cursor], order[target] = order[target], order[self.cursor]
            self.rows = self._live_rows()
            self.cursor = target

    def action_check(self) -> None:
        self.post_message(Answered(tuple(self._order)))

    def show_given(self, given: Given) -> None:
        """The answer stands as it is and is not judged yet."""
        self.is_live = False

    def reopen(self) -> None:
        """The answer can be changed again."""
        self.is_live = True

    def show_grade(self, given: Given, grade: Grade) -> None:
        """The right order, and where the learner had each step that stood elsewhere."""
        self.is_live = False
        told = [self._shown[index] for index in self._order] if given is not None else []
        self.rows = tuple(
            self._judged_row(place, step, told) for place, step in enumerate(self._right)
        )

    def _judged_row(self, place: int, step: str, told: list[str]) -> Row:
        text = parse_inline(step)
        if self._values:
            text = in_columns(self._right, self._values)[place]
        if not told:
            return Row(f"  {place + 1}", text)
        if told[place] == step:
            return Row(f"✓ {place + 1}", text, "$text-success")
        had = Content.styled(f"  ← yours: {told.index(step) + 1}", "italic")
        return Row(f"✗ {place + 1}", text + had, "$text-error")
