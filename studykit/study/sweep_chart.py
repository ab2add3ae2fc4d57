"""A sweep as lines of text: each measurement with its interval along the settings, and the claims.

```
loss without, nats
n_layers 2    1.234 ± 0.051     ├─●─┤        ┆
n_layers 4    2.345 ± 0.102             ├──●─┆┤
                              1.1            2.4
┆ unigram entropy 2.31
```
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from studykit.study.sweep import Estimate, Strand, Sweep, count_claims
from studykit.text import clean, format_value, plural

LONGEST_LABEL = 40
NARROWEST_PLOT, WIDEST_PLOT = 16, 90
"""Columns; where there are fewer, the numbers stand alone, and more tell no more."""
_GAP = "  "


def charted(strands: Sequence[Strand], names: Sequence[str] = (), most: int = 4) -> list[Strand]:
    """Those called `names`; without names the first `most` that are no yardsticks and that vary."""
    if names:
        by_name = {strand.name: strand for strand in strands}
        return [by_name[name] for name in names]
    telling = [strand for strand in strands if not strand.yardstick and _varies(strand)]
    return (telling or [strand for strand in strands if not strand.yardstick])[:most]


def _varies(strand: Strand) -> bool:
    """Whether the settings differ in it at all."""
    return len({point.mean for point in strand.points if point is not None}) > 1


def draw(
    strand: Strand, labels: Sequence[str], yardsticks: Sequence[Strand], width: int
) -> Iterator[str]:
    """The lines of one measurement, at most `width` columns wide where that leaves any room."""
    yield f"{clean(strand.label)}, {strand.unit}" if strand.unit else clean(strand.label)
    names = [
        label[: LONGEST_LABEL - 1] + "…" if len(label) > LONGEST_LABEL else label
        for label in map(clean, labels)
    ]
    numbers = [_in_words(point) for point in strand.points]
    wide = [max(map(len, column), default=0) for column in (names, numbers)]
    room = min(WIDEST_PLOT, width - sum(wide) - 2 * len(_GAP))
    lines = [
        f"{name:<{wide[0]}}{_GAP}{number:<{wide[1]}}"
        for name, number in zip(names, numbers, strict=True)
    ]
    axis = _Axis.of(strand, yardsticks, room)
    if room < NARROWEST_PLOT or axis is None:
        yield from (line.rstrip() for line in lines)
        return
    for line, point in zip(lines, strand.points, strict=True):
        yield f"{line}{_GAP}{axis.row(point)}".rstrip()
    yield " " * (sum(wide) + 2 * len(_GAP)) + axis.ends
    for label, level in axis.levels:
        yield f"┆ {clean(label)} {format_value(level)}"


class _Axis:
    """Columns of a plot for the values from `low` to `high`."""

    def __init__(
        self, low: float, high: float, n_columns: int, levels: Sequence[tuple[str, float]]
    ) -> None:
        self._low, self._high, self._n = low, high, n_columns
        self.levels = levels
        """Label and value of each level to compare with."""

    @classmethod
    def of(cls, strand: Strand, yardsticks: Sequence[Strand], n_columns: int) -> _Axis | None:
        """For a measurement and the levels of its unit; None if there is no finite value.

        A level that would leave the measurement less than a third of the axis is left out.
        """
        points = [point for point in strand.points if point is not None and point.n]
        ends = [value for point in points for value in (point.low, point.high)]
        if not ends:
            return None
        low, high = min(ends), max(ends)
        span = high - low
        levels = []
        for yardstick in yardsticks:
            means = {format_value(p.mean) for p in yardstick.points if p is not None and p.n}
            if yardstick.unit != strand.unit or len(means) != 1:
                continue
            level = next(p.mean for p in yardstick.points if p is not None and p.n)
            if max(high, level) - min(low, level) <= 3 * span:
                low, high = min(low, level), max(high, level)
                levels.append((yardstick.label, level))
        if low == high:
            low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
        return cls(low, high, n_columns, levels)

    def _column(self, value: float) -> int:
        return round((value - self._low) / (self._high - self._low) * (self._n - 1))

    def row(self, point: Estimate | None) -> str:
        """The interval of a setting, behind the levels."""
        cells = [" "] * self._n
        for _, level in self.levels:
            cells[self._column(level)] = "┆"
        if point is not None and point.n:
            left, middle, right = map(self._column, (point.low, point.mean, point.high))
            cells[left : right + 1] = "─" * (right - left + 1)
            cells[left], cells[right], cells[middle] = "├", "┤", "●"
        return "".join(cells)

    @property
    def ends(self) -> str:
        """What the first and the last column stand for."""
        left, right = format_value(self._low), format_value(self._high)
        return left + right.rjust(self._n - len(left)) if len(left) < self._n else left


def _in_words(point: Estimate | None) -> str:
    """``1.234 ± 0.051``; how many seeds diverged."""
    if point is None:
        return "not measured"
    lost = f"{point.n_lost} of {point.n + point.n_lost} diverged"
    if not point.n:
        return lost
    half = point.high - point.mean
    told = format_value(point.mean)
    if point.n > 1:
        told += f" ± {format_value(half)}" if half else " on every seed"
    return f"{told}, {lost}" if point.n_lost else told


def claim_rows(sweep: Sweep) -> list[list[str]]:
    """Claim, and on how many seeds it holds: ``20 of 20 at every setting``, or at each setting."""
    labels = [sweep.plan.label(knobs) for knobs in sweep.plan.settings]
    counted = [count_claims(sweep, knobs) for knobs in sweep.plan.settings]
    rows = []
    for claim in sweep.plan.header.claims:
        told = [_count_in_words(*each[claim]) for each in counted]
        if len(told) > 1 and len({*told}) == 1:
            rows.append([claim, f"{told[0]} at every setting"])
        else:
            rows.append([claim, "; ".join(map(": ".join, zip(labels, told, strict=True)))])
    return rows


def _count_in_words(holds: int, fails: int, unknown: int) -> str:
    told = f"{holds} of {holds + fails + unknown}"
    return f"{told} ({unknown} undecided)" if unknown else told


def describe(sweep: Sweep) -> str:
    """``20 seeds each, 95 % intervals of the mean``; how many of its runs are there, if not all."""
    plan = sweep.plan
    parts = [f"{plural(len(plan.seeds), 'seed')} each"]
    if len(plan.seeds) > 1:
        parts.append("mean ± half its 95 % interval")
    if plan.budget != 1:
        parts.append(f"{plan.budget:g} × the training")
    n_all = len(plan.settings) * len(plan.seeds)
    if not sweep.is_complete:
        parts.append(f"{sweep.n_measured} of {n_all} runs")
    return " · ".join(parts)
