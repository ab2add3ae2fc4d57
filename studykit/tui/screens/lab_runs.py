"""The learner's own runs of a lab and the recorded ones: two side by side, or one as it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content

from studykit.course.cards import Card, LabHeader
from studykit.errors import StudykitError
from studykit.lab.results import RunResult
from studykit.lab.verdicts import judge_again
from studykit.study.evidence_words import render_knobs
from studykit.study.lab_run import LabRun
from studykit.study.run_history import PastRun, compare, first_pair, pair_at, past_runs
from studykit.text import clean
from studykit.tui.screens.base import NO_UNDO, StudyScreen
from studykit.tui.screens.staged import MOVING_KEYS, STAGE_KEYS, StagedScreen
from studykit.tui.widgets.card_text import Fitted
from studykit.tui.widgets.chart import Chart
from studykit.tui.widgets.figures import build_chart, build_pair, figures_of
from studykit.tui.widgets.rows import Row, Rows
from studykit.tui.widgets.run_table import APART, render_heading, render_pair, render_run, when_of
from studykit.tui.widgets.safe import Static

if TYPE_CHECKING:
    from studykit.progress.runs import StoredRun

N_LISTED = 100
"""The learner's latest runs of a lab that are listed."""
N_KEPT = 4
"""Runs whose charts and maps are kept while the cursor goes up and down."""
_LEAD = 5
"""Columns before the text of a row: the cursor, the letter, blanks."""


class _List(VerticalScroll, inherit_bindings=False):
    """Leaves the keys that scroll to the screen; the list follows its cursor."""


