"""Weights of the schedule in words: lines of the history, judgements, what would move."""

from __future__ import annotations

from datetime import tzinfo

from textual.content import Content

from studykit.review.weights import RESCHEDULED, WeightsEntry
from studykit.study.optimising import (
    Rescheduling,
    describe_judgement,
    describe_rescheduling,
    describe_verdict,
    week_name,
)
from studykit.text import clean, percent
from studykit.tui.widgets.rows import Row

MUTED = "$text-muted"


def weights_row(entry: WeightsEntry | None, *, is_used: bool, zone: tzinfo | None) -> Row:
    """A line of the history; None: the defaults of FSRS."""
    if entry is None:
        return Row(" ", Content("the defaults of FSRS"))
    judged = entry.judgement
    what = clean(entry.source)
    if judged is not None:
        kept = "" if entry.is_adopted else ", not kept"
        losses = f"log loss {judged.before.log_loss:.4f} → {judged.after.log_loss:.4f}"
        what = f"fitted to {entry.n_reviews:,} reviews, {losses}{kept}"
    elif entry.source == RESCHEDULED:
        what = f"rescheduled {entry.n_reviews:,} reviews"
    return Row(
        "●" if is_used else " ",
        Content.assemble(
            (f"{entry.id}  {entry.at.astimezone(zone):%d %b %Y %H:%M}  ", MUTED), what
        ),
        "$text-success" if is_used else "",
    )


def render_defaults() -> Content:
    """What the first line is, and what may be done."""
    return Content(
        "FSRS comes with weights that fit a large population of learners. From 400 reviews on"
        " others can be fitted to your own log: o does it, judges them on the newest reviews,"
        " and keeps them if they predict better."
    )


def render_entry(entry: WeightsEntry) -> Content:
    """How fitted weights were judged, and the weights."""
    parts: list[Content | str | tuple[str, str]] = []
    judged = entry.judgement
    if judged is not None:
        parts += ["\n".join(describe_judgement(entry)), "\n\n"]
        parts += [(f"{describe_verdict(entry)}\n\n", "bold")]
        head = (
            f"{'held out':>8}   {'before: said':>12} {'was':>6}   {'after: said':>11} {'was':>6}\n"
        )
        parts.append((head, MUTED))
        for old, new in zip(judged.before.bins, judged.after.bins, strict=True):
            shares = (old.predicted, old.recalled, new.predicted, new.recalled)
            said, was, said_after, was_after = (percent(share, 1) for share in shares)
            parts.append(
                f"{old.n_reviews:8,}   {said:>12} {was:>6}   {said_after:>11} {was_after:>6}\n"
            )
        parts.append("\n")
    parts += [("weights  ", MUTED), ", ".join(f"{weight:g}" for weight in entry.weights)]
    return Content.assemble(*parts)


def render_moves(found: Rescheduling) -> Content:
    """What rescheduling would do, and the key that does it."""
    lines = "\n".join(describe_rescheduling(found))
    if not found.n_moved:
        return Content(lines)
    table = "".join(
        f"{week_name(n):<12} {before:9,} {after:9,}\n"
        for n, (before, after) in enumerate(found.weeks)
    )
    return Content.assemble(
        lines,
        "\n\n",
        (f"{'cards due':<12} {'as it is':>9} {'then':>9}\n", MUTED),
        table,
        "\n",
        ("m", "bold $text-primary"),
        " moves them. No answer is changed, and a copy of the progress is made first.",
    )
