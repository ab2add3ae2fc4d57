"""A heat map: coloured cells with their values, labels, a cursor, and its cell in words below."""

from __future__ import annotations

import math
from dataclasses import dataclass

from textual import events
from textual.color import Gradient
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

from studykit.lab.events import HeatMap
from studykit.text import format_value
from studykit.tui.widgets.heat_scale import (
    MASKED,
    NOT_A_NUMBER,
    OF_256,
    SHADES,
    VIRIDIS,
    Grid,
    build_grid,
    build_scale,
    cut,
    first_shown,
    ink,
    one_line,
    pick,
)

_TITLE = 1
"""Rows above the labels of the columns."""
_LOW = 14
"""A view of fewer rows, in which not all of the map fits, has one for the labels of its columns."""
_FOOT = 3
"""Rows below the cells: a blank, the cursor's cell in words, the scale."""
_BAR = 12
"""Columns of the scale's bar."""
_SHARES = ("", "share", "weight", "probability")
"""Units of which a hundredth is a per cent."""
SMOOTH = tuple(Gradient.from_colors(*VIRIDIS).get_color(n / 63).hex for n in range(64))


@dataclass(frozen=True, slots=True)
class HeatMapFigure:
    """A heat map and what stands at the right of its title: which of how many, which seed."""

    heat_map: HeatMap
    caption: str = ""


