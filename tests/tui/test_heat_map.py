"""What a heat map writes in its cells, how it colours them, and what it says of the cursor's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.strip import Strip

from studykit.lab.events import HeatMap
from studykit.tui.widgets.heat_map import SMOOTH, HeatMapFigure, HeatMapView
from studykit.tui.widgets.heat_scale import (
    OF_256,
    SHADES,
    Grid,
    build_grid,
    build_scale,
    first_shown,
    ink,
    luminance,
    pick,
)
from tests.tui.conftest import text_of

NAN, INF = math.nan, math.inf


def heat_map(
    values: list[list[float | None]],
    rows: list[str] | None = None,
    columns: list[str] | None = None,
    unit: str = "",
    title: str = "weights",
) -> HeatMap:
    rows = rows or [f"q{n}" for n in range(len(values))]
    columns = columns or [f"k{n}" for n in range(len(values[0]))]
    return HeatMap(title, rows, columns, values, unit)


def grid(shown: HeatMap, width: int = 78) -> Grid:
    return build_grid(shown, build_scale(shown.values), width)


def line(values: list[float | None], width: int = 78) -> tuple[str, ...]:
    """What stands in the cells of a map of one row."""
    return grid(heat_map([values]), width).texts[0]


def test_shares_are_per_cent_and_a_masked_cell_is_no_zero() -> None:
    assert line([1.0, 0.421, 0.0, 0.003, None]) == ("100", "42", "0", "0", "")


def test_values_are_written_in_full_where_there_is_room() -> None:
    """Else as whole numbers of the scale's step, which the legend tells; a minus stays."""
    values: list[float | None] = [-2.9, 0.04, 5.36, 41.2]

    assert line([-2.9, 0.04, 5.36]) == ("-2.9", "0.0", "5.4")
    assert line(values * 10) == ("-3", "0", "5", "41") * 10
    assert build_scale([[300.0, -12.0]]).step == 10
    assert line([4.1e-7, 1e-8]) == ("41", "1")
    assert build_scale([[4.1e-7]]).step == pytest.approx(1e-8)


def test_what_is_not_finite_is_marked_and_leaves_the_scale_alone() -> None:
    scale = build_scale([[NAN, INF, -INF, 0.2, 0.4]])

    assert (scale.low, scale.high) == (0.2, 0.4)
    assert line([NAN, INF, -INF, 0.2]) == ("!", "∞", "-∞", "20")


@given(
    st.lists(st.lists(st.none() | st.floats(), min_size=3, max_size=3), min_size=1, max_size=4),
    st.integers(1, 120),
)
def test_any_numbers_have_a_scale_and_fit_their_cells(
    values: list[list[float | None]], width: int
) -> None:
    """Subnormal, enormous, equal or missing: each share lies from 0 to 1, each text in its cell."""
    scale = build_scale(values)
    laid_out = build_grid(heat_map(values), scale, width)

    assert laid_out.n_shown >= 1
    for row, texts in zip(values, laid_out.texts, strict=True):
        for value, text in zip(row, texts, strict=True):
            assert len(text) <= laid_out.cell_width
            if value is not None and math.isfinite(value):
                assert 0 <= scale.share(value) <= 1


def test_small_weights_differ_and_signed_values_are_linear() -> None:
    assert build_scale([[0.0, 1.0]]).share(0.04) == pytest.approx(0.2)
    assert build_scale([[-1.0, 1.0]]).share(0.0) == pytest.approx(0.5)
    assert build_scale([[0.7, 0.7]]).share(0.7) == 0.5


@pytest.mark.parametrize("ramp", [SMOOTH, OF_256], ids=["smooth", "256"])
def test_ramps_are_lighter_at_each_step_and_legible(ramp: tuple[str, ...]) -> None:
    """Without hue the order still shows; a number has a contrast of 4.5 on each colour."""
    lights = [luminance(colour) for colour in ramp]
    assert lights == sorted(lights)
    assert len({*lights}) == len(ramp)
    for colour, light in zip(ramp, lights, strict=True):
        dark, bright = sorted((light, luminance(ink(colour))))
        assert (bright + 0.05) / (dark + 0.05) >= 4.5
    assert (pick(0.0, ramp), pick(1.0, ramp)) == (ramp[0], ramp[-1])


def test_columns_show_what_tells_them_apart() -> None:
    """What all labels begin with stands once; long words are cut, long numbers thinned out."""
    cells: list[float | None] = [0.5] * 30
    heads = grid(heat_map([cells], ["row"], [f"dim {n}" for n in range(30)]))
    assert heads.corner == "dim"
    assert heads.head(0)[:3] == ["  0", "  1", "  2"]

    far = [f"{n}" for n in range(95, 125)]
    assert "".join(grid(heat_map([cells], ["row"], far)).head(4)).split()[:2] == ["100", "102"]

    rates = grid(heat_map([[0.5, 0.5]], ["row"], ["0.1", "0.2"]))
    assert [label.strip() for label in rates.head(0)] == ["0.1", "0.2"]

    words = ["transformer", "token", *["x"] * 28]
    assert grid(heat_map([cells], ["row"], words)).head(0)[:2] == [" tr", " to"]
    wide = grid(heat_map([[0.5, 0.5]], ["row"], ["transformer", "a token"]))
    assert [label.strip() for label in wide.head(0)] == ["transformer", "a token"]


