"""Textual's text widget with markup off, and the filter behind them: deck text is only text."""

from __future__ import annotations

from rich.segment import Segment
from textual import widgets
from textual.color import Color
from textual.filter import LineFilter
from textual.visual import VisualType

from studykit.text import clean


class Static(widgets.Static, inherit_bindings=False):
    """Shows `content` as it is: a ``[`` in it is a bracket, never a style or an action."""

    def __init__(
        self,
        content: VisualType = "",
        *,
        name: str | None = None,
        id: str | None = None,  # noqa: A002 - textual's name
        classes: str | None = None,
    ) -> None:
        super().__init__(content, markup=False, name=name, id=id, classes=classes)


class NoControls(LineFilter):
    """The last-resort filter: no control character reaches the terminal, whatever let it pass."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments, with control characters made visible."""
        return [
            segment if (text := clean(segment.text)) == segment.text else Segment(text, segment[1])
            for segment in segments
        ]
