"""A list of short texts with a cursor: what options, steps and pairs to match are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import ScrollableContainer
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from studykit.tui.widgets.card_text import Line, lay_out, parse_inline

WIDEST_LEFT, WIDEST_VALUED = 42, 54
"""Columns of a text up to which the side or the value behind it is aligned."""
NARROWEST_TEXT = 20
"""Columns that a text has at least beside what stands before it; else it goes on below that."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of the list."""

    lead: str
    """Stands before the text: a letter, a number, a mark. All leads of a list are as wide."""
    text: Content
    style: str = ""
    """Of the whole entry: "$text-success" where it was right."""
    before: Content | None = None
    """Stands between lead and text; where there is room, later lines begin below the text."""


class Rows(Widget, can_focus=True):
    """Entries one below the other; the cursor's entry is marked by ▸ and a ground of its own."""

    DEFAULT_CSS = """
    Rows { height: auto; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Next line", show=False, id="line-down"),
        Binding("up,k", "move(-1)", "Previous line", show=False, id="line-up"),
    ]

    rows: reactive[tuple[Row, ...]] = reactive((), layout=True)
    cursor: reactive[int] = reactive(0)
    is_live: reactive[bool] = reactive(True)
    """False: there is nothing more to choose; no cursor is drawn."""

    @dataclass
    class Clicked(Message):
        """The mouse picked an entry."""

        index: int

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self.rows) - 1))

    def watch_is_live(self, is_live: bool) -> None:
        self.can_focus = is_live

    def watch_cursor(self) -> None:
        """Keep the cursor in view where the list is longer than the screen."""
        if not (self.is_live and self.rows and self.cursor >= 0):
            return
        around = self.parent
        offset = self.virtual_region.offset
        while isinstance(around, Widget) and not isinstance(around, ScrollableContainer):
            offset += around.virtual_region.offset
            around = around.parent
        if isinstance(around, ScrollableContainer) and around.max_scroll_y:
            blocks = self._blocks(max(1, self.content_size.width))
            top = sum(map(len, blocks[: self.cursor]))
            row = Region(0, top, self.size.width, len(blocks[self.cursor]))
            around.scroll_to_region(row.translate(offset), animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self.is_live

    def action_move(self, step: int) -> None:
        self.cursor += step

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return sum(len(block) for block in self._blocks(width))

    def render(self) -> Content:
        width = max(1, self.content_size.width)
        return Content("\n").join(line for block in self._blocks(width) for line in block)

    def on_click(self, event: events.Click) -> None:
        """Find the entry below the mouse."""
        bottom = 0
        for index, block in enumerate(self._blocks(max(1, self.content_size.width))):
            bottom += len(block)
            if event.y < bottom:
                if self.is_live:
                    self.cursor = index
                    self.post_message(self.Clicked(index))
                return

    def _blocks(self, width: int) -> list[list[Content]]:
        return [self._block(index, row, width) for index, row in enumerate(self.rows)]

    def _block(self, index: int, row: Row, width: int) -> list[Content]:
        is_chosen = self.is_live and index == self.cursor
        lead = Content(f"{'▸' if is_chosen else ' '} {row.lead}  ")
        text, before = row.text, row.before or Content("")
        if lead.cell_length + before.cell_length + NARROWEST_TEXT <= width:
            lead += before
        else:
            text = before + text
        lines = lay_out(Line(text), width, lead)
        if row.style:
            lines = [line.stylize(row.style) for line in lines]
        if is_chosen:
            lines = [line.pad_right(width - line.cell_length) for line in lines]
            lines = [line.stylize("bold on $panel") for line in lines]
        return lines


class LongRows(Rows):
    """Entries to open, of which there may be more than the screen has rows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("home,g", "go_to(0)", "First line", show=False, id="line-first"),
        Binding("end,G", "go_to(-1)", "Last line", show=False, id="line-last"),
        Binding("pagedown", "move(10)", "Ten on", show=False, id="lines-on"),
        Binding("pageup", "move(-10)", "Ten back", show=False, id="lines-back"),
    ]

    def action_go_to(self, place: int) -> None:
        """Mark an entry, counted from the end if negative."""
        self.cursor = place % len(self.rows) if self.rows else 0


def row(lead: str, text: str, style: str = "") -> Row:
    """A row of a card's text."""
    return Row(lead, parse_inline(text), style)


def in_columns(texts: Sequence[str], values: Sequence[str]) -> list[Content]:
    """Texts of a card, each with its value behind it; the values' points stand in one column."""
    parsed = [parse_inline(text) for text in texts]
    width = min(WIDEST_VALUED, max(text.cell_length for text in parsed))
    wholes = [value.partition(".")[0] for value in values]
    rests = [value.removeprefix(whole) for value, whole in zip(values, wholes, strict=True)]
    whole_width, rest_width = max(map(len, wholes)), max(map(len, rests))
    return [
        Content.assemble(
            text.pad_right(max(0, width - text.cell_length)),
            f"  {whole:>{whole_width}}{rest:<{rest_width}}",
        )
        for text, whole, rest in zip(parsed, wholes, rests, strict=True)
    ]
