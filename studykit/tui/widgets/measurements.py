"""What a run measured, as aligned text: every number with its yardsticks, over the seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from rich.cells import cell_len
from textual.content import Content

from studykit.lab.events import HeatMap, Measurement, Table
from studykit.lab.results import SeedResult
from studykit.text import clean

YARDSTICK = "┄"
"""Marks a level to compare with, in tables and legends as in charts."""
_MIN_LABEL = 24
"""Columns that a label keeps; where the range leaves it fewer, the range is left out."""


def format_value(value: float) -> str:
    """`value` in three or four significant digits; NaN is how a diverged run measures."""
    if math.isnan(value):
        return "diverged"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    value = float(value)  # JSON may have made it an int
    size = abs(value)
    if value != 0 and not 1e-3 <= size < 1e6:
        return format_exponent(value)
    if value.is_integer() or size >= 1000:
        return f"{value:.0f}"
    if size < 0.1:
        return f"{value:.3g}"
    return f"{value:.{3 if size < 10 else 2 if size < 100 else 1}f}"


def format_exponent(value: float) -> str:
    """`value` as ``7.60e-9``."""
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}"


@dataclass(frozen=True, slots=True)
class Summary:
    """One measurement over the seeds of a run."""

    name: str
    label: str
    unit: str
    yardstick: bool
    values: tuple[float, ...]

    @property
    def middle(self) -> float:
        """Median of the seeds that did not diverge; NaN when all did."""
        finite = self._finite
        return median(finite) if finite else math.nan

    @property
    def spread(self) -> str:
        """Lowest to highest seed, and how many diverged; empty where the seeds agree."""
        finite = [format_value(value) for value in sorted(self._finite)]
        parts = [f"{finite[0]}–{finite[-1]}"] if finite and finite[0] != finite[-1] else []
        n_lost = len(self.values) - len(finite)
        if finite and n_lost:
            parts.append(f"{n_lost} of {len(self.values)} diverged")
        return ", ".join(parts)

    @property
    def _finite(self) -> list[float]:
        return [value for value in self.values if not math.isnan(value)]


def summarise(seeds: Iterable[SeedResult]) -> tuple[Summary, ...]:
    """Each measurement over `seeds`, in the order in which the lab yields them."""
    found: dict[str, list[Measurement]] = {}
    for seed in seeds:
        for name, measurement in seed.measurements.items():
            found.setdefault(name, []).append(measurement)
    labels = [many[0].label for many in found.values()]
    return tuple(
        Summary(
            name,
            clean(_label(many[0], labels)),
            clean(many[0].unit),
            many[0].yardstick,
            tuple(one.value for one in many),
        )
        for name, many in found.items()
    )


def _label(measurement: Measurement, labels: Sequence[str]) -> str:
    """The label if it says alone which measurement is meant, else the name before it."""
    name = measurement.name.replace("_", " ")
    if not measurement.label:
        return name
    is_unique = labels.count(measurement.label) == 1
    return measurement.label if is_unique else f"{name}: {measurement.label}"


def ladder(rows: Sequence[Summary]) -> tuple[Summary, ...]:
    """`rows` by unit; where a unit has a yardstick its rows are sorted, best comparison first.

    Sorted by value, each number stands between the levels that it lies between.
    """
    units = dict.fromkeys(row.unit for row in rows)
    ordered: list[Summary] = []
    for unit in units:
        same = [row for row in rows if row.unit == unit]
        if any(row.yardstick for row in same):
            same.sort(key=lambda row: math.inf if math.isnan(row.middle) else row.middle)
        ordered += same
    return tuple(ordered)


def render_measurements(rows: Sequence[Summary], width: int) -> Content:
    """Median and range of each of `rows`, aligned in `width` columns; yardsticks are marked."""
    if not rows:
        return Content("")
    numbers = [format_value(row.middle) for row in rows]
    n_digits = max(len(number) for number in numbers)
    n_unit = max(cell_len(row.unit) for row in rows)
    n_spread = max(len(row.spread) for row in rows)
    room = width - n_digits - n_unit - 5
    shows_spread = room - n_spread >= _MIN_LABEL
    n_label = min(max(cell_len(row.label) for row in rows), room - n_spread * shows_spread - 2)
    lines = []
    for row, number in zip(rows, numbers, strict=True):
        label = Content(row.label).truncate(max(1, n_label), ellipsis=True, pad=True)
        style = "$text-muted" if row.yardstick else ""
        number_style = "$text-error" if math.isnan(row.middle) else style or "bold"
        lines.append(
            Content.assemble(
                (f"{YARDSTICK if row.yardstick else ' '} ", style),
                label.stylize(style) if style else label,
                "  ",
                (number.rjust(n_digits), number_style),
                (f" {row.unit.ljust(n_unit)}", "$text-muted"),
                (f"  {row.spread}" if shows_spread else "", "$text-muted"),
            ).rstrip()
        )
    return Content("\n").join(lines)


def render_table(table: Table | HeatMap) -> Content:
    """A lab's table, or the values of its heat map, as aligned text under its title."""
    if isinstance(table, HeatMap):
        head = ["", *table.columns]
        body = [
            [row, *("·" if value is None else format_value(value) for value in values)]
            for row, values in zip(table.rows, table.values, strict=False)
        ]
    else:
        head = list(table.columns)
        body = [
            [cell if isinstance(cell, str) else format_value(cell) for cell in row]
            for row in table.rows
        ]
    grid = [[clean(cell).replace("\n", " ") for cell in row] for row in [head, *body]]
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
