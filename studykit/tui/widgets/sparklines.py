"""Curves in one row each: how a line goes, from its first value to its last."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content

from studykit.lab.events import Curve
from studykit.text import clean, format_value
from studykit.tui.widgets.chart import ChartFigure
from studykit.tui.widgets.gauges import BLOCKS

N_LINES = 5
"""Lines of a chart that are shown; what is left out is counted."""
_WIDEST = 24
_NARROWEST = 6
LOST = "!"
"""Stands where a line has no finite value."""


def render_sparklines(figure: ChartFigure, width: int) -> Content:
    """The first lines of a chart on one scale, under its title; none where there is no line."""
    curves = [curve for curve in figure.curves if len(curve.xs) > 1][:N_LINES]
    if not curves:
        return Content("")
    n_more = len(figure.curves) - len(curves)
    x_label = next((curve.x_label for curve in curves if curve.x_label), "")
    unit = next((curve.y_label for curve in curves if curve.y_label), "")
    about = (unit, f"by {x_label}" if x_label else "", "log" if figure.log_y else "")
    told = ", ".join(clean(part) for part in about if part)
    title = Content.assemble((clean(figure.title), "bold"), (f"  {told}", "$text-muted"))
    ends = [_ends(curve) for curve in curves]
    names = [clean(curve.name) for curve in curves]
    n_ends = max(map(cell_len, ends))
    n_name = min(max(map(cell_len, names)), max(8, width - n_ends - _WIDEST - 6))
    n_bar = max(0, min(_WIDEST, width - n_name - n_ends - 6))
    heights = [_heights(curve, log=figure.log_y) for curve in curves]
    known = [height for row in heights for height in row if math.isfinite(height)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    lines = [title.truncate(width, ellipsis=True)]
    for name, row, end in zip(names, heights, ends, strict=True):
        label = Content(name).truncate(n_name, ellipsis=True, pad=True)
        bar = _bar(row, low, high, n_bar) if n_bar >= _NARROWEST else ""
        parts = [label, Content.styled(bar, "$text-primary"), Content(end)]
        line = Content("  ") + Content("  ").join(part for part in parts if part.plain)
        lines.append(line.truncate(width, ellipsis=True))
    if n_more > 0:
        more = Content.styled(f"  and {n_more} more", "$text-muted")
        lines.append(more.truncate(width, ellipsis=True))
    return Content("\n").join(lines)


def _ends(curve: Curve) -> str:
    return f"{format_value(curve.ys[0])} → {format_value(curve.ys[-1])}"


def _heights(curve: Curve, *, log: bool) -> list[float]:
    """What is drawn of each point, NaN where a logarithm or a divergence leaves nothing."""
    return [
        (math.log10(y) if y > 0 else math.nan) if log and math.isfinite(y) else y for y in curve.ys
    ]


def _bar(heights: Sequence[float], low: float, high: float, width: int) -> str:
    """One block for each of `width` equal stretches of the points: the last of the stretch."""
    largest = max(abs(low), abs(high)) or 1.0
    # Divided first: the difference of two huge floats is not finite.
    span = high / largest - low / largest
    cells = []
    for n in range(min(width, len(heights))):
        height = heights[(n + 1) * len(heights) // min(width, len(heights)) - 1]
        if not math.isfinite(height):
            cells.append(LOST)
            continue
        share = (height / largest - low / largest) / span if span > 0 else 0.5
        cells.append(BLOCKS[1 + round(share * 7)])
    return "".join(cells)
