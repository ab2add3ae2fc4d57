"""A run on the stage: how far it is, its charts, its numbers, and at the end its outcome."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content

from studykit.lab.results import RunResult
from studykit.tui.lab_run import LabRun
from studykit.tui.numbers import summarise
from studykit.tui.widgets.card_text import Fitted
from studykit.tui.widgets.chart import Chart, Picture
from studykit.tui.widgets.meter import render_meter
from studykit.tui.widgets.outcome import (
    render_numbers,
    render_outcome,
    render_prediction,
    render_votes,
)
from studykit.tui.widgets.safe import Static


class LabStage(Vertical):
    """Shows one `LabRun`; in a narrow terminal the outcome and the charts take turns."""

    def __init__(self) -> None:
        super().__init__(id="stage")
        self._lab_run: LabRun | None = None
        self._known: RunResult | None = None
        self._panel: int | None = None
        """Index of the chart that was asked for, or None: the one that grows. In a narrow
        terminal the outcome follows behind the last."""
        self._is_log: dict[str, bool] = {}
        self._drawn: object = None
        self._n_told = -1

    def compose(self) -> ComposeResult:
        yield Static(id="meter")
        with Horizontal(id="chart-row"):
            yield Fitted(self._render_side, id="side")
            yield Chart(id="chart")
        with VerticalScroll(id="results", can_focus=False):
            yield Fitted(self._render_numbers, id="numbers")

    @property
    def has_charts(self) -> bool:
        """There is a curve to look at."""
        return bool(self._titles)

    async def show(self, run: LabRun, known: RunResult | None) -> None:
        """Begin to show `run`, wherever it is by now; `known` stands in if it is skipped."""
        self._lab_run, self._known = run, known
        self._panel, self._is_log, self._drawn = None, {}, None
        self._n_told = -1
        await self.look()

    async def look(self) -> None:
        """Look at the run and draw what has changed since the last look."""
        run = self._lab_run
        if run is None:
            return
        if run.is_over and not self.has_class("-over"):
            self._panel = len(self._titles) if self._is_narrow else None
        self.set_class(run.is_over, "-over")
        meter = render_meter(run, self.size.width)
        self.query_one("#meter", Static).update(meter, layout=False)
        if run.n_told != self._n_told:
            self._n_told = run.n_told
            self.query_one("#side", Fitted).show(self._render_side)
            self.query_one("#numbers", Fitted).show(self._render_numbers)
        await self._draw()

    async def turn(self, step: int) -> None:
        """Go to the next chart, or to the outcome where it has no place beside them."""
        n_panels = len(self._titles) + self._takes_turns
        self._panel = (self._shown_panel + step) % max(1, n_panels)
        await self._draw()

    async def toggle_log(self) -> None:
        """Draw the chart's y axis logarithmic, or linear again."""
        if picture := self._picture():
            self._is_log[picture.title] = not picture.log_y
            await self._draw()

    def scroll_numbers(self, step: int) -> None:
        """Scroll the outcome by lines."""
        self.query_one("#results").scroll_relative(y=step, animate=False)

    async def on_resize(self) -> None:
        await self._draw()

    @property
    def _titles(self) -> tuple[str, ...]:
        """Charts, in the order in which the lab begins them."""
        if self._lab_run is None:
            return ()
        titles = (curve.chart for seed in self._lab_run.seeds for curve in seed.curves)
        return tuple(dict.fromkeys(titles))

    @property
    def _is_narrow(self) -> bool:
        return not self.screen.has_class("-wide")

    @property
    def _takes_turns(self) -> bool:
        return self.has_class("-over") and self._is_narrow

    @property
    def _shown_panel(self) -> int:
        titles = self._titles
        if self._panel is not None and self._panel < len(titles) + self._takes_turns:
            return self._panel
        latest = self._lab_run.latest_chart if self._lab_run else ""
        return titles.index(latest) if latest in titles else 0

    def _picture(self) -> Picture | None:
        """The chart whose turn it is, of the newest seed that has it."""
        titles, at = self._titles, self._shown_panel
        if self._lab_run is None or at >= len(titles):
            return None
        title = titles[at]
        seed = next(
            seed
            for seed in reversed(self._lab_run.seeds)
            if any(curve.chart == title for curve in seed.curves)
        )
        curves = tuple(curve for curve in seed.curves if curve.chart == title)
        captions = [f"chart {at + 1}/{len(titles)}"] if len(titles) > 1 else []
        captions.append(f"seed {seed.seed}")
        return Picture(
            title,
            curves,
            tuple(row for row in summarise([seed]) if row.yardstick),
            self._is_log.get(title, any(curve.log_y for curve in curves)),
            " · ".join(captions),
        )

    async def _draw(self) -> None:
        picture = self._picture()
        self.set_class(picture is None, "-no-chart")
        self.set_class(self._takes_turns and picture is not None, "-no-numbers")
        if picture is None:
            return
        drawn = (
            picture.title,
            picture.caption,
            picture.log_y,
            tuple(len(curve.xs) for curve in picture.curves),
            len(picture.yardsticks),
        )
        if drawn != self._drawn:
            self._drawn = drawn
            await self.query_one(Chart).show(picture)

    def _render_side(self, width: int) -> Content:
        run = self._lab_run
        if run is None:
            return Content("")
        votes = render_votes(run.header, run.card, run.seeds, width)
        if run.prediction is None:
            return votes
        said = render_prediction(run.header, run.prediction, width)
        return Content("\n\n").join([said, votes])

    def _render_numbers(self, width: int) -> Content:
        run = self._lab_run
        if run is None:
            return Content("")
        if run.is_over:
            return render_outcome(run, self._known, width)
        return render_numbers(run.seeds, width)
