"""What a chart draws of curves that diverge, are empty, or do not fit a logarithm."""

from __future__ import annotations

import math

import pytest
from textual.app import App, ComposeResult

from studykit.lab.events import Curve
from studykit.study.numbers import Summary
from studykit.tui.widgets.chart import MARKERS, Chart, ChartFigure
from studykit.tui.widgets.chart_data import build_axis, build_trace, levels
from studykit.tui.widgets.safe import Static
from tests.tui.conftest import text_of, until

NAN, INF = math.nan, math.inf


def curve(*ys: float, name: str = "base", chart: str = "loss", y_label: str = "nats") -> Curve:
    return Curve(chart, name, tuple(range(len(ys))), ys, y_label=y_label)


def yardstick(value: float, unit: str = "nats", label: str = "ln V") -> Summary:
    return Summary("ln_v", label, unit, True, (value,))


def test_points_that_are_not_finite_are_left_out_and_told() -> None:
    """A line that diverges ends where it did, and the legend says so."""
    trace = build_trace(curve(3.0, 2.0, NAN, INF, -INF), log_y=False, n_buckets=50)

    assert (trace.xs, trace.ys) == ((0, 1), (3.0, 2.0))
    assert trace.note == "diverged at 2"


def test_a_value_too_large_to_subtract_counts_as_diverged() -> None:
    """The difference of two floats near the largest is infinite: no axis could hold it."""
    trace = build_trace(curve(1.0, 1e308, -1e308), log_y=False, n_buckets=50)

    assert trace.ys == (1.0,)


def test_a_place_too_far_to_be_drawn_counts_as_diverged() -> None:
    """And is not told as where the line diverged, if it is the first that is lost."""
    xs = (0, 1.7e308, 2, -1.7e308)
    trace = build_trace(Curve("loss", "base", xs, (1.0, 2.0, 3.0, 4.0)), log_y=False, n_buckets=50)

    assert (trace.xs, trace.ys, trace.note) == ((0, 2), (1.0, 3.0), "diverged")


def test_a_logarithm_leaves_out_what_is_not_positive_and_tells_how_many() -> None:
    """Zero and negative points are counted, not drawn at some floor."""
    trace = build_trace(curve(100.0, 0.0, -1.0, 1.0), log_y=True, n_buckets=50)

    assert trace.xs == (0, 3)
    assert trace.ys == pytest.approx((2.0, 0.0))
    assert trace.note == "2 points ≤ 0 not on log"


def test_thinning_keeps_ends_and_spikes() -> None:
    """A long line is drawn with few points, the single outlier among them."""
    ys = [0.0] * 10_000
    ys[4321] = 7.0
    trace = build_trace(curve(*ys), log_y=False, n_buckets=60)

    assert len(trace.xs) <= 2 * 60 + 2
    assert trace.xs[0] == 0
    assert trace.xs[-1] == 9999
    assert max(trace.ys) == 7.0


def test_short_lines_are_not_thinned() -> None:
    trace = build_trace(curve(*range(100)), log_y=False, n_buckets=60)

    assert len(trace.xs) == 100


@pytest.mark.parametrize(
    "values",
    [
        [],
        [0.0],
        [5.0, 5.0],
        [1e16, 1e16],
        [-2.0, 3.0],
        [1e-12, 2e-12],
        [1e29, -1e29],
        [0, 1],
        [0, 5e-324],
    ],
)
def test_an_axis_holds_every_value_and_has_round_ticks(values: list[float]) -> None:
    """Whatever the values are, the limits differ and the ticks lie between them."""
    axis = build_axis(values, n_ticks=5, pad=0.05)

    assert axis.low < axis.high
    assert all(axis.low <= value <= axis.high for value in values)
    assert len(axis.ticks) >= 2
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert len(set(axis.labels)) == len(axis.labels)


def test_ticks_are_written_as_people_write_them() -> None:
    """Three times a tenth is 0.3, and a logarithmic tick shows the value, not its exponent."""
    assert build_axis([0.0, 0.5], n_ticks=5).labels == ("0", "0.1", "0.2", "0.3", "0.4", "0.5")
    assert build_axis([-4.0, 1.0], n_ticks=6, log=True).labels == (
        "0.0001", "0.001", "0.01", "0.1", "1", "10",
    )  # fmt: skip
    assert build_axis(range(3), n_ticks=8).labels == ("0", "1", "2")
    assert build_axis([0.0, 1.0], n_ticks=5, log=True).labels == ("1", "2", "5", "10")


