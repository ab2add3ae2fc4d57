"""Evidence as text: what a run measured and what it says of a claim, for cards and for labs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from textual.content import Content

from studykit.course.cards import Card, LabHeader, Predict
from studykit.lab.results import VERDICT_MARKS, RunResult, Verdict
from studykit.lab.verdicts import deciding_names
from studykit.study.evidence_words import (
    claims_of,
    render_origin,
    render_seconds,
    telling_numbers,
)
from studykit.study.numbers import Summary, ladder, summarise
from studykit.tui.widgets.card_text import Line, lay_out
from studykit.tui.widgets.measurements import measurement_lines, render_measurements

_STYLES: Mapping[Verdict, str] = {
    "confirmed": "$text-success",
    "refuted": "$text-error",
    "depends": "$text-warning",
    "undecided": "$text-warning",
    "skipped": "$text-muted",
}
MARKS = {verdict: (mark, _STYLES[verdict]) for verdict, mark in VERDICT_MARKS.items()}
"""Verdict -> its mark and its colour; the word always stands beside them."""


def hang(lead: Content, text: Content, width: int) -> Content:
    """`text` wrapped to `width` behind `lead`, later lines indented to where it begins."""
    return Content("\n").join(lay_out(Line(text), width, lead))


def render_judged(header: LabHeader, claim: str, result: RunResult, width: int) -> Content:
    """One claim: mark, word, what each seed said, the claim."""
    verdict = result.verdicts.get(claim, "undecided")
    mark, style = MARKS[verdict]
    said = [seed.claims.get(claim) for seed in result.seeds]
    votes = "".join("?" if one is None else "✓" if one else "✗" for one in said)
    lead = Content.styled(f"{mark} {verdict:<9} {votes}  ", f"bold {style}")
    return hang(lead, Content(header.claims.get(claim, claim)), width)


def render_literature(header: LabHeader, claim: str) -> Content | None:
    """What the literature reports of a claim, if the lab says so."""
    reported = header.literature.get(claim)
    return Content.styled(f"Literature: {reported}", "$text-muted") if reported else None


def render_verdict(header: LabHeader, claim: str, result: RunResult, width: int) -> Content:
    """One claim as it was judged, and what the literature reports of it."""
    judged = render_judged(header, claim, result, width)
    if (reported := render_literature(header, claim)) is None:
        return judged
    n_votes = len(result.seeds)
    return Content("\n").join([judged, hang(Content(" " * (14 + n_votes)), reported, width)])


def render_evidence(
    card: Card | None,
    header: LabHeader,
    result: RunResult | None,
    now: datetime,
    *,
    width: int = 76,
) -> Content:
    """The MEASURED block of a card: whose run, under which conditions, verdicts and numbers.

    Without a card it speaks of every claim of the lab.
    """
    title = ("MEASURED  ", "bold $text-accent")
    if result is None:
        cost = render_seconds(header, "cpu")
        more = f" ({cost})" if cost else ""
        return Content.assemble(title, (f"not measured yet: x runs it{more}", "$text-muted"))
    origin = Content.styled(render_origin(header, result, now), "$text-muted")
    blocks = [hang(Content.assemble(title), origin, width)]
    claims = claims_of(header, card)
    if card is not None:
        # What holds comes first: else "refuted" may be the first word below a right answer.
        claims = tuple(sorted(claims, key=lambda c: result.verdicts.get(c) != "confirmed"))
    blocks += [render_verdict(header, claim, result, width) for claim in claims]
    if rows := telling_numbers(header, card, result):
        table = render_measurements(rows, width - 2)
        blocks += [Content(""), *(line.pad_left(2) for line in table.split("\n"))]
    if result.code_hash != header.code_hash:
        blocks.append(
            Content.styled("  measured with an older version of the lab", "$text-warning")
        )
    return Content("\n").join(blocks)


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
