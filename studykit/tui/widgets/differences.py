"""What a change does, as text: each paired difference with its interval, drawn around 0."""

from __future__ import annotations

from collections.abc import Iterable

from textual.content import Content

from studykit.course.cards import LabHeader
from studykit.lab.differences import (
    Difference,
    describe_mean,
    describe_verdict,
    differences_of,
    heading,
)
from studykit.lab.results import SeedResult
from studykit.tui.widgets.evidence import hang

_BAR = 33
"""Columns of a drawn interval; 0 stands in the middle."""
_LEAST_BESIDE = 34
"""Columns that are left for the verdict beside a drawing; with fewer nothing is drawn."""
_INDENT = "  "


def render_differences(header: LabHeader, seeds: Iterable[SeedResult], width: int) -> Content:
    """A label, the mean with its interval, a drawing of it, and whether it can be told from 0.

    Differences in one unit are drawn on one scale. Empty for a lab that names none.
    """
    rows = differences_of(header, seeds)
    if not rows:
        return Content("")
    lines = [Content.styled(heading(header).upper(), "bold")]
    for row in rows:
        style = "bold $text-success" if row.is_separable else "bold $text-warning"
        mean = Content.styled(describe_mean(row), "bold")
        lines.append(hang(Content.styled(f"{row.label}  ", "$text-muted"), mean, width))
        verdict = Content.styled(describe_verdict(row), style)
        reach = max((_reach(each) for each in rows if each.unit == row.unit), default=0.0)
        bar = _draw(row, reach)
        if bar is not None and width >= _BAR + _LEAST_BESIDE:
            verdict = Content.assemble(bar, "  ", verdict)
        lines.append(hang(Content(_INDENT), verdict, width))
    return Content("\n").join(lines)


def _reach(row: Difference) -> float:
    """How far from 0 its drawing goes."""
    return max(map(abs, [*(row.interval or ()), *row.finite]), default=0.0)


def _draw(row: Difference, reach: float) -> Content | None:
    """``├──●──┤`` around ``┊`` at 0, on a scale of `reach` to either side."""
    if not (row.finite and 0 < reach < float("inf")):
        return None
    middle = _BAR // 2

    def column(value: float) -> int:
        return middle + round(max(-1.0, min(1.0, value / reach)) * middle)

    cells = [(" ", "")] * _BAR
    if row.interval is not None:
        low, high = map(column, row.interval)
        for place in range(low, high + 1):
            cells[place] = ("─", "$text-primary")
        cells[low], cells[high] = ("├", "$text-primary"), ("┤", "$text-primary")
    cells[middle] = ("┊", "bold $text-accent")
    cells[column(row.mean)] = ("●", "bold $text-primary")
    return Content.assemble(*cells)
