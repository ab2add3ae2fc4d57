"""Numbers as columns of blocks, for forecasts: drawn as text, with the numbers beside them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from textual.content import Content

BLOCKS = " ▁▂▃▄▅▆▇█"
_DAY = 5
"""Columns of one day in a week's forecast."""


def render_columns(values: Sequence[int], height: int, width: int = 1) -> list[str]:
    """One column a value, `width` characters wide, in `height` rows, the top one first.

    The highest value fills the height; what is not 0 shows at least its lowest block.
    """
    most = max(1, *values)
    steps = [max(round(value / most * height * 8), 1 if value else 0) for value in values]
    return [
        "".join(BLOCKS[max(0, min(8, step - 8 * row))] * width for step in steps)
        for row in reversed(range(height))
    ]


def render_week(week: Sequence[tuple[date, int]]) -> Content:
    """A week ahead in three rows: days, numbers, columns."""
    names = ["today", *(f"{day:%a}" for day, _ in week[1:])]
    numbers = [n for _, n in week]
    (columns,) = render_columns(numbers, 1)
    return Content("\n").join(
        [
            Content.styled("".join(f"{name:>{_DAY}} " for name in names), "$text-muted"),
            Content("".join(f"{n or '–':>{_DAY}} " for n in numbers)),
            Content.styled("".join(f"{bar:>{_DAY}} " for bar in columns), "$text-primary"),
        ]
    )
