"""The decks of a course: how far each is learned, and what is left of it today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from studykit.course.cards import DeckCover
from studykit.text import clean
from studykit.tui.widgets.gauges import render_bar

if TYPE_CHECKING:
    from studykit.review.study_queue import Counts
    from studykit.study.learner_stats import HomeStats

NUMBERS = ("NEW", "LEARNING", "REVIEW")
CARDS = "CARDS"
GAP = 2
NOTHING = "–"
WIDE = 100
"""Columns from which the table also tells the cards and the weakest topic."""
_PERCENT = 6


class _Layout(NamedTuple):
    """Columns of the parts that give way to each other."""

    title: int
    bar: int
    topic: int
    """0: not shown."""


class DeckTable(Widget):
    """One row a deck; the numbers are blank until the progress is open."""

    DEFAULT_CSS = """
    DeckTable { height: auto; }
    """

    def __init__(self, decks: Sequence[DeckCover]) -> None:
        super().__init__()
        self._decks = decks
        self._counts: Mapping[str, Counts] = {}
        self._stats: HomeStats | None = None

    def fill(self, decks: Sequence[DeckCover], counts: Mapping[str, Counts]) -> None:
        """Show what is left of `decks`: deck id -> counts."""
        self._decks, self._counts = decks, counts
        self.refresh(layout=True)

    def show_stats(self, stats: HomeStats) -> None:
        """Show how far each deck is learned."""
        self._stats = stats
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1 + len(self._decks)

    def render(self) -> Content:
        width = self.content_size.width
        is_wide = width >= WIDE
        columns = (*NUMBERS, CARDS) if is_wide else NUMBERS
        numbers_width = sum(len(name) + GAP for name in columns)
        bar = 14 if is_wide else 9
        room = max(10, width - numbers_width - GAP - bar - _PERCENT)
        topic = room // 2 - GAP if is_wide else 0
        layout = _Layout(room - topic - (GAP if topic else 0), bar, topic)
        head = self._head(layout, columns)
        return Content("\n").join(
            [head, *(self._row(deck, layout, columns) for deck in self._decks)]
        )

    def _head(self, layout: _Layout, columns: Sequence[str]) -> Content:
        names = "".join(f"{name:>{len(name) + GAP}}" for name in columns)
        mastery = f"{'MASTERY':<{layout.bar + _PERCENT}}"
        topic = f"  {'WEAKEST TOPIC':<{layout.topic}}" if layout.topic else ""
        line = f"{'DECK':<{layout.title}}  {mastery}{names}{topic}"
        return Content.styled(line, "$text-muted")

    def _row(self, deck: DeckCover, layout: _Layout, columns: Sequence[str]) -> Content:
        counts = self._counts.get(deck.id)
        numbers = ["", "", ""]
        if counts is not None:
            numbers = [str(n or NOTHING) for n in (counts.new, counts.learning, counts.review)]
        numbers.append(str(deck.n_cards))
        cells = "".join(
            f"{number:>{len(name) + GAP}}" for number, name in zip(numbers, columns, strict=False)
        )
        title = _fit(clean(deck.title), layout.title)
        return Content.assemble(
            title.stylize("bold") if counts and counts.total else title,
            "  ",
            self._mastery(deck.id, layout.bar),
            cells,
            *(("  ", self._weakest(deck.id, layout.topic)) if layout.topic else ()),
        )

    def _mastery(self, deck_id: str, bar: int) -> Content:
        if self._stats is None:
            return Content(" " * (bar + _PERCENT))
        mastery = self._stats.mastery(deck_id)
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
