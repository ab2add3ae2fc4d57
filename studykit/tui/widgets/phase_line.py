"""Where a run stands among its four phases, in one line."""

from __future__ import annotations

from typing import Literal, TypeAlias

from textual.content import Content

Phase: TypeAlias = Literal["knobs", "predict", "run", "outcome"]
PHASES: tuple[Phase, ...] = ("knobs", "predict", "run", "outcome")


def render_phases(phase: Phase) -> Content:
    """The phases in order: those behind ticked, this one in capitals, the others ahead."""
    at = PHASES.index(phase)
    marks = []
    for n, name in enumerate(PHASES):
        if n < at:
            marks.append(Content.styled(f"✓ {name}", "$text-success"))
        elif n == at:
            marks.append(Content.styled(f"▸ {n + 1} {name.upper()}", "bold $text-primary"))
        else:
            marks.append(Content.styled(f"{n + 1} {name}", "$text-muted"))
    return Content.styled("  ──  ", "$text-muted").join(marks)
