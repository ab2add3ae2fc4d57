"""The line to search in; letters belong to it until Enter or Esc."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class SearchField(Input):
    """Searches while it is written in; the arrows move in the list below."""

    BINDING_GROUP_TITLE = "Search"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,escape", "leave", "to the list", id="to-list", tooltip="To the list"),
        Binding("down", "step(1)", "Next card", show=False, id="search-down"),
        Binding("up", "step(-1)", "Card before", show=False, id="search-up"),
    ]

    class Left(Message):
        """The keys are to move in the list."""

    @dataclass
    class Stepped(Message):
        """The cursor of the list is to move."""

        n_rows: int

    def action_leave(self) -> None:
        self.post_message(self.Left())

    def action_step(self, n_rows: int) -> None:
        self.post_message(self.Stepped(n_rows))
