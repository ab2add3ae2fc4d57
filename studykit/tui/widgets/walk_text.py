"""What a walk writes, without a screen: the map's marks, the step in words, its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple, TypeAlias

from rich.cells import cell_len
from textual.content import Content

from studykit.lab.events import HeatMap, Walk
from studykit.text import clean, format_value
from studykit.tui.widgets.heat_scale import Grid, build_grid, build_scale, one_line

CellState: TypeAlias = Literal["done", "now", "to come", "left out"]
MARKS: Mapping[CellState, tuple[str, str]] = {
    "done": (" ■ ", "$text-success"),
    "now": ("[■]", "bold reverse"),
    "to come": (" □ ", ""),
    "left out": (" · ", "$text-muted"),
}
"""State of a cell -> its mark and style; the marks differ without any colour."""
COVER = "?"
"""Stands for what may be guessed."""
GAP = 3
"""Columns between the map and what stands beside it."""
_NARROWEST_DETAIL = 36
"""Columns that the caption gets at least; else it goes below the map."""


def cell_states(walk: Walk, n: int) -> tuple[tuple[CellState, ...], ...]:
    """The state of every cell of the map at step `n`, counted from 0.

    A cell that several steps visit is done after the first of them.
    """
    done = {step.at for step in walk.steps[:n]}
    ahead = {step.at for step in walk.steps[n + 1 :]}

    def state(at: tuple[int, int]) -> CellState:
        if at == walk.steps[n].at:
            return "now"
        return "done" if at in done else "to come" if at in ahead else "left out"

    return tuple(
        tuple(state((row, column)) for column in range(len(walk.map_columns)))
        for row in range(len(walk.rows))
    )


def first_step_at(walk: Walk, at: tuple[int, int]) -> int | None:
    """The first step that visits a cell; None if the cell is left out."""
    return next((n for n, step in enumerate(walk.steps) if step.at == at), None)


class WalkLayout(NamedTuple):
    """Where the map and the step's detail stand in their room."""

    grid: Grid
    """Of the map; its cells hold marks, so that its texts are empty."""
    is_beside: bool
    """The detail stands right of the map, else below it."""
    detail_width: int
    detail_height: int
    """Rows of the longest detail, so that stepping moves nothing else."""
    headings: tuple[Content, ...]
    """Of the tables, one line a row."""
    widths: tuple[int, ...]
    """Of the tables' columns, the same in all steps."""
    gap: str
    """Between the columns."""

    @property
    def map_width(self) -> int:
        """Columns of the map, the place of the row's mark included."""
        return _width(self.grid)


def lay_out_walk(walk: Walk, width: int) -> WalkLayout:
    """The layout in `width` columns: side by side if the whole map and the table fit so."""
    cells = _cell_widths(walk)
    widths = _widths(cells, (one_line(name).split() for name in walk.columns))
    room = width - GAP - max(_NARROWEST_DETAIL, _total(widths))
    grids = [_build_map(walk, width), _build_map(walk, room)]
    beside = next((grid for grid in grids if _is_whole(walk, grid) and _width(grid) <= room), None)
    detail_width = width if beside is None else width - GAP - _width(beside)
    unbroken = _widths(cells, ([one_line(name)] for name in walk.columns))
    if _total(unbroken) <= detail_width:
        widths = unbroken
    gap = "  " if _total(widths) <= detail_width else " "
    headings = _headings(walk, widths, gap)
    n_words = max(
        len(_words(walk, n, detail_width, is_covered=is_covered)) + len(step.table)
        for n, step in enumerate(walk.steps)
        for is_covered in {False, bool(walk.covered)}
    )
    return WalkLayout(
        beside or grids[0],
        beside is not None,
        detail_width,
        n_words + 1 + len(headings),
        headings,
        widths,
        gap,
    )


def _is_whole(walk: Walk, grid: Grid) -> bool:
    """All columns are there, and the labels of the rows are not cut."""
    n_label = max(cell_len(one_line(label)) for label in walk.rows)
    return grid.n_shown == len(walk.map_columns) and n_label <= grid.label_width


