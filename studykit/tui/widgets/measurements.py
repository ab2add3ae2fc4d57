"""What a run measured, as aligned text: every number with its yardsticks, over the seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content

from studykit.lab.events import Table
from studykit.study.numbers import Summary
from studykit.text import clean, format_value

YARDSTICK = "┄"
"""Marks a level to compare with, in tables and legends as in charts."""
_MIN_LABEL = 24
"""Columns that a label keeps; where the range leaves it fewer, the range is left out."""


def render_measurements(rows: Sequence[Summary], width: int) -> Content:
    """Median and range of each of `rows`, aligned in `width` columns; yardsticks are marked."""
    return Content("\n").join(measurement_lines(rows, width))


def measurement_lines(rows: Sequence[Summary], width: int) -> list[Content]:
    """`render_measurements`, one text a row; a long label goes on below its number."""
    if not rows:
        return []
    numbers = [format_value(row.middle) for row in rows]
    n_digits = max(len(number) for number in numbers)
    n_unit = max(cell_len(row.unit) for row in rows)
    n_spread = max(len(row.spread) for row in rows)
    room = width - n_digits - n_unit - 5
    shows_spread = room - n_spread >= _MIN_LABEL
    n_label = min(max(cell_len(row.label) for row in rows), room - n_spread * shows_spread - 2)
    lines = []
    for row, number in zip(rows, numbers, strict=True):
        style = "$text-muted" if row.yardstick else ""
        label, *rest = Content.styled(row.label, style).wrap(max(1, n_label)) or [Content("")]
        number_style = "$text-error" if math.isnan(row.middle) else style or "bold"
        line = Content.assemble(
            (f"{YARDSTICK if row.yardstick else ' '} ", style),
            label.pad_right(max(0, n_label - label.cell_length)),
            "  ",
            (number.rjust(n_digits), number_style),
            (f" {row.unit}{' ' * (n_unit - cell_len(row.unit))}", "$text-muted"),
            (f"  {row.spread}" if shows_spread else "", "$text-muted"),
        ).rstrip()
        lines.append(Content("\n").join([line, *(part.pad_left(2) for part in rest)]))
    return lines


def render_table(table: Table) -> Content:
    """A lab's table as aligned text under its title."""
    body = [
        [cell if isinstance(cell, str) else format_value(cell) for cell in row]
        for row in table.rows
    ]
    grid = [[clean(cell).replace("\n", " ") for cell in row] for row in [table.columns, *body]]
    n_columns = max(len(row) for row in grid)
    grid = [row + [""] * (n_columns - len(row)) for row in grid]
    widths = [max(cell_len(row[column]) for row in grid) for column in range(n_columns)]
    lines = [Content.styled(clean(table.title), "bold")]
    for index, row in enumerate(grid):
        cells = [
            cell + " " * (width - cell_len(cell))
            if column == 0
            else " " * (width - cell_len(cell)) + cell
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(Content.styled("  ".join(cells).rstrip(), "" if index else "$text-muted"))
    return Content("\n").join(lines)
