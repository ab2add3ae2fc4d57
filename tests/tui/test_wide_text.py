"""Wide, combining, right-to-left and emoji text: columns count cells, not characters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.app import ComposeResult

from studykit.commands.terminal import columns, cut, say_table, wrap
from studykit.course.cards import LabHeader
from studykit.lab.events import Curve, HeatMap, Measurement, Table
from studykit.lab.results import SeedResult
from studykit.study.numbers import summarise
from studykit.tui.app import StudykitApp
from studykit.tui.widgets.chart import Chart, ChartFigure
from studykit.tui.widgets.deck_table import DeckTable
from studykit.tui.widgets.heat_scale import build_grid, build_scale
from studykit.tui.widgets.knobs import KnobRows
from studykit.tui.widgets.measurements import render_measurements, render_table
from tests.tui.conftest import MakeServices, open_home, text_of, until
from tests.tui.test_chart import ChartApp

ODD = ("plain", "残差接続", "שלום עולם", "e\u0301tat", "👍🏽 ok", "नमस्ते", "❤️")
"""Of one column a letter, of two, right to left, with combining marks, emoji of several letters."""


def test_measurements_and_tables_are_aligned() -> None:
    """Each number ends in the same column, whatever its label and its unit are."""
    measured = {
        name: Measurement(name, 1.5, unit, name) for name, unit in zip(ODD, ODD[::-1], strict=True)
    }
    lines = render_measurements(summarise([SeedResult(0, measured, {})]), 60).plain.splitlines()
    assert len({cell_len(line[: line.index("1.500")]) for line in lines}) == 1

    table = Table("t", ("name", *ODD), tuple((name, *map(float, range(len(ODD)))) for name in ODD))
    _, *rows = render_table(table, 120).plain.splitlines()
    assert len({cell_len(row) for row in rows}) == 1


def test_labels_of_a_heat_map_are_as_wide_as_their_cells() -> None:
    heat_map = HeatMap("h", ODD, ODD, ((0.5,) * len(ODD),) * len(ODD))
    for width in (40, 80, 120):
        grid = build_grid(heat_map, build_scale(heat_map.values), width)
        assert {cell_len(label) for label in grid.row_labels} == {grid.label_width}
        assert {cell_len(label) for label in grid.head(0)} == {grid.cell_width}


def test_the_shell_s_tables_and_lines_count_cells(capsys: pytest.CaptureFixture[str]) -> None:
    say_table(["name", "n"], [[name, "1"] for name in ODD], numbers=1)
    rows = capsys.readouterr().out.splitlines()
    assert len({cell_len(row) for row in rows}) == 1
    text = " ".join(ODD * 3)
    for width in (6, 11, 40):
        assert max(map(columns, wrap(text, width))) <= width
        assert columns(cut(text, width)) <= width
    assert "".join(wrap(text, 11)).replace(" ", "") == text.replace(" ", "")


async def test_cards_in_every_screen(make_services: MakeServices) -> None:
    """Rows of Home and Browse have one width; the card is asked, answered and rated."""
    services = make_services("cloze")
    deck = services.course.decks[0].path
    text = deck.read_text(encoding="utf-8")
    text = text.replace("title: Core transformer architecture", f"title: {' '.join(ODD)}", 1)
    text = text.replace("Before each branch of", " ".join(ODD))
    text = text.replace("answer: norm", "answer: e\u0301tat").replace(
        "[layer norm, LayerNorm]", "[שלום]"
    )
    deck.write_text(text, encoding="utf-8")
    async with StudykitApp(services).run_test(size=(80, 24)) as pilot:
        await open_home(pilot)
        await pilot.press("x", "q", "slash")
        await until(pilot, lambda: "1 of 1 cards" in text_of(pilot.app))
        await pilot.press("escape", "q")
        table = pilot.app.query_one(DeckTable)
        head, row = table.render().split("\n")
        assert head.cell_length == row.cell_length == table.size.width
        await pilot.press("enter")
        await pilot.press(*"\u00c9TAT", "enter", "enter")
        assert "✓ Right" in text_of(pilot.app)
        await pilot.press("4")
    assert "残差接続" in services.cards["stacks-cloze"].question


async def test_legends_and_knobs_fit_their_screen() -> None:
    """Names of lines and values of knobs; a row that is too long would be cut in mid-name."""
    curves = tuple(Curve("loss", name, (0, 1), (1.0, 2.0)) for name in ODD)

    class Wall(ChartApp):
        def compose(self) -> ComposeResult:
            knobs = {"text": ODD, "n": (1, 2)}
            header = LabHeader("odd/lab", Path(), "", "", "", (), {}, knobs, 1, {})
            yield KnobRows(replace(header, knob_help={"n": ODD[1]}), {"text": ODD[1], "n": 1})
            yield Chart()

    app = Wall()
    async with app.run_test(size=(30, 24)) as pilot:
        app.query_one(KnobRows).cursor = 0
        await app.query_one(Chart).show(ChartFigure("loss", curves))
        await pilot.pause()
        screen = text_of(app)
        assert all(f" {name}" in screen for name in ODD)
        assert f"[{ODD[1]}]" in screen and "[1] 2" in screen
