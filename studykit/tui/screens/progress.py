"""Progress: how well it stays, what comes, what is hard, and what the labs have shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.content import Content

from studykit.errors import StudykitError
from studykit.study.learner_stats import ProgressStats, read_progress_stats
from studykit.tui.messages import LabClosed, OpenCard, OpenLab, ProgressFailed, ProgressStatsRead
from studykit.tui.screens.base import NO_UNDO, StudyScreen
from studykit.tui.widgets.card_text import Fitted
from studykit.tui.widgets.panel import Panel
from studykit.tui.widgets.progress_text import (
    MUTED,
    hard_row,
    lab_row,
    render_calibration_panel,
    render_forecast_panel,
    render_mastery_panel,
    render_retention_panel,
)
from studykit.tui.widgets.rows import LongRows, Rows
from studykit.tui.widgets.safe import Static

Render = Callable[[ProgressStats, int], Content]

TEXTS: dict[str, tuple[str, Render]] = {
    "retention": ("True retention", render_retention_panel),
    "forecast": ("Due in the next 30 days", render_forecast_panel),
    "mastery": ("Mastery by topic", render_mastery_panel),
    "calibration": ("Confidence: said and right", render_calibration_panel),
}
LISTS = {"hardest": "Hardest cards", "labs": "Labs and predictions"}
ROWS = (("retention", "forecast"), ("mastery", "calibration"), ("hardest", "labs"))
"""Panels that stand together; where there is little room, one row at a time."""


ROOM_FOR_NAMES = 76
"""Columns from which the title has room for more than the names of the panels."""


class ProgressScreen(StudyScreen):
    """Six panels; what they tell is counted while the screen is open already."""

    CSS_PATH = "progress.tcss"
    BINDING_GROUP_TITLE = "Progress"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "panel(1)", "next panel", id="panel-next", tooltip="The next panel"),
        Binding("shift+tab", "panel(-1)", "panel back", show=False, id="panel-previous"),
        Binding("enter", "open", "open", id="open-entry", tooltip="Open the marked card or lab"),
        NO_UNDO,
        Binding("q,escape", "home", "home", key_display="q", id="home", tooltip="Home"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._stats: ProgressStats | None = None

    def compose_body(self) -> ComposeResult:
        yield Static(id="title")
        with Container(classes="frame"), Container(id="body"):
            for names in ROWS:
                with Container(classes="row"):
                    for name in names:
                        yield self._panel(name)

    def _panel(self, name: str) -> Panel:
        if name in LISTS:
            return Panel(LISTS[name], LongRows(), id=name)
        return Panel(TEXTS[name][0], Fitted(lambda _: Content("Counting …")), id=name)

    def on_mount(self) -> None:
        self._go_to(0)
        self._read()

    @work(thread=True, exclusive=True, group="stats")
    def _read(self) -> None:
        try:
            self.post_message(ProgressStatsRead(read_progress_stats(self.services)))
        except StudykitError as error:
            self.post_message(ProgressFailed(error))

    @on(ProgressStatsRead)
    def _fill(self, event: ProgressStatsRead) -> None:
        self._stats = stats = event.stats
        for name, (_, render) in TEXTS.items():
            fitted = self.query_one(f"#{name} Fitted", Fitted)
            fitted.show(lambda width, render=render: render(stats, width))  # type: ignore[misc]
        self.query_one("#hardest Rows", Rows).rows = tuple(map(hard_row, stats.hardest))
        self.query_one("#labs Rows", Rows).rows = tuple(map(lab_row, stats.labs))
        if not stats.hardest:
            self.query_one("#hardest", Panel).border_subtitle = Content("no card was forgotten yet")
        self.refresh_bindings()

    @on(ProgressFailed)
    def _blame(self, event: ProgressFailed) -> None:
        self.fail(str(event.error))

    @property
    def _panels(self) -> list[Panel]:
        return list(self.query(Panel))

    def _current(self) -> int:
        in_use = [place for place, panel in enumerate(self._panels) if panel.is_in_use]
        return in_use[0] if in_use else 0

    def _go_to(self, place: int) -> None:
        """Give the keys to a panel; its row is the one that is shown where there is little room."""
        panel = self._panels[place]
        for row in self.query(".row"):
            row.set_class(row is panel.parent, "-current")
        panel.stop.focus(scroll_visible=False)

    def _name_panels(self) -> None:
        """All panels by name in the title, as most of them may be out of sight."""
        names = [
            Content.styled(panel.id or "", "bold $text-primary" if panel.is_in_use else MUTED)
            for panel in self._panels
        ]
        if self.size.width < ROOM_FOR_NAMES:
            title, between = Content(), Content(" ")
        else:
            title, between = Content.styled("Progress", "bold") + Content("   "), Content(" · ")
        self.query_one("#title", Static).update(title + between.join(names))

    def action_panel(self, step: int) -> None:
        self._go_to((self._current() + step) % len(self._panels))

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
        if self._panels[self._current()].id == "labs":
            header = stats.labs[rows.cursor].header
            self.app.post_message(OpenLab(self, header, header.defaults))
            return
        card = self.services.cards[stats.hardest[rows.cursor].card_id]
        memory = self.services.progress.memory(card.id)
        self.app.post_message(OpenCard(self, card, memory))

    @on(Rows.Clicked)
    def _open_clicked(self) -> None:
        self.action_open()

    @on(LabClosed)
    def _count_again(self) -> None:
        """A run may have been added."""
        self._read()

    def action_home(self) -> None:
        self.dismiss()
