"""The decks of a course with what is left of each today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from studykit.course.cards import Deck
from studykit.text import clean

if TYPE_CHECKING:
    from studykit.review.study_queue import Counts

COLUMNS = ("NEW", "LEARNING", "REVIEW", "CARDS")
GAP = 3
NOTHING = "–"


class DeckTable(Widget):
    """One row a deck; the numbers are blank until the progress is open."""

    DEFAULT_CSS = """
    DeckTable { height: auto; }
    """

    def __init__(self, decks: Sequence[Deck]) -> None:
        super().__init__()
        self._decks = decks
        self._counts: Mapping[str, Counts] = {}

    def fill(self, counts: Mapping[str, Counts]) -> None:
        """Show what is left: deck id -> counts."""
        self._counts = counts
        self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1 + len(self._decks)

    def render(self) -> Content:
        numbers_width = sum(len(name) + GAP for name in COLUMNS)
        title_width = max(10, self.content_size.width - numbers_width)
        head = _cells("DECK", title_width, COLUMNS)
        lines = [head.stylize("$text-muted")]
        for deck in self._decks:
            counts = self._counts.get(deck.id)
            left = ["", "", ""]
            if counts is not None:
                numbers = (counts.new, counts.learning, counts.review)
                left = [str(n or NOTHING) for n in numbers]
            line = _cells(clean(deck.title), title_width, (*left, str(len(deck.cards))))
            lines.append(line.stylize("bold") if counts and counts.total else line)
        return Content("\n").join(lines)


def _cells(title: str, title_width: int, numbers: Sequence[str]) -> Content:
    """One row: the title cut to its width, each number under the end of its column's name."""
    cut = Content(title).truncate(title_width, ellipsis=True)
    cells = [f"{number:>{len(name) + GAP}}" for name, number in zip(COLUMNS, numbers, strict=True)]
    return cut.pad_right(title_width - cut.cell_length) + Content("".join(cells))
