"""What a run measured, as numbers for people: each measurement over the seeds of a run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from studykit.lab.events import Measurement
from studykit.lab.results import SeedResult
from studykit.text import clean, format_value


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
