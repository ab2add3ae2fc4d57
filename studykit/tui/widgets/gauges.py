"""Numbers drawn in text: bars, intervals, columns, how far a run is. Pure, each to a width."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal, TypeAlias

from textual.content import Content

from studykit.text import clean, plural

if TYPE_CHECKING:
    from studykit.progress.stats import Retention
    from studykit.study.lab_run import LabRun

BLOCKS = " ▁▂▃▄▅▆▇█"
_DAY = 5
"""Columns of one day in a week's forecast."""

Phase: TypeAlias = Literal["knobs", "predict", "run", "outcome"]
PHASES: tuple[Phase, ...] = ("knobs", "predict", "run", "outcome")


def render_bar(fraction: float, width: int, rest: str = "$text-muted") -> Content:
    """A bar of `width` columns, drawn to half a column; the thinner rest has the colour `rest`."""
    halves = round(fraction * width * 2)
    full, half = divmod(halves, 2)
    done = "━" * full + "╸" * half
    return Content.assemble((done, "$text-primary"), ("─" * (width - len(done)), rest))


def render_meter(run: LabRun, width: int) -> Content:
    """The state of `run` in `width` columns."""
    elapsed = f"{run.elapsed_s:.0f} s"
    if run.state == "waiting":
        ahead = f"behind {plural(run.n_ahead, 'other run')}" if run.n_ahead else "it is its turn"
        return Content.assemble(("waits in line", "bold $text-accent"), f"  {ahead}")
    if run.state == "starting":
        return Content.assemble(("starting torch…", "bold $text-accent"), f"  {elapsed}")
    if run.state == "cancelling":
        return Content.assemble(("cancelling…", "bold $text-warning"), f"  {elapsed}")
    where = f"{run.where} on {run.device}".strip()
    note = clean(run.progress.note).replace("\n", " ")
    remaining = run.remaining_s
    left = "" if remaining is None else f" · {remaining:.0f} s left"
    tail = Content.styled(f"  {elapsed}{left}", "$text-muted")
    text = Content.assemble(
        render_bar(run.fraction, max(10, width // 6)),
        (f" {100 * run.fraction:3.0f} %", "bold"),
        f"  {' · '.join(part for part in (where, note) if part)}",
    )
    text = text.truncate(width - tail.cell_length, ellipsis=True, pad=True)
    return Content.assemble(text, tail)


def render_interval(seen: Retention, mark: float, bottom: float, width: int) -> Content:
    """`width` columns for the shares from `bottom` to 1; what is below `bottom` stands at it."""

    def column(share: float) -> int:
        return round((max(bottom, share) - bottom) / (1 - bottom) * (width - 1))

    cells = [(" ", "")] * width
    if seen.share is not None and seen.low is not None and seen.high is not None:
        low, high = column(seen.low), column(seen.high)
        for place in range(low, high + 1):
            cells[place] = ("─", "$text-primary")
        cells[low] = ("├", "$text-primary")
        cells[high] = ("┤", "$text-primary")
    cells[column(mark)] = ("┊", "bold $text-accent")
    if seen.share is not None:
        cells[column(seen.share)] = ("●", "bold $text-primary")
    return Content.assemble(*cells)


def render_scale(bottom: float, width: int) -> Content:
    """The ends and the middle of that line in per cent."""
    left, right = f"{100 * bottom:.0f}", "100 %"
    middle = f"{50 * (1 + bottom):.0f}"
    gap = (width - len(middle)) // 2 - len(left)
    line = f"{left}{' ' * gap}{middle}"
    return Content.styled(line + right.rjust(width - len(line) + 2), "$text-muted")


def render_columns(values: Sequence[int], height: int, width: int = 1) -> list[str]:
    """One column a value, `width` characters wide, in `height` rows, the top one first.

    The highest value fills the height; what is not 0 shows at least its lowest block.
    """
    most = max(1, *values)
    steps = [max(round(value / most * height * 8), 1 if value else 0) for value in values]
    return [
        "".join(BLOCKS[max(0, min(8, step - 8 * row))] * width for step in steps)
        for row in reversed(range(height))
    ]


def render_week(week: Sequence[tuple[date, int]]) -> Content:
    """A week ahead in three rows: days, numbers, columns."""
    names = ["today", *(f"{day:%a}" for day, _ in week[1:])]
    numbers = [n for _, n in week]
    (columns,) = render_columns(numbers, 1)
    return Content("\n").join(
        [
            Content.styled("".join(f"{name:>{_DAY}} " for name in names), "$text-muted"),
            Content("".join(f"{n or '–':>{_DAY}} " for n in numbers)),
            Content.styled("".join(f"{bar:>{_DAY}} " for bar in columns), "$text-primary"),
        ]
    )


def render_phases(phase: Phase, *, has_predicted: bool) -> Content:
    """The phases in order: those behind ticked, this one in capitals, the others ahead.

    Without a prediction its phase was passed over: it has a dash where it lies behind.
    """
    at = PHASES.index(phase)
    marks = []
    for n, name in enumerate(PHASES):
        if n < at and name == "predict" and not has_predicted:
            marks.append(Content.styled(f"– {name}", "$text-muted"))
        elif n < at:
            marks.append(Content.styled(f"✓ {name}", "$text-success"))
        elif n == at:
            marks.append(Content.styled(f"▸ {name.upper()}", "bold $text-primary"))
        else:
            marks.append(Content.styled(name, "$text-muted"))
    return Content.styled("  ──  ", "$text-muted").join(marks)
