"""What a change does to a model: the paired differences of a run, with their intervals.

A lab that runs two models names in ``DIFFERENCES`` the measurements that are changed less base.
Both models of a seed see the same data and begin with the same weights where the shapes agree, so
the differences of the seeds are a sample of their own: its mean has Student's t interval.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from studykit.course.cards import LabHeader
from studykit.course.designs import design_of, render_change
from studykit.lab.protocol import encode
from studykit.lab.results import RunResult, SeedResult
from studykit.text import clean, format_value, plural

MOST_SEEDS_NEEDED = 1_000
"""More seeds than anybody runs: beyond it a difference counts as none."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One measurement, changed less base, over the seeds of a run."""

    name: str
    label: str
    unit: str
    values: tuple[float, ...]
    """Of each seed; NaN where a model diverged."""

    @property
    def finite(self) -> tuple[float, ...]:
        """The differences of the seeds in which neither model diverged."""
        return tuple(value for value in self.values if math.isfinite(value))

    @property
    def n_lost(self) -> int:
        """Seeds in which a model diverged, which no mean can tell of."""
        return len(self.values) - len(self.finite)

    @property
    def mean(self) -> float:
        """Mean of the seeds that did not diverge, in its unit; NaN if all did."""
        finite = self.finite
        return math.fsum(finite) / len(finite) if finite else math.nan

    @property
    def deviation(self) -> float:
        """Standard deviation of one seed's difference, with n - 1; NaN of fewer than two seeds."""
        return standard_deviation(self.finite)

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean; None of fewer than two seeds."""
        return interval_of_mean(self.finite)

    @property
    def is_separable(self) -> bool:
        """The interval leaves 0 out: which of the two is larger can be told."""
        if (interval := self.interval) is None:
            return False
        return not interval[0] <= 0 <= interval[1]

    @property
    def seeds_needed(self) -> int | None:
        """How many seeds would tell the two apart if mean and deviation stayed as they are.

        None where that cannot be said, or where it is more than `MOST_SEEDS_NEEDED`.
        """
        mean, deviation = abs(self.mean), self.deviation
        if not (mean > 0 and deviation > 0):
            return None
        fewest = max(2, len(self.finite))
        return next(
            (
                n
                for n in range(fewest, MOST_SEEDS_NEEDED + 1)
                if t_quantile(n - 1) * deviation / math.sqrt(n) < mean
            ),
            None,
        )


def differences_of(header: LabHeader, seeds: Iterable[SeedResult]) -> tuple[Difference, ...]:
    """What the lab calls its differences, as far as `seeds` have measured them, in its order."""
    measured = list(seeds)
    found = []
    for name in header.differences:
        rows = [seed.measurements[name] for seed in measured if name in seed.measurements]
        if rows:
            label = clean(rows[0].label) or name.replace("_", " ")
            values = tuple(row.value for row in rows)
            found.append(Difference(name, label, clean(rows[0].unit), values))
    return tuple(found)


def heading(header: LabHeader) -> str:
    """What stands above the differences of a lab: which of its models are compared."""
    return "changed less base" if header.parts else "one model less another"


def design_document(header: LabHeader, result: RunResult) -> dict[str, Any]:
    """The two models of a run and their differences, as strict JSON."""
    design = design_of(header, result.knobs)
    rows = differences_of(header, result.seeds)
    return {
        "question": render_change(header, result.knobs),
        "base": dict(design.base),
        "changed": dict(design.changed),
        "differences": [difference_document(row) for row in rows],
    }


def difference_document(row: Difference) -> dict[str, Any]:
    """A difference as strict JSON; what diverged is flagged as `protocol` says."""
    low, high = row.interval or (None, None)
    document: dict[str, Any] = encode(
        {
            "name": row.name,
            "label": row.label,
            "unit": row.unit,
            "values": list(row.values),
            "mean": row.mean,
            "low": low,
            "high": high,
            "separable": row.is_separable,
            "seeds_needed": row.seeds_needed,
        }
    )
    return document


def describe_mean(difference: Difference) -> str:
    """``+1.23 nats`` of one seed, ``+1.23 nats (mean), 95 % interval +1.10 to +1.36`` of several.

    Elsewhere the numbers of several seeds are medians, so a mean says what it is. ``diverged`` if
    all seeds did.
    """
    if not difference.finite:
        return "diverged"
    unit = f" {difference.unit}" if difference.unit else ""
    told = f"{signed(difference.mean)}{unit}"
    if (interval := difference.interval) is not None:
        low, high = map(signed, interval)
        told += f" (mean), 95 % interval {low} to {high}"
    return told


def describe_verdict(difference: Difference) -> str:
    """Whether the two models can be told apart by it, and if not with how many seeds they could."""
    n = len(difference.finite)
    lost = f"diverged on {difference.n_lost} of {plural(len(difference.values), 'seed')}"
    if not n:
        return lost
    more = f"; {lost}" if difference.n_lost else ""
    if n < 2:
        return f"one seed has no interval{more}"
    if difference.deviation == 0:
        same = "the same on every seed" if difference.mean else "no difference on any seed"
        return f"{same}{more}"
    if difference.is_separable:
        return f"separable with {n} seeds{more}"
    needed = difference.seeds_needed
    how_many = f"about {needed}" if needed else f"more than {MOST_SEEDS_NEEDED:,}"
    return f"not separable with {n} seeds; would need {how_many}{more}"


def signed(value: float) -> str:
    """The number with its sign, as measurements are written; 0 has none."""
    text = format_value(value)
    return f"+{text}" if value > 0 else text


def standard_deviation(values: Sequence[float]) -> float:
    """Of a sample, with n - 1; NaN of fewer than two values."""
    n = len(values)
    if n < 2:
        return math.nan
    mean = math.fsum(values) / n
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))


def interval_of_mean(values: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the mean by Student's t, in the unit of the finite `values`.

    None of fewer than two values.
    """
    n = len(values)
    if n < 2:
        return None
    mean = math.fsum(values) / n
    half = t_quantile(n - 1) * standard_deviation(values) / math.sqrt(n)
    return mean - half, mean + half


@lru_cache(maxsize=2 * MOST_SEEDS_NEEDED)
def t_quantile(df: int, share: float = 0.95) -> float:
    """How many standard errors to either side of the mean hold `share` of Student's t.

    `df`: its degrees of freedom. By bisection of `t_share`, which grows with its first argument.
    """
    low, high = 0.0, 1.0
    while t_share(high, df) < share:
        high *= 2
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if t_share(middle, df) < share else (low, middle)
    return high


def t_share(t: float, df: int) -> float:
    """The share of Student's t with `df` degrees of freedom between -t and t.

    A finite sum for whole degrees (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4).
    """
    theta = math.atan2(t, math.sqrt(df))
    sine, cosine = math.sin(theta), math.cos(theta)
    is_odd = df % 2 == 1
    term = cosine if is_odd else 1.0
    total = term if df > 1 else 0.0
    for k in range(2 if is_odd else 1, df - 1, 2):
        term *= cosine * cosine * k / (k + 1)
        total += term
    return 2 / math.pi * (theta + sine * total) if is_odd else sine * total
