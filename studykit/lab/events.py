"""What a lab may yield. Labs import this module and nothing else of the engine.

Standard library only: a lab runs on a bare machine that has torch and nothing of ours but
`events` and `child`. NaN and infinity are legal values: divergence is an outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the run of one seed is: `done` of `total` steps of any size."""

    done: float
    total: float
    note: str = ""
    """What is being done, a few words."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number of one seed. Names are unique in a seed; a later value replaces the earlier."""

    name: str
    """In snake_case, as tests of claims and cards use it: ``loss_without``."""
    value: float
    unit: str = ""
    """Short and plain: "nats", "bytes", "ms", "" for a ratio or a count."""
    label: str = ""
    """For people, when the name is not enough: "without residuals, best of 3 learning rates"."""
    yardstick: bool = False
    """True: a level to compare with (an entropy, a chance level, ln V), drawn as a line."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Points appended to one line of one chart; yield it again to make the line grow."""

    chart: str
    """Title of the chart; lines with the same chart share axes and a unit."""
    name: str
    """The line, for the legend."""
    xs: Sequence[float]
    ys: Sequence[float]
    x_label: str = "step"
    y_label: str = ""
    log_y: bool = False


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A matrix with labelled rows and columns, `values[row][column]`; None is a masked cell."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float | None]]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of text and numbers, for what neither a curve nor a heat map shows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | float]]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a `Walk`: where it is, what happens there, and what stands there afterwards."""

    at: tuple[int, int]
    """Row and column of the walk's map, from 0."""
    caption: str
    """What happens, in one or two sentences."""
    table: Sequence[Sequence[str | float]]
    """Rows under the walk's `columns`, as in a `Table`."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A computation to be gone through step by step: a map of its cells, and what each changes.

    Cells that no step visits are left out by the computation, and the map shows them so.
    """

    title: str
    rows: Sequence[str]
    """Labels of the map's rows, from the top."""
    map_columns: Sequence[str]
    """Labels of the map's columns."""
    columns: Sequence[str]
    """Headings of the table of every step."""
    steps: Sequence[Step]
    covered: Sequence[str] = ()
    """Those of `columns` that a learner may guess from the others and the caption: each step shows
    them only when asked to."""


Event: TypeAlias = Progress | Measurement | Curve | HeatMap | Table | Walk

Document: TypeAlias = dict[str, Any]
"""An event, a request or an outcome as JSON."""
