"""The runs of a lab as rows, and two of them side by side, as text."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from rich.cells import cell_len
from textual.content import Content

from studykit.course.cards import Card, LabHeader
from studykit.lab.results import RunResult
from studykit.study.evidence_words import claims_of, render_budget, render_knobs, render_seeds
from studykit.study.numbers import Summary
from studykit.study.run_history import (
    Contrast,
    PastRun,
    changed_knobs,
    changed_verdicts,
    compare,
)
from studykit.text import clean, format_value
from studykit.tui.widgets.evidence import MARKS, hang
from studykit.tui.widgets.measurements import YARDSTICK

MUTED = "$text-muted"
APART = "≠"
_GAP = 2


class _Columns(NamedTuple):
    """Widths of a row's parts."""

    when: int
    device: int
    knobs: int
    found: int
    said: int


def _columns(width: int) -> _Columns:
    """The knobs have what the others leave."""
    when, device = 12, 4
    found, said = (14, 11) if width >= 64 else (12, 7)
    return _Columns(
        when, device, max(4, width - when - device - found - said - 4 * _GAP), found, said
    )


def _in_columns(parts: Sequence[Content], width: int) -> Content:
    cells = [
        part.truncate(n, ellipsis=True, pad=True)
        for part, n in zip(parts, _columns(width), strict=True)
    ]
    return Content(" " * _GAP).join(cells)


def render_heading(width: int) -> Content:
    """What stands in the columns of the rows."""
    heads = ("WHEN", "ON", "KNOBS", "FOUND", "SAID")
    return _in_columns([Content.styled(head, MUTED) for head in heads], width)


def render_run(
    header: LabHeader, card: Card | None, run: PastRun, now: datetime, width: int
) -> Content:
    """One run in one row of `width` columns."""
    result = run.result
    parts = (
        Content(when_of(result, now)),
        Content.styled(result.device, MUTED),
        Content(_knobs(header, result) or "default"),
        _judged(header, card, result),
        _came_true(run),
    )
    return _in_columns(parts, width)


def _knobs(header: LabHeader, result: RunResult) -> str:
    whose = "original" if result.lab != header.id else ""
    knobs = render_knobs(changed_knobs(header, result.knobs))
    parts = (whose, knobs, render_budget(result.budget))
    return ", ".join(part for part in parts if part)


def when_of(result: RunResult, now: datetime) -> str:
    """When a run began, in the zone of `now`; of a recorded one that it is recorded."""
    if result.recorded:
        return "recorded"
    at = result.started_at.astimezone(now.tzinfo)
    return f"{at.day:>2} {at:%b} {at:%H:%M}" if at.year == now.year else f"{at.day:>2} {at:%b %Y}"


def _judged(header: LabHeader, card: Card | None, result: RunResult) -> Content:
    """The verdict of the card's claim; of several the one that holds, or how many have which."""
    if result.status != "done":
        return Content.styled(result.status, "$text-warning")
    claims = claims_of(header, card)
    verdicts = [result.verdicts.get(claim, "undecided") for claim in claims]
    if len(verdicts) == 1:
        mark, style = MARKS[verdicts[0]]
        return Content.styled(f"{mark} {verdicts[0]}", style)
    if card is not None and verdicts.count("confirmed") == 1:
        mark, style = MARKS["confirmed"]
        return Content.styled(f"{mark} {claims[verdicts.index('confirmed')]}", style)
    counted = Counter(verdicts)
    parts = [
        Content.styled(f"{counted[verdict]} {mark}", style)
        for verdict, (mark, style) in MARKS.items()
        if counted[verdict]
    ]
    return Content(" ").join(parts)


def _came_true(run: PastRun) -> Content:
    if run.prediction is None:
        return Content.styled("" if run.result.recorded else "–", MUTED)
    return {
        True: Content.styled("✓ right", "$text-success"),
        False: Content.styled("✗ wrong", "$text-error"),
        None: Content.styled("? undecided", "$text-warning"),
    }[run.prediction.correct]


