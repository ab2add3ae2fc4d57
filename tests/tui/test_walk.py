"""What a walk draws: the marks of its map, the caption before the numbers, and where it stands."""

from __future__ import annotations

import math

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult

from studykit.lab.events import Step, Walk
from studykit.tui.widgets.walk_text import (
    MARKS,
    cell_states,
    first_step_at,
    lay_out_walk,
    render_detail,
)
from studykit.tui.widgets.walk_view import WalkView
from tests.tui.conftest import text_of

COLUMNS = ("query", "row_max before", "row_max after")


def tiles(n: int = 3, n_rows: int = 2, *, covered: tuple[str, ...] = ("row_max after",)) -> Walk:
    """A causal map of `n` x `n` tiles; the maximum after a tile is the number of its step."""
    cells = [(row, column) for row in range(n) for column in range(row + 1)]
    steps = [
        Step(
            at,
            f"Tile {number} comes in.",
            [(f"q{row}", number - 1.0 if at[1] else -math.inf, number) for row in range(n_rows)],
        )
        for number, at in enumerate(cells, start=1)
    ]
    labels = [f"{16 * k}–{16 * k + 15}" for k in range(n)]
    return Walk(
        "Tiles", [f"q {a}" for a in labels], [f"k {a}" for a in labels], COLUMNS, steps, covered
    )


def detail(walk: Walk, n: int, width: int = 118, *, is_covered: bool = False) -> list[str]:
    layout = lay_out_walk(walk, width)
    return [line.plain for line in render_detail(walk, n, layout, is_covered=is_covered)]


def test_each_cell_is_done_now_to_come_or_left_out() -> None:
    """And tells so without any colour."""
    now = "now", "left out", "left out"
    assert cell_states(tiles(), 0) == (now, ("to come",) * 2 + ("left out",), ("to come",) * 3)
    assert cell_states(tiles(), 5)[1:] == (("done", "done", "left out"), ("done", "done", "now"))
    assert len({mark for mark, _ in MARKS.values()}) == len(MARKS)


def test_a_cell_visited_twice_is_done_after_the_first_visit() -> None:
    steps = [Step((0, column), "", []) for column in (0, 1, 0)]
    walk = Walk("w", ["r"], ["a", "b"], [], steps)

    assert cell_states(walk, 1) == (("done", "now"),)
    assert cell_states(walk, 2) == (("now", "done"),)
    assert first_step_at(walk, (0, 0)) == 0
    assert first_step_at(tiles(), (0, 2)) is None


def test_what_may_be_guessed_is_covered_and_nothing_else() -> None:
    """The caption comes first; the numbers that the guess needs stand there."""
    lines = detail(tiles(), 2, is_covered=True)
    assert lines[:2] == ["Step 3 of 6  q 16–31 → k 16–31  ? guess first", "Tile 3 comes in."]
    assert [line.split() for line in lines[-2:]] == [["q0", "2", "?"], ["q1", "2", "?"]]

    lines = detail(tiles(), 2)
    assert lines[0] == "Step 3 of 6  q 16–31 → k 16–31"
    assert [line.split() for line in lines[-2:]] == [["q0", "2", "3"], ["q1", "2", "3"]]
    assert detail(tiles(), 0)[-1].split() == ["q1", "-∞", "1"]


def test_what_is_told_of_a_guess_waits_for_it() -> None:
    """And has its place from the start, so that nothing moves as it comes."""
    step = Step((0, 0), "How much?", [("q0", 1.0)], "This much, " * 20)
    walk = Walk("w", "r", "c", ("query", "sum"), [step], ("sum",))
    layout = lay_out_walk(walk, 60)
    covered = render_detail(walk, 0, layout, is_covered=True)
    told = render_detail(walk, 0, layout, is_covered=False)

    assert "How much?" in covered[1].plain
    assert not any("This much" in line.plain for line in covered)
    assert told[1].plain.startswith("How much? This much, This much")
    assert len(covered) < len(told) == layout.detail_height


def test_headings_are_broken_where_they_must_and_numbers_stand_below_them() -> None:
    head, row, _ = detail(tiles(), 1)[-3:]
    assert head == "query  row_max before  row_max after"
    assert row == "q0                 -∞              2"

    upper, lower, row, _ = detail(tiles(), 1, width=30)[-4:]
    assert upper == "       row_max  row_max"
    assert lower == "query   before    after"
    assert row == "q0          -∞        2"


