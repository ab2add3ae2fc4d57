"""The line above the key hints: what the last key did, and how to take it back."""

from __future__ import annotations

from textual.content import Content
from textual.timer import Timer

from studykit.tui.widgets.safe import Static


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
