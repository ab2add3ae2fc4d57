"""Plan: how much a day, how well, which days are free and when an exam is; written to settings."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Input
from textual.worker import get_current_worker

from studykit.errors import StudykitError
from studykit.study.definitions import Definition
from studykit.study.plan_outlook import PlanOutlook, Simulated, reckon
from studykit.study.planning import (
    ABOUT,
    PlanLine,
    Values,
    as_toml,
    as_typed,
    plan_lines,
    turned,
    typed,
)
from studykit.text import clean
from studykit.tui.messages import OpenWeights, PlanReckoned, ProgressFailed
from studykit.tui.screens.base import StudyScreen
from studykit.tui.widgets.card_text import Fitted
from studykit.tui.widgets.own_value import OwnValue
from studykit.tui.widgets.panel import Panel
from studykit.tui.widgets.plan_text import plan_row, render_outlook
from studykit.tui.widgets.rows import LongRows, Rows
from studykit.tui.widgets.safe import Static


class PlanScreen(StudyScreen):
    """Every change is in the settings file at once; what it leads to stands beside it."""

    CSS_PATH = "plan.tcss"
    AUTO_FOCUS = "Rows"
    BINDING_GROUP_TITLE = "Plan"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "turn(1)", "more", id="plan-more", tooltip="More, or the next choice"),
        Binding("left,h", "turn(-1)", "less", id="plan-less", tooltip="Less, or the one before"),
        Binding("enter", "type", "type", id="plan-type", tooltip="Type a value"),
        Binding(
            "o", "weights", "weights", id="plan-weights", tooltip="Fit weights to your own log"
        ),
        Binding("tab", "look", "scroll", id="plan-look", tooltip="Scroll what it leads to"),
        Binding("u", "undo", "undo", id="undo", tooltip="Take the last change here back"),
        Binding("q,escape", "home", "home", key_display="q", id="home", tooltip="Home"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._lines: tuple[PlanLine, ...] = ()
        self._simulated: Simulated | None = None
        self._before: list[Values] = []
        """What each change here has replaced, the last change last."""

    def compose_body(self) -> ComposeResult:
        yield Static(Content.styled("Plan", "bold"), id="title")
        with Container(classes="frame"), Horizontal(id="body"):
            with VerticalScroll(id="lines", can_focus=False):
                yield LongRows()
            yield Panel("", Fitted(lambda _: Content("Simulating a year …")), id="ahead")
        yield Static(id="about")
        yield OwnValue()

    def on_mount(self) -> None:
        self._show_lines()
        self.watch(self.query_one(Rows), "cursor", self._explain)

    def figures(self) -> tuple[list[Definition], tuple[()]]:
        """What each line is."""
        names = {line.setting: line.label for line in reversed(self._lines)}
        told = [(name, about) for name, about in ABOUT.items() if name in names]
        return [Definition(names[name], about) for name, about in told], ()

    def _show_lines(self) -> None:
        services = self.services
        self._lines = plan_lines(services.settings.review, services.course, services.today)
        self.query_one(Rows).rows = tuple(map(plan_row, self._lines))

    @property
    def _line(self) -> PlanLine:
        return self._lines[self.query_one(Rows).cursor]

    def _explain(self) -> None:
        """Say of the marked line what it does."""
        self.query_one("#about", Static).update(f"{self._line.label}: {self._line.about}")
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "type":
                return bool(self._lines) and bool(self._line.typed)
            case "turn":
                return bool(self._lines) and self._line.setting != "holidays"
            case "undo":
                return bool(self._before) or None
        return True

    # Changes

    def _change(self, values: Values) -> bool:
        """Write them, and say so; False if that failed."""
        review = self.services.settings.review
        before = {name: as_toml(name, getattr(review, name)) for name in values}
        try:
            self.services.change_plan(values)
        except StudykitError as error:
            self.fail(str(error))
            return False
        self._before.append(before)
        self._show_lines()
        self._reckon()
        return True

    def action_turn(self, step: int) -> None:
        """A little more or less of the marked line, kept at once."""
        review, course = self.services.settings.review, self.services.course
        values = turned(self._line, step, review, course, self.services.today)
        if values and self._change(values):
            self.say("Kept in settings.toml; u takes it back")

    def action_type(self) -> None:
        """Let a value be typed for the marked line."""
        line = self._line
        is_long = line.setting == "holidays"
        value = as_typed(line, self.services.settings.review) if is_long else ""
        self.query_one(OwnValue).ask(line.label, value, f"  {line.typed}")
        self.query_one(OwnValue).set_class(is_long, "-text")

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        event.stop()
        try:
            values = typed(self._line, event.value, self.services.settings.review)
        except ValueError as error:
            self.warn(f"{clean(event.value)} {error}")
            return
        if self._change(values):
            self.say("Kept in settings.toml; u takes it back")
            self.query_one(Rows).focus()

    def on_descendant_blur(self, _: events.DescendantBlur) -> None:
        """Out of the line to type in, the keys are the list's again."""
        self.call_after_refresh(self._focus_list)

    def _focus_list(self) -> None:
        if self.is_on_top and self.focused is None:
            self.query_one(Rows).focus()

    def action_undo(self) -> None:
        """Take the last change back."""
        values = self._before.pop()
        if self._change(values):
            self._before.pop()
            self.say("Taken back")
        else:
            self._before.append(values)

    # What it leads to

    def action_weights(self) -> None:
        """To the weights of the schedule; what they change is simulated on the way back."""
        self._simulated = None
        self.app.post_message(OpenWeights(self))

    def on_screen_resume(self) -> None:
        """Back from the weights, or here for the first time."""
        if self._simulated is None:
            self._reckon()

    def action_look(self) -> None:
        """Give the keys to what the plan leads to, to scroll it, or back to the list."""
        panel, rows = self.query_one(Panel), self.query_one(Rows)
        (rows if panel.is_in_use else panel).focus()

    @work(thread=True, exclusive=True, group="plan")
    def _reckon(self) -> None:
        worker = get_current_worker()
        try:
            outlook = reckon(self.services, self._simulated)
        except StudykitError as error:
            self.post_message(ProgressFailed(error))
            return
        if not worker.is_cancelled:  # by a later change, whose outlook may be there already
            self.post_message(PlanReckoned(outlook))

    @on(PlanReckoned)
    def _show_outlook(self, event: PlanReckoned) -> None:
        outlook: PlanOutlook = event.outlook
        self._simulated = outlook.simulated
        today = self.services.today
        fitted = self.query_one("#ahead Fitted", Fitted)
        fitted.show(lambda width: render_outlook(outlook, today, width))

    @on(ProgressFailed)
    def _blame(self, event: ProgressFailed) -> None:
        self.fail(str(event.error))

    def action_home(self) -> None:
        self.dismiss()
