"""What a heat map writes and how it colours it, without a screen: scale, cells, labels, ramps."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len, set_cell_size

from studykit.lab.events import HeatMap
from studykit.text import clean

MASKED = ""
NOT_A_NUMBER = "!"
SHADES = "·░▒▓█"
"""Stand for the colours where none may be used; the lowest is a dot, never a blank."""
VIRIDIS = (
    "#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58",
    "#b5de2b", "#fde725",
)  # fmt: skip
"""From low to high; each is lighter than the one before, so that it reads without hue."""
OF_256 = (
    "#00005f", "#000087", "#005f87", "#008787", "#00af87", "#00d787", "#5fd787", "#87d787",
    "#afd787", "#d7d787", "#ffd787", "#ffff87",
)  # fmt: skip
"""Likewise, of colours that a terminal of 256 has; the nearest to viridis are not monotone."""
_SMALLEST = 1e-300
"""What is nearer to 0 counts as 0: its power of ten is no float."""
_WIDEST = 24
"""Columns that a cell takes at most for the sake of its label, where all cells have room."""
_NARROWEST = 3
_READABLE = 8
"""Columns of a label after which it is known: cells that are narrower share lines above them."""
_MOST_LINES = 3
"""Of labels above the cells."""
_NUMBER = re.compile("[0-9]+")


@dataclass(frozen=True, slots=True)
class Scale:
    """The range of a map's finite cells and the unit that its cells are written in."""

    low: float
    high: float
    step: float
    """What 1 stands for in a narrow cell: a power of ten that leaves two digits, 100 at most."""
    n_decimals: int
    """Of a value that is written in full; -1: too large or too small for that."""

    def share(self, value: float) -> float:
        """Where a finite value lies between low and high, 0 to 1.

        In maps without negative values it is the root of that: attention weights are mostly small.
        """
        largest = max(abs(self.low), abs(self.high))
        if not self.low < self.high or largest < _SMALLEST:
            return 0.5
        # Divided first: the difference of two huge floats is not finite.
        low, high = self.low / largest, self.high / largest
        share = min(1.0, max(0.0, (value / largest - low) / (high - low)))
        return math.sqrt(share) if self.low >= 0 else share

    @property
    def is_direct(self) -> bool:
        """Values may be written in full where there is room; shares of 1 are better as per cent."""
        return self.n_decimals >= 0 and not (self.low >= 0 and self.step == 0.01)

    def write(self, value: float | None, *, in_full: bool) -> str:
        """A cell's text, without the blanks around it."""
        if value is None:
            return MASKED
        if math.isnan(value):
            return NOT_A_NUMBER
        if math.isinf(value):
            return "∞" if value > 0 else "-∞"
        text = f"{value:.{self.n_decimals}f}" if in_full else f"{value / self.step:.0f}"
        return text.removeprefix("-") if float(text) == 0 else text


def build_scale(values: Iterable[Sequence[float | None]]) -> Scale:
    """The scale of a map; 0 to 0 where no cell is finite."""
    finite = [
        value for row in values for value in row if value is not None and math.isfinite(value)
    ]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    largest = max(abs(low), abs(high))
    if largest < _SMALLEST:
        return Scale(low, high, 1.0, 0)
    power = math.ceil(round(math.log10(largest), 9))
    n_decimals = max(0, 2 - power) if -2 <= power <= 4 else -1
    return Scale(low, high, float(f"1e{power - 2}"), n_decimals)


