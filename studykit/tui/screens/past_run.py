"""A run of a lab that ended long ago, or was recorded: its exhibits and its outcome."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content

from studykit.study.evidence_words import render_knobs
from studykit.study.lab_run import LabRun
from studykit.text import clean
from studykit.tui.screens.base import NO_UNDO
from studykit.tui.screens.staged import MOVING_KEYS, STAGE_KEYS, StagedScreen
from studykit.tui.widgets.safe import Static


class PastRunScreen(StagedScreen):
    """One past run, to be looked at."""

    BINDING_GROUP_TITLE = "A past run"
    BINDINGS: ClassVar[list[BindingType]] = [
        *STAGE_KEYS,
        Binding(
            "q,escape,v",
            "app.pop_screen",
            "back",
            key_display="q",
            id="back",
            tooltip="Back to the runs",
        ),
        *MOVING_KEYS,
        NO_UNDO,
    ]

    def __init__(self, run: LabRun, when: str) -> None:
        super().__init__()
        self._run = run
        self._when = when

    def compose_body(self) -> ComposeResult:
        run = self._run
        told = " · ".join([clean(run.header.id), self._when, render_knobs(run.knobs)])
        yield Static(run.header.question, id="question")
        yield Static(Content.styled(told, "$text-muted"), id="origin")
        yield self._stage

    async def on_mount(self) -> None:
        await self._stage.show(self._run, None)
        self.refresh_bindings()
