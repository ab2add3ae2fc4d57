"""A list of cards and the line to search in; only the rows in sight are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input

from studykit.review.marks import Marks
from studykit.review.schedule import Memory, State
from studykit.study.finding import Entry
from studykit.text import clean
from studykit.tui.widgets.memory_text import STATES, render_due

COLUMNS = (("STATE", 10), ("DUE", 9), ("RECALL", 6))
_ID = 26
_GAP = 2
WITH_ID = 100
"""Columns from which a row has room for the card's id beside its question."""


class CardList(Widget, can_focus=True):
    """One row a card: its id, its question, where it is in its life."""

    BINDING_GROUP_TITLE = "List of cards"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Next card", show=False, id="card-next"),
        Binding("up,k", "move(-1)", "Card before", show=False, id="card-previous"),
        Binding("pagedown", "move(10)", "Ten on", show=False, id="cards-on"),
        Binding("pageup", "move(-10)", "Ten back", show=False, id="cards-back"),
        Binding("home,g", "first", "First card", show=False, id="card-first"),
        Binding("end,G", "last", "Last card", show=False, id="card-last"),
    ]

    entries: reactive[tuple[Entry, ...]] = reactive(())
    cursor: reactive[int] = reactive(0)
    marks: reactive[Marks] = reactive(Marks())

    @dataclass
    class Moved(Message):
        """Another card is marked, or none."""

        entry: Entry | None

    class Clicked(Message):
        """The mouse picked the card that was marked already."""

    def __init__(self, today: date, recall: Callable[[Memory], float]) -> None:
        super().__init__()
        self._today = today
        self._recall = recall
        self._top = 0

    @property
    def current(self) -> Entry | None:
        """The marked card."""
        return self.entries[self.cursor] if self.entries else None

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self.entries) - 1))

    def watch_entries(self) -> None:
        self.cursor = 0
        self.post_message(self.Moved(self.current))

    def watch_cursor(self) -> None:
        self.post_message(self.Moved(self.current))

    def action_move(self, n_rows: int) -> None:
        self.cursor += n_rows

    def action_first(self) -> None:
        self.cursor = 0

    def action_last(self) -> None:
        self.cursor = len(self.entries) - 1

    def on_click(self, event: events.Click) -> None:
        row = self._top + event.y - 1
        if event.y and row < len(self.entries):
            if row == self.cursor:
                self.post_message(self.Clicked())
            self.cursor = row

    def on_mouse_scroll_down(self) -> None:
        self.cursor += 1

    def on_mouse_scroll_up(self) -> None:
        self.cursor -= 1

    def render(self) -> Content:
        width, height = self.content_size
        n_rows = max(1, height - 1)
        # The cursor stays in sight; the window moves no more than it must.
        self._top = max(self.cursor - n_rows + 1, min(self._top, self.cursor))
        self._top = max(0, min(self._top, len(self.entries) - n_rows))
        id_ = _ID + _GAP if width >= WITH_ID else 0
        question = max(8, width - 2 - id_ - sum(_GAP + size for _, size in COLUMNS))
        names = "".join(f"{'':{_GAP}}{name:<{size}}" for name, size in COLUMNS)
        head = f"  {'ID' if id_ else '':<{id_}}{'QUESTION':<{question}}{names}"
        rows = [Content.styled(head, "$text-muted")]
        for place in range(self._top, min(self._top + n_rows, len(self.entries))):
            rows.append(self._row(place, question, width))
        return Content("\n").join(rows)

    def _row(self, place: int, question: int, width: int) -> Content:
        entry = self.entries[place]
        memory, id_ = entry.memory, entry.card.id
        is_new = memory.state is State.NEW
        recall = "" if is_new else f"{100 * self._recall(memory):3.0f} %"
        cells = (self._state(entry), render_due(memory, self._today), recall)
        line = Content.assemble(
            "▸" if place == self.cursor else " ",
            ("*", "bold $text-accent") if id_ in self.marks.flagged else " ",
            *((_fit(id_, _ID), " " * _GAP) if width >= WITH_ID else ()),
            _fit(" ".join(entry.card.headline.split()), question),
            *(f"{'':{_GAP}}{cell:<{size}}" for cell, (_, size) in zip(cells, COLUMNS, strict=True)),
        )
        if id_ in self.marks.hidden:
            line = line.stylize("$text-muted")
        if place == self.cursor:
            line = line.pad_right(max(0, width - line.cell_length)).stylize("bold on $panel")
        return line

    def _state(self, entry: Entry) -> str:
        if entry.card.id in self.marks.suspended:
            return "suspended"
        if entry.card.id in self.marks.buried:
            return "buried"
        return STATES[entry.memory.state]


def _fit(text: str, width: int) -> Content:
    """`text` in exactly `width` columns."""
    return Content(clean(text)).truncate(width, ellipsis=True, pad=True)


class SearchField(Input):
    """Searches while it is written in; the arrows move in the list below."""

    BINDING_GROUP_TITLE = "Search"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,escape", "leave", "to the list", id="to-list", tooltip="To the list"),
        Binding("down", "step(1)", "Next card", show=False, id="search-down"),
        Binding("up", "step(-1)", "Card before", show=False, id="search-up"),
    ]

    class Left(Message):
        """The keys are to move in the list."""

    @dataclass
    class Stepped(Message):
        """The cursor of the list is to move."""

        n_rows: int

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def action_step(self, n_rows: int) -> None:
        self.post_message(self.Stepped(n_rows))
