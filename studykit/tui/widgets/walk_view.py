"""A walk: its map with the present cell marked, and beside it what the step does."""

from __future__ import annotations

from dataclasses import dataclass, field

from textual import events
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget

from studykit.lab.events import Walk
from studykit.tui.widgets.heat_scale import first_shown, one_line
from studykit.tui.widgets.walk_text import (
    GAP,
    MARKS,
    WalkLayout,
    cell_states,
    first_step_at,
    lay_out_walk,
    render_detail,
)

_HEAD = 2
"""Rows above the map's cells: title, labels of the columns."""
_FOOT = 2
"""Rows below the map's cells: a blank, what the marks stand for."""


@dataclass
class _Place:
    """How far the learner is in one walk."""

    n: int = 0
    """The step, counted from 0."""
    seen: set[int] = field(default_factory=set)
    """Steps whose covered columns were shown."""


class WalkView(Widget):
    """Shows one `Walk`; the screen steps, so that no key depends on the focus."""

    DEFAULT_CSS = """
    WalkView { height: auto; max-height: 100%; width: 1fr; }
    """

    class Moved(Message):
        """Another step is shown, or more of it."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name
        super().__init__(id=id)
        self._walk: Walk | None = None
        self._caption = ""
        self._layouts: dict[int, WalkLayout] = {}
        """Width -> layout of this walk."""
        self._places: dict[str, _Place] = {}
        """Title -> place, kept while other figures are shown."""
        self._first = (0, 0)
        """Row and column of the cell that is shown at the top left."""
        self._n_rows = 0
        """Rows of the map that are shown."""
        self._top = 0
        """Lines of the detail that are scrolled out of sight."""

    def show(self, walk: Walk, caption: str) -> None:
        """Draw `walk` in place of the last one; `caption` stands at the right of its title."""
        if (walk, caption) != (self._walk, self._caption):
            self._walk, self._caption, self._layouts = walk, caption, {}
            self._top = 0
            self.refresh(layout=True)

    def forget(self) -> None:
        """Begin every walk anew: those of another run have other numbers to guess."""
        self._places = {}

    @property
    def is_covered(self) -> bool:
        """Columns of this step wait to be asked for."""
        if self._walk is None or not self._walk.covered:
            return False
        return self._place.n not in self._place.seen

    @property
    def is_at_end(self) -> bool:
        """There is nothing more to show by going on."""
        return self._walk is None or (
            self._place.n == len(self._walk.steps) - 1 and not self.is_covered
        )

    def advance(self, step: int) -> None:
        """Go on: show what is covered, else the next step; or go back a step."""
        if step > 0 and self.is_covered:
            self._place.seen.add(self._place.n)
            self._moved()
        else:
            self.go_to(self._place.n + step)

    def go_to(self, n: int) -> None:
        """Show step `n`, counted from 0, or the nearest that there is."""
        if self._walk is not None:
            self._place.n = max(0, min(n, len(self._walk.steps) - 1))
            self._moved()

    def go_to_end(self) -> None:
        """Show the last step."""
        if self._walk is not None:
            self.go_to(len(self._walk.steps) - 1)

    def scroll_detail(self, n_lines: int) -> None:
        """Scroll what stands beside the map."""
        self._top += n_lines
        self.refresh()

    def _moved(self) -> None:
        self.refresh()
        self.post_message(self.Moved())

    @property
    def _place(self) -> _Place:
        assert self._walk is not None
        place = self._places.setdefault(self._walk.title, _Place())
        place.n = min(place.n, len(self._walk.steps) - 1)
        return place

    def on_click(self, event: events.Click) -> None:
        """Go to the first step of the cell below the mouse."""
        if self._walk is None:
            return
        grid = self._lay_out(self._walk, self.content_size.width).grid
        row, column = event.y - _HEAD, (event.x - grid.label_width - 2) // grid.cell_width
        if 0 <= row < self._n_rows and 0 <= column < grid.n_shown:
            at = (self._first[0] + row, self._first[1] + column)
            if (n := first_step_at(self._walk, at)) is not None:
                self.go_to(n)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Enough for every step, so that stepping moves nothing."""
        walk = self._walk
        if walk is None:
            return 1
        layout = self._lay_out(walk, width)
        n_map, n_detail = 1 + len(walk.rows), layout.detail_height
        n_body = max(n_map, n_detail) if layout.is_beside else n_map + 1 + n_detail
        return 1 + n_body + _FOOT

    def render(self) -> Content:
        walk = self._walk
        if walk is None:
            return Content("")
        width, height = self.content_size
        layout, place = self._lay_out(walk, width), self._place
        detail = render_detail(walk, place.n, layout, is_covered=self.is_covered)
        self._n_rows = self._rows_that_fit(walk, layout)
        picture = self._map(walk, layout)
        room = height - 1 - _FOOT - (0 if layout.is_beside else len(picture) + 1)
        self._top = max(0, min(self._top, len(detail) - room))
        shown = detail[self._top : self._top + max(0, room)]
        if layout.is_beside:
            body = _side_by_side(picture, shown, layout.map_width + GAP)
        else:
            body = [*picture, Content(""), *shown]
        foot = self._legend(walk, layout, is_cut=len(detail) > room)
        lines = [self._title(walk), *body, Content(""), foot]
        return Content("\n").join(line.truncate(width) for line in lines[:height])

    def _lay_out(self, walk: Walk, width: int) -> WalkLayout:
        if width not in self._layouts:
            self._layouts[width] = lay_out_walk(walk, width)
        return self._layouts[width]

    def _rows_that_fit(self, walk: Walk, layout: WalkLayout) -> int:
        """Rows of the map that are shown; below a long map the detail keeps half of the room."""
        room = self.content_size.height - _HEAD - _FOOT
        if not layout.is_beside:
            room -= 1
            room = max(room - layout.detail_height, room // 2)
        return max(1, min(room, len(walk.rows)))

    def _title(self, walk: Walk) -> Content:
        room = max(1, self.content_size.width - len(self._caption) - 2)
        title = Content.styled(one_line(walk.title), "bold").truncate(room, ellipsis=True, pad=True)
        return Content.assemble(title, (f"  {self._caption}", "$text-muted"))

    def _map(self, walk: Walk, layout: WalkLayout) -> list[Content]:
        """The labels of the columns, and the rows that fit, as far as the present cell asks."""
        grid, at = layout.grid, walk.steps[self._place.n].at
        self._first = (
            first_shown(self._first[0], at[0], self._n_rows, len(walk.rows)),
            first_shown(self._first[1], at[1], grid.n_shown, len(walk.map_columns)),
        )
        row, column = self._first
        head = Content.assemble(
            (f" {grid.corner} ", "$text-muted"),
            *((label, _LABEL[column + k == at[1]]) for k, label in enumerate(grid.head(column))),
        )
        states = cell_states(walk, self._place.n)
        lines = [head]
        for n in range(row, row + self._n_rows):
            is_here = n == at[0]
            label = f"{'▸' if is_here else ' '}{grid.row_labels[n]} "
            marks = (MARKS[state] for state in states[n][column : column + grid.n_shown])
            # Blanks before a mark are none of it: reversed, they would be.
            pad = " " * (grid.cell_width - 3)
            cells = [part for mark in marks for part in (pad, mark)]
            lines.append(Content.assemble((label, _LABEL[is_here]), *cells))
        return lines

    def _legend(self, walk: Walk, layout: WalkLayout, *, is_cut: bool) -> Content:
        """What the marks stand for, what is out of sight, and the keys."""
        found = {state for row in cell_states(walk, self._place.n) for state in row}
        parts: list[str | tuple[str, str]] = []
        for state, (mark, style) in MARKS.items():
            if state in found:
                text = mark if state == "now" else mark.strip()
                parts += [(text, style), (f" {state}  ", "$text-muted")]
        hidden = [
            f"{name} {first + 1}–{first + n_shown} of {n}"
            for name, first, n_shown, n in (
                ("rows", self._first[0], self._n_rows, len(walk.rows)),
                ("columns", self._first[1], layout.grid.n_shown, len(walk.map_columns)),
            )
            if n_shown < n
        ]
        keys = ["j k scroll", "h l step"] if is_cut else ["h l step"]
        legend = Content.assemble(*parts)
        # What has no room is left out, the most needed last.
        for ends in ([*hidden, *keys], keys, keys[:1]):
            end = " · ".join(ends)
            blanks = self.content_size.width - legend.cell_length - len(end)
            if blanks >= 0:
                return legend + Content.styled(" " * blanks + end, "$text-muted")
        return legend


_LABEL = {True: "bold $text-accent", False: "$text-muted"}
"""Style of a row's or a column's label, by whether the present cell is there."""


def _side_by_side(left: list[Content], right: list[Content], width: int) -> list[Content]:
    """The two, line by line; what is `right` begins in column `width`."""
    lines = []
    for n in range(max(len(left), len(right))):
        start = left[n] if n < len(left) else Content("")
        end = right[n] if n < len(right) else Content("")
        lines.append(start.pad_right(width - start.cell_length) + end)
    return lines
