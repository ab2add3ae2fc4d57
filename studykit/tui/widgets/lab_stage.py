"""A run on the stage: how far it is, charts, heat maps, walks, its numbers, and its outcome."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content

from studykit.lab.results import RunResult, SeedResult
from studykit.study.curves import Room
from studykit.study.lab_run import LabRun
from studykit.tui.widgets.card_text import Fitted
from studykit.tui.widgets.chart import Chart, ChartFigure
from studykit.tui.widgets.figures import (
    Figure,
    Kind,
    build_chart,
    build_heat_map,
    choose_figure,
    curves_of,
    figures_of,
    find_walk,
)
from studykit.tui.widgets.gauges import render_meter
from studykit.tui.widgets.heat_map import HeatMapView
from studykit.tui.widgets.outcome import (
    render_outcome,
    render_prediction,
    render_so_far,
    render_votes,
)
from studykit.tui.widgets.safe import Static
from studykit.tui.widgets.walk_view import WalkView


class LabStage(Vertical):
    """Shows one `LabRun`; in a narrow terminal the outcome and the figures take turns."""

    def __init__(self) -> None:
        super().__init__(id="stage")
        self._lab_run: LabRun | None = None
        self._known: RunResult | None = None
        self._figures: tuple[Figure, ...] = ()
        self._panel: int | None = None
        """Index of the figure that was asked for, or None: the chart that grows. In a narrow
        terminal the outcome follows behind the last."""
        self._shown: Figure | None = None
        """None: the outcome has the place."""
        self._is_log: dict[str, bool] = {}
        self._rooms: dict[str, Room] = {}
        """Chart -> what its axes have room for while the run goes on."""
        self._drawn: object = None
        self._n_reported = -1
        self._with_tests = False

    def compose(self) -> ComposeResult:
        yield Static(id="meter")
        with Horizontal(id="chart-row"):
            yield Fitted(self._render_side, id="side")
            yield Chart(id="chart")
            yield HeatMapView(id="map")
            yield WalkView(id="walk")
        with VerticalScroll(id="results", can_focus=False):
            yield Fitted(self._render_numbers, id="numbers")

    @property
    def has_figures(self) -> bool:
        """There is something to look at beside the outcome."""
        return bool(self._figures)

    @property
    def has_claims(self) -> bool:
        """The outcome tells of claims."""
        return self._lab_run is not None and self._lab_run.is_over

    @property
    def shows(self) -> Kind | None:
        """What is on the stage: curves, a map whose cursor moves, a walk; None: the outcome."""
        return None if self._shown is None else self._shown.kind

    @property
    def walk(self) -> WalkView:
        """The walk that is on the stage when `shows` says so."""
        return self.query_one(WalkView)

    async def show(self, run: LabRun, known: RunResult | None, *, with_tests: bool) -> None:
        """Begin to show `run`, wherever it is by now; `known` stands in if it is skipped.

        `with_tests`: the outcome says when each claim holds.
        """
        self._lab_run, self._known = run, known
        self._with_tests = with_tests
        self._panel, self._is_log, self._drawn = None, {}, None
        self._rooms = {}
        self._n_reported = -1
        self.walk.forget()
        await self.look()

    async def look(self) -> None:
        """Look at the run and draw what has changed since the last look."""
        run = self._lab_run
        if run is None:
            return
        if run.is_over and not self.has_class("-over"):
            self._panel = len(figures_of(self._seeds))
        self.set_class(run.is_over, "-over")
        meter = render_meter(run, self.size.width)
        self.query_one("#meter", Static).update(meter, layout=False)
        if run.n_reported != self._n_reported:
            self._n_reported = run.n_reported
            self.query_one("#side", Fitted).show(self._render_side)
            self.query_one("#numbers", Fitted).show(self._render_numbers)
        await self._draw()

    async def turn(self, step: int) -> None:
        """Go to the next figure, or to the outcome where it has no place beside them."""
        n_panels = len(self._figures) + self._takes_turns
        self._panel = (self._shown_panel + step) % max(1, n_panels)
        await self._draw()

    def show_tests(self, with_tests: bool) -> None:
        """Let the outcome say when each claim holds, or not."""
        self._with_tests = with_tests
        self.query_one("#numbers", Fitted).show(self._render_numbers)

    async def toggle_log(self) -> None:
        """Draw the chart's y axis logarithmic, or linear again."""
        if self._shown is not None and self.shows == "chart":
            figure = self._chart_figure(self._shown.title, self._seeds)
            self._is_log[figure.title] = not figure.log_y
            await self._draw()

    def move(self, n_rows: int, n_columns: int) -> None:
        """Move a heat map's cursor; step in a walk, or scroll its text; else scroll the outcome."""
        if self.shows == "map":
            self.query_one(HeatMapView).move(n_rows, n_columns)
        elif self.shows == "walk" and n_columns:
            self.walk.advance(n_columns)
        elif self.shows == "walk":
            self.walk.scroll_detail(n_rows)
        else:
            self.query_one("#results").scroll_relative(y=n_rows, animate=False)

    def page(self, step: int) -> None:
        """Scroll the outcome by pages."""
        results = self.query_one("#results")
        results.scroll_relative(y=step * max(1, results.size.height - 1), animate=False)

    def on_resize(self) -> None:
        # Not before the screen knows how wide it is: what takes turns depends on it.
        self.call_after_refresh(self._draw)

    @property
    def _seeds(self) -> tuple[SeedResult, ...]:
        """Of the run, or of what is known from elsewhere where it could not run here."""
        run = self._lab_run
        if run is None:
            return ()
        is_skipped = run.result is not None and run.result.status == "skipped"
        return self._known.seeds if is_skipped and self._known is not None else run.seeds

    @property
    def _is_recorded(self) -> bool:
        """What is on the stage was not measured here."""
        run = self._lab_run
        if run is None:
            return False
        if run.result is not None and run.result.recorded:
            return True
        return bool(self._seeds) and not run.seeds

    @property
    def _takes_turns(self) -> bool:
        return self.has_class("-over") and not self.screen.has_class("-wide")

    @property
    def _shown_panel(self) -> int:
        if self._panel is not None and self._panel < len(self._figures) + self._takes_turns:
            return self._panel
        run = self._lab_run
        if run is not None and run.is_over and run.header.parts and run.result is not None:
            # The last chart that grew is of the models' insides; the bet was on another.
            return choose_figure(self._figures, run.header, run.card, run.result)
        latest = Figure(self._lab_run.latest_chart if self._lab_run else "", "chart")
        return self._figures.index(latest) if latest in self._figures else 0

    async def _draw(self) -> None:
        seeds = self._seeds
        self._figures = figures_of(seeds)
        at = self._shown_panel
        shown = self._shown = self._figures[at] if at < len(self._figures) else None
        self.set_class(shown is None, "-no-chart")
        self.set_class(self.shows == "map", "-map")
        self.set_class(self.shows == "walk", "-walk")
        self.set_class(self._takes_turns and shown is not None, "-no-numbers")
        if shown is None:
            return
        if shown.kind == "map":
            figure = build_heat_map(shown.title, seeds, self._caption("map"))
            self.query_one(HeatMapView).show(figure)
            return
        if shown.kind == "walk":
            self.walk.show(*find_walk(shown.title, seeds, self._caption("walk")))
            return
        chart = self._chart_figure(shown.title, seeds)
        drawn = (
            chart.title,
            chart.caption,
            chart.log_y,
            tuple(len(curve.xs) for curve in (*chart.curves, *chart.faint)),
            len(chart.yardsticks),
            chart.frame,
        )
        if drawn != self._drawn:
            self._drawn = drawn
            await self.query_one(Chart).show(chart)

    def _chart_figure(self, title: str, seeds: Sequence[SeedResult]) -> ChartFigure:
        run, room = self._lab_run, None
        is_over = run is None or run.is_over
        if not is_over:
            room = self._rooms.get(title)
            if room is None:
                room = self._rooms[title] = Room()
                if self._known is not None and run is not None and run.budget == 1:
                    # As long as it was then it will be now.
                    known = (curves_of(title, seed) for seed in self._known.seeds)
                    room.take_in((curve for curves in known for curve in curves), is_exact=True)
        log_y = self._is_log.get(title)
        caption = self._caption("chart")
        return build_chart(title, seeds, is_over=is_over, caption=caption, log_y=log_y, room=room)

    def _caption(self, what: Kind) -> str:
        """Which figure of how many, and whether it was measured elsewhere."""
        n = len(self._figures)
        parts = [f"{what} {self._shown_panel + 1}/{n}"] if n > 1 else []
        if self._is_recorded:
            parts.append("recorded")
        return " · ".join(parts)

    def _render_side(self, width: int) -> Content:
        run = self._lab_run
        if run is None:
            return Content("")
        votes = render_votes(run, width)
        if run.prediction is None:
            return votes
        said = render_prediction(run.header, run.prediction, width)
        return Content("\n\n").join([said, votes])

    def _render_numbers(self, width: int) -> Content:
        run = self._lab_run
        if run is None:
            return Content("")
        if run.is_over:
            return render_outcome(run, self._known, width, with_tests=self._with_tests)
        return render_so_far(run.header, run.seeds, width)
