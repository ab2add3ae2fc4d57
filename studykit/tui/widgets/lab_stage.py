"""A run on the stage: how far it is, charts, heat maps, walks, its numbers, and its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content

from studykit.lab.events import Curve, Event, HeatMap, Walk
from studykit.lab.results import RunResult, SeedResult
from studykit.study.lab_run import LabRun
from studykit.study.numbers import summarise
from studykit.tui.widgets.card_text import Fitted
from studykit.tui.widgets.chart import Chart, ChartFigure
from studykit.tui.widgets.gauges import render_meter
from studykit.tui.widgets.heat_map import HeatMapFigure, HeatMapView
from studykit.tui.widgets.outcome import (
    render_numbers,
    render_outcome,
    render_prediction,
    render_votes,
)
from studykit.tui.widgets.safe import Static
from studykit.tui.widgets.walk_view import WalkView

_E = TypeVar("_E", bound=Event)
Kind: TypeAlias = Literal["chart", "map", "walk"]


class Figure(NamedTuple):
    """One figure of a run."""

    title: str
    kind: Kind


def figures_of(seeds: Sequence[SeedResult]) -> tuple[Figure, ...]:
    """Charts in the order in which the lab begins them, then heat maps, then walks."""
    charts = (Figure(curve.chart, "chart") for seed in seeds for curve in seed.all(Curve))
    maps = (Figure(heat_map.title, "map") for seed in seeds for heat_map in seed.all(HeatMap))
    walks = (Figure(walk.title, "walk") for seed in seeds for walk in seed.all(Walk))
    return tuple(dict.fromkeys([*charts, *maps, *walks]))


def _find(kind: type[_E], title: str, seeds: Iterable[SeedResult]) -> tuple[SeedResult, _E]:
    """The first of `seeds` with an event of this type and title, and the event."""
    return next(
        (seed, event) for seed in seeds for event in seed.all(kind) if event.key[1:] == (title,)
    )


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

    async def on_resize(self) -> None:
        await self._draw()

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
            self.query_one(HeatMapView).show(self._heat_map_figure(shown.title, seeds))
            return
        if shown.kind == "walk":
            self._show_walk(shown.title, seeds)
            return
        figure = self._chart_figure(shown.title, seeds)
        drawn = (
            figure.title,
            figure.caption,
            figure.log_y,
            tuple(len(curve.xs) for curve in figure.curves),
            len(figure.yardsticks),
        )
        if drawn != self._drawn:
            self._drawn = drawn
            await self.query_one(Chart).show(figure)

    def _chart_figure(self, title: str, seeds: Sequence[SeedResult]) -> ChartFigure:
        """A chart, of the newest seed that has it."""
        seed, curves = next(
            (seed, curves)
            for seed in reversed(seeds)
            if (curves := tuple(curve for curve in seed.all(Curve) if curve.chart == title))
        )
        return ChartFigure(
            title,
            curves,
            tuple(row for row in summarise([seed]) if row.yardstick),
            self._is_log.get(title, any(curve.log_y for curve in curves)),
            self._caption("chart", seed),
        )

    def _heat_map_figure(self, title: str, seeds: Sequence[SeedResult]) -> HeatMapFigure:
        """A heat map, of the newest seed that has it."""
        seed, heat_map = _find(HeatMap, title, reversed(seeds))
        return HeatMapFigure(heat_map, self._caption("map", seed))

    def _show_walk(self, title: str, seeds: Sequence[SeedResult]) -> None:
        """A walk, of the first seed that has it: it must not change below who goes through it."""
        seed, walk = _find(Walk, title, seeds)
        self.walk.show(walk, self._caption("walk", seed))

    def _caption(self, what: Kind, seed: SeedResult) -> str:
        """Which figure of how many, of which seed, and whether it was measured elsewhere."""
        n = len(self._figures)
        parts = [f"{what} {self._shown_panel + 1}/{n}"] if n > 1 else []
        if self._is_recorded:
            parts.append("recorded")
        return " · ".join([*parts, f"seed {seed.seed}"])

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
        return render_numbers(run.seeds, width)
