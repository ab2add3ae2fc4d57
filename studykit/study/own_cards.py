"""A card of one's own from a what-if question: what was measured becomes what is asked."""

from __future__ import annotations

import re
from pathlib import Path

from studykit.course.cards import Course, LabHeader
from studykit.course.designs import DESIGN, design_of, render_change, replay_command
from studykit.course.own import add_own_card, with_own_deck
from studykit.errors import StudykitError
from studykit.lab.differences import describe_mean, differences_of
from studykit.lab.recorded import is_regular
from studykit.lab.results import RunResult
from studykit.study.evidence_words import render_knobs
from studykit.text import plural


def make_card(course: Course, folder: Path, header: LabHeader, result: RunResult) -> str:
    """Add a card to the own deck in `folder` that asks what `result` has answered; its id.

    The options are the lab's claims, and which is right the lab says, as of any `predict` card.
    Raises `StudykitError` where the run settles none of them, can be no evidence, or has a card.
    """
    confirmed = [claim for claim in header.claims if result.verdicts.get(claim) == "confirmed"]
    if len(confirmed) != 1:
        raise StudykitError("no one answer holds on every seed, so there is nothing to ask for")
    if not is_regular(result, header):
        seeds = plural(header.seeds, "seed")
        raise StudykitError(f"a card rests on a run with the lab's own {seeds}", hint="run it so")
    knobs = {n: v for n, v in result.knobs.items() if v != header.defaults.get(n)}
    sizes = render_knobs({name: value for name, value in knobs.items() if name not in DESIGN})
    asked = {**header.defaults, **knobs}
    for card in with_own_deck(course, folder).cards.values():
        is_alike = card.lab == header.id and set(card.claims) == set(header.claims)
        if is_alike and {**header.defaults, **card.knobs} == asked:
            raise StudykitError(f"{card.id} asks it already")
    change = render_change(header, result.knobs)
    told = "; ".join(
        f"{row.label}: {describe_mean(row)}" for row in differences_of(header, result.seeds)
    )
    command = replay_command(header, result.knobs, len(result.seeds))
    return add_own_card(
        course,
        folder,
        stem=_stem(design_of(header, result.knobs).change),
        question=f"{change}{f' ({sizes})' if sizes else ''}. What does the change do?",
        options=header.claims,
        lab=header.id,
        knobs=knobs,
        explain=f"Measured on {result.started_at:%Y-%m-%d}, {told}. Again: `{command}`.",
    )


def _stem(change: dict[str, str]) -> str:
    """What was changed, as a part of an id."""
    text = "-".join(f"{part}-{value}" for part, value in change.items()) or "nothing"
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:60].rstrip("-")