TOKENS = [
    *("[CLS]", "the", "animal", "didn", "'", "t", "cross", "the", "street", "because", "it"),
    *("was", "too", "tired", ".", "[SEP]"),
]


def attention(tokens: list[str]) -> HeatMap:
    """Every token looks at itself."""
    values: list[list[float | None]] = [
        [float(row == column) for column in range(len(tokens))] for row in range(len(tokens))
    ]
    return heat_map(values, tokens, tokens)


def test_words_above_narrow_cells_share_lines() -> None:
    """Each is read in full, and ends where its cells' digits do."""
    laid_out = grid(attention(TOKENS))

    assert (laid_out.cell_width, laid_out.n_lines) == (4, 2)
    lines = [laid_out.staggered(0, line) for line in range(2)]
    for n, token in enumerate(TOKENS):
        line = lines[n % 2]
        at = line.index((token, n))
        end = sum(cell_len(text) for text, _ in line[: at + 1])
        assert end == laid_out.label_width + 1 + (n + 1) * 4 - laid_out.pad


@given(st.lists(st.text(max_size=12), min_size=1, max_size=30), st.integers(8, 100))
def test_no_label_pushes_another_aside(labels: list[str], width: int) -> None:
    """Whatever its length: every label ends at its own column, and a blank stands before it."""
    laid_out = grid(heat_map([[0.5] * len(labels)], ["a"], labels), width)

    for line in range(laid_out.n_lines) if laid_out.n_lines > 1 else ():
        parts = laid_out.staggered(0, line)
        at = 0
        for k, (text, n) in enumerate(parts):
            at += cell_len(text)
            if n >= 0:
                assert at == laid_out.label_width + 1 + (n + 1) * laid_out.cell_width - laid_out.pad
                assert n == line or parts[k - 1][0]


def test_labels_of_rows_take_the_room_that_columns_leave() -> None:
    """Cut to a quarter of the width, two tiles that differ in their stages read alike."""
    rows = [f"128 × 128, 4 warps, {n} stages" for n in (1, 2)]
    few = grid(heat_map([[0.5] * 3] * 2, rows, ["registers", "shared", "warps"]))
    assert list(few.row_labels) == rows
    assert few.n_shown == 3

    many = grid(heat_map([[0.5] * 30] * 2, rows))
    assert many.label_width == 78 // 4
    assert all(label.endswith("…") for label in many.row_labels)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=30), st.integers(8, 100))
def test_no_label_breaks_the_columns(labels: list[str], width: int) -> None:
    """Whatever a token is: a line break, a wide character, nothing."""
    shown = heat_map([[0.5] * len(labels)] * 2, ["a", "二"], labels)
    laid_out = grid(shown, width)

    assert {cell_len(label) for label in laid_out.head(0)} == {laid_out.cell_width}
    assert {cell_len(label) for label in laid_out.row_labels} == {laid_out.label_width}
    assert "\n" not in "".join(laid_out.column_labels)


def test_the_window_moves_no_further_than_the_cursor_asks() -> None:
    assert first_shown(0, 3, 5, 20) == 0
    assert first_shown(0, 5, 5, 20) == 1
    assert first_shown(10, 4, 5, 20) == 4
    assert first_shown(15, 19, 5, 20) == 15
    assert first_shown(9, 0, 5, 3) == 0


class MapApp(App[None]):
    def compose(self) -> ComposeResult:
        yield HeatMapView()


async def drawn(
    shown: HeatMap, *moves: tuple[int, int], size: tuple[int, int] = (80, 20)
) -> tuple[str, list[Strip]]:
    """A screen with nothing but the map, after the cursor was moved: its text and its rows."""
    app = MapApp()
    async with app.run_test(size=size) as pilot:
        view = app.query_one(HeatMapView)
        view.show(HeatMapFigure(shown, "map 1/2 · seed 0"))
        for move in moves:
            view.move(*move)
        await pilot.pause()
        return text_of(app), app.screen._compositor.render_strips()


async def test_the_cursor_tells_its_cell_in_words() -> None:
    """It stops at the edges; row and column are named in full, whatever their labels show."""
    shown = heat_map(
        [[1.0, None], [0.25, 0.75]], ["The", "transformer"], ["The", "transformer"], "weight"
    )
    text, _ = await drawn(shown)
    assert "The → The  1 weight" in text
    assert "▸        The" in text
    assert "map 1/2 · seed 0" in text.splitlines()[0]

    text, _ = await drawn(shown, (0, 1))
    assert "The → transformer  masked" in text
    text, _ = await drawn(shown, (5, -3), (0, 9))
    assert "transformer → transformer  0.750 weight" in text


