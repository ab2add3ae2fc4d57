"""Evidence as text: what a run measured and what it says of a claim, for cards and for labs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from datetime import datetime

from textual.content import Content

from studykit.course.cards import Card, KnobValue, LabHeader, Predict
from studykit.lab.results import RunResult, Verdict
from studykit.text import clean
from studykit.tui.claim_numbers import measurements_of
from studykit.tui.widgets.card_text import Line, lay_out
from studykit.tui.widgets.measurements import Summary, ladder, render_measurements, summarise

MARKS: Mapping[Verdict, tuple[str, str]] = {
    "confirmed": ("✓", "$text-success"),
    "refuted": ("✗", "$text-error"),
    "depends": ("◐", "$text-warning"),
    "undecided": ("?", "$text-warning"),
    "skipped": ("–", "$text-muted"),
}
"""Verdict -> its mark and its colour; the word always stands beside them."""

_N_ROWS = 4
"""Measurements shown on a card, yardsticks not counted."""


def hang(lead: Content, text: Content, width: int) -> Content:
    """`text` wrapped to `width` behind `lead`, later lines indented to where it begins."""
    return Content("\n").join(lay_out(Line(text), width, lead))


def render_knobs(knobs: Mapping[str, KnobValue]) -> str:
    """Knobs as the learner reads them: ``n_layers 8, init xavier``."""
    return ", ".join(f"{name} {clean(format_knob(value))}" for name, value in knobs.items())


def format_knob(value: KnobValue) -> str:
    """One value of a knob; switches are on or off."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def render_seconds(header: LabHeader, device: str = "") -> str:
    """How long a default run takes: ``≈ 25 s on cpu, ≈ 4 s on cuda``, or ``≈ 25 s`` on `device`.

    Empty where the lab does not say.
    """
    if device:
        return f"≈ {header.seconds[device]:.0f} s" if device in header.seconds else ""
    return ", ".join(f"≈ {seconds:.0f} s on {where}" for where, seconds in header.seconds.items())


def render_verdict(header: LabHeader, claim: str, result: RunResult, width: int) -> Content:
    """One claim: mark, word, what each seed said, the claim, and what the literature reports."""
    verdict = result.verdicts.get(claim, "undecided")
    mark, style = MARKS[verdict]
    said = [seed.claims.get(claim) for seed in result.seeds]
    votes = "".join("?" if one is None else "✓" if one else "✗" for one in said)
    lead = Content.styled(f"{mark} {verdict:<9} {votes}  ", f"bold {style}")
    lines = [hang(lead, Content(header.claims.get(claim, claim)), width)]
    if reported := header.literature.get(claim):
        indent = Content(" " * lead.cell_length)
        lines.append(hang(indent, Content.styled(f"Literature: {reported}", "$text-muted"), width))
    return Content("\n").join(lines)


def claims_of(header: LabHeader, card: Card | None) -> tuple[str, ...]:
    """The claims that the card rests on; without a card, all of the lab."""
    wanted = card.claims if card else header.claims
    return tuple(claim for claim in wanted if claim in header.claims)


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
    blocks += [render_verdict(header, claim, result, width) for claim in claims]
    deciding = {name for claim in claims for name in measurements_of(header, claim)}
    if card is not None and isinstance(card.body, Predict):
        deciding.add(card.body.measurement)
    if rows := _telling(deciding, summarise(result.seeds)):
        table = render_measurements(rows, width - 2)
        blocks += [Content(""), *(line.pad_left(2) for line in table.split("\n"))]
    if result.code_hash != header.code_hash:
        blocks.append(
            Content.styled("  measured with an older version of the lab", "$text-warning")
        )
    return Content("\n").join(blocks)


def render_origin(header: LabHeader, result: RunResult, now: datetime) -> str:
    """Lab, whose run and when, device, knobs and seeds; times in the zone of `now`."""
    if result.recorded:
        at = result.started_at
        whose = f"recorded on {clean(result.machine)}, {at.day} {at:%b %Y}"
    else:
        at = result.started_at.astimezone(now.tzinfo)
        year = "" if at.year == now.year else f" {at.year}"
        whose = f"your run of {at.day} {at:%b}{year} {at:%H:%M}"
    n = len(result.seeds)
    parts = [header.id, whose, result.device, render_knobs(result.knobs)]
    parts.append(f"{n} seed{'' if n == 1 else 's'}")
    return " · ".join(part for part in parts if part)


def _telling(deciding: Set[str], rows: Sequence[Summary]) -> tuple[Summary, ...]:
    """The `deciding` rows, else the lab's first, and the levels to compare them with."""
    measured = [row for row in rows if not row.yardstick]
    told = [row for row in measured if row.name in deciding] or measured
    told = told[:_N_ROWS]
    units = {row.unit for row in told}
    levels = [row for row in rows if row.yardstick and row.unit in units]
    levels = [row for row in levels if row.name in deciding] or levels
    return ladder([*told, *levels])
