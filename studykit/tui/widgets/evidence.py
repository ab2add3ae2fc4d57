"""Evidence as text: what a run measured and what it says of a claim, for cards and for labs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from textual.content import Content

from studykit.course.cards import Card, LabHeader, Predict
from studykit.lab.results import VERDICT_MARKS, RunResult, Verdict
from studykit.lab.verdicts import deciding_names
from studykit.study.evidence_words import (
    ONLY_RELATED,
    claims_of,
    render_claim_test,
    render_origin,
    render_seconds,
    telling_numbers,
)
from studykit.study.numbers import Summary, ladder, summarise
from studykit.tui.widgets.card_text import Line, lay_out, wrap
from studykit.tui.widgets.measurements import measurement_lines, render_measurements, seed_lines

_STYLES: Mapping[Verdict, str] = {
    "confirmed": "$text-success",
    "refuted": "$text-error",
    "depends": "$text-warning",
    "undecided": "$text-warning",
    "skipped": "$text-muted",
}
MARKS = {verdict: (mark, _STYLES[verdict]) for verdict, mark in VERDICT_MARKS.items()}
"""Verdict -> its mark and its colour; the word always stands beside them."""
ROOMY = 64
"""Columns from which a claim's lines begin below one another; in fewer they would be short."""
_INDENT = 4
"""Of what stands below a claim."""


def hang(lead: Content, text: Content, width: int) -> Content:
    """`text` wrapped to `width` behind `lead`, later lines indented to where it begins."""
    return Content("\n").join(lay_out(Line(text), width, lead))


def render_judged(header: LabHeader, claim: str, result: RunResult, width: int) -> Content:
    """One claim: mark, word, what each seed said, the claim."""
    verdict = result.verdicts.get(claim, "undecided")
    mark, style = MARKS[verdict]
    said = [] if header.deterministic else [seed.claims.get(claim) for seed in result.seeds]
    votes = "".join("?" if one is None else "✓" if one else "✗" for one in said)
    lead = Content.styled(f"{mark} {verdict:<9}{votes and ' '}{votes}  ", f"bold {style}")
    text = Content(header.claims.get(claim, claim))
    if width >= ROOMY:
        return hang(lead, text, width)
    first, *rest = wrap(lead + text, max(1, width - _INDENT))
    return Content("\n").join([first, *(row.pad_left(_INDENT) for row in rest)])


def render_notes(
    header: LabHeader, claim: str, result: RunResult, indent: int, width: int, *, with_test: bool
) -> list[Content]:
    """What is said below a claim: its test, patience, the literature."""
    notes = []
    if with_test and claim in header.holds_if:
        test = Content.assemble(("Test: ", "$text-muted"), render_claim_test(header, claim))
        notes.append(test)
    if note := result.patience.get(claim):
        notes.append(Content.styled(note, "$text-warning"))
    if other := result.recorded_verdicts.get(claim):
        notes.append(Content.styled(f"The recorded run says: {other}", "$text-warning"))
    if reported := header.literature.get(claim):
        notes.append(Content.styled(f"Literature: {reported}", "$text-muted"))
    return [hang(Content(" " * indent), note, width) for note in notes]


def render_evidence(
    card: Card | None,
    header: LabHeader,
    result: RunResult | None,
    now: datetime,
    *,
    width: int = 76,
    with_tests: bool = False,
) -> Content:
    """The MEASURED block of a card: whose run, under which conditions, verdicts and numbers.

    Without a card it speaks of every claim of the lab; `with_tests` also of when each holds.
    """
    is_related = card is not None and card.is_only_related
    title = ("RELATED  " if is_related else "MEASURED  ", "bold $text-accent")
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
    for claim in claims:
        blocks.append(render_judged(header, claim, result, width))
        blocks += render_notes(header, claim, result, _INDENT, width, with_test=with_tests)
    if with_tests:
        # Once for all claims: the options of a card compare the same numbers.
        names = dict.fromkeys(name for claim in claims for name in deciding_names(header, claim))
        lines = seed_lines([*names], summarise(result.seeds), width - 2)
        blocks += [Content(""), *(line.pad_left(2) for line in lines)]
    elif rows := telling_numbers(header, card, result):
        table = render_measurements(rows, width - 2)
        blocks += [Content(""), *(line.pad_left(2) for line in table.split("\n"))]
    if is_related:
        blocks.append(hang(Content("  "), Content.styled(f"{ONLY_RELATED}.", "$text-muted"), width))
    if result.code_hash != header.code_hash:
        blocks.append(
            Content.styled("  measured with an older version of the lab", "$text-warning")
        )
    return Content("\n").join(blocks)


def deciding_rows(
    header: LabHeader, card: Card | None, claim: str, rows: Sequence[Summary]
) -> tuple[Summary, ...]:
    """What the test of `claim` compares; beside a claim of the card the number that it asks for."""
    names = set(deciding_names(header, claim))
    if card is not None and claim in claims_of(header, card) and isinstance(card.body, Predict):
        names.add(card.body.measurement)
    return ladder([row for row in rows if row.name in names])


def render_claims(
    header: LabHeader,
    card: Card | None,
    claims: Sequence[str],
    result: RunResult,
    width: int,
    *,
    with_tests: bool = False,
) -> Content:
    """Each of `claims` as a block; the numbers of all blocks are aligned with each other."""
    rows = summarise(result.seeds)
    told = [deciding_rows(header, card, claim, rows) for claim in claims]
    numbers = measurement_lines([row for some in told for row in some], width - _INDENT)
    lines = []
    for claim, some in zip(claims, told, strict=True):
        own, numbers = numbers[: len(some)], numbers[len(some) :]
        if with_tests:
            names = dict.fromkeys([*deciding_names(header, claim), *(row.name for row in some)])
            own = seed_lines([*names], rows, width - _INDENT)
        lines.append(render_judged(header, claim, result, width))
        lines += [line.pad_left(_INDENT) for row in own for line in row.split("\n")]
        # Below the labels of the numbers.
        lines += render_notes(header, claim, result, _INDENT + 2, width, with_test=with_tests)
    return Content("\n").join(lines)
