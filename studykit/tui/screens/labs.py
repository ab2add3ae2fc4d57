"""The labs of the course, to open one without a card."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content

from studykit.course.cards import LabHeader
from studykit.study.run_words import render_state
from studykit.text import clean
from studykit.tui.messages import LabClosed, OpenLab
from studykit.tui.screens.base import NO_UNDO, StudyScreen
from studykit.tui.widgets.rows import LongRows, Row, Rows
from studykit.tui.widgets.safe import Static


class LabsScreen(StudyScreen):
    """One entry a lab: its question, and what is known of it."""

    CSS_PATH = "labs.tcss"
    AUTO_FOCUS = "Rows"
    BINDING_GROUP_TITLE = "Labs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", id="open-lab", tooltip="Open the marked lab"),
        NO_UNDO,
        Binding("q,escape", "home", "home", key_display="q", id="home", tooltip="Home"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._labs: list[LabHeader] = []

    def compose_body(self) -> ComposeResult:
        yield Static(Content.styled("Labs", "bold"), id="title")
        with Container(classes="frame"), VerticalScroll(id="body", can_focus=False):
            if self.services.course.labs:
                yield LongRows()
            else:
                problems = self.services.course.problems
                why = "no lab that can be read: studykit check says why" if problems else "no labs"
                yield Static(f"This course has {why}")

    def on_mount(self) -> None:
        self._read()
        self._fill()
        self.set_interval(1.0, self._look)

    def on_screen_resume(self) -> None:
        """A run may have left the line."""
        self._fill()

    def _look(self) -> None:
        if self.services.labs.in_hand:
            self._fill()

    def _read(self) -> None:
        self._labs = self.services.bench.each_with_own()

    def _fill(self) -> None:
        for rows in self.query(Rows):
            rows.rows = tuple(map(self._row, self._labs))

    def _row(self, lab: LabHeader) -> Row:
        own = [run for run in self.services.runs if run.lab == lab.id]
        n_own = sum(run.is_complete for run in own)
        told = f"run {n_own}×" if n_own else "not run yet"
        run = self.services.labs.of_lab(lab.id)
        state = render_state(run) if run else ""
        whose = "your own version" if lab.is_own else ""
        lack = ", ".join(model.name for model in self.services.lacking(lab, lab.defaults))
        needs = f"needs {lack}, not installed" if lack else ""
        known = (lab.id, whose, self.services.cost_of(lab), told, needs, state)
        facts = " · ".join(filter(None, known))
        return Row("", Content.assemble(clean(lab.question), (f"\n{facts}", "$text-muted")))

    def action_open(self) -> None:
        for rows in self.query(Rows):
            lab = self._labs[rows.cursor]
            self.app.post_message(OpenLab(self, lab, lab.defaults))

    @on(Rows.Clicked)
    def _open_clicked(self) -> None:
        self.action_open()

    @on(LabClosed)
    def _count_again(self) -> None:
        """A run may have been added, or a version."""
        self._read()
        self._fill()

    def action_home(self) -> None:
        self.dismiss()
