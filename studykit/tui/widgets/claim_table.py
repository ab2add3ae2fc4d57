"""The claims of a run: each with its verdict, the numbers that decide it, and the literature."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content

from studykit.course.cards import Card, LabHeader, Predict
from studykit.lab.results import RunResult
from studykit.lab.verdicts import deciding_names
from studykit.study.evidence_words import claims_of
from studykit.study.numbers import Summary, ladder, summarise
from studykit.tui.widgets.evidence import hang, render_judged, render_literature
from studykit.tui.widgets.measurements import measurement_lines

_INDENT = 4
"""Of what stands below a claim."""


def deciding_rows(
    header: LabHeader, card: Card | None, claim: str, rows: Sequence[Summary]
) -> tuple[Summary, ...]:
    """The numbers that decide `claim`, and the levels that it compares with, as a ladder.

    Beside a claim of the card stand the levels of its unit if the verdict names none, and the
    number that the card asks for.
    """
    names = set(deciding_names(header, claim))
    is_own = card is not None and claim in claims_of(header, card)
    if is_own and card is not None and isinstance(card.body, Predict):
        names.add(card.body.measurement)
    found = [row for row in rows if row.name in names]
    if is_own and not any(row.yardstick for row in found):
        units = {row.unit for row in found}
        found += [row for row in rows if row.yardstick and row.unit in units]
    return ladder(found)


def render_claims(
    header: LabHeader, card: Card | None, claims: Sequence[str], result: RunResult, width: int
) -> Content:
    """Each of `claims` as a block; the numbers of all blocks are aligned with each other."""
    rows = summarise(result.seeds)
    told = [deciding_rows(header, card, claim, rows) for claim in claims]
    numbers = measurement_lines([row for some in told for row in some], width - _INDENT)
    lines = []
    for claim, some in zip(claims, told, strict=True):
        own, numbers = numbers[: len(some)], numbers[len(some) :]
        lines.append(render_judged(header, claim, result, width))
        lines += [line.pad_left(_INDENT) for row in own for line in row.split("\n")]
        if reported := render_literature(header, claim):
            # Below the labels of the numbers.
            lines.append(hang(Content(" " * (_INDENT + 2)), reported, width))
    return Content("\n").join(lines)