def _width(grid: Grid) -> int:
    """Columns of a map, the place of the row's mark included."""
    return 1 + grid.label_width + 1 + grid.cell_width * grid.n_shown


def _build_map(walk: Walk, width: int) -> Grid:
    """The map laid out as a heat map without values."""
    values = [[None] * len(walk.map_columns) for _ in walk.rows]
    blank = HeatMap("", walk.rows, walk.map_columns, values)
    # One blank right of what stands in a cell: a mark's closing bracket has its place there.
    return replace(build_grid(blank, build_scale(()), width - 1), pad=1)


def render_detail(walk: Walk, n: int, layout: WalkLayout, *, is_covered: bool) -> list[Content]:
    """Which step it is, what happens, and the table, with its covered columns or without."""
    rows = [
        _in_columns(
            [
                _cell(cell, is_guessed=name in walk.covered, is_covered=is_covered)
                for name, cell in zip(walk.columns, row, strict=True)
            ],
            layout.widths,
            layout.gap,
        )
        for row in walk.steps[n].table
    ]
    words = _words(walk, n, layout.detail_width, is_covered=is_covered)
    return [*words, Content(""), *layout.headings, *rows]


def _words(walk: Walk, n: int, width: int, *, is_covered: bool) -> list[Content]:
    step = walk.steps[n]
    row, column = one_line(walk.rows[step.at[0]]), one_line(walk.map_columns[step.at[1]])
    head = Content.assemble(
        (f"Step {n + 1} of {len(walk.steps)}", "bold"),
        (f"  {row} → {column}", "$text-muted"),
        (f"  {COVER} guess first" if is_covered else "", "$text-accent"),
    )
    parts = [step.caption] if is_covered else [step.caption, step.answer]
    text = " ".join(filter(None, parts))
    return [*head.wrap(width), *Content(clean(text)).wrap(width)]


def _headings(walk: Walk, widths: Sequence[int], gap: str) -> tuple[Content, ...]:
    """The headings, each broken to the width of its column."""
    columns = [
        Content.styled(one_line(name), "$text-muted").wrap(width)
        for name, width in zip(walk.columns, widths, strict=True)
    ]
    n_lines = max(map(len, columns), default=0)
    # Those of fewer lines stand at the bottom, next to their numbers.
    columns = [[Content("")] * (n_lines - len(lines)) + lines for lines in columns]
    return tuple(_in_columns(line, widths, gap) for line in zip(*columns, strict=True))


def _cell(cell: str | float, *, is_guessed: bool, is_covered: bool) -> Content:
    if is_guessed and is_covered:
        return Content.styled(COVER, "$text-accent")
    return Content.styled(_write(cell), "bold" if is_guessed else "")


def _in_columns(cells: Sequence[Content], widths: Sequence[int], gap: str) -> Content:
    """The first column to the left, the others to the right."""
    padded = []
    for at, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        blanks = max(0, width - cell.cell_length)
        padded.append(cell.pad_left(blanks) if at else cell.pad_right(blanks))
    return Content(gap).join(padded).rstrip()


def _cell_widths(walk: Walk) -> tuple[int, ...]:
    """Of each column the widest cell in any step."""
    columns = zip(*(row for step in walk.steps for row in step.table), strict=True)
    widths = tuple(max(cell_len(_write(cell)) for cell in column) for column in columns)
    return widths or (1,) * len(walk.columns)


def _widths(cells: Sequence[int], headings: Iterable[Sequence[str]]) -> tuple[int, ...]:
    """Of each column: its widest cell, or the widest part that its heading is broken into."""
    parts = (max(map(cell_len, heading), default=1) for heading in headings)
    return tuple(max(1, *pair) for pair in zip(cells, parts, strict=True))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * max(0, len(widths) - 1)


def _write(cell: str | float) -> str:
    return one_line(cell) if isinstance(cell, str) else format_value(cell)
