"""Lists of things to open: their keys, and that the marked entry stays in sight."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from studykit.tui.widgets.rows import LongRows, Row
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
