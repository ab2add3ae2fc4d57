"""A share as a bar, for whatever can be told of a part and a whole."""

from __future__ import annotations

from textual.content import Content


def render_bar(fraction: float, width: int) -> Content:
    """A bar of `width` columns, drawn to half a column; the rest is thinner, not only paler."""
    halves = round(fraction * width * 2)
    full, half = divmod(halves, 2)
    done = "━" * full + "╸" * half
    return Content.assemble((done, "$text-primary"), ("─" * (width - len(done)), "$text-muted"))
