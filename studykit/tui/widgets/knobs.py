"""The knobs of a lab as rows: which one, its value, the values that it may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from studykit.course.cards import Knobs, KnobValue
from studykit.study.evidence_words import format_knob
from studykit.text import clean


class KnobRows(Widget):
    """One row a knob; the screen moves the cursor, so that no key depends on the focus."""

    DEFAULT_CSS = """
    KnobRows { height: auto; }
    """

    cursor: reactive[int] = reactive(-1)
    """Row of the chosen knob; -1: none is to be changed now."""
    values: reactive[dict[str, KnobValue]] = reactive({})

    @dataclass
    class Clicked(Message):
        """The mouse picked a row; picked again, its knob takes the next value."""

        index: int

    def __init__(
        self,
        choices: Mapping[str, tuple[KnobValue, ...]],
        values: Knobs,
        *,
        id: str | None = None,  # noqa: A002 - textual's name
    ) -> None:
        super().__init__(id=id)
        self._choices = dict(choices)
        self.set_reactive(KnobRows.values, dict(values))

    def change(self, index: int, step: int) -> None:
        """Give the knob in row `index` the next or the previous of its values, no further."""
        name, choices = list(self._choices.items())[index]
        at = choices.index(self.values[name]) if self.values[name] in choices else 0
        at = max(0, min(at + step, len(choices) - 1))
        self.values = {**self.values, name: choices[at]}

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, len(self._choices))

    def render(self) -> Content:
        if not self._choices:
            return Content.styled("  this lab has no knobs", "$text-muted")
        n_name = max(cell_len(name) for name in self._choices)
        n_value = max(
            cell_len(_show(value)) for choices in self._choices.values() for value in choices
        )
        width = self.content_size.width
        lines = []
        for index, (name, choices) in enumerate(self._choices.items()):
            is_chosen = index == self.cursor
            value = self.values[name]
            arrows = ("◂", "▸") if self.cursor >= 0 else (" ", " ")
            line = Content.assemble(
                "▸ " if is_chosen else "  ",
                name.ljust(n_name),
                (f"  {arrows[0]} ", "$text-muted"),
                (_centred(_show(value), n_value), "bold"),
                (f" {arrows[1]}   ", "$text-muted"),
            )
            offered = Content(" ").join(
                Content.styled(_show(one), "bold $text-accent" if one == value else "$text-muted")
                for one in choices
            )
            if self.cursor >= 0 and line.cell_length + offered.cell_length <= width:
                line = Content.assemble(line, offered)
            line = line.truncate(width, ellipsis=True, pad=is_chosen)
            lines.append(line.stylize("on $panel") if is_chosen else line)
        return Content("\n").join(lines)

    def on_click(self, event: events.Click) -> None:
        if 0 <= event.y < len(self._choices):
            self.post_message(self.Clicked(event.y))


def _centred(text: str, width: int) -> str:
    room = width - cell_len(text)
    return " " * (room // 2) + text + " " * (room - room // 2)


def _show(value: KnobValue) -> str:
    return clean(format_knob(value))
