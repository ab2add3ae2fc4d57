"""What a run measured, as aligned text: every number with its yardsticks, over the seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content

from studykit.lab.events import Table
from studykit.lab.results import SeedResult
from studykit.study.numbers import Summary
from studykit.text import clean, format_value
from studykit.tui.widgets.card_text import Line, lay_out, wrap

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
        label, *rest = wrap(Content.styled(row.label, style), max(1, n_label)) or [Content("")]
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


def seed_lines(names: Sequence[str], rows: Sequence[Summary], width: int) -> list[Content]:
    """What every seed measured of `names`, as tests call it; one number where all agree.

    The label stands behind where it has room in `width` columns.
    """
    known = {row.name: row for row in rows}
    texts = {name: _seed_values(known.get(name)) for name in names}
    n_name = max(map(cell_len, names), default=0)
    n_values = max(map(cell_len, texts.values()), default=0)
    lines = []
    for name in names:
        row = known.get(name)
        is_level = row is not None and row.yardstick
        values = Content.styled(texts[name], "$text-muted" if is_level else "")
        lead = Content(f"{YARDSTICK if is_level else ' '} {name}")
        lead = lead.pad_right(n_name + 4 - lead.cell_length)
        room = width - lead.cell_length - n_values - 2
        label = row.label if row is not None and cell_len(row.label) <= room else ""
        if label:
            values = values.pad_right(n_values - values.cell_length + 2)
            values += Content.styled(label, "$text-muted")
        lines += lay_out(Line(values), width, lead)
    return lines


def _seed_values(row: Summary | None) -> str:
    if row is None:
        return "not measured"
    values = [format_value(value) for value in row.values]
    unit = f" {row.unit}" if row.unit else ""
    return " ".join(values if len(set(values)) > 1 else values[:1]) + unit


def render_tables(seeds: Sequence[SeedResult], width: int) -> list[Content]:
    """The tables of the last of `seeds`, each as aligned text."""
    return [render_table(table, width) for seed in seeds[-1:] for table in seed.all(Table)]


def render_table(table: Table, width: int) -> Content:
    """A lab's table as aligned text under its title, no wider than `width`.

    Headings take several lines where they must; columns that have no room even so stand below,
    beside the first one once more.
    """
    body = [
        [cell if isinstance(cell, str) else format_value(cell) for cell in row]
        for row in table.rows
    ]
    grid = [[clean(cell).replace("\n", " ") for cell in row] for row in [table.columns, *body]]
    n_columns = max(len(row) for row in grid)
    columns = [[row[n] if n < len(row) else "" for row in grid] for n in range(max(1, n_columns))]
    title = Content("\n").join(Content.styled(clean(table.title), "bold").wrap(max(1, width)))
    parts = [_render_columns(group, width) for group in _groups(columns, width)]
    return Content("\n").join([title, Content("\n\n").join(parts)])


def _groups(columns: Sequence[Sequence[str]], width: int) -> list[list[Sequence[str]]]:
    """The columns in groups that have room side by side, each behind the first column."""
    first, *others = columns
    groups: list[list[Sequence[str]]] = [[first]]
    for column in others:
        group = groups[-1]
        if len(group) > 1 and _total(_least([*group, column], width)) > width:
            group = [first]
            groups.append(group)
        group.append(column)
    return groups


def _render_columns(columns: Sequence[Sequence[str]], width: int) -> Content:
    """Columns side by side, each as wide as its cells and a heading in as few lines as may be."""
    least = _least(columns, width)
    widths = least
    for n_lines in range(1, max(len(column[0].split()) for column in columns) + 1):
        widths = [
            max(low, _heading_width(column[0], n_lines))
            for low, column in zip(least, columns, strict=True)
        ]
        if _total(widths) <= width:
            break
    else:
        widths = least
    is_left = [at == 0 or _is_prose(column[1:]) for at, column in enumerate(columns)]
    lines: list[Content] = []
    for n in range(len(columns[0])):
        cells = [
            Content(column[n]).wrap(each) or [Content("")]
            for column, each in zip(columns, widths, strict=True)
        ]
        height = max(map(len, cells))
        for row in range(height):
            line = []
            for cell, each, left in zip(cells, widths, is_left, strict=True):
                # A heading stands on its column, a long cell hangs from its row's first line.
                k = row - (height - len(cell)) if n == 0 else row
                text = cell[k].rstrip() if 0 <= k < len(cell) else Content("")
                blanks = each - text.cell_length
                line.append(text.pad_right(blanks) if left else text.pad_left(blanks))
            joined = Content(" " * _GAP).join(line).rstrip()
            lines.append(joined.stylize("" if n else "$text-muted"))
    return Content("\n").join(lines)


def _is_prose(cells: Sequence[str]) -> bool:
    """Whether a column is read from the left: some cell has more words than a number and a unit."""
    return any(len(cell.split()) > _MOST_WORDS for cell in cells)


_GAP = 2
_MOST_WORDS = 3
"""Of a cell that stands right, as numbers do."""


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _least(columns: Sequence[Sequence[str]], width: int) -> list[int]:
    """The columns that each column needs: its longest cell, and a word of its heading a line.

    A cell of more than half the width goes on below.
    """
    return [
        max(
            1,
            min(max(map(cell_len, column[1:]), default=0), width // 2),
            _heading_width(column[0], len(column[0].split())),
        )
        for column in columns
    ]


def _heading_width(heading: str, n_lines: int) -> int:
    """The fewest columns in which a heading takes at most `n_lines` lines."""
    low = max(map(cell_len, heading.split()), default=0)
    high = cell_len(heading)
    fitting = (w for w in range(max(1, low), high) if len(Content(heading).wrap(w)) <= n_lines)
    return next(fitting, high)
