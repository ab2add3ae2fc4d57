"""Whatever numbers a lab yields, what shows them goes on."""

from __future__ import annotations

import random
from dataclasses import replace

from textual.app import App, ComposeResult
from textual.widget import Widget

from studykit.lab.events import Curve, HeatMap, Measurement, Step, Table, Walk
from studykit.lab.results import SeedResult
from studykit.study.curves import Room, mean_curve
from studykit.study.numbers import summarise
from studykit.tui.widgets.chart import Chart, ChartFigure
from studykit.tui.widgets.heat_map import HeatMapFigure, HeatMapView
from studykit.tui.widgets.measurements import measurement_lines, render_table
from studykit.tui.widgets.sparklines import render_sparklines
from studykit.tui.widgets.walk_view import WalkView

EXTREMES = (
    0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 2.3e-308, 1e-31, 1e-30, 1.0 + 2**-52, 1e-9, 1e9,
    9.99e29, 1e30, -1e30, 1e154, -1e154, 1.7e308, -1.7e308, 2**62, -(2**63) + 1,
    float("inf"), float("-inf"), float("nan"),
)  # fmt: skip


class OneWidget(App[None]):
    """A screen with nothing but one widget."""

    def __init__(self, widget: Widget) -> None:
        super().__init__()
        self._widget = widget

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {"rule": "#3a404d"}

    def compose(self) -> ComposeResult:
        yield self._widget


async def test_a_chart_draws_whatever_can_be_drawn() -> None:
    """Every pair of extremes as a line of its own, and lines of many in any order."""
    rng = random.Random(0)
    lines = [[(a, b), (b, a)] for a in EXTREMES for b in EXTREMES[::3]]
    lines += [[(rng.choice(EXTREMES), rng.choice(EXTREMES)) for _ in range(40)] for _ in range(40)]
    chart = Chart()
    async with OneWidget(chart).run_test(size=(60, 12)) as pilot:
        await pilot.pause()
        for line in lines:
            xs, ys = zip(*line, strict=True)
            curve = Curve("loss", "base", xs, ys, y_label="nats")
            measured = {
                f"m{n}": Measurement(f"m{n}", y, "nats", "", True) for n, y in enumerate(ys)
            }
            yardsticks = summarise([SeedResult(0, measured, {})])
            other = replace(curve, ys=curve.ys[::-1])
            mean, room = mean_curve([curve, other]), Room()
            room.take_in([curve, other])
            for log_y in (False, True):
                figure = ChartFigure(
                    "loss",
                    (curve, *([] if mean is None else [mean])),
                    yardsticks,
                    log_y=log_y,
                    faint=(other,),
                    frame=room.corners,
                )
                await chart.show(figure)
                assert render_sparklines(figure, 60).plain


async def test_maps_and_walks_show_whatever_is_in_them() -> None:
    rng = random.Random(1)
    shown, walked = HeatMapView(), WalkView()
    async with OneWidget(shown).run_test(size=(60, 12)) as pilot:
        for _ in range(60):
            values = [[rng.choice((*EXTREMES, None)) for _ in range(4)] for _ in range(3)]
            shown.show(HeatMapFigure(HeatMap("map", "abc", "wxyz", values)))
            await pilot.pause(0)
    async with OneWidget(walked).run_test(size=(60, 20)) as pilot:
        for n in range(30):
            steps = [Step((0, 0), "adds", [[rng.choice(EXTREMES)] * 2]) for _ in range(3)]
            walked.show(Walk(f"{n}", "r", "c", ("a", "b"), steps, ("b",)), "seed 0")
            await pilot.pause(0)


def test_tables_of_numbers_hold_whatever_was_measured() -> None:
    """Medians and ranges over seeds of extremes, too."""
    for a in EXTREMES:
        for b in EXTREMES:
            seeds = [SeedResult(n, {"m": Measurement("m", x)}, {}) for n, x in enumerate((a, b))]
            assert measurement_lines(summarise(seeds), 60)
            assert render_table(Table("sums", ("a", "b"), ((a, b),)), 80)