class LabRunsScreen(StudyScreen):
    """The run at the cursor beside the one that was chosen before, the latest at first."""

    CSS_PATH = "lab_runs.tcss"
    AUTO_FOCUS = "Rows"
    BINDING_GROUP_TITLE = "Past runs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "space,enter",
            "pin",
            "compare with this",
            key_display="Space",
            id="pin-run",
            tooltip="Compare the others with the marked run",
        ),
        Binding(
            "v", "view", "view", id="view-run", tooltip="Charts, maps, walks and outcome of the run"
        ),
        Binding(
            "tab", "turn(1)", "charts", id="runs-next-chart", tooltip="Both runs on the next chart"
        ),
        Binding("shift+tab", "turn(-1)", "previous chart", show=False, id="runs-last-chart"),
        Binding(
            "pagedown", "page(1)", "page down", id="runs-page-down", tooltip="Scroll the comparison"
        ),
        Binding("pageup", "page(-1)", "page up", show=False, id="runs-page-up"),
        Binding(
            "q,escape,p",
            "app.pop_screen",
            "back",
            key_display="q",
            id="back",
            tooltip="Back to the lab",
        ),
    ]

    def __init__(self, header: LabHeader, card: Card | None) -> None:
        super().__init__()
        self._header = header
        self._card = card
        self._problem = ""
        own: list[StoredRun] = []
        try:
            for lab_id in dict.fromkeys((header.id, header.original)):
                own += self.services.progress.newest_runs(lab_id, N_LISTED)
        except StudykitError as error:
            self._problem = str(error)
        self._runs = past_runs(header, own, self.services.recorded(header.original))
        self._pinned = 0
        self._charts: list[str] = []
        """Titles of the charts of the two runs."""
        self._at = 0
        """Index of the chart that is shown."""
        self._kept: dict[int, tuple[RunResult, str]] = {}

    def compose_body(self) -> ComposeResult:
        yield Static(self._title(), classes="title")
        yield Fitted(self._heading, id="heading")
        with _List(id="list", can_focus=False):
            if self._runs:
                yield Rows()
            else:
                yield Static(Content.styled("This lab has not been run yet.", "$text-muted"))
        with Container(id="both"):
            with VerticalScroll(id="pair", can_focus=False):
                yield Fitted(self._render_pair, id="compared")
            yield Chart()

    def on_mount(self) -> None:
        for rows in self.query(Rows):
            self._fill()
            # A comparison from the start.
            rows.cursor = first_pair(self._header, self._runs)
            self.watch(rows, "cursor", self._compare)
        if self._problem:
            self.say(f"! {self._problem}")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "turn":
            return len(self._charts) > self.has_class("-wide")
        return bool(self._runs) if action in ("pin", "view", "page") else True

    def on_resize(self) -> None:
        self._fill()
        self.call_in_new_size(self._draw)

    def _title(self) -> Content:
        n_recorded = sum(run.result.recorded for run in self._runs)
        n_own = sum(run.lab == self._header.id for run in self.services.runs)
        told = [f"{n_own} of yours"]
        if n_own > N_LISTED:
            told = [f"the latest {N_LISTED} of {n_own} of yours"]
        if n_recorded:
            told.append(f"{n_recorded} recorded")
        return Content.assemble(
            ("Past runs", "bold"),
            (f"  {clean(self._header.id)} · {', '.join(told)}", "$text-muted"),
        )

    def _heading(self, width: int) -> Content:
        if not self._runs:
            return Content("")
        return Content(" " * _LEAD) + render_heading(width - _LEAD)

    @property
    def _cursor(self) -> int:
        return next((rows.cursor for rows in self.query(Rows)), 0)

    @property
    def _pair(self) -> list[int]:
        """Which runs are A and B."""
        return [*pair_at(len(self._runs), self._pinned, self._cursor)]

    def _fill(self) -> None:
        for rows in self.query(Rows):
            width = rows.size.width - _LEAD
            now = self.services.clock.now()
            letters = dict(zip(self._pair, "AB", strict=False))
            rows.rows = tuple(
                Row(letters.get(n, " "), render_run(self._header, self._card, run, now, width))
                for n, run in enumerate(self._runs)
            )

    def _compare(self) -> None:
        self._fill()
        self.query_one("#compared", Fitted).show(self._render_pair)
        pair = [self._runs[n].result for n in self._pair]
        is_apart = any(row.is_apart for row in compare(pair[0], pair[-1]))
        self.say(f"{APART} the ranges of the seeds do not overlap" if is_apart else "")
        self.query_one("#pair").scroll_home(animate=False)
        self.call_after_refresh(self._draw)

    async def _draw(self) -> None:
        """Draw the lines of both runs on one chart, where there is one."""
        if not self._runs:
            return
        results = [self._whole(self._runs[n])[0] for n in self._pair]
        left, right = results[0].seeds, results[-1].seeds
        figures = figures_of([*left, *right])
        self._charts = [figure.title for figure in figures if figure.kind == "chart"]
        self.set_class(bool(self._charts), "-charted")
        if not self._charts:
            self.remove_class("-chart")
        chart = self.query_one(Chart)
        if self._charts and chart.display:
            self._at = min(self._at, len(self._charts) - 1)
            caption = f"{self._at + 1}/{len(self._charts)}" if len(self._charts) > 1 else ""
            title = self._charts[self._at]
            if len(results) > 1:
                await chart.show(build_pair(title, left, right, caption))
            else:
                await chart.show(build_chart(title, left, is_over=True, caption=caption))
        self.refresh_bindings()

    async def action_turn(self, step: int) -> None:
        """Go to the next chart; in a narrow terminal the numbers take their turn with them."""
        if self.has_class("-wide"):
            self._at = (self._at + step) % len(self._charts)
        else:
            at = self._at if self.has_class("-chart") else -1
            at = (at + 1 + step) % (len(self._charts) + 1) - 1
            self.set_class(at >= 0, "-chart")
            self._at = max(0, at)
        self.call_after_refresh(self._draw)

    def _whole(self, past: PastRun) -> tuple[RunResult, str]:
        """A run with its charts and maps, and what is to be said of it; the latest are kept.

        Without them if the progress cannot give them, which the note then says.
        """
        if past.run_id is None:
            return past.result, ""
        if past.run_id not in self._kept:
            result, note = past.result, ""
            try:
                stored = self.services.progress.run(past.run_id)
            except StudykitError as error:
                return result, f"! {error}"
            if stored is not None:
                result = judge_again(stored.result, self._header)
                note = "Its charts and maps gave way to newer runs" if stored.is_thinned else ""
            while len(self._kept) >= N_KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[past.run_id] = result, note
        return self._kept[past.run_id]

    def _render_pair(self, width: int) -> Content:
        runs = [self._runs[n] for n in self._pair]
        return render_pair(self._header, runs, self.services.clock.now(), width)

    def action_pin(self) -> None:
        """The run at the cursor is the one that the others are compared with."""
        self._pinned = self._cursor
        self._compare()

    def action_view(self) -> None:
        """Look at the run at the cursor as it looked when it had ended."""

        past = self._runs[self._cursor]
        result, note = self._whole(past)
        if note.startswith("!"):
            self.say(note)
            return
        run = LabRun.past(self._header, self._card, result, past.prediction)
        when = when_of(result, self.services.clock.now()).strip()
        self.app.push_screen(PastRunScreen(run, when, note))

    def action_page(self, step: int) -> None:
        pair = self.query_one("#pair")
        pair.scroll_relative(y=step * max(1, pair.size.height - 1), animate=False)


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

    def __init__(self, run: LabRun, when: str, note: str = "") -> None:
        super().__init__()
        self._run = run
        self._when = when
        self._note = note

    def compose_body(self) -> ComposeResult:
        run = self._run
        told = " · ".join([clean(run.header.id), self._when, render_knobs(run.knobs)])
        yield Static(run.header.question, id="question")
        yield Static(Content.styled(told, "$text-muted"), id="origin")
        yield self._stage

    async def on_mount(self) -> None:
        await self._stage.show(self._run, None, with_tests=self.services.shows_tests)
        self.refresh_bindings()
        if self._note:
            self.say(self._note)