def test_only_near_yardsticks_of_the_same_unit_become_levels() -> None:
    """A level in another unit or far outside would flatten the lines."""
    traces = [build_trace(curve(4.0, 2.0), log_y=False, n_buckets=50)]

    def found(row: Summary, y_label: str = "nats per byte") -> int:
        return len(levels([row], y_label, traces, log_y=False))

    assert found(yardstick(4.5)) == 1
    assert found(yardstick(4.5), "nats, ≤ 6") == 1
    assert found(yardstick(40.0)) == 0
    assert found(yardstick(NAN)) == 0
    assert found(yardstick(3.0, unit="bytes")) == 0
    assert levels([yardstick(3.0)], "nats", [], log_y=False) == ()


class ChartApp(App[None]):
    def get_theme_variable_defaults(self) -> dict[str, str]:
        return {"rule": "#3a404d"}

    def compose(self) -> ComposeResult:
        yield Chart()


async def drawn(figure: ChartFigure, size: tuple[int, int] = (80, 20)) -> str:
    """The text of a screen with nothing but the chart."""
    app = ChartApp()
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await app.query_one(Chart).show(figure)
        await pilot.pause()
        return text_of(app)


def test_a_power_that_is_no_float_is_written_all_the_same() -> None:
    axis = build_axis([-334.0, -310.0], n_ticks=3, log=True)

    assert axis.labels == ("1e-328", "1e-320", "1e-312")


async def test_lines_can_be_told_apart_without_colour() -> None:
    """Each line has a marker of its own, in the chart and in the legend; levels are dashed."""
    curves = (curve(*range(30), name="up"), curve(*range(30, 0, -1), name="down"))
    text = await drawn(ChartFigure("loss", curves, (yardstick(9.5),), caption="seed 0"))

    for marker, name in zip(MARKERS, ("up", "down"), strict=False):
        assert f"{marker} {name}" in text
        assert text.count(marker) > 3
    assert "┄ ln V 9.500" in text
    assert "┄┄┄┄┄┄" in text
    assert text.splitlines()[0].startswith("loss  nats, by step")
    assert text.splitlines()[0].endswith("seed 0")


@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize(
    "ys", [(), (NAN,), (NAN, INF), (0.0,), (-1.0, -2.0), (5.0,), (5.0, 5.0), (1e-9, 1e9)]
)
async def test_no_curve_is_too_odd_to_draw(ys: tuple[float, ...], log_y: bool) -> None:
    """Empty, diverged, constant and enormous lines: the chart shows its legend all the same."""
    text = await drawn(ChartFigure("loss", (curve(*ys),), log_y=log_y))

    assert f"{MARKERS[0]} base" in text


async def test_a_chart_out_of_sight_is_drawn_when_it_comes_into_sight() -> None:
    """Until then it has no width to draw to; drawn to none, its title would be cut to nothing."""
    app = ChartApp()
    async with app.run_test(size=(80, 20)) as pilot:
        chart = app.query_one(Chart)
        chart.display = False
        await pilot.pause()
        await chart.show(ChartFigure("loss", (curve(*range(50)),)))
        assert str(chart.query_one("#chart-title", Static).content) == ""
        chart.display = True
        first_seen = ""

        def is_seen() -> bool:
            nonlocal first_seen
            first_seen = first_seen or text_of(app).strip()
            return bool(first_seen)

        await until(pilot, is_seen)
        # Neither a cut title nor the plot's own axes of nothing.
        assert first_seen.startswith("loss  nats, by step")


async def test_names_are_text_and_never_markup() -> None:
    """A bracket in a lab's own words is a bracket, and a control character is made visible."""
    odd = Curve("[b]loss[/nope]", "[red]\x1b[31m", (0, 1), (1.0, 2.0), x_label="[x", y_label="[/]")
    text = await drawn(ChartFigure(odd.chart, (odd,)))

    assert "[b]loss[/nope]" in text
    assert "[red]␛[31m" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("size", [(80, 24), (20, 5), (9, 2), (1, 1)])
async def test_any_size_can_be_drawn(size: tuple[int, int]) -> None:
    """A window shrunk in mid-lab must not end the program."""
    await drawn(ChartFigure("loss", (curve(*range(50)),), (yardstick(20.0),)), size)
