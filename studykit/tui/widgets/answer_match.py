"""Answering a `match` card, or placing rows: a right side for each left side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content

from studykit.review.grading import Given, Grade, Shown
from studykit.tui.messages import Answered, AnswerUnclear
from studykit.tui.widgets.card_text import parse_inline
from studykit.tui.widgets.rows import WIDEST_LEFT, Row, Rows, in_columns

LETTERS = "abcdefgim"
"""Neither keys that move (h j k l) nor keys of the screen (n, x, …)."""


def _letter_keys(action: str) -> list[BindingType]:
    return [
        Binding(
            f"{letter},{place + 1}",
            f"{action}({place})",
            f"right side {letter}",
            show=False,
            key_display=f"{LETTERS[0]}–{LETTERS[-1]}",
            id=f"side-{letter}",
            tooltip="" if place else "Give that right side",
        )
        for place, letter in enumerate(LETTERS)
    ]


_KEYS: list[BindingType] = [
    Binding("enter", "check", "check", id="check-match", tooltip="Check the pairs"),
    Binding(
        "left,h",
        "cycle(-1)",
        "change",
        key_display="◂ ▸",
        id="previous-side",
        tooltip="Another right side (h and l, too)",
    ),
    Binding("right,l", "cycle(1)", "next right side", show=False, id="next-side"),
]


class MatchAnswer(Rows):
    """The left sides with what they were given, and below them the right sides to choose from."""

    BINDING_GROUP_TITLE = "Pairs"
    BINDINGS: ClassVar[list[BindingType]] = [*_KEYS, *_letter_keys("give")]
    IS_SHARED: ClassVar[bool] = False
    """A right side may be given to several left sides."""

    def __init__(self, shown: Shown, answers: Sequence[str], values: Sequence[str] = ()) -> None:
        """`answers`: the right side of each left side; `values`: what was measured of each."""
        super().__init__()
        self._shown = shown
        self._answers = answers
        self._values = values
        self._given: list[int | None] = [None] * len(shown.lefts)
        self.set_reactive(Rows.rows, self._live_rows())

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self._given) - 1))

    def _live_rows(self) -> tuple[Row, ...]:
        return (
            *(
                Row(" ", self._chosen(place), before=self._before(place))
                for place in range(len(self._given))
            ),
            Row(" ", Content("")),
            *(
                Row(letter, parse_inline(right), "" if self._is_free(place) else "$text-muted")
                for place, (letter, right) in enumerate(
                    zip(LETTERS, self._shown.rights, strict=False)
                )
            ),
        )

    def _is_free(self, right: int) -> bool:
        return self.IS_SHARED or right not in self._given

    def _chosen(self, place: int) -> Content:
        right = self._given[place]
        if right is None:
            return Content.styled("…", "$text-muted")
        return Content(f"{LETTERS[right]}  ") + parse_inline(self._shown.rights[right])

    def _before(self, place: int) -> Content:
        """A left side and its arrow; all arrows stand in one column, if no left side is long."""
        lefts = [parse_inline(left) for left in self._shown.lefts]
        width = min(WIDEST_LEFT, max(left.cell_length for left in lefts))
        return lefts[place].pad_right(max(0, width - lefts[place].cell_length)) + Content("  →  ")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A letter without a right side is left to the screen."""
        n_rights = len(self._shown.rights)
        has_side = not any(isinstance(p, int) and p >= n_rights for p in parameters)
        return self.is_live and (action not in ("give", "give_again") or has_side)

    def action_give(self, right: int) -> None:
        """Give the right side to the left side at the cursor, and go on to the next open one."""
        if right >= len(self._shown.rights):
            return
        if not self._is_free(right):
            self._given[self._given.index(right)] = None
        self._given[self.cursor] = right
        n = len(self._given)
        following = [(self.cursor + step) % n for step in range(1, n)]
        self.cursor = next(
            (place for place in following if self._given[place] is None), self.cursor
        )
        self.rows = self._live_rows()

    def action_cycle(self, step: int) -> None:
        """The next right side that no other left side has."""
        own = self._given[self.cursor]
        free = [
            place
            for place in range(len(self._shown.rights))
            if place == own or self._is_free(place)
        ]
        if free:
            start = free.index(own) if own is not None else (-1 if step > 0 else 0)
            self._given[self.cursor] = free[(start + step) % len(free)]
            self.rows = self._live_rows()

    def action_check(self) -> None:
        given = tuple(right for right in self._given if right is not None)
        if missing := len(self._given) - len(given):
            self.post_message(AnswerUnclear(f"{missing} still without a right side"))
        else:
            self.post_message(Answered(given))

    @on(Rows.Clicked)
    def _give_clicked(self, event: Rows.Clicked) -> None:
        event.stop()
        right = event.index - len(self._given) - 1
        if right >= 0:
            self.action_give(right)

    def show_given(self, given: Given) -> None:
        """The answer stands as it is and is not judged yet."""
        self.is_live = False

    def reopen(self) -> None:
        """The answer can be changed again."""
        self.is_live = True

    def show_grade(self, given: Given, grade: Grade) -> None:
        """Each left side with its right side, and what it was given instead."""
        self.is_live = False
        rights = self._shown.rights
        told = [rights[place] for place in given] if isinstance(given, tuple) else []
        self.rows = tuple(
            self._judged_row(place, right, told[place] if told else "")
            for place, right in enumerate(self._answers)
        )

    def _judged_row(self, place: int, right: str, told: str) -> Row:
        text, before = parse_inline(right), self._before(place)
        if self._values:
            text = in_columns(self._answers, self._values)[place]
        if not told:
            return Row(" ", text, before=before)
        if told == right:
            return Row("✓", text, "$text-success", before)
        text += Content.styled(f"  ← yours: {told}", "italic")
        return Row("✗", text, "$text-error", before)


class PlaceAnswer(MatchAnswer, inherit_bindings=False):
    """The same where several left sides may have one right side.

    A letter that comes twice in a row is then no key that is held down.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        *Rows.BINDINGS,
        *_KEYS,
        *_letter_keys("give_again"),
    ]
    IS_SHARED = True

    def action_give_again(self, right: int) -> None:
        self.action_give(right)
