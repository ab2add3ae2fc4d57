"""The labs that were started: the one that runs, those in line, those that have ended unseen."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content

from studykit.study.evidence_words import render_budget, render_knobs
from studykit.study.lab_run import LabRun
from studykit.study.run_history import changed_knobs
from studykit.study.run_words import render_state
from studykit.text import clean
from studykit.tui.messages import LabClosed, OpenLab
from studykit.tui.screens.base import NO_UNDO, StudyScreen
from studykit.tui.widgets.rows import Row, Rows
from studykit.tui.widgets.safe import Static


class LabsInHandScreen(StudyScreen):
    """One entry a run: which lab, and how far it is or how it ended."""

    CSS_PATH = "labs.tcss"
    AUTO_FOCUS = "Rows"
    BINDING_GROUP_TITLE = "Labs in hand"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", id="open-lab", tooltip="Open the marked lab"),
        Binding("c", "cancel", "cancel", id="lab-cancel", tooltip="Stop the marked run"),
        NO_UNDO,
        Binding("q,escape,W", "app.pop_screen", "back", key_display="q", id="back", tooltip="Back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._runs: tuple[LabRun, ...] = ()

    def compose_body(self) -> ComposeResult:
        yield Static(Content.styled("Labs in hand", "bold"), id="title")
        with Container(classes="frame"), VerticalScroll(id="body", can_focus=False):
            yield Rows()

    def on_mount(self) -> None:
        self._look()
        self.set_interval(1.0, self._look)

    def _look(self) -> None:
        """The rows as they are now; the cursor stays on its run."""
        rows = self.query_one(Rows)
        marked = self._marked
        self._runs = self.services.labs.in_hand
        rows.rows = tuple(map(self._row, self._runs))
        # Below a run that has left, the list is shorter than the cursor knows.
        rows.cursor = self._runs.index(marked) if marked in self._runs else rows.cursor
        self.refresh_bindings()

    @property
    def _marked(self) -> LabRun | None:
        cursor = self.query_one(Rows).cursor
        return self._runs[cursor] if cursor < len(self._runs) else None

    @property
    def runs_beside(self) -> tuple[LabRun, ...]:
        return ()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "open":
            return bool(self._runs)
        if action == "cancel":
            return any(not run.is_over for run in self._runs)
        return True

    def _row(self, run: LabRun) -> Row:
        knobs = render_knobs(changed_knobs(run.header, run.knobs))
        facts = (clean(run.header.id), knobs, render_budget(run.budget))
        what = " · ".join(part for part in facts if part)
        # How long a quick look takes, nobody has measured.
        cost = self.services.cost_of(run.header, run.knobs) if run.budget == 1 else ""
        return Row("", Content.assemble((what, "bold"), f"\n{render_state(run, cost)}"))

    def action_open(self) -> None:
        if (run := self._marked) is not None:
            wish = OpenLab(self, run.header, run.knobs, run.card, run=run)
            self.app.post_message(wish)

    @on(Rows.Clicked)
    def _open_clicked(self) -> None:
        self.action_open()

    @on(LabClosed)
    def _look_again(self) -> None:
        self._look()

    def action_cancel(self) -> None:
        run = self._marked
        if run is None or run.is_over:
            return
        was_waiting = run.state == "waiting"
        self.services.cancel_lab(run)
        self._look()
        self.say(f"{run.header.id} is {'out of the line' if was_waiting else 'being cancelled'}")
