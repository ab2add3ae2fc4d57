"""Answering by picking several of the options: an exercise of the form ``pick``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType

from studykit.course.cards import Option
from studykit.review.grading import Given, Grade
from studykit.text import plural
from studykit.tui.messages import Answered, AnswerUnclear
from studykit.tui.widgets.answer_options import LETTERS, OptionRows, letter_keys
from studykit.tui.widgets.card_text import parse_inline
from studykit.tui.widgets.rows import Row, Rows


class PickAnswer(OptionRows):
    """The options in shown order, of which `right` are to be found; a mark at those picked."""

    BINDING_GROUP_TITLE = "Options"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "check", "check", id="check-picks", tooltip="Check what is picked"),
        Binding("space", "pick", "pick", id="pick", tooltip="Pick the marked option, or let it go"),
        *letter_keys("pick"),
    ]

    def __init__(
        self, options: Sequence[Option], right: Collection[int], values: Sequence[str]
    ) -> None:
        """`values`: what was measured of each option."""
        super().__init__(options, values)
        self._right = right
        self._picked: set[int] = set()
        self.set_reactive(Rows.rows, self._live_rows())

    def _live_rows(self) -> tuple[Row, ...]:
        return tuple(
            Row(f"{'●' if place in self._picked else '○'} {letter}", parse_inline(option.text))
            for place, (letter, option) in enumerate(zip(LETTERS, self._options, strict=False))
        )

    def action_pick(self, place: int | None = None) -> None:
        """Pick the option, or let it go."""
        chosen = self.cursor if place is None else place
        if chosen < len(self.rows):
            self.cursor = chosen
            self._picked ^= {chosen}
            self.rows = self._live_rows()

    def action_check(self) -> None:
        n_wanted, n_picked = len(self._right), len(self._picked)
        if n_picked == n_wanted:
            self.post_message(Answered(tuple(sorted(self._picked))))
        else:
            hint = f"pick {plural(n_wanted, 'option')}; {n_picked or 'none'} picked so far"
            self.post_message(AnswerUnclear(hint))

    @on(Rows.Clicked)
    def _pick_clicked(self, event: Rows.Clicked) -> None:
        event.stop()
        self.action_pick(event.index)

    def show_given(self, given: Given) -> None:
        """The answer stands as it is and is not judged yet."""
        self.is_live = False

    def reopen(self) -> None:
        """The answer can be changed again."""
        self.is_live = True

    def show_grade(self, given: Given, grade: Grade) -> None:
        """Mark the right options, and those that were picked."""
        picked = given if isinstance(given, tuple) else ()

        def judge(place: int, option: Option) -> tuple[str, str, str] | None:
            is_right, is_picked = place in self._right, place in picked
            if is_right:
                return "✓", "$text-success", "yours, right" if is_picked else "right"
            return ("✗", "$text-error", "yours") if is_picked else None

        self._show(judge)
