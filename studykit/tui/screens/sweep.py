"""A lab along one of its knobs: all its values side by side, on the same seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content

from studykit.course.cards import KnobValue, LabHeader
from studykit.course.labs import MOST_SEEDS
from studykit.errors import StudykitError
from studykit.lab.pool import Pool, n_by_default
from studykit.lab.sweeps import SweepFile
from studykit.study.evidence_words import render_knobs
from studykit.study.run_history import changed_knobs
from studykit.study.sweep import Sweep, SweepPlan, strands
from studykit.study.sweep_chart import charted, claim_rows, describe, draw
from studykit.text import clean, plural
from studykit.tui.screens.base import NO_UNDO, StudyScreen
from studykit.tui.widgets.card_text import Fitted, lay_out, parse_lines
from studykit.tui.widgets.safe import Static

LOOK_SECONDS = 0.5
"""How often it is looked for what has been measured."""


class SweepScreen(StudyScreen):
    """What a sweep has measured so far; it goes on while the screen is open."""

    BINDING_GROUP_TITLE = "Sweep"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "plus",
            "more",
            "more seeds",
            key_display="+",
            id="sweep-more",
            tooltip="Twice the seeds",
        ),
        Binding("c", "cancel", "stop", id="sweep-stop", tooltip="Stop; what is measured is kept"),
        Binding("r", "again", "go on", id="sweep-go-on", tooltip="Measure what is missing"),
        Binding(
            "q,escape", "close", "back", key_display="q", id="back", tooltip="Back; the sweep stops"
        ),
        Binding("down,j", "scroll(1)", "down", show=False, id="sweep-down"),
        Binding("up,k", "scroll(-1)", "up", show=False, id="sweep-up"),
        Binding("pagedown,space", "page(1)", "page down", show=False, id="sweep-page-down"),
        Binding("pageup", "page(-1)", "page up", show=False, id="sweep-page-up"),
        NO_UNDO,
    ]
    DEFAULT_CSS = """
    SweepScreen {
        #title, #origin { height: 1; padding: 0 1; text-wrap: nowrap; text-overflow: ellipsis; }
        #title { text-style: bold; }
        #progress { height: auto; max-height: 4; padding: 0 1; }
        VerticalScroll { height: 1fr; padding: 1 1 0 1; }
    }
    """

    def __init__(
        self, header: LabHeader, settings: Sequence[dict[str, KnobValue]], n_seeds: int
    ) -> None:
        super().__init__()
        self._plan = SweepPlan(header, tuple(settings), range(n_seeds), 1.0)
        self._sweep: Sweep | None = None
        self._pool: Pool | None = None
        self._problem = ""
        self._n_drawn = -1
        """Runs that were there when it was drawn."""

    def compose_body(self) -> ComposeResult:
        yield Static(self._plan.header.question, id="title")
        yield Static(self._origin(), id="origin")
        yield Static(id="progress")
        with VerticalScroll(can_focus=False):
            yield Fitted(self._render_strands, id="strands")

    def on_mount(self) -> None:
        self._begin()
        self.set_interval(LOOK_SECONDS, self._look)

    def _origin(self) -> Content:
        """The lab, and the knobs that all settings share."""
        plan = self._plan
        changed = changed_knobs(plan.header, plan.settings[0])
        shared = {name: value for name, value in changed.items() if name not in plan.varied}
        parts = [f"{clean(plan.header.id)} along {', '.join(plan.varied)}", render_knobs(shared)]
        return Content.styled(" · ".join(filter(None, parts)), "$text-muted")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "cancel":
            return self._is_going
        if action == "again":
            return not self._is_going and self._sweep is not None and not self._sweep.is_complete
        if action == "more":
            is_through = self._sweep is not None and self._sweep.is_complete
            can_grow = not self._plan.header.deterministic
            return is_through and can_grow and 2 * len(self._plan.seeds) <= MOST_SEEDS
        return True

    @property
    def _is_going(self) -> bool:
        return self._sweep is not None and not self._sweep.is_over

    def _begin(self) -> None:
        """Measure what is missing of the plan."""
        services = self.services
        self._problem = ""
        try:
            file = SweepFile(services.paths.sweeps_dir / services.course.id, self._plan.header)
        except (StudykitError, OSError) as error:
            self._problem = str(error)
            self._show()
            return
        self._pool = Pool(services.build_runner, n_by_default())
        self._sweep = Sweep(self._plan, file, self._pool, services.settings.lab.device)
        self.run_worker(self._work(self._sweep, self._pool), group="sweep", exit_on_error=False)
        self._show()

    async def _work(self, sweep: Sweep, pool: Pool) -> None:
        try:
            await sweep.work(lambda *_: None, lambda: None)
        except (StudykitError, OSError) as error:
            self._problem = str(error)
        finally:
            await pool.close()

    def _look(self) -> None:
        self.query_one("#progress", Static).update(self._progress())
        if self._sweep is not None and self._n_drawn != (n := self._sweep.n_measured):
            self._n_drawn = n
            self.query_one("#strands", Fitted).show(self._render_strands)
        self.refresh_bindings()

    def _show(self) -> None:
        self._n_drawn = -1
        self._look()

    def _progress(self) -> Content:
        """How far it is, or how it ended."""
        sweep = self._sweep
        if self._problem or sweep is None:
            return Content.styled(f"! {clean(self._problem)}", "$text-error")
        if self._is_going:
            return Content.styled(clean(str(sweep.progress)), "$text-accent")
        told = describe(sweep)
        if sweep.problems:
            told = f"! {sweep.problems[0]}"
            if len(sweep.problems) > 1:
                told += f" (and {len(sweep.problems) - 1} more)"
            return Content.styled(clean(told), "$text-error")
        return Content.styled(told, "$text-success" if sweep.is_complete else "$text-warning")

    def _render_strands(self, width: int) -> Content:
        """What was measured along the settings, and how the claims fare."""
        sweep = self._sweep
        if sweep is None or not sweep.n_measured:
            told = f"{plural(len(self._plan.settings), 'setting')}, the same seeds for each."
            return Content.styled(told, "$text-muted")
        found = strands(sweep)
        labels = [self._plan.label(knobs) for knobs in self._plan.settings]
        yardsticks = [strand for strand in found if strand.yardstick]
        rows: list[Content] = []
        for strand in charted(found):
            head, *lines = draw(strand, labels, yardsticks, width)
            rows += [Content.styled(head, "bold"), *map(_coloured, lines), Content("")]
        names = max(map(len, self._plan.header.claims))
        for claim, told in claim_rows(sweep):
            lead = Content.styled(f"{claim.ljust(names)}  ", "$text-muted")
            for line in parse_lines(f"holds on {told}"):
                rows += lay_out(line, width, lead)
                lead = Content(" " * lead.cell_length)
        return Content("\n").join(rows)

    def action_more(self) -> None:
        """As many seeds again: an interval becomes narrower by a third."""
        plan = self._plan
        self._plan = SweepPlan(plan.header, plan.settings, range(2 * len(plan.seeds)), plan.budget)
        self._begin()

    def action_again(self) -> None:
        self._begin()

    def action_cancel(self) -> None:
        if self._pool is not None:
            self._pool.cancel()
        self.say("Stopped; what is measured is kept")

    def action_close(self) -> None:
        if self._pool is not None:
            self._pool.cancel()
        self.dismiss()

    def action_scroll(self, step: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=step, animate=False)

    def action_page(self, step: int) -> None:
        body = self.query_one(VerticalScroll)
        body.scroll_relative(y=step * max(1, body.size.height - 1), animate=False)


def _coloured(line: str) -> Content:
    """A line of a chart: its means stand out, its levels stay behind."""
    content = Content(line)
    for at, mark in enumerate(line):
        if mark == "●":
            content = content.stylize("bold $text-accent", at, at + 1)
        elif mark in "├─┤":
            content = content.stylize("$text-accent", at, at + 1)
        elif mark == "┆":
            content = content.stylize("$text-muted", at, at + 1)
    return content
