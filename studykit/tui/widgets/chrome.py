"""What every screen has around its body: status line, key hints, the word on a small terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget

from studykit.tui.widgets.safe import Static

MINIMUM = (60, 18)
"""Columns and rows that the screens need; the app's breakpoints hide them below."""
HELP_ACTION = "help"
OUT_KEY = "q"
"""Leads back from every screen, and from Home out of the app."""
MARK_ACTION = "show_labs"
"""The action whose hint tells of the labs in hand."""


class StatusLine(Static):
    """One line, more if need be; the next thing said replaces it."""

    DEFAULT_CSS = """
    StatusLine {
        height: auto;
        min-height: 1;
        max-height: 3;
        padding: 0 1;
        color: $text-muted;
    }
    """

    _fading: Timer | None = None

    def say(self, text: str | Content, *, seconds: float | None = None) -> None:
        """Show `text`, for good or for some seconds."""
        if self._fading is not None:
            self._fading.stop()
            self._fading = None
        self.update(text)
        if seconds is not None:
            self._fading = self.set_timer(seconds, self.update)


class Hint(NamedTuple):
    """One key and what it does now."""

    key: str
    """As Textual names it, to press it for a click."""
    text: Content


class KeyHints(Widget):
    """Follows the bindings of its screen; each hint can be clicked.

    What goes on beside the screen stands before the help, and is seen while its key is a letter in
    a text field, too.
    """

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    KeyHints {
        dock: bottom;
        height: 1;
        background: $footer-background;
        color: $footer-description-foreground;
    }
    """

    def __init__(self, render_mark: Callable[[], Content]) -> None:
        super().__init__()
        self._render_mark = render_mark
        """What goes on beside the screen; empty if nothing does."""

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._redraw)

    def _redraw(self, _: Screen[object]) -> None:
        self.refresh()

    def render(self) -> Content:
        return Content("").join(hint.text for hint in self._hints())

    def on_click(self, event: events.Click) -> None:
        """Press the key of the hint below the mouse."""
        end = 0
        for hint in self._hints():
            end += hint.text.cell_length
            if event.x < end:
                if hint.key:
                    self.app.simulate_key(hint.key)
                return

    def _hints(self) -> list[Hint]:
        """The hints that fit, one an action; way out, mark and help take their places first."""
        by_action: dict[str, Hint] = {}
        ways_out: list[str] = []
        mark = self._render_mark()
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.show and active.enabled and binding.key == OUT_KEY:
                ways_out.append(binding.action)
            if binding.show and active.enabled and binding.action not in by_action:
                is_mark = binding.action == MARK_ACTION
                text = Content.assemble(
                    (f" {self.app.get_key_display(binding)} ", "bold $footer-key-foreground"),
                    mark if is_mark and mark else binding.description,
                    " ",
                )
                by_action[binding.action] = Hint(binding.key, text)
        if mark and MARK_ACTION not in by_action:  # its key is a letter in a text field now
            by_action[MARK_ACTION] = Hint("", Content.assemble(" ", mark, " "))
        first = (*ways_out, MARK_ACTION, HELP_ACTION)
        last = [by_action.pop(action) for action in first if action in by_action]
        room = self.size.width - sum(hint.text.cell_length for hint in last)
        room += 1  # the blank at the very end
        shown: list[Hint] = []
        for hint in by_action.values():
            room -= hint.text.cell_length
            if room < 0:
                break
            shown.append(hint)
        return shown + last


class TooSmall(Static):
    """One clear line over everything else."""

    DEFAULT_CSS = """
    TooSmall {
        display: none;
        layer: too-small;
        dock: top;
        width: 100%;
        height: 100%;
        content-align: center middle;
        background: $background;
    }
    Screen.-too-narrow TooSmall, Screen.-too-low TooSmall { display: block; }
    """

    def on_resize(self, event: events.Resize) -> None:
        """Say by how much."""
        width, height = self.screen.size
        self.update(f"{MINIMUM[0]}x{MINIMUM[1]} needed, have {width}x{height}")
