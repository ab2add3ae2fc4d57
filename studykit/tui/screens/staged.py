"""A screen with a run on its stage: the keys that look at figures, whatever else it is for."""

from __future__ import annotations

from textual import on
from textual.binding import Binding, BindingType

from studykit.tui.screens.base import TESTS, StudyScreen
from studykit.tui.widgets.lab_stage import LabStage
from studykit.tui.widgets.walk_view import WalkView

BROAD = 160
"""Columns from which the outcome stands beside the figures."""

STAGE_KEYS: list[BindingType] = [
    Binding(
        "space", "uncover", "show it", id="walk-uncover", tooltip="In a walk: show what is covered"
    ),
    Binding("space", "step", "next step", id="walk-next", tooltip="In a walk: the next step"),
    Binding(
        "tab", "turn(1)", "charts", id="lab-next", tooltip="Next chart, map or walk, the outcome"
    ),
    Binding("shift+tab", "turn(-1)", "previous chart", show=False, id="lab-previous"),
    Binding("g", "log_scale", "log y", id="lab-log-scale", tooltip="A logarithmic y axis"),
    TESTS,
]
"""What is shown, and how."""

MOVING_KEYS: list[BindingType] = [
    Binding("down,j", "move(1)", "down", show=False, id="lab-down"),
    Binding("up,k", "move(-1)", "up", show=False, id="lab-up"),
    Binding("right,l", "change(1)", "next value", show=False, id="lab-right"),
    Binding("left,h", "change(-1)", "previous value", show=False, id="lab-left"),
    Binding(
        "home",
        "edge(-1)",
        "first step",
        show=False,
        id="walk-first",
        tooltip="In a walk: the first step",
    ),
    Binding(
        "end", "edge(1)", "last step", show=False, id="walk-last", tooltip="In a walk: the last"
    ),
    Binding(
        "pagedown",
        "page(1)",
        "page down",
        show=False,
        id="lab-page-down",
        tooltip="Scroll the outcome or the idea",
    ),
    Binding("pageup", "page(-1)", "page up", show=False, id="lab-page-up"),
]
"""Where in it."""


class StagedScreen(StudyScreen):
    """Lets the learner look around on its `stage`."""

    CSS_PATH = "lab.tcss"

    def __init__(self) -> None:
        super().__init__()
        self._stage = LabStage()

    def on_resize(self) -> None:
        self.set_class(self.size.width >= BROAD, "-broad")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        stage = self._stage
        if action == "turn":
            return stage.has_figures
        if action == "log_scale":
            return stage.shows == "chart"
        if action == "tests":
            return stage.has_claims
        if action == "change":
            return stage.shows in ("map", "walk")
        if action in ("step", "uncover", "edge"):
            if stage.shows != "walk":
                return False
            is_covered = stage.walk.is_covered
            return {
                "step": not is_covered and not stage.walk.is_at_end,
                "uncover": is_covered,
                "edge": True,
            }[action]
        return True

    @on(WalkView.Moved)
    def _walk_moved(self) -> None:
        self.refresh_bindings()

    async def action_turn(self, step: int) -> None:
        """Show the next figure, or the one before."""
        await self._stage.turn(step)
        self.refresh_bindings()

    def show_tests(self) -> None:
        self._stage.show_tests(self.services.shows_tests)

    async def action_log_scale(self) -> None:
        await self._stage.toggle_log()

    def action_uncover(self) -> None:
        self._stage.walk.advance(1)

    def action_step(self) -> None:
        self._stage.walk.advance(1)

    def action_edge(self, step: int) -> None:
        """Go to the first or to the last step."""
        if step < 0:
            self._stage.walk.go_to(0)
        else:
            self._stage.walk.go_to_end()

    def action_move(self, step: int) -> None:
        self._stage.move(step, 0)

    def action_change(self, step: int) -> None:
        self._stage.move(0, step)

    def action_page(self, step: int) -> None:
        self._stage.page(step)
