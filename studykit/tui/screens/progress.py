"""Progress: how well it stays, what comes, what is hard, and what the labs have shown."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import ClassVar, NamedTuple

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content

from studykit.errors import StudykitError
from studykit.progress.long_run import UNITS, Unit
from studykit.study.definitions import DEFINITIONS, Definition
from studykit.study.statistics import Statistics, read_statistics
from studykit.text import percent, plural
from studykit.tui.messages import LabClosed, OpenCard, OpenLab, ProgressFailed, StatisticsRead
from studykit.tui.screens.base import NO_UNDO, StudyScreen
from studykit.tui.widgets.card_text import Fitted
from studykit.tui.widgets.panel import Panel
from studykit.tui.widgets.progress_text import (
    MUTED,
    period_name,
    render_forecast_panel,
    render_mastery_panel,
    render_retention_panel,
    render_trend_panel,
)
from studykit.tui.widgets.rows import LongRows, Row, Rows
from studykit.tui.widgets.safe import Static
from studykit.tui.widgets.statistics_text import (
    hard_row,
    lab_row,
    mistake_row,
    render_confidence_panel,
    render_kinds_panel,
    render_maturity_panel,
    render_prediction_panel,
    render_time_panel,
)

Render = Callable[[Statistics, int], Content]


class Told(NamedTuple):
    """What one panel tells."""

    title: str
    figures: tuple[str, ...]
    """Their definitions, by name."""
    render: Render | None = None
    """None: it is a list of entries, or told by more than the statistics."""


RETENTION = ("retention", "interval", "wanted", "expected", "graded")
PANELS = {
    "retention": Told("True retention", RETENTION, render_retention_panel),
    "trend": Told("True retention", RETENTION),
    "prediction": Told(
        "FSRS: expected and remembered", ("prediction", "interval"), render_prediction_panel
    ),
    "confidence": Told(
        "Confidence: said and right", ("confidence", "interval"), render_confidence_panel
    ),
    "mastery": Told("Mastery by topic", ("mastery",), render_mastery_panel),
    "maturity": Told("Maturity", ("maturity",), render_maturity_panel),
    "mistakes": Told("Confidently wrong", ("mistakes",)),
    "hardest": Told("Hardest cards", ("hardest",)),
    "forecast": Told("Due in the next 30 days", ("forecast",), render_forecast_panel),
    "time": Told("Time", ("time",), render_time_panel),
    "kinds": Told("By kind of card", ("kinds",), render_kinds_panel),
    "labs": Told("Labs and predictions", ("labs",)),
}
PAGES = {
    "memory": (("retention", "trend"), ("prediction", "confidence")),
    "cards": (("mastery", "maturity"), ("mistakes", "hardest")),
    "work": (("forecast", "time"), ("kinds", "labs")),
}
"""Rows of panels that are shown together; where there is little room, one row at a time."""
LISTS = ("mistakes", "hardest", "labs")

SPANS_DAYS = (365, None, 30, 90)
"""Days up to today that calibration and confident errors are told of; None: the whole log."""

ROOM_FOR_NAMES = 76
"""Columns from which the title has room for the name of the screen."""


class ProgressScreen(StudyScreen):
    """Pages of four panels; what they tell is counted while the screen is open already."""

    CSS_PATH = "progress.tcss"
    BINDING_GROUP_TITLE = "Progress"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "panel(1)", "next panel", id="panel-next", tooltip="The next panel"),
        Binding("shift+tab", "panel(-1)", "panel back", show=False, id="panel-previous"),
        Binding(
            "right,l", "page(1)", "page", key_display="→", id="page-next", tooltip="The next page"
        ),
        Binding("left,h", "page(-1)", "page back", show=False, id="page-previous"),
        Binding(
            "b", "unit", "day/week", id="trend-unit", tooltip="Retention by day, week or month"
        ),
        Binding(
            "s",
            "span",
            "since",
            id="since",
            tooltip="Calibration and errors of 30 days, 90 days, 1 year or all",
        ),
        Binding("enter", "open", "open", id="open-entry", tooltip="Open the marked card or lab"),
        NO_UNDO,
        Binding("q,escape", "home", "home", key_display="q", id="home", tooltip="Home"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._stats: Statistics | None = None
        self._unit: Unit = "week"
        self._span_days: int | None = SPANS_DAYS[0]

    def compose_body(self) -> ComposeResult:
        yield Static(id="title")
        with Container(classes="frame"), Container(id="body"):
            for page in PAGES.values():
                with Container(classes="page"):
                    for names in page:
                        with Container(classes="row"):
                            for name in names:
                                yield self._panel(name)

    def _panel(self, name: str) -> Panel:
        body = LongRows() if name in LISTS else Fitted(lambda _: Content("Counting …"))
        return Panel(PANELS[name].title, body, id=name)

    def on_mount(self) -> None:
        self._go_to(0)
        self._read()

    @work(thread=True, exclusive=True, group="stats")
    def _read(self) -> None:
        services, days = self.services, self._span_days
        since = None if days is None else services.today - timedelta(days=days - 1)
        try:
            stats = read_statistics(services, services.progress, tuple(services.runs), since)
            self.post_message(StatisticsRead(stats))
        except StudykitError as error:
            self.post_message(ProgressFailed(error))

    @on(StatisticsRead)
    def _fill(self, event: StatisticsRead) -> None:
        if event.stats.span_days != self._span_days:
            return  # another span was asked for while this one was counted
        self._stats = stats = event.stats
        for name, told in PANELS.items():
            if told.render is not None:
                self._show(name, told.render)
        self._show_trend()
        span = "" if self._span_days is None else f" · {period_name(self._span_days)}"
        for name in ("prediction", "confidence", "mistakes"):
            self.query_one(f"#{name}", Panel).border_title = Content(PANELS[name].title + span)
        self._list("mistakes", [mistake_row(each, stats.today) for each in stats.mistakes])
        self._list("hardest", [hard_row(each) for each in stats.hardest])
        self._list("labs", [lab_row(each) for each in stats.labs])
        errors, judged = stats.errors, stats.predictions
        self._note("mistakes", f"{plural(errors.cards, 'card')}, {errors.mended} mended")
        self._note("hardest", "" if stats.hardest else "no card was forgotten yet")
        predicted = f", {judged.remembered} of {judged.n} predictions right" if judged.n else ""
        if judged.low is not None and judged.high is not None:
            predicted += f" ({100 * judged.low:.0f}–{percent(judged.high)})"
        self._note("labs", f"{stats.n_labs_run} of {plural(len(stats.labs), 'lab')} run{predicted}")
        self.refresh_bindings()

    def _show(self, name: str, render: Render) -> None:
        stats = self._stats
        assert stats is not None
        self.query_one(f"#{name} Fitted", Fitted).show(lambda width: render(stats, width))

    def _show_trend(self) -> None:
        unit = self._unit
        self._show("trend", lambda stats, width: render_trend_panel(stats, unit, width))
        title = Content(f"{PANELS['trend'].title} by {unit}")
        self.query_one("#trend", Panel).border_title = title

    def _list(self, name: str, rows: list[Row]) -> None:
        self.query_one(f"#{name} Rows", Rows).rows = tuple(rows)

    def _note(self, name: str, text: str) -> None:
        self.query_one(f"#{name}", Panel).border_subtitle = Content(text)

    @on(ProgressFailed)
    def _blame(self, event: ProgressFailed) -> None:
        self.fail(str(event.error))

    @property
    def _panels(self) -> list[Panel]:
        return list(self.query(Panel))

    def _current(self) -> int:
        in_use = [place for place, panel in enumerate(self._panels) if panel.is_in_use]
        return in_use[0] if in_use else 0

    def figures(self) -> tuple[list[Definition], list[Definition]]:
        """Of the panel in use, and of the others."""
        mine = PANELS[self._panels[self._current()].id or ""].figures
        others = [each for name, each in DEFINITIONS.items() if name not in mine]
        return [DEFINITIONS[name] for name in mine], others

    def _go_to(self, place: int) -> None:
        """Give the keys to a panel; its page is shown, or where there is little room its row."""
        panel = self._panels[place]
        for row in self.query(".row"):
            row.set_class(row is panel.parent, "-current")
        for page in self.query(".page"):
            page.set_class(panel in page.query(Panel), "-current")
        panel.stop.focus(scroll_visible=False)

    def _name_panels(self) -> None:
        """Pages and the panels of this one by name in the title: most may be out of sight."""
        name = self._panels[self._current()].id or ""
        current = next(page for page, rows in PAGES.items() if any(name in row for row in rows))
        pages = [
            Content.styled(page.capitalize(), "bold $text-primary" if page == current else MUTED)
            for page in PAGES
        ]
        panels = [
            Content.styled(each, "bold $text-primary" if each == name else MUTED)
            for row in PAGES[current]
            for each in row
        ]
        is_wide = self.size.width >= ROOM_FOR_NAMES
        title = Content.styled("Progress", "bold") + Content("   ") if is_wide else Content()
        between = Content(" · " if is_wide else " ")
        title += Content(" ").join(pages) + Content("   ") + between.join(panels)
        self.query_one("#title", Static).update(title)

    def action_panel(self, step: int) -> None:
        self._go_to((self._current() + step) % len(self._panels))

    def action_page(self, step: int) -> None:
        """To the first panel of another page."""
        firsts = [rows[0][0] for rows in PAGES.values()]
        names = list(PANELS)
        page = sum(names.index(first) <= self._current() for first in firsts) - 1
        self._go_to(names.index(firsts[(page + step) % len(firsts)]))

    def action_unit(self) -> None:
        """Retention by the next unit, shown where it is told."""
        if self._stats is None:
            return
        self._unit = UNITS[(UNITS.index(self._unit) + 1) % len(UNITS)]
        self._show_trend()
        self._go_to(list(PANELS).index("trend"))

    def action_span(self) -> None:
        """Count again, of another span."""
        span = SPANS_DAYS.index(self._span_days)
        self._span_days = SPANS_DAYS[(span + 1) % len(SPANS_DAYS)]
        told = "of the whole log" if self._span_days is None else period_name(self._span_days)
        self.say(f"Calibration and confident errors: {told}")
        self._read()

    def on_resize(self) -> None:
        self._name_panels()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """A click may have given the keys to another panel."""
        self._name_panels()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "open":
            rows = self.focused
            return isinstance(rows, Rows) and bool(rows.rows)
        return True

    def action_open(self) -> None:
        """Open what the cursor marks: a card to read, or a lab."""
        rows, stats = self.focused, self._stats
        if not isinstance(rows, Rows) or stats is None:
            return
        match self._panels[self._current()].id:
            case "labs":
                header = stats.labs[rows.cursor].header
                self.app.post_message(OpenLab(self, header, header.defaults))
            case "mistakes":
                self._open_card(stats.mistakes[rows.cursor].card.id)
            case _:
                self._open_card(stats.hardest[rows.cursor].card_id)

    def _open_card(self, card_id: str) -> None:
        memory = self.services.progress.memory(card_id)
        self.app.post_message(OpenCard(self, self.services.cards[card_id], memory))

    @on(Rows.Clicked)
    def _open_clicked(self) -> None:
        self.action_open()

    @on(LabClosed)
    def _count_again(self) -> None:
        """A run may have been added."""
        self._read()

    def action_home(self) -> None:
        self.dismiss()