class HeatMapView(Widget):
    """Shows one `HeatMapFigure`; the screen moves the cursor: no key depends on the focus."""

    DEFAULT_CSS = """
    HeatMapView { height: auto; max-height: 100%; width: 1fr; }
    """

    def __init__(
        self,
        *,
        is_still: bool = False,
        id: str | None = None,  # noqa: A002 - textual's name
    ) -> None:
        super().__init__(id=id)
        self._is_still = is_still
        """No cursor moves in it: it is only looked at."""
        self._heat_map_figure = HeatMapFigure(HeatMap("", (), (), ()))
        self._scale = build_scale(())
        self._grid: Grid | None = None
        """None: to be laid out anew, for other values, colours or another width."""
        self._cursors: dict[str, tuple[int, int]] = {}
        """Title -> row and column of the cursor, kept while other maps are shown."""
        self._first = (0, 0)
        """Row and column of the cell that is shown at the top left."""

    def show(self, figure: HeatMapFigure) -> None:
        """Draw `figure` in place of the last one."""
        if figure == self._heat_map_figure:
            return
        is_as_high = len(figure.heat_map.rows) == len(self._heat_map_figure.heat_map.rows)
        self._heat_map_figure = figure
        self._scale = build_scale(figure.heat_map.values)
        self._grid = None
        self.refresh(layout=not is_as_high)

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column of the marked cell; -1 where none is marked."""
        if self._is_still:
            return -1, -1
        return self._cursors.get(self._heat_map_figure.heat_map.title, (0, 0))

    def move(self, n_rows: int, n_columns: int) -> None:
        """Move the cursor, never beyond an edge."""
        self._point_at(self.cursor[0] + n_rows, self.cursor[1] + n_columns)

    def _point_at(self, row: int, column: int) -> None:
        heat_map = self._heat_map_figure.heat_map
        self._cursors[heat_map.title] = (
            max(0, min(row, len(heat_map.rows) - 1)),
            max(0, min(column, len(heat_map.columns) - 1)),
        )
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the cell below the mouse."""
        if self._is_still:
            return
        grid = self._laid_out
        row, column = event.y - self._n_head, (event.x - self._margin(grid)) // grid.cell_width
        if 0 <= row < self._n_rows and 0 <= column < grid.n_shown:
            self._point_at(self._first[0] + row, self._first[1] + column)

    def on_resize(self) -> None:
        self._grid = None

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._grid = None

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        heat_map = self._heat_map_figure.heat_map
        n_lines = self._lay_out(width).n_lines if heat_map.rows and heat_map.columns else 1
        return _TITLE + n_lines + len(heat_map.rows) + _FOOT

    def render(self) -> Content:
        heat_map = self._heat_map_figure.heat_map
        width, height = self.content_size
        lines = [self._title()]
        if heat_map.rows and heat_map.columns:
            grid, (row, column) = self._laid_out, self.cursor
            self._first = (
                first_shown(self._first[0], row, self._n_rows, len(heat_map.rows)),
                first_shown(self._first[1], column, grid.n_shown, len(heat_map.columns)),
            )
            lines += [*self._head(grid), *self._rows(grid)]
            lines += [Content(""), self._words(grid), self._legend(grid)]
        else:
            lines.append(Content.styled("no cells", "$text-muted"))
        return Content("\n").join(line.truncate(width) for line in lines[:height])

    @property
    def _laid_out(self) -> Grid:
        if self._grid is None:
            self._grid = self._lay_out(self.content_size.width)
        return self._grid

    def _lay_out(self, width: int) -> Grid:
        lead = 0 if self._ramp else 1
        return build_grid(self._heat_map_figure.heat_map, self._scale, width - 1, lead=lead)

    @property
    def _n_head(self) -> int:
        """Rows above the cells: title, labels of the columns."""
        n_lines, height = self._laid_out.n_lines, self.content_size.height
        needed = _TITLE + n_lines + len(self._heat_map_figure.heat_map.rows) + _FOOT
        return _TITLE + (1 if height < min(needed, _LOW) else n_lines)

    @property
    def _n_rows(self) -> int:
        """Rows of the map that fit."""
        room = self.content_size.height - self._n_head - _FOOT
        return max(1, min(room, len(self._heat_map_figure.heat_map.rows)))

    def _margin(self, grid: Grid) -> int:
        """Columns before the first cell: the cursor's mark, a row's label, a blank."""
        return 1 + grid.label_width + 1

    @property
    def _ramp(self) -> tuple[str, ...]:
        """Colours from low to high; none where none may be used or the terminal has too few."""
        if self.app.native_ansi_color or self.app.no_color:
            return ()
        return {"truecolor": SMOOTH, "256": OF_256}.get(self.app.console.color_system or "", ())

    def _title(self) -> Content:
        heat_map, caption = self._heat_map_figure.heat_map, self._heat_map_figure.caption
        title = Content.assemble(
            (one_line(heat_map.title), "bold"), (f"  {one_line(heat_map.unit)}", "$text-muted")
        )
        room = max(1, self.content_size.width - len(caption) - 2)
        title = title.truncate(room, ellipsis=True, pad=True)
        return Content.assemble(title, (f"  {caption}", "$text-muted"))

    def _head(self, grid: Grid) -> list[Content]:
        """The labels of the columns, in one line or in as many as they take."""
        first = self._first[1]
        marked = self.cursor[1] - first
        if self._n_head == _TITLE + 1:
            heads = [(label, n) for n, label in enumerate(grid.head(first))]
            lines = [[(f"{grid.corner} ", -1), *heads]]
        else:
            lines = [grid.staggered(first, line) for line in range(grid.n_lines)]
        return [
            Content.assemble(
                " ",
                *(
                    (text, "bold $text-accent" if n == marked else "$text-muted")
                    for text, n in line
                ),
            )
            for line in lines
        ]

    def _rows(self, grid: Grid) -> list[Content]:
        first = self._first[0]
        ramp = self._ramp
        return [self._row(grid, row, ramp) for row in range(first, first + self._n_rows)]

    def _row(self, grid: Grid, row: int, ramp: tuple[str, ...]) -> Content:
        marked = self.cursor[1] if row == self.cursor[0] else None
        label = f"{' ' if marked is None else '▸'}{grid.row_labels[row]} "
        parts = [(label, "$text-muted" if marked is None else "bold $text-accent")]
        first = self._first[1]
        for column in range(first, first + grid.n_shown):
            text, style = self._cell(grid, row, column, ramp)
            parts.append((text, _MARKED[bool(ramp)] if column == marked else style))
        return Content.assemble(*parts)

    def _cell(self, grid: Grid, row: int, column: int, ramp: tuple[str, ...]) -> tuple[str, str]:
        """Text and style of one cell: a masked one is bare ground, never a colour or a number."""
        value = self._heat_map_figure.heat_map.values[row][column]
        text = f"{grid.texts[row][column]}{' ' * grid.pad}".rjust(grid.cell_width)
        if value is None:
            return text, ""
        if not math.isfinite(value):
            return text, "bold $text-error"
        share = self._scale.share(value)
        if not ramp:
            return pick(share, SHADES) + text[1:], ""
        ground = pick(share, ramp)
        return text, f"{ink(ground)} on {ground}"

    def _words(self, grid: Grid) -> Content:
        """The cursor's cell in full, and which part of the map is in sight if it is not all."""
        heat_map, (row, column) = self._heat_map_figure.heat_map, self.cursor
        words = Content("")
        if not self._is_still:
            value = heat_map.values[row][column]
            told = "masked" if value is None else format_value(value)
            unit = one_line(heat_map.unit) if value is not None and math.isfinite(value) else ""
            words = Content.assemble(
                _name(heat_map.rows[row]),
                *((" → ", "$text-muted"), _name(heat_map.columns[column]), "  "),
                *((told, "bold"), (f" {unit}" if unit else "", "$text-muted")),
            )
        parts = [
            f"{name} {first + 1}–{first + n_shown} of {n}"
            for name, first, n_shown, n in (
                ("rows", self._first[0], self._n_rows, len(heat_map.rows)),
                ("columns", self._first[1], grid.n_shown, len(heat_map.columns)),
            )
            if n_shown < n
        ]
        return self._with_end(words, " · ".join(parts))

    def _legend(self, grid: Grid) -> Content:
        """What the colours and the numbers in the cells stand for."""
        scale, ramp = self._scale, self._ramp
        unit = one_line(self._heat_map_figure.heat_map.unit)
        shares = [n / (_BAR - 1) for n in range(_BAR)]
        bar = (
            [(" ", f"on {pick(share, ramp)}") for share in shares]
            if ramp
            else [("".join(pick(share, SHADES) for share in shares), "")]
        )
        notes = []
        if not grid.in_full and scale.step != 1:
            is_percent = scale.step == 0.01 and unit in _SHARES
            notes.append("cells in %" if is_percent else f"cells × {scale.step:g}")
        if any(NOT_A_NUMBER in row for row in grid.texts):
            notes.append(f"{NOT_A_NUMBER} diverged")
        if any(MASKED in row for row in grid.texts):
            notes.append("blank: masked")
        legend = Content.assemble(
            (f"{format_value(scale.low)} ", "$text-muted"),
            *bar,
            (f" {format_value(scale.high)} {unit}".rstrip(), "$text-muted"),
            *((f" · {note}", "$text-muted") for note in notes),
        )
        return self._with_end(legend, "" if self._is_still else "h j k l move")

    def _with_end(self, line: Content, end: str) -> Content:
        """`line` with `end` at the right edge, where it has room."""
        room = self.content_size.width - line.cell_length - len(end)
        return line + Content.styled(" " * room + end, "$text-muted") if end and room > 1 else line


_MARKED = {True: "bold $background on $foreground", False: "bold reverse"}
"""Style of the cursor's cell, with colours and without."""


def _name(label: str) -> str:
    """A label in a sentence; quoted where its blanks would not be seen."""
    name = cut(one_line(label), 40)
    return name if name and name == name.strip() else f"“{name}”"
