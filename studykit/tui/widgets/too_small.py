"""What a terminal shows that is too small for the screens."""

from __future__ import annotations

from textual import events

from studykit.tui.widgets.safe import Static

MINIMUM = (60, 18)
"""Columns and rows that the screens need; the app's breakpoints hide them below."""


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
