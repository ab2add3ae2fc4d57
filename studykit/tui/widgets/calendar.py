"""A calendar of weeks: a column a week, a cell a day, darker with more answers, and a cursor."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.color import Color
from textual.content import Content
from textual.geometry import Size
from textual.reactive import reactive
from textual.widget import Widget

from studykit.study.words import long_day
from studykit.text import plural

DAY_NAMES = ("Mon", "", "Wed", "", "Fri", "", "Sun")
_LEAD = 4
"""Columns of the day names."""
_CELL = 2
N_ROWS = 10
"""Months, seven days, the cursor's day in words, the scale."""
NOTHING = "·"
CELL = "■"
SHADES = "░▒▓█"
"""The cells where the terminal's own colours are all there is to blend, or none may be used."""


class Calendar(Widget, can_focus=True):
    """Answers a day; the keys move the cursor once the calendar has the focus."""

    BINDING_GROUP_TITLE = "Calendar"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-7)", "Week back", show=False, id="week-back"),
        Binding("right,l", "move(7)", "Week on", show=False, id="week-on"),
        Binding("up,k", "move(-1)", "Day back", show=False, id="day-back"),
        Binding("down,j", "move(1)", "Day on", show=False, id="day-on"),
        Binding(
            "escape",
            "leave",
            "leave calendar",
            key_display="Esc",
            id="leave-calendar",
            tooltip="Out of the calendar (h j k l move in it)",
        ),
    ]
    DEFAULT_CSS = """
    Calendar { height: auto; width: auto; }
    """

    days: reactive[tuple[tuple[date, int], ...]] = reactive((), layout=True)
    """Each day with its answers, the first one a Monday; the last one is today."""
    cursor: reactive[int] = reactive(0)

    def show(self, days: Sequence[tuple[date, int]]) -> None:
        """Show `days` with the cursor on the last of them."""
        self.days = tuple(days)
        self.cursor = len(days) - 1

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, len(self.days) - 1))

    def action_move(self, n_days: int) -> None:
        """Move by whole weeks in a row, by days in a column; never beyond an edge."""
        if 0 <= self.cursor + n_days < len(self.days):
            self.cursor += n_days

    def action_leave(self) -> None:
        self.screen.set_focus(None)

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return _LEAD + _CELL * self._n_weeks + 1

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return N_ROWS if self.days else 0

    @property
    def _n_weeks(self) -> int:
        return -(-len(self.days) // 7)

    def render(self) -> Content:
        if not self.days:
            return Content()
        styles = self._styles()
        rows = [self._months()]
        rows += [self._row(weekday, styles) for weekday in range(7)]
        return Content("\n").join([*rows, self._words(), self._scale(styles)])

    def _months(self) -> Content:
        """The name of each month above the week of its first Monday, where there is room."""
        line = " " * _LEAD
        for week in range(self._n_weeks):
            day, _ = self.days[7 * week]
            column = _LEAD + _CELL * week + 1
            is_first = day.day <= 7 or week == 0
            if is_first and (len(line) < column or week == 0):
                line = f"{line:<{column}}{day:%b}"
        return Content.styled(line, "$text-muted")

    def _row(self, weekday: int, styles: Sequence[tuple[str, str]]) -> Content:
        parts = [Content.styled(f"{DAY_NAMES[weekday]:<{_LEAD}}", "$text-muted")]
        marked = self.cursor if self.has_focus else None
        for week in range(self._n_weeks):
            index = 7 * week + weekday
            gap = " "
            if index == marked:
                gap = "["
            elif index - 7 == marked:
                gap = "]"
            parts.append(Content.styled(gap, "bold $text-accent"))
            if index < len(self.days):
                parts.append(Content.styled(*styles[self._level(self.days[index][1])]))
            else:
                parts.append(Content(" "))
        if marked == 7 * (self._n_weeks - 1) + weekday:
            parts.append(Content.styled("]", "bold $text-accent"))
        return Content("").join(parts)

    def _level(self, n: int) -> int:
        """0 for none, then 1 to the number of shades, which the busiest day has."""
        most = max(count for _, count in self.days)
        return 0 if n == 0 else 1 + (len(SHADES) - 1) * (n - 1) // max(1, most - 1)

    def _styles(self) -> list[tuple[str, str]]:
        """Each level's cell with its style."""
        nothing = (NOTHING, "$text-muted")
        if self.app.native_ansi_color or self.app.no_color:
            return [nothing, *((shade, "") for shade in SHADES)]
        variables = self.app.theme_variables
        ground = Color.parse(variables["background"])
        full = Color.parse(variables["text-success"])
        shares = [0.35 + 0.65 * n / (len(SHADES) - 1) for n in range(len(SHADES))]
        return [nothing, *((CELL, ground.blend(full, share).hex) for share in shares)]

    def _words(self) -> Content:
        day, n = self.days[self.cursor]
        today = self.days[-1][0]
        name = {today: "today", today - timedelta(days=1): "yesterday"}.get(day, long_day(day))
        told = plural(n, "answer") if n else "no answer"
        return Content.assemble(" " * _LEAD, (f" {name}: ", "$text-muted"), told)

    def _scale(self, styles: Sequence[tuple[str, str]]) -> Content:
        """What the cells stand for, from no answer to the most, and how to reach them."""
        most = max(count for _, count in self.days)
        scale = Content.assemble(
            (f" {NOTHING} none   1 ", "$text-muted"),
            *(Content.styled(*style) + Content(" ") for style in styles[1:]),
            (f"{most}", "$text-muted"),
        )
        keys = "h j k l move, Esc leaves" if self.has_focus else "Tab picks a day"
        line = Content(" " * _LEAD) + (scale if most else Content())
        room = max(2, self.content_size.width - line.cell_length - len(keys) - 1)
        return line + Content.styled(" " * room + keys, "$text-muted")
