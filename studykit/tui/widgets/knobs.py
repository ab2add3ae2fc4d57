"""The knobs of a lab as rows: which one, the values that it may take, what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from studykit.course.cards import Knobs, KnobValue, LabHeader
from studykit.study.evidence_words import format_knob
from studykit.study.knob_values import describe, in_order, parse_knob, takes_own
from studykit.text import clean
from studykit.tui.widgets.card_text import Line, lay_out, parse_inline

NARROWEST_HELP = 30
"""Columns that what a knob is has at least beside its values; else it stands below them."""


class KnobRows(Widget):
    """One entry a knob; the screen moves the cursor, so that no key depends on the focus."""

    DEFAULT_CSS = """
    KnobRows { height: auto; }
    """

    cursor: reactive[int] = reactive(-1)
    """The chosen knob; -1: none is to be changed now."""
    values: reactive[dict[str, KnobValue]] = reactive({}, layout=True)

    @dataclass
    class Clicked(Message):
        """The mouse picked a knob; picked again, it takes the next value."""

        index: int

    def __init__(
        self,
        header: LabHeader,
        values: Knobs,
        *,
        id: str | None = None,  # noqa: A002 - textual's name
    ) -> None:
        super().__init__(id=id)
        self._header = header
        self._own: dict[str, KnobValue] = {}
        """Knob -> the latest value that is none of the lab's; it can be come back to."""
        self.set_reactive(KnobRows.values, dict(values))

    def change(self, index: int, step: int) -> None:
        """Give a knob the next or the previous of its values, no further."""
        name = self.names[index]
        choices = self._choices(name)
        at = max(0, min(choices.index(self.value_of(name)) + step, len(choices) - 1))
        self.set_value(name, choices[at])

    def set_value(self, name: str, value: KnobValue) -> None:
        """Give a knob a value, of the lab's or of one's own."""
        if value not in self._header.knobs[name]:
            self._own[name] = value
        self.values = self.with_value(name, value)

    def with_value(self, name: str, value: KnobValue) -> dict[str, KnobValue]:
        """Every knob, as it would be if a row had the value."""
        return {**self.values, name: value}

    def along(self, index: int) -> list[dict[str, KnobValue]]:
        """Every knob, at each of the values that a row offers."""
        name = self.names[index]
        return [self.with_value(name, value) for value in self._choices(name)]

    @property
    def names(self) -> tuple[str, ...]:
        """What each row sets."""
        return tuple(self._header.knobs)

    @property
    def first(self) -> int:
        """The row to begin at."""
        return 0

    def value_of(self, name: str) -> KnobValue:
        """What a row is set to."""
        return self.values[name]

    @property
    def n_seeds(self) -> int:
        """How many seeds a run has."""
        return self._header.seeds

    def reset(self) -> None:
        """Turn everything to where the lab has it."""
        self.values = self._header.defaults

    def takes_own(self, index: int) -> bool:
        """Whether a row may be given a value that it does not offer."""
        return takes_own(self._header, self.names[index])

    def describe(self, index: int) -> str:
        """What a row may be given."""
        return describe(self._header, self.names[index])

    def set_own(self, index: int, text: str) -> None:
        """Give a row the value that a person means who types `text`.

        Raises `ValueError`, with what it may be, if it can be none of that.
        """
        name = self.names[index]
        self.set_value(name, parse_knob(self._header, name, text))

    def _choices(self, name: str) -> Sequence[KnobValue]:
        own = [self._own[name]] if name in self._own else []
        return in_order(self._header.knobs[name], *own, self.values[name])

    _n_above = 0
    """Lines before the first row."""

    def place_of(self, index: int) -> Region:
        """Where a row stands in the widget."""
        blocks = self._blocks(max(1, self.content_size.width))
        top = self._n_above + sum(map(len, blocks[:index]))
        return Region(0, top, max(1, self.size.width), len(blocks[index]))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, sum(map(len, self._blocks(width))))

    def render(self) -> Content:
        if not self._header.knobs:
            return Content.styled("  this lab has no knobs", "$text-muted")
        width = max(1, self.content_size.width)
        return Content("\n").join(line for block in self._blocks(width) for line in block)

    def _blocks(self, width: int) -> list[list[Content]]:
        """The rows of every knob."""
        names = [*self._header.knobs]
        n_lead = max(map(cell_len, names), default=0) + 4
        values = [self._render_values(name) for name in names]
        beside = n_lead + max((each.cell_length for each in values), default=0) + 3
        is_beside = beside + NARROWEST_HELP <= width
        blocks = []
        for index, (name, offered) in enumerate(zip(names, values, strict=True)):
            is_chosen = index == self.cursor
            lead = Content(f"{'▸' if is_chosen else ' '} {name}")
            lead = lead.pad_right(n_lead - lead.cell_length)
            about = self._render_help(name)
            line = Line(about.stylize("$text-muted"))
            if is_beside and about.plain:
                head = lead + offered
                block = lay_out(line, width, head.pad_right(beside - head.cell_length))
            else:
                block = lay_out(Line(offered), width, lead)
                block += lay_out(line, width, Content(" " * n_lead)) if about.plain else []
            if is_chosen:
                block = [row.pad_right(width - row.cell_length) for row in block]
                block = [row.stylize("on $panel") for row in block]
            blocks.append(block)
        return blocks

    def _render_help(self, name: str) -> Content:
        """What a knob is; of one that takes texts also which of how many it has."""
        about = parse_inline(clean(self._header.knob_help.get(name, "")))
        choices = self._choices(name)
        if name not in self._header.text_knobs or len(choices) == 1:
            return about
        where = f"{choices.index(self.values[name]) + 1} of {len(choices)}"
        return Content(" · ").join(part for part in (Content(where), about) if part.plain)

    def _render_values(self, name: str) -> Content:
        """The values of a knob in order; the one that it has stands in brackets.

        Of texts, for which there is no room in a line, only that one.
        """
        if name in self._header.text_knobs:
            return Content.styled(f"[{_show(self.values[name])}]", "bold $text-accent")
        parts = [
            (f"[{_show(value)}]", "bold $text-accent")
            if value == self.value_of(name)
            else (f" {_show(value)} ", "$text-muted")
            for value in self._choices(name)
        ]
        return Content.assemble(*parts)

    def on_click(self, event: events.Click) -> None:
        """Find the knob below the mouse."""
        bottom = self._n_above
        for index, block in enumerate(self._blocks(max(1, self.content_size.width))):
            bottom += len(block)
            if event.y < bottom:
                self.post_message(self.Clicked(index))
                return


def _show(value: KnobValue) -> str:
    return clean(format_knob(value))