@pytest.mark.parametrize(
    ("n", "width", "is_beside"),
    [
        (3, 118, True),
        (3, 78, True),
        (3, 58, False),
        (30, 118, False),
        (3, 10, False),
        (1, 1, False),
    ],
)
def test_map_and_table_stand_side_by_side_where_both_fit(
    n: int, width: int, is_beside: bool
) -> None:
    """Else below each other; and no step is longer than the layout says."""
    walk = tiles(n)
    layout = lay_out_walk(walk, width)
    details = [render_detail(walk, k, layout, is_covered=True) for k in range(len(walk.steps))]

    assert max(map(len, details)) == layout.detail_height
    assert layout.is_beside is is_beside
    if is_beside:
        assert layout.map_width + 3 + layout.detail_width == width
        assert layout.grid.n_shown == n
        assert [label.strip() for label in layout.grid.row_labels] == [*walk.rows]


class WalkApp(App[None]):
    def compose(self) -> ComposeResult:
        yield WalkView()


async def test_going_on_shows_what_is_covered_before_the_next_step() -> None:
    """What was seen stays seen; ends are no traps; another walk has a place of its own."""
    app = WalkApp()
    async with app.run_test(size=(80, 20)) as pilot:
        view = app.query_one(WalkView)

        async def seen() -> tuple[str, bool]:
            await pilot.pause()
            return text_of(app).split("Step ")[1].split("  ")[0], view.is_covered

        view.show(tiles(), "walk 1/2")
        assert await seen() == ("1 of 6", True)
        view.advance(1)
        assert await seen() == ("1 of 6", False)
        view.advance(1)
        assert await seen() == ("2 of 6", True)
        view.advance(-1)
        assert await seen() == ("1 of 6", False)
        view.advance(-1)
        assert await seen() == ("1 of 6", False)
        view.go_to_end()
        assert await seen() == ("6 of 6", True)
        view.advance(1)
        assert view.is_at_end
        view.advance(1)
        assert await seen() == ("6 of 6", False)

        view.show(Walk("Others", ["r"], ["c"], [], [Step((0, 0), "", [])]), "walk 2/2")
        assert await seen() == ("1 of 1", False)
        assert view.is_at_end
        view.show(tiles(), "walk 1/2")
        assert await seen() == ("6 of 6", False)
        view.forget()
        view.show(tiles(), "walk 1/1")
        assert await seen() == ("1 of 6", True)


async def test_a_click_goes_to_the_step_of_the_cell() -> None:
    """Of a cell that is left out it goes nowhere."""
    app = WalkApp()
    async with app.run_test(size=(80, 20)) as pilot:
        app.query_one(WalkView).show(tiles(), "")
        await pilot.pause()
        lines = text_of(app).splitlines()
        y = next(y for y, line in enumerate(lines) if "q 32–47" in line)
        cells = [x for x, mark in enumerate(lines[y]) if mark == "□"]
        await pilot.click(offset=(cells[1], y))
        await pilot.pause()
        assert "Step 5 of 6  q 32–47 → k 16–31" in text_of(app)
        line = text_of(app).splitlines()[y]
        assert line.startswith("▸")
        assert line.split()[2:5] == ["■", "[■]", "□"]
        await pilot.click(offset=(cells[2], y - 2))
        await pilot.pause()
        assert "Step 5 of 6" in text_of(app)


async def test_a_large_walk_scrolls_with_its_step() -> None:
    """What is out of sight is counted; the table of a low terminal is reached by scrolling."""
    app = WalkApp()
    async with app.run_test(size=(60, 16)) as pilot:
        view = app.query_one(WalkView)
        view.show(tiles(30, 12), "")
        view.go_to_end()
        await pilot.pause()
        text = text_of(app)
        assert "q 464–479" in text
        assert "q11" not in text
        view.scroll_detail(99)
        await pilot.pause()
        assert "q11" in text_of(app)
        assert "j k scroll" in text_of(app)
        view.scroll_detail(-99)
        await pilot.pause()
        assert "Step 465 of 465" in text_of(app)


@pytest.mark.parametrize("size", [(80, 24), (20, 6), (9, 2), (1, 1)])
async def test_any_walk_can_be_drawn_at_any_size(size: tuple[int, int]) -> None:
    label = "[b]\x1b二\n[/nope]"
    step = Step((1, 1), f"[/caption] {label * 9}", [(label, math.nan)] * 30)
    walk = Walk("[/title]", [label] * 40, [label] * 70, [label, ""], [step] * 2, [label])
    app = WalkApp()
    async with app.run_test(size=size) as pilot:
        app.query_one(WalkView).show(walk, "walk 1/1")
        await pilot.pause()
        text = text_of(app)
    assert all(cell_len(row) <= size[0] for row in text.splitlines())
    assert "\x1b" not in text
    if size == (80, 24):
        assert "[/title]" in text
