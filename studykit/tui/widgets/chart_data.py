"""What a chart draws, without a screen: points that can be drawn, limits, ticks, levels."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from studykit.lab.events import Curve
from studykit.study.numbers import Summary
from studykit.text import format_value

_LARGEST = 1e30
"""Beyond it a point is drawn nowhere: the difference of two such values is not a float."""
_SMALLEST = 1e-30
"""Values that differ by less are drawn as one: a tenth of the difference may be 0."""


@dataclass(frozen=True, slots=True)
class Trace:
    """One line as it is drawn: finite points, in log10 on a logarithmic chart."""

    name: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    note: str
    """What the drawing cannot show: where it diverged, what a log scale left out."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Limits of an axis and the values that are written on it."""

    low: float
    high: float
    ticks: tuple[float, ...]
    labels: tuple[str, ...]


def build_trace(curve: Curve, *, log_y: bool, n_buckets: int) -> Trace:
    """`curve` thinned to at most two points a bucket, and what had to be left out."""
    points = list(zip(curve.xs, curve.ys, strict=False))
    is_lost = [not (abs(x) < _LARGEST and abs(y) < _LARGEST) for x, y in points]
    drawn = [point for point, lost in zip(points, is_lost, strict=True) if not lost]
    notes = []
    if any(is_lost):
        first = points[is_lost.index(True)][0]
        notes.append(f"diverged at {format_value(first)}" if abs(first) < _LARGEST else "diverged")
    if log_y:
        n_finite = len(drawn)
        drawn = [(x, math.log10(y)) for x, y in drawn if y > 0]
        if n_hidden := n_finite - len(drawn):
            notes.append(f"{n_hidden} {'point' if n_hidden == 1 else 'points'} ≤ 0 not on log")
    drawn = _thin(drawn, n_buckets)
    return Trace(
        curve.name, tuple(x for x, _ in drawn), tuple(y for _, y in drawn), ", ".join(notes)
    )


def _thin(points: list[tuple[float, float]], n_buckets: int) -> list[tuple[float, float]]:
    """The lowest and the highest point of each bucket, so that no spike is lost, and the ends."""
    size = math.ceil(len(points) / n_buckets)
    if size <= 2:
        return points
    kept = [points[0]]
    for start in range(0, len(points), size):
        bucket = range(start, min(start + size, len(points)))
        ends = {
            min(bucket, key=lambda at: points[at][1]),
            max(bucket, key=lambda at: points[at][1]),
        }
        kept += [points[at] for at in sorted(ends)]
    return [*kept, points[-1]]


def levels(
    yardsticks: Iterable[Summary], y_label: str, traces: Sequence[Trace], *, log_y: bool
) -> tuple[tuple[str, float], ...]:
    """Yardsticks in the chart's unit that lie not far outside its lines: name and height."""
    words = words_of(y_label)
    ys = [y for trace in traces for y in trace.ys]
    if not ys:
        return ()
    low, high = min(ys), max(ys)
    margin = (high - low) / 2 or abs(high) / 2
    found = []
    for row in yardsticks:
        value = row.middle
        if row.unit not in words or not math.isfinite(value) or (log_y and value <= 0):
            continue
        height = math.log10(value) if log_y else value
        if low - margin <= height <= high + margin:
            found.append((row.label, height))
    return tuple(found)


def words_of(y_label: str) -> set[str]:
    """The words of an axis's label, of which one is the unit: ``loss (nats)`` is in nats."""
    return set(re.findall(r"[^\s(),·]+", y_label))


def build_axis(
    values: Iterable[float], *, n_ticks: int, log: bool = False, pad: float = 0.0
) -> Axis:
    """An axis around `values` with about `n_ticks` round ticks; 0 to 1 when there is none.

    Where there are whole numbers only (steps, layers), so are the ticks.
    """
    known = list(values)
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    largest = max(abs(low), abs(high))
    if high - low <= max(1e-9 * largest, _SMALLEST):
        spread = largest * 0.1 if largest > _SMALLEST else 1.0
        low, high = low - spread, high + spread
    low, high = low - pad * (high - low), high + pad * (high - low)
    ticks = _log_ticks(low, high, n_ticks) if log else ()
    if len(ticks) < 2:
        is_whole = not log and len(set(known)) > 1 and all(value == round(value) for value in known)
        ticks = _ticks(low, high, n_ticks, 1.0 if is_whole else 0.0)
    labels = tuple(_format_power(tick) if log else _format_tick(tick) for tick in ticks)
    return Axis(low, high, ticks, labels)


def _format_power(exponent: float) -> str:
    """10 to the `exponent`, also where that is no float."""
    return _format_tick(10**exponent) if exponent > -300 else f"1e{exponent:.0f}"


def _format_tick(value: float) -> str:
    return re.sub(r"e\+?(-?)0*", r"e\1", f"{value:.6g}")


def _ticks(low: float, high: float, n_ticks: int, least_step: float) -> tuple[float, ...]:
    rough = max((high - low) / max(n_ticks, 1), least_step)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first = math.ceil(low / step)
    # Rounded to the step's own digits: 3 * 0.1 must be written 0.3.
    digits = max(0, -math.floor(math.log10(step)))
    return tuple(round(n * step, digits) for n in range(first, math.floor(high / step) + 1))


def _log_ticks(low: float, high: float, n_ticks: int) -> tuple[float, ...]:
    """Decades, thinned to `n_ticks`, or 1, 2, 5 within them where there are few."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    fine = [n + math.log10(factor) for n in decades for factor in (1, 2, 5)]
    ticks = [tick for tick in fine if low <= tick <= high]
    if len(ticks) > n_ticks:
        step = max(1, math.ceil((high - low) / n_ticks))
        ticks = [float(n) for n in decades if n % step == 0 and low <= n <= high]
    return tuple(ticks)
