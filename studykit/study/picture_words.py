"""What a run drew, in words: for those who do not see the screen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import fmean

from studykit.lab.events import HeatMap, Table
from studykit.lab.results import SeedResult
from studykit.text import clean, flat, format_value

N_NAMED = 3
"""Columns and cells of a map that are named."""
MOST_LINES = 12
"""Of a table that are read."""


def describe_pictures(seed: SeedResult) -> Iterator[str]:
    """A line for each heat map of the seed, and the lines of its tables."""
    for heat_map in seed.all(HeatMap):
        yield describe_map(heat_map)
    for table in seed.all(Table):
        yield from describe_table(table)


def describe_map(heat_map: HeatMap) -> str:
    """Its columns with the highest means, and its largest cells: where it is brightest."""
    cells = [
        (value, row, n)
        for row, values in zip(heat_map.rows, heat_map.values, strict=True)
        for n, value in enumerate(values)
        if value is not None and math.isfinite(value)
    ]
    title = _name(heat_map.title)
    if not cells:
        return f"{title}: nothing to be named."
    names = [_name(column) for column in heat_map.columns]
    by_column: dict[int, list[float]] = {}
    for value, _, n in cells:
        by_column.setdefault(n, []).append(value)
    means = sorted((-fmean(values), n) for n, values in by_column.items())
    cells.sort(key=lambda cell: -cell[0])
    columns = ", ".join(f"{names[n]} {format_value(-mean)}" for mean, n in means[:N_NAMED])
    largest = ", ".join(
        f"{_name(row)} to {names[n]} {format_value(value)}" for value, row, n in cells[:N_NAMED]
    )
    unit = f" ({clean(heat_map.unit)})" if heat_map.unit else ""
    return f"{title}{unit}. Columns by their mean: {columns}. Largest: {largest}."


def describe_table(table: Table) -> Iterator[str]:
    """Its title, then each row with the names of its columns."""
    yield f"{_name(table.title)}:"
    for row in table.rows[:MOST_LINES]:
        told = zip(table.columns, row, strict=True)
        yield ", ".join(
            f"{_name(name)} {flat(cell) if isinstance(cell, str) else format_value(cell)}"
            for name, cell in told
        )
    if len(table.rows) > MOST_LINES:
        yield f"and {len(table.rows) - MOST_LINES} more."


def _name(label: str) -> str:
    """A label as it is read aloud; one of blanks alone is named."""
    return " ".join(clean(label).split()) or "blank"