async def test_the_scale_names_both_ends_and_the_unit_of_the_cells() -> None:
    text, _ = await drawn(heat_map([[0.1, NAN, 0.9]]))
    assert "0.100 " in text
    assert " 0.900 · cells in % · ! diverged" in text
    text, _ = await drawn(heat_map([[-250.0, 12.0] * 12], unit="nats"))
    assert "-250 " in text
    assert " 12 nats · cells × 10" in text


async def test_a_large_map_scrolls_with_its_cursor() -> None:
    """What is out of sight is counted, and every cell can be reached."""
    values: list[list[float | None]] = [
        [row * 100 + column for column in range(64)] for row in range(48)
    ]
    shown = heat_map(values)
    text, _ = await drawn(shown, (30, 40))

    assert "q30 → k40  3040" in text
    assert "rows 17–31 of 48" in text
    text, _ = await drawn(shown, (99, 99))
    assert "q47 → k63  4763" in text
    assert "of 48 · columns" in text
    assert "–64 of 64" in text


async def test_a_click_puts_the_cursor_on_its_cell() -> None:
    """From the first moment on, and after the window was resized."""
    app = MapApp()
    async with app.run_test(size=(80, 20)) as pilot:
        app.query_one(HeatMapView).show(HeatMapFigure(heat_map([[0.1, 0.2], [0.3, 0.4]])))
        await pilot.pause()
        for size in ((80, 20), (60, 16)):
            await pilot.resize_terminal(*size)
            await pilot.pause(0.1)
            for row, text in ((3, "40"), (2, "10")):
                await pilot.click(offset=(text_of(app).splitlines()[row].index(text), row))
                await pilot.pause()
                assert f"  0.{text}0" in text_of(app)


async def test_the_labels_of_a_sentence_are_read_in_full() -> None:
    """In as many lines as they take, unless the map is low; a click finds its cell all the same."""
    app = MapApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.query_one(HeatMapView).show(HeatMapFigure(attention(TOKENS)))
        await pilot.pause()
        head = text_of(app).splitlines()[1:3]
        assert head[0].split() == TOKENS[::2]
        assert head[1].split() == TOKENS[1::2]
        await pilot.click(offset=(head[1].index("because") + 6, 3))
        await pilot.pause()
        assert "[CLS] → because" in text_of(app)
        await pilot.resize_terminal(80, 12)
        await pilot.pause(0.1)
        assert "be…" in text_of(app).splitlines()[1]
        assert "[CLS]" in text_of(app).splitlines()[2]


async def test_a_map_of_few_rows_has_all_the_lines_that_its_labels_take() -> None:
    """It is low because it has no more rows, not because the screen has none."""
    app = MapApp()
    async with app.run_test(size=(80, 24)) as pilot:
        few = heat_map([[0.5] * len(TOKENS)] * 2, ["layer 1", "layer 2"], TOKENS)
        app.query_one(HeatMapView).show(HeatMapFigure(few))
        await pilot.pause()
        head = text_of(app).splitlines()[1:3]
        assert [line.split() for line in head] == [TOKENS[::2], TOKENS[1::2]]


async def test_without_colours_cells_have_shades_and_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A masked cell stays blank; the cursor is reversed, which is no colour."""
    monkeypatch.setenv("NO_COLOR", "1")
    text, strips = await drawn(heat_map([[0.0, 0.05, 1.0, None]]), (0, 1))

    row = text.splitlines()[2]
    assert row.split() == ["▸q0", "·", "0░", "5█100"]
    assert SHADES in "".join(dict.fromkeys(text.splitlines()[5]))
    styles = [segment.style for strip in strips for segment in strip]
    assert any(style is not None and style.reverse for style in styles)


@pytest.mark.parametrize(("system", "ramp"), [("truecolor", SMOOTH), ("256", OF_256)])
async def test_colours_are_those_that_the_terminal_has(
    system: str, ramp: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lowest and the highest cell have the ends of the ramp; a masked one has no colour."""
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", system)
    _, strips = await drawn(heat_map([[0.5, 0.0, 1.0, None]]))

    grounds = {
        segment.text.strip(): segment.style.bgcolor.get_truecolor().hex
        for segment in strips[2]
        if segment.style and segment.style.bgcolor
    }
    assert grounds["0"] == ramp[0].lower()
    assert grounds["100"] == ramp[-1].lower()
    assert grounds[""] not in map(str.lower, ramp)


@pytest.mark.parametrize("size", [(80, 24), (20, 6), (9, 2), (1, 1)])
@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (1, 1), (40, 70)])
async def test_any_map_can_be_drawn_at_any_size(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    n_rows, n_columns = shape
    labels = [f"[b]{n}[/nope]" for n in range(max(shape))]
    values = [[0.5] * n_columns for _ in range(n_rows)]
    shown = HeatMap("[/title]", labels[:n_rows], labels[:n_columns], values)
    text, _ = await drawn(shown, (1, 1), size=size)

    assert all(cell_len(row) <= size[0] for row in text.splitlines())
    if size == (80, 24):
        assert "[/title]" in text
