"""Answering by choosing one option: `choice` cards, and `predict` cards that offer claims."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, TypeAlias

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content

from studykit.course.cards import Option
from studykit.review.grading import Given, Grade
from studykit.tui.messages import Answered
from studykit.tui.widgets.card_text import parse_inline
from studykit.tui.widgets.rows import Row, Rows, in_columns

_Judge: TypeAlias = Callable[[int, Option], tuple[str, str, str] | None]
"""Place and option -> mark, style and word, or None where there is nothing to say."""

LETTERS = "abcdefg"
"""Not h: with j, k and l it moves, everywhere."""


def letter_keys(action: str) -> list[BindingType]:
    """A key for each option, by its letter or its place."""
    return [
        Binding(
            f"{letter},{place + 1}",
            f"{action}({place})",
            f"option {letter}",
            show=False,
            key_display=f"{LETTERS[0]}–{LETTERS[-1]}",
            id=f"option-{letter}",
            tooltip="" if place else "Choose that option",
        )
        for place, letter in enumerate(LETTERS)
    ]


class OptionRows(Rows):
    """The options in shown order, a letter before each; `values`: what was measured of each."""

    def __init__(self, options: Sequence[Option], values: Sequence[str] = ()) -> None:
        super().__init__()
        self._options = options
        self._values = values

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A letter without an option is left to the screen."""
        has_option = not any(isinstance(p, int) and p >= len(self.rows) for p in parameters)
        return self.is_live and (action not in ("choose", "pick") or has_option)

    def _show(self, judge: _Judge) -> None:
        self.is_live = False
        self.rows = tuple(
            self._judged_row(letter, self._told(place), judge(place, option))
            for place, (letter, option) in enumerate(zip(LETTERS, self._options, strict=False))
        )

    def _told(self, place: int) -> Content:
        if not self._values:
            return parse_inline(self._options[place].text)
        return in_columns([option.text for option in self._options], self._values)[place]

    def _judged_row(self, letter: str, told: Content, verdict: tuple[str, str, str] | None) -> Row:
        if verdict is None:
            return Row(f"  {letter}", told, "$text-muted")
        mark, style, word = verdict
        return Row(f"{mark} {letter}", told + Content.styled(f"  ← {word}", "italic"), style)


class OptionsAnswer(OptionRows):
    """One of the options is chosen."""

    BINDING_GROUP_TITLE = "Options"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "choose", id="choose", tooltip="Choose the marked option"),
        *letter_keys("choose"),
    ]

    def __init__(self, options: Sequence[Option]) -> None:
        super().__init__(options)
        self.set_reactive(Rows.rows, self._live_rows())

    def _live_rows(self) -> tuple[Row, ...]:
        return tuple(
            Row(letter, parse_inline(option.text))
            for letter, option in zip(LETTERS, self._options, strict=False)
        )

    def action_choose(self, place: int | None = None) -> None:
        chosen = self.cursor if place is None else place
        if chosen < len(self.rows):
            self.cursor = chosen
            self.post_message(Answered(chosen))

    @on(Rows.Clicked)
    def _choose_clicked(self, event: Rows.Clicked) -> None:
        event.stop()
        self.action_choose(event.index)

    def show_given(self, given: Given) -> None:
        """The choice is made and not judged yet."""
        self._show(lambda place, _: ("●", "bold", "yours") if place == given else None)

    def reopen(self) -> None:
        """The cursor is on the option that was chosen, and another one can be."""
        self.is_live = True
        self.rows = self._live_rows()

    def show_grade(self, given: Given, grade: Grade) -> None:
        """Mark the right option and, if another one was chosen, that one."""

        def judge(place: int, option: Option) -> tuple[str, str, str] | None:
            is_given = place == given
            if grade.answer and option.text == grade.answer:
                return "✓", "$text-success", "yours, right" if is_given else "right"
            if is_given and grade.correct is False:
                return "✗", "$text-error", "yours"
            return ("●", "bold", "yours") if is_given else None

        self._show(judge)
