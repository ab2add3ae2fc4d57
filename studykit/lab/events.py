"""What a lab may yield. Labs import this module and nothing else of the engine.

Standard library only: a lab runs on a bare machine that has torch and nothing of ours but
`events` and `child`. NaN and infinity are legal values: divergence is an outcome.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, TypeAlias

MAX_PIECE_POINTS = 10_000
"""Points of a curve that are sent in one message."""
MAX_PRINTED = 100_000
"""Characters that are kept of what one seed prints."""
MAX_PRINTED_PIECE = 50_000
"""Characters that are sent in one message; JSON writes one in up to twelve bytes."""


class UnmetNeedError(Exception):
    """The machine lacks what the lab needs, said in one line with what to do about it.

    Raised by a lab, it makes the run one that is skipped, not one that has failed.
    """


class Event:
    """One thing that a seed yields. Of each key it has one: a later one takes the place of it."""

    __slots__ = ()
    named_by: ClassVar[tuple[str, ...]] = ("title",)
    """Fields that tell events of one type apart."""
    grows: ClassVar[bool] = False
    """True: a later one of the same key is added to the earlier, by `joined`."""
    is_shown_once: ClassVar[bool] = False
    """True: seeds do not differ in it, and the first seed's is the one that is shown."""

    @property
    def key(self) -> tuple[str, ...]:
        """Type and name."""
        return (type(self).__name__, *(getattr(self, name) for name in self.named_by))

    @classmethod
    def joined(cls, chunks: Sequence[Self]) -> Self:
        """All of `chunks`, which have one key and came in this order, as one event."""
        return chunks[-1]

    def pieces(self) -> Iterator[Self]:
        """Itself, in chunks that are small enough to be sent."""
        yield self

    @property
    def invitation(self) -> str:
        """What there is to do with it, for a list of what a run yielded; mostly nothing."""
        return ""


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """How far the run of one seed is: `done` of `total` steps of any size."""

    named_by: ClassVar[tuple[str, ...]] = ()
    done: float
    total: float
    note: str = ""
    """What is being done, a few words."""


@dataclass(frozen=True, slots=True)
class Measurement(Event):
    """One number of one seed. Names are unique in a seed; a later value replaces the earlier."""

    named_by: ClassVar[tuple[str, ...]] = ("name",)
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
class Curve(Event):
    """Points appended to one line of one chart; yield it again to make the line grow."""

    named_by: ClassVar[tuple[str, ...]] = ("chart", "name")
    grows: ClassVar[bool] = True
    chart: str
    """Title of the chart; lines with the same chart share axes and a unit."""
    name: str
    """The line, for the legend."""
    xs: Sequence[float]
    ys: Sequence[float]
    x_label: str = "step"
    y_label: str = ""
    log_y: bool = False

    @classmethod
    def joined(cls, chunks: Sequence[Self]) -> Self:
        """The line with the points of all chunks."""
        if len(chunks) == 1:
            return chunks[0]
        xs = tuple(x for chunk in chunks for x in chunk.xs)
        ys = tuple(y for chunk in chunks for y in chunk.ys)
        return replace(chunks[-1], xs=xs, ys=ys)

    def pieces(self) -> Iterator[Self]:
        """The line in chunks of at most `MAX_PIECE_POINTS` points."""
        for start in range(0, max(len(self.xs), 1), MAX_PIECE_POINTS):
            part = slice(start, start + MAX_PIECE_POINTS)
            yield replace(self, xs=self.xs[part], ys=self.ys[part])


@dataclass(frozen=True, slots=True)
class HeatMap(Event):
    """A matrix with labelled rows and columns, `values[row][column]`; None is a masked cell."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Sequence[Sequence[float | None]]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Table(Event):
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
    answer: str = ""
    """What is said of the covered columns, once they are shown."""


@dataclass(frozen=True, slots=True)
class Walk(Event):
    """A computation to be gone through step by step: a map of its cells, and what each changes.

    Cells that no step visits are left out by the computation, and the map shows them so.
    """

    is_shown_once: ClassVar[bool] = True
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
    them, and its `answer`, only when asked to."""

    @property
    def invitation(self) -> str:
        return f"{len(self.steps)} steps to go through"


@dataclass(frozen=True, slots=True)
class Printed(Event):
    """What a seed has printed; the engine makes it of what goes to stdout, a lab only prints."""

    named_by: ClassVar[tuple[str, ...]] = ()
    grows: ClassVar[bool] = True
    text: str
    """As it was printed, line ends included."""

    @classmethod
    def joined(cls, chunks: Sequence[Self]) -> Self:
        """The text of all chunks, as much of it as is kept."""
        if len(chunks) == 1:
            return chunks[0]
        return cls("".join(chunk.text for chunk in chunks)[:MAX_PRINTED])

    def pieces(self) -> Iterator[Self]:
        """The text in chunks of at most `MAX_PRINTED_PIECE`."""
        for start in range(0, max(len(self.text), 1), MAX_PRINTED_PIECE):
            yield replace(self, text=self.text[start : start + MAX_PRINTED_PIECE])


Document: TypeAlias = dict[str, Any]
"""An event, a request or an outcome as JSON."""
