"""From 120 columns on a card has what was measured beside it; below that its curves are rows."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from studykit.lab.events import Curve, Event, HeatMap, Step, Table, Walk
from studykit.lab.results import RunResult
from studykit.study.services import Services
from studykit.tui.screens.card import CardScreen
from studykit.tui.widgets.chart import ChartFigure
from studykit.tui.widgets.evidence_pane import WAITING, EvidencePane
from studykit.tui.widgets.figures import Figure, choose_figure
from studykit.tui.widgets.sparklines import render_sparklines
from tests.tui.conftest import MakeServices, app_of, open_home, open_review, text_of, until
from tests.tui.screen_course import LAB_ID, build_result

LOSS = Curve("Held-out loss", "with", (0, 1, 2), (4.0, 2.0, 1.0), "step", "nats")
NORM = Curve("Gradient norm", "with", (0, 1, 2), (1.0, 1.0, 1.0), "layer", "norm")
WEIGHTS = HeatMap("Weights", ("a", "b"), ("a", "b"), ((1.0, None), (0.25, 0.75)), "weight")
SUMS = Walk("Sums", ("r",), ("c",), ("what",), (Step((0, 0), "One.", (("x",),)),) * 2)


def give(services: Services, *events: Event) -> RunResult:
    """Let the recorded run of the lab have yielded `events`."""
    result = build_result(services.course.root, n_layers=8)
    seeds = tuple(replace(seed, events=events) for seed in result.seeds)
    given = replace(result, seeds=seeds, recorded=True)
    services._recorded[LAB_ID] = (given,)
    return given


async def test_the_evidence_stands_beside_the_answer(make_services: MakeServices) -> None:
    """Nothing of it before the answer; then the picture and the numbers, once each."""
    services = make_services("recall")
    give(services, NORM, LOSS, WEIGHTS)
    app = app_of(services)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_review(pilot)
        assert WAITING in text_of(app) and "MEASURED" not in text_of(app)
        await pilot.press("enter")
        await until(pilot, lambda: "Held-out loss" in text_of(app))
        text = text_of(app)
        assert text.count("MEASURED") == 1 and "1/3 · mean of 2 seeds" not in text
        assert "2/3 · mean of 2 seeds" in text  # in the unit of what the claim compares
        line = next(line for line in text.splitlines() if "MEASURED" in line)
        assert line.index("│") == 60 < line.index("MEASURED")
        await pilot.press("tab")
        await until(pilot, lambda: "Weights" in text_of(app))
        assert "h j k l move" not in text_of(app)
        await pilot.press("tab")
        await until(pilot, lambda: "Gradient norm" in text_of(app))
        await pilot.press("3")
        assert "MEASURED" not in text_of(app) and "Gradient norm" not in text_of(app)


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (119, 40)])
async def test_where_it_has_no_room_beside_it_stands_below(
    make_services: MakeServices, size: tuple[int, int]
) -> None:
    """With its curves in one row each, and no key for pictures that are not there."""
    services = make_services("recall")
    give(services, LOSS, WEIGHTS)
    app = app_of(services)
    async with app.run_test(size=size) as pilot:
        await open_home(pilot)
        await app.push_screen(CardScreen(services.cards["stacks-recall"]))
        await pilot.pause()
        assert not app.screen.query_one(EvidencePane).display
        await pilot.press(*["j"] * 30)
        text = text_of(app)
        assert "Held-out loss  nats, by step" in text
        assert "█▃▁  4 → 1" in text
        assert "picture" not in text


async def test_the_evidence_follows_the_window(make_services: MakeServices) -> None:
    services = make_services("recall")
    give(services, LOSS)
    app = app_of(services)
    async with app.run_test(size=(80, 40)) as pilot:
        await open_home(pilot)
        await app.push_screen(CardScreen(services.cards["stacks-recall"]))
        await pilot.pause()
        assert "█▃▁" in text_of(app)
        await pilot.resize_terminal(200, 50)
        await until(pilot, lambda: "mean of 2 seeds" in text_of(app))
        assert "█▃▁" not in text_of(app)
        await pilot.resize_terminal(80, 40)
        await until(pilot, lambda: "█▃▁" in text_of(app))
        assert "mean of 2 seeds" not in text_of(app)


async def test_a_walk_is_gone_through_beside_the_card(make_services: MakeServices) -> None:
    services = make_services("recall")
    give(services, SUMS)
    app = app_of(services)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_home(pilot)
        await app.push_screen(CardScreen(services.cards["stacks-recall"]))
        await until(pilot, lambda: "Sums" in text_of(app))
        pane = app.screen.query_one(EvidencePane)
        assert pane.shows == "walk" and not pane.walk.is_at_end
        await pilot.press("l")
        assert pane.walk.is_at_end


async def test_without_a_picture_numbers_and_tables_have_the_place(
    make_services: MakeServices,
) -> None:
    services = make_services("recall")
    give(services, Table("What was counted", ("tile", "bytes"), (("32 × 64", 46080.0),)))
    app = app_of(services)
    async with app.run_test(size=(120, 40)) as pilot:
        await open_review(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen.query_one(EvidencePane).shows is None
        await until(pilot, lambda: "What was counted" in text_of(app))
        assert "32 × 64  46080" in text_of(app)
        assert "MEASURED" in text_of(app) and "Tab" not in text_of(app)


def test_the_chart_in_the_unit_of_the_claim_comes_first(make_services: MakeServices) -> None:
    services = make_services("recall")
    result = give(services, WEIGHTS, NORM, LOSS)
    header, card = services.course.labs[LAB_ID], services.cards["stacks-recall"]
    figures = (Figure("Gradient norm", "chart"), Figure("Held-out loss", "chart"))
    assert choose_figure(figures, header, card, result) == 1
    assert choose_figure((Figure("Weights", "map"),), header, card, result) == 0
    assert choose_figure((), header, card, result) == 0


def rows(*curves: Curve, width: int = 74, log_y: bool = False) -> list[str]:
    figure = ChartFigure("loss", curves, log_y=log_y)
    return render_sparklines(figure, width).plain.splitlines()


def test_lines_of_a_chart_share_one_scale() -> None:
    shown = rows(LOSS, replace(LOSS, name="without", ys=(4.0, 4.0, 3.9)))
    assert shown == [
        "loss  nats, by step",
        "  with     █▃▁  4 → 1",
        "  without  ███  4 → 3.900",
    ]


def test_what_diverged_or_has_no_logarithm_is_marked() -> None:
    lost = replace(LOSS, ys=(4.0, math.nan, math.inf))
    assert "  with  ▅!!  4 → ∞" in rows(lost)
    assert "  with  █!▁  10 → 0.100" in rows(replace(LOSS, ys=(10.0, 0.0, 0.1)), log_y=True)


def test_a_single_point_is_no_line_and_many_lines_are_counted() -> None:
    assert rows(replace(LOSS, xs=(1,), ys=(1.0,))) == []
    many = [replace(LOSS, name=f"line {n}") for n in range(8)]
    assert rows(*many)[-1] == "  and 3 more" and len(rows(*many)) == 7


@pytest.mark.parametrize("width", [30, 54, 74, 110])
def test_no_row_is_wider_than_its_screen(width: int) -> None:
    long = replace(LOSS, name="a name that goes on and on " * 3, xs=range(400), ys=(1e-300,) * 400)
    assert max(map(len, rows(long, LOSS, width=width))) <= width
    huge = replace(LOSS, ys=(-1.7e308, 0.0, 1.7e308))
    assert "▁▅█" in rows(huge, width=110)[1] or "▁▄█" in rows(huge, width=110)[1]
