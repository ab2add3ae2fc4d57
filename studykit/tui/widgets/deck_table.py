"""The decks of a course: how far each is learned, and what is left of it today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from studykit.text import clean
from studykit.tui.widgets.gauges import render_bar

if TYPE_CHECKING:
    from studykit.course.cards import Topic
    from studykit.course.cover import DeckCover
    from studykit.review.study_queue import Counts
    from studykit.study.learner_stats import HomeStats

NUMBERS = ("NEW", "LEARNING", "REVIEW")
CARDS = "CARDS"
GAP = 2
NOTHING = "–"
WIDE = 100
"""Columns from which the table also tells the cards and the weakest topic."""
_PERCENT = 6
_LEAD = 2
"""Columns of the cursor; a topic stands in by as much again."""


class Part(NamedTuple):
    """One row: a deck, or a topic of one whose topics are shown."""

    deck: DeckCover
    topic: Topic | None = None

    @property
    def name(self) -> str:
        """``deck`` or ``deck/topic``, as the command line calls it."""
        return self.deck.id if self.topic is None else f"{self.deck.id}/{self.topic.id}"

    @property
    def title(self) -> str:
        """What the learner reads."""
        title = self.deck.title if self.topic is None else f"{self.topic.number} {self.topic.title}"
        return clean(title)


class _Layout(NamedTuple):
    """Columns of the parts that give way to each other."""

    title: int
    bar: int
    topic: int
    """0: not shown."""


class DeckTable(Widget):
    """One row a deck, and one a topic of an opened deck.

    The numbers are blank until the progress is open.
    """

    DEFAULT_CSS = """
    DeckTable { height: auto; }
    """

    cursor: reactive[int | None] = reactive(None)
    """The marked row; None if no row is."""

    @dataclass
    class Clicked(Message):
        """The mouse picked a row."""

        row: int

    def __init__(self, decks: Sequence[DeckCover]) -> None:
        super().__init__()
        self._decks = decks
        self._counts: Mapping[str, Counts] = {}
        self._topics: Mapping[str, Sequence[Topic]] = {}
        self._opened: set[str] = set()
        self._stats: HomeStats | None = None

    @property
    def parts(self) -> list[Part]:
        """What the rows are, from the top."""
        rows: list[Part] = []
        for deck in self._decks:
            rows.append(Part(deck))
            if deck.id in self._opened:
                rows += [Part(deck, topic) for topic in self._topics.get(deck.id, ())]
        return rows

    def fill(
        self,
        decks: Sequence[DeckCover],
        counts: Mapping[str, Counts],
        topics: Mapping[str, Sequence[Topic]],
    ) -> None:
        """Show what is left of `decks`: name of a deck or topic -> counts; and their `topics`."""
        self._decks, self._counts, self._topics = decks, counts, topics
        self.refresh(layout=True)

    def show_stats(self, stats: HomeStats) -> None:
        """Show how far each deck is learned."""
        self._stats = stats
        self.refresh()

    def open(self, deck_id: str, *, is_open: bool) -> None:
        """Show the deck's topics below it, or only the deck."""
        (self._opened.add if is_open else self._opened.discard)(deck_id)
        self.refresh(layout=True)

    def on_click(self, event: events.Click) -> None:
        if 1 <= event.y <= len(self.parts):
            self.post_message(self.Clicked(event.y - 1))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1 + len(self.parts)

    def render(self) -> Content:
        width = self.content_size.width
        is_wide = width >= WIDE
        columns = (*NUMBERS, CARDS) if is_wide else NUMBERS
        numbers_width = sum(len(name) + GAP for name in columns)
        bar = 14 if is_wide else 9
        room = max(10, width - _LEAD - numbers_width - GAP - bar - _PERCENT)
        title = room
        if is_wide:
            # Half of what is left, or a little more for a deck whose title would be cut by it.
            longest = max((cell_len(clean(deck.title)) for deck in self._decks), default=0)
            title = max(room // 2, min(longest, 2 * room // 3))
        layout = _Layout(title, bar, room - title - GAP if is_wide else 0)
        rows = [self._head(layout, columns)]
        for place, part in enumerate(self.parts):
            row = self._row(part, layout, columns, is_marked=place == self.cursor)
            if place == self.cursor:
                row = row.pad_right(max(0, width - row.cell_length)).stylize("bold on $panel")
            rows.append(row)
        return Content("\n").join(rows)

    def _head(self, layout: _Layout, columns: Sequence[str]) -> Content:
        names = "".join(f"{name:>{len(name) + GAP}}" for name in columns)
        mastery = f"{'MASTERY':<{layout.bar + _PERCENT}}"
        topic = f"  {'WEAKEST TOPIC':<{layout.topic}}" if layout.topic else ""
        line = f"{'':{_LEAD}}{'DECK':<{layout.title}}  {mastery}{names}{topic}"
        return Content.styled(line, "$text-muted")

    def _row(
        self, part: Part, layout: _Layout, columns: Sequence[str], *, is_marked: bool
    ) -> Content:
        counts = self._counts.get(part.name)
        numbers = ["", "", ""]
        if counts is not None:
            numbers = [str(n or NOTHING) for n in (counts.new, counts.learning, counts.review)]
        numbers.append(str(part.deck.n_cards if part.topic is None else len(part.topic.cards)))
        cells = "".join(
            f"{number:>{len(name) + GAP}}" for number, name in zip(numbers, columns, strict=False)
        )
        inset = "" if part.topic is None else " " * _LEAD
        title = _fit(inset + part.title, layout.title)
        is_deck = part.topic is None and layout.topic
        return Content.assemble(
            f"{'▸' if is_marked else '':{_LEAD}}",
            title.stylize("bold") if counts and counts.total else title,
            "  ",
            self._mastery(part, layout.bar),
            cells,
            *(("  ", self._weakest(part.deck.id, layout.topic)) if is_deck else ()),
        )

    def _mastery(self, part: Part, bar: int) -> Content:
        if self._stats is None:
            return Content(" " * (bar + _PERCENT))
        if part.topic is None:
            mastery = self._stats.mastery(part.deck.id)
        else:
            mastery = self._stats.mastery_of_topic(part.deck.id, part.topic.number)
        return Content.assemble(render_bar(mastery, bar), f"{100 * mastery:4.0f} %")

    def _weakest(self, deck_id: str, width: int) -> Content:
        topic = self._stats.weakest(deck_id) if self._stats else None
        if topic is None:
            return Content()
        percent = f" {100 * topic.mastery:3.0f} %"
        return _fit(clean(topic.title), width - len(percent)) + Content.styled(
            percent, "$text-muted"
        )


def _fit(text: str, width: int) -> Content:
    """`text` in exactly `width` columns."""
    cut = Content(text).truncate(width, ellipsis=True)
    return cut.pad_right(width - cut.cell_length)
