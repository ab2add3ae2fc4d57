"""Lists of things to open: their keys, and that the marked entry stays in sight."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from studykit.tui.widgets.rows import LongRows, Row, in_columns
from tests.tui.conftest import text_of


class ListApp(App[None]):
    """Thirty entries in a window of ten rows."""

    def compose(self) -> ComposeResult:
        with VerticalScroll(can_focus=False):
            yield LongRows()

    def on_mount(self) -> None:
        rows = self.query_one(LongRows)
        rows.rows = tuple(Row("", Content(f"entry {n}")) for n in range(30))
        rows.focus()


async def test_the_ends_and_the_pages_of_a_list() -> None:
    """As in vi, and with the keys that have it on them; never beyond an end."""
    async with ListApp().run_test(size=(40, 10)) as pilot:
        rows = pilot.app.query_one(LongRows)
        for key, place in (
            ("G", 29),
            ("g", 0),
            ("end", 29),
            ("home", 0),
            ("pagedown", 10),
            ("pageup", 0),
            ("pageup", 0),
        ):
            await pilot.press(key)
            assert rows.cursor == place
            await pilot.pause()
            assert f"▸   entry {place}" in text_of(pilot.app)


def test_values_stand_behind_their_texts_with_their_points_in_one_column() -> None:
    texts, values = ["`all` parts", "one"], ["-0.005", "11.33"]
    assert [row.plain for row in in_columns(texts, values)] == [
        "all parts  -0.005",
        "one        11.33 ",
    ]
    whole = [row.plain for row in in_columns(["a", "b"], ["2", "0.5"])]
    assert whole == ["a  2  ", "b  0.5"]
    long = "x" * 60
    assert in_columns([long, "y"], ["1", "2"])[1].plain == f"{'y':54}  2"