def render_pair(header: LabHeader, runs: Sequence[PastRun], now: datetime, width: int) -> Content:
    """The measurements of one or two runs, and where their verdicts differ."""
    if not runs:
        return Content("")
    left, right = runs[0].result, runs[-1].result
    is_elsewhere = left.machine != right.machine
    blocks = [
        hang(
            Content.styled(f"{letter}  ", "bold $text-accent"),
            _origin(header, run.result, now, with_machine=is_elsewhere),
            width,
        )
        for letter, run in zip("AB", runs, strict=False)
    ]
    if rows := compare(left, right):
        blocks += [Content(""), *_table(rows, width, is_pair=len(runs) == 2)]
    else:
        blocks += [Content(""), Content.styled("nothing was measured", MUTED)]
    if changed := changed_verdicts(header.claims, left, right):
        blocks += [Content(""), Content.styled("JUDGED DIFFERENTLY", "bold")]
        for claim, *verdicts in changed:
            (one, one_style), (other, other_style) = (MARKS[verdict] for verdict in verdicts)
            lead = Content.assemble((one, one_style), (" → ", MUTED), (other, other_style), "  ")
            blocks.append(hang(lead, Content(header.claims[claim]), width))
    return Content("\n").join(blocks)


def _origin(header: LabHeader, result: RunResult, now: datetime, *, with_machine: bool) -> Content:
    """Which run it is, how it was run, and what became of it if it did not end well."""
    when = when_of(result, now).strip()
    if result.recorded:
        when += f" {result.started_at.day} {result.started_at:%b %Y}"
    facts = [
        when,
        result.device,
        clean(result.machine) if with_machine or result.recorded else "",
        _knobs(header, result) or "default knobs",
        render_seeds(header, result),
    ]
    parts = [Content.styled(" · ".join(filter(None, facts)), MUTED)]
    if result.status != "done":
        why = f"{result.status}: {clean(result.message)}" if result.message else result.status
        parts.append(Content.styled(f" · {why}", "$text-warning"))
    if result.lab == header.id and result.code_hash != header.code_hash:
        parts.append(Content.styled(" · older version of the lab", "$text-warning"))
    return Content("").join(parts)


def _table(rows: Sequence[Contrast], width: int, *, is_pair: bool) -> list[Content]:
    """A head and one line a measurement: its medians, their difference, a mark if it is clear."""
    heads = ("A", "B", "B − A") if is_pair else ("A",)
    cells = [_numbers(row)[: len(heads)] for row in rows]
    widths = [
        max(len(head), *(len(numbers[n]) for numbers in cells)) for n, head in enumerate(heads)
    ]
    n_unit = max(cell_len(row.row.unit) for row in rows)
    taken = 2 + sum(2 + n for n in widths) + 1 + n_unit + (2 if is_pair else 0)
    n_label = min(max(cell_len(row.row.label) for row in rows), max(10, width - taken))
    head = "".join(f"  {name:>{n}}" for name, n in zip(heads, widths, strict=True))
    lines = [Content.styled(" " * (2 + n_label) + head, MUTED)]
    for row, numbers in zip(rows, cells, strict=True):
        style = MUTED if row.row.yardstick else ""
        label, *rest = Content.styled(row.row.label, style).wrap(n_label) or [Content("")]
        told = "".join(f"  {number:>{n}}" for number, n in zip(numbers, widths, strict=True))
        mark = f" {APART}" if is_pair and row.is_apart else ""
        line = Content.assemble(
            (f"{YARDSTICK if row.row.yardstick else ' '} ", style),
            label.pad_right(max(0, n_label - label.cell_length)),
            (told, style),
            (f" {row.row.unit}{' ' * (n_unit - cell_len(row.row.unit))}", MUTED),
            (mark, "bold $text-accent"),
        )
        lines += [line.rstrip(), *(part.pad_left(2) for part in rest)]
    return lines


def _numbers(row: Contrast) -> tuple[str, str, str]:
    difference = row.difference
    sign = "+" if difference > 0 else ""
    told = "–" if math.isnan(difference) else f"{sign}{format_value(difference)}"
    return _middle(row.left), _middle(row.right), told


def _middle(row: Summary | None) -> str:
    return "–" if row is None else format_value(row.middle)
