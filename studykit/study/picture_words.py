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
        (value, row, column)
        for row, values in zip(heat_map.rows, heat_map.values, strict=True)
        for column, value in zip(heat_map.columns, values, strict=True)
        if value is not None and math.isfinite(value)
    ]
    title = _name(heat_map.title)
    if not cells:
        return f"{title}: nothing to be named."
    means = []
    for n, column in enumerate(heat_map.columns):
        found = [row[n] for row in heat_map.values]
        finite = [value for value in found if value is not None and math.isfinite(value)]
        if finite:
            means.append((fmean(finite), n, column))
    means.sort(key=lambda each: (-each[0], each[1]))
    cells.sort(key=lambda each: -each[0])
    columns = ", ".join(f"{_name(name)} {format_value(mean)}" for mean, _, name in means[:N_NAMED])
    largest = ", ".join(
        f"{_name(row)} to {_name(column)} {format_value(value)}"
        for value, row, column in cells[:N_NAMED]
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
