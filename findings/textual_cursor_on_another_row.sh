#!/usr/bin/env bash
# In Textual, sorting or shortening a table or list puts the cursor on another row without a word.
#
# Seen with textual 8.2.8 on Python 3.11.
#
# The usual guess: rows have keys so that they are known by them wherever they stand, and the cursor
# is on a row: when the table is sorted it goes with its row. Where the row under the cursor does
# become another one, RowHighlighted or OptionHighlighted says so, as whenever the cursor moves. So
# an app may remember the last one highlighted, show its details, and act on it.
#
# What happens: the cursor keeps its place on the screen. After `DataTable.sort`, and after
# `DataTable.remove_row` and `OptionList.remove_option` of the cursor's own row or one above it, the
# cursor is on another row and there is no message. The app shows the details of one row, enter
# selects another, and a key for "delete the highlighted one" deletes a row that is not highlighted.
# `ListView.pop` keeps its item, or tells.
#
# What helps: remember the row's key, and `move_cursor(row=table.get_row_index(key))` after a sort;
# after a removal ask the widget what is under the cursor instead of remembering the message.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'textual==8.2.8'

"$folder/venv/bin/python" - <<'PYTHON'
import asyncio

import textual
from textual.app import App
from textual.widgets import DataTable, Label, ListItem, ListView, OptionList
from textual.widgets.option_list import Option

NAMES = "abcdef"


class Shelf(App[None]):
    """Notes what is said to be highlighted, and what enter selects."""

    highlighted = selected = ""

    def compose(self):
        yield DataTable(cursor_type="row")
        yield OptionList(*(Option(name, id=name) for name in NAMES))
        yield ListView(*(ListItem(Label(name), id=name) for name in NAMES))

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        table.add_column("name", key="name")
        for name in NAMES:
            table.add_row(name, key=name)

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        self.highlighted = event.row_key.value

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        self.selected = event.row_key.value

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self.highlighted = event.option.id

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.selected = event.option.id

    def on_list_view_highlighted(self, event: ListView.Highlighted) -> None:
        self.highlighted = event.item.id

    def on_list_view_selected(self, event: ListView.Selected) -> None:
        self.selected = event.item.id


CHANGES = {
    "DataTable.sort": (DataTable, lambda table: table.sort("name", reverse=True)),
    "DataTable.remove_row, above": (DataTable, lambda table: table.remove_row("a")),
    "DataTable.remove_row, its own": (DataTable, lambda table: table.remove_row("c")),
    "OptionList.remove_option, above": (OptionList, lambda options: options.remove_option("a")),
    "OptionList.remove_option, its own": (OptionList, lambda options: options.remove_option("c")),
    "ListView.pop, above": (ListView, lambda items: items.pop(0)),
    "ListView.pop, its own": (ListView, lambda items: items.pop(2)),
}


async def outcome(name: str) -> tuple[str, str]:
    """The last row that was announced after a change, and the one that enter then selects."""
    kind, change = CHANGES[name]
    app = Shelf()
    async with app.run_test() as pilot:
        widget = app.query_one(kind)
        widget.focus()
        while app.highlighted != "c":
            await pilot.press("down")
        await pilot.pause()
        change(widget)
        await pilot.pause(0.2)
        announced = app.highlighted
        await pilot.press("enter")
        await pilot.pause()
        return announced, app.selected


print(f"textual {textual.__version__}")
for name in CHANGES:
    announced, selected = asyncio.run(outcome(name))
    print(f"{name:34} announced {announced}, enter selects {selected}")
    differs = announced != selected
    assert differs is not name.startswith("ListView"), f"changed: {name}"
print("as found: tables and option lists put another row under the cursor and keep silent")
PYTHON