@dataclass(frozen=True, slots=True)
class Grid:
    """How a map is laid out in its room."""

    row_labels: tuple[str, ...]
    """All of one width."""
    column_labels: tuple[str, ...]
    """Without what all of them begin with."""
    corner: str
    """What all column labels begin with, as wide as the row labels."""
    label_width: int
    texts: tuple[tuple[str, ...], ...]
    """Of every cell, without the blanks around it."""
    cell_width: int
    pad: int
    """Columns right of a cell's text."""
    n_shown: int
    """Columns of the map that fit side by side."""
    in_full: bool
    """Cells hold the values themselves, not multiples of the scale's step."""

    def head(self, first: int) -> list[str]:
        """The labels above the columns from `first` on, each as wide as a cell.

        Numbers that are wider than their cells stand above every so many of them.
        """
        labels = self.column_labels[first : first + self.n_shown]
        width = self.cell_width
        every = -(-(_widest(labels) + 1) // width)
        if every == 1 or not all(_NUMBER.fullmatch(label) for label in labels):
            return [self._above(cut(label, width - 1)) for label in labels]
        line = "".join(label.rjust(every * width) for label in labels[every - 1 :: every]) + " " * (
            every * width
        )
        return [line[n * width : (n + 1) * width] for n in range(len(labels))]

    @property
    def n_lines(self) -> int:
        """How many lines of labels stand above narrow cells: each label has the width of as many.

        One if the labels fit, or are numbers, of which every so many say enough.
        """
        widest = _widest(self.column_labels)
        if widest < self.cell_width or all(map(_NUMBER.fullmatch, self.column_labels)):
            return 1
        return min(_MOST_LINES, -(-(min(widest, _READABLE) + 1) // self.cell_width))

    def staggered(self, first: int, line: int) -> list[tuple[str, int]]:
        """One of `n_lines` lines above the columns from `first` on, as texts side by side.

        With each text the column that it is the label of, counted from `first`; -1: of none. The
        line begins above the labels of the rows, into which the first columns' labels may reach.
        """
        step, begin = self.n_lines, self.label_width + 1
        parts = [(self.corner, -1)] if line == 0 and self.corner.strip() else []
        at = sum(cell_len(text) for text, _ in parts)
        for n in range(line, self.n_shown, step):
            end = begin + (n + 1) * self.cell_width - self.pad
            room = min(step * self.cell_width, end - at) - 1
            label = cut(self.column_labels[first + n], max(1, room))
            parts += [(" " * (end - at - cell_len(label)), -1), (label, n)]
            at = end
        return parts

    def _above(self, label: str) -> str:
        """A label that ends above the last digit of its cells, if it is short enough."""
        pad = min(self.pad, self.cell_width - 1 - cell_len(label))
        return _right(label, self.cell_width - pad) + " " * pad


def build_grid(heat_map: HeatMap, scale: Scale, width: int, *, lead: int = 0) -> Grid:
    """The layout of a map in `width` columns; `lead` columns of each cell stay free of text."""
    n_columns = len(heat_map.columns)
    prefix, columns = _without_prefix([one_line(label) for label in heat_map.columns])
    rows = [one_line(label) for label in heat_map.rows]
    widest_row = _widest([*rows, prefix.strip()])
    n_row = min(widest_row, max(4, width // 4))
    room = max(1, width - n_row - 1)

    def write(*, in_full: bool) -> tuple[tuple[str, ...], ...]:
        return tuple(
            tuple(scale.write(cell, in_full=in_full) for cell in row) for row in heat_map.values
        )

    texts = write(in_full=True) if scale.is_direct else ()
    in_full = bool(texts) and n_columns * (lead + _longest(texts) + 1) <= room
    if not in_full:
        texts = write(in_full=False)
    # "100" may fill a cell of three; a minus keeps its blank.
    least = lead + max(_NARROWEST, _longest(texts) + (in_full or scale.low < 0))
    wanted = lead + min(_widest(columns) + 1, _WIDEST)
    cell_width = max(least, min(wanted, room // max(1, n_columns)))
    # Where all columns fit, the labels of the rows get what is left.
    n_row = max(n_row, min(widest_row, width - 1 - n_columns * cell_width))
    room = max(1, width - n_row - 1)
    return Grid(
        tuple(_right(cut(label, n_row), n_row) for label in rows),
        tuple(columns),
        _right(cut(prefix.strip(), n_row), n_row),
        n_row,
        texts,
        cell_width,
        (cell_width - lead - _longest(texts)) // 2,
        max(1, min(n_columns, room // cell_width)),
        in_full,
    )


def _longest(texts: Sequence[Sequence[str]]) -> int:
    return max((len(text) for row in texts for text in row), default=0)


def _widest(labels: Sequence[str]) -> int:
    return max(map(cell_len, labels), default=0)


def _without_prefix(labels: Sequence[str]) -> tuple[str, Sequence[str]]:
    """What all labels begin with, up to a blank or a sign, and the labels without it.

    It must be a word: "0." and "-" are parts of numbers.
    """
    prefix = labels[0] if len(labels) > 1 else ""
    while not all(label.startswith(prefix) for label in labels):
        prefix = prefix[:-1]
    while prefix and (prefix[-1].isalnum() or prefix in labels):
        prefix = prefix[:-1]
    if not any(letter.isalpha() for letter in prefix):
        prefix = ""
    return prefix, [label[len(prefix) :] for label in labels]


def one_line(label: str) -> str:
    """A label that can stand in a row: tokens may be line breaks."""
    return clean(label).replace("\n", "↵").replace("\t", "⇥")


def cut(label: str, width: int) -> str:
    """`label` in at most `width` columns, with an ellipsis where that says more than it costs."""
    if cell_len(label) <= width:
        return label
    if width < _NARROWEST:
        return set_cell_size(label, width)
    return set_cell_size(label, width - 1) + "…"


def _right(label: str, width: int) -> str:
    return " " * (width - cell_len(label)) + label


def first_shown(first: int, cursor: int, n_shown: int, n: int) -> int:
    """Where a window of `n_shown` out of `n` begins, moved as little as shows the cursor."""
    first = min(max(first, cursor - n_shown + 1), cursor)
    return max(0, min(first, n - n_shown))


def pick(share: float, ramp: Sequence[str]) -> str:
    """The entry of `ramp` for a share of 0 to 1."""
    return ramp[min(len(ramp) - 1, int(share * len(ramp)))]


@lru_cache(maxsize=128)
def ink(ground: str) -> str:
    """Black or white, whichever is the more legible on a colour like ``#26828e``."""
    # At this luminance both have the same contrast, 4.6.
    return "#000000" if luminance(ground) > 0.179 else "#ffffff"


def luminance(colour: str) -> float:
    """How light a colour like ``#26828e`` is, 0 (black) to 1 (white), as WCAG defines it."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
