"""What a run has to show: single seeds behind their mean, on axes that stay where they are."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from studykit.lab.events import Curve
from studykit.lab.results import SeedResult
from studykit.study.curves import Room
from studykit.tui.widgets.chart import Chart, ChartFigure
from studykit.tui.widgets.chart_data import Axis
from studykit.tui.widgets.figures import build_chart, build_pair
from studykit.tui.widgets.sparklines import render_sparklines
from tests.tui.test_chart import ChartApp


def seed(number: int, *ys: float, name: str = "base") -> SeedResult:
    return SeedResult(number, {}, {}, (Curve("loss", name, tuple(range(len(ys))), ys),))


def lines(*curves: Curve) -> list[tuple[float, ...]]:
    return [tuple(curve.ys) for curve in curves]


def test_all_seeds_stand_behind_their_mean() -> None:
    figure = build_chart("loss", [seed(0, 1, 2), seed(1, 3, 4), seed(2, 2, 3)], is_over=True)

    assert lines(*figure.curves) == [(2, 3)]
    assert lines(*figure.faint) == [(1, 2), (3, 4), (2, 3)]
    assert figure.caption == "mean of 3 seeds"


def test_while_a_run_goes_on_the_newest_seed_stands_before_those_measured() -> None:
    figure = build_chart("loss", [seed(0, 1, 2, 3), seed(1, 3)], is_over=False, caption="chart 1/2")

    assert lines(*figure.curves) == [(3,)]
    assert lines(*figure.faint) == [(1, 2, 3)]
    assert figure.caption == "chart 1/2 · seed 1"


def test_one_seed_has_no_mean() -> None:
    figure = build_chart("loss", [seed(4, 1, 2)], is_over=True)

    assert (lines(*figure.curves), figure.faint, figure.caption) == ([(1, 2)], (), "seed 4")


def test_a_line_that_only_some_seeds_have_is_still_drawn() -> None:
    """And one whose seeds share no place is drawn as it is, of the newest seed."""
    some = build_chart("loss", [seed(0, 1, 2), seed(1, 3, 4, name="other")], is_over=True)
    assert {curve.name for curve in some.curves} == {"base", "other"}

    apart = SeedResult(1, {}, {}, (Curve("loss", "base", (7.5,), (1.0,)),))
    figure = build_chart("loss", [seed(0, 1, 2), apart], is_over=True)
    assert (lines(*figure.curves), figure.caption) == ([(1.0,)], "seed 1")


def test_seeds_that_diverged_are_counted() -> None:
    figure = build_chart("loss", [seed(0, 1, 2), seed(1, 1, math.nan)], is_over=True)

    assert lines(*figure.curves) == [(1, 2)]
    assert figure.notes == {"base": "1 of 2 diverged"}


def test_two_runs_share_a_chart() -> None:
    """The other run is faint in the same colours; its seeds give way to their mean."""
    left, right = [seed(0, 1, 2), seed(1, 3, 4)], [seed(0, 5, 6)]
    figure = build_pair("loss", left, right, "1/2")

    assert lines(*figure.curves) == [(2, 3)]
    assert lines(*figure.faint) == [(5, 6)]
    assert figure.caption == "1/2 · B faint"


def test_what_only_one_of_two_runs_has_is_named() -> None:
    figure = build_pair("loss", [seed(0, 1, 2)], [seed(0, 5, 6, name="other")])
    assert [curve.name for curve in figure.curves] == ["base", "other (B)"]
    assert figure.faint == ()

    empty = SeedResult(0, {}, {})
    assert build_pair("loss", [empty], [seed(0, 5, 6)]).caption == "only B · seed 0"
    assert build_pair("loss", [seed(0, 5, 6)], [empty]).caption == "only A · seed 0"


async def axes_of(figure: ChartFigure) -> tuple[Axis, Axis]:
    """The axes that the chart has drawn."""
    app = ChartApp()
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.pause()
        chart = app.query_one(Chart)
        await chart.show(figure)
        plot = chart._plot
        assert plot is not None
        x, y = plot._x_formatter, plot._y_formatter
        return getattr(x, "axis"), getattr(y, "axis")  # noqa: B009 - ours has it


async def test_axes_do_not_jump() -> None:
    """As a seed grows and as the next one begins; known from before, not even at first."""
    room = Room()
    room.take_in([Curve("loss", "base", (0, 180), (4.0, 0.5))], is_exact=True)
    first = await axes_of(build_chart("loss", [seed(0, 4.0)], is_over=False, room=room))
    grown = [4.0 - n / 60 for n in range(100)]
    later = [seed(0, *grown), seed(1, 3.9)]
    assert await axes_of(build_chart("loss", later, is_over=False, room=room)) == first
    assert await axes_of(build_chart("loss", later, is_over=True)) != first


async def test_a_frame_below_zero_has_no_place_on_a_logarithm() -> None:
    figure = build_chart("loss", [seed(0, 1, 10)], is_over=False, log_y=True)
    framed = replace(figure, frame=((0.0, -5.0), (10.0, 100.0)))
    x, y = await axes_of(framed)
    assert x.high == 10 and y.low >= -0.2 and y.high >= 2


EXTREMES = (0.0, 1.0, -1.0, 2.5, 1e308, -1.7e308, 5e-324, math.nan, math.inf, -math.inf)


async def test_any_numbers_can_be_drawn() -> None:
    """Of several seeds with lines of other names and lengths, alone and against another run."""
    random = Random(7)

    def line(name: str) -> Curve:
        xs, ys = (tuple(random.choices(EXTREMES, k=n)) for n in [random.randrange(6)] * 2)
        return Curve("loss", name, xs, ys, log_y=random.random() < 0.3)

    app = ChartApp()
    async with app.run_test(size=(80, 20)) as pilot:
        await pilot.pause()
        for _ in range(150):
            seeds = [
                SeedResult(n, {}, {}, tuple(map(line, random.sample("abc", random.randint(1, 3)))))
                for n in range(random.randint(1, 3))
            ]
            is_over = random.random() < 0.5
            figure = build_chart("loss", seeds, is_over=is_over, room=None if is_over else Room())
            await app.query_one(Chart).show(figure)
            await app.query_one(Chart).show(build_pair("loss", seeds, seeds[:1]))
            for width in (1, 12, 40):
                rows = render_sparklines(figure, width).split("\n")
                assert max(row.cell_length for row in rows) <= width
