"""What is said of evidence, in words alone: knobs, times, whose run it was, which numbers tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from studykit.course.cards import Card, Exercise, KnobValue, LabHeader, Predict
from studykit.course.holds import parse_test, render_test
from studykit.lab.results import RunResult
from studykit.lab.verdicts import deciding_names
from studykit.review.grading import Shown
from studykit.study.numbers import Summary, ladder, summarise
from studykit.text import clean, format_value, plural

LONGEST_QUOTED = 40
"""Characters of a text that a knob has, where knobs stand in one line."""
WITHOUT_A_LAB = "No lab: nothing here measures the answer"
"""What a card of a course from elsewhere says in place of evidence."""
ONLY_RELATED = "This shows what the card is about at work; it does not measure the answer itself"
"""Said of evidence for a card whose claim is only related to its answer."""


def render_knobs(knobs: Mapping[str, KnobValue]) -> str:
    """Knobs as the learner reads them: ``n_layers 8, init xavier``; texts by their beginning."""
    return ", ".join(f"{name} {_in_a_line(value)}" for name, value in knobs.items())


def _in_a_line(value: KnobValue) -> str:
    text = clean(format_knob(value))
    if " " not in text:
        return text
    return f"“{text}”" if len(text) <= LONGEST_QUOTED else f"“{text[: LONGEST_QUOTED - 1]}…”"


def render_budget(budget: float) -> str:
    """``0.25 × the training``; empty for the ordinary budget."""
    return "" if budget == 1 else f"{budget:g} × the training"


def render_seeds(header: LabHeader, result: RunResult) -> str:
    """``3 seeds``, ``3 seeds from 100``, or ``deterministic``."""
    if header.deterministic:
        return "deterministic"
    first = result.seeds[0].seed if result.seeds else 0
    return plural(len(result.seeds), "seed") + (f" from {first}" if first else "")


def render_seed(seed: int, n: int, n_seeds: int) -> str:
    """``seed 0 (1 of 3)``: named as charts and tables name it, and the `n`-th of how many."""
    return f"seed {seed} ({n} of {n_seeds})"


def format_knob(value: KnobValue) -> str:
    """One value of a knob; switches are on or off, and settings may be none."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value) or "none"


def render_seconds(header: LabHeader, device: str = "") -> str:
    """How long a default run takes: ``≈ 25 s on cpu, ≈ 4 s on cuda``, or ``≈ 25 s`` on `device`.

    Empty where the lab does not say.
    """
    if device:
        return about_seconds(header.seconds[device]) if device in header.seconds else ""
    return ", ".join(f"{about_seconds(s)} on {where}" for where, s in header.seconds.items())


def about_seconds(seconds: float) -> str:
    """``≈ 25 s``, or ``< 1 s``."""
    return "< 1 s" if seconds < 0.5 else f"≈ {seconds:.0f} s"


def why_no_lab(card: Card | None) -> str:
    """Why there is no lab to open behind the card."""
    if card is not None and not card.lab:
        return "this card has no lab"
    return "the lab could not be read: studykit check says why"


def claims_of(header: LabHeader, card: Card | None) -> tuple[str, ...]:
    """The claims that the card rests on; without a card, all of the lab."""
    wanted = card.claims if card else header.claims
    return tuple(claim for claim in wanted if claim in header.claims)


_READING = "How to read it"
"""Begins the paragraph of a lab's description that tells what its charts and numbers are."""


def about_before(header: LabHeader) -> list[str]:
    """The paragraphs of a lab's description for those who have not seen its outcome.

    The idea, and how to read it; what follows may tell what comes out, and so may a description
    that is not divided in this way.
    """
    paragraphs = header.about.split("\n\n")
    at = next((n for n, text in enumerate(paragraphs) if text.startswith(_READING)), -1)
    return paragraphs[: at + 1]


def render_origin(header: LabHeader, result: RunResult, now: datetime) -> str:
    """Lab, whose run and when, device, knobs and seeds; times in the zone of `now`."""
    if result.recorded:
        at = result.started_at
        whose = f"recorded on {clean(result.machine)}, {at.day} {at:%b %Y}"
    else:
        at = result.started_at.astimezone(now.tzinfo)
        year = "" if at.year == now.year else f" {at.year}"
        whose = f"your run of {at.day} {at:%b}{year} {at:%H:%M}"
    parts = [header.id, whose, result.device, render_knobs(result.knobs)]
    parts.append(render_seeds(header, result))
    return " · ".join(part for part in parts if part)


def telling_numbers(header: LabHeader, card: Card | None, result: RunResult) -> tuple[Summary, ...]:
    """What the tests of the card's claims compare, and the number that the card asks for."""
    names = {name for claim in claims_of(header, card) for name in deciding_names(header, claim)}
    if card is not None and isinstance(card.body, Predict):
        names.add(card.body.measurement)
    return ladder([row for row in summarise(result.seeds) if row.name in names])


def origin_of_task(shown: Shown) -> str:
    """``cost, measured with seed 3 of the recorded run``; empty for what is no drawn exercise."""
    task, body = shown.task, shown.card.body
    if task is None or not isinstance(body, Exercise):
        return ""
    whose = "the recorded run" if task.is_recorded else "your last run"
    return f"{body.value}, measured with seed {task.seed} of {whose}"


def task_lines(shown: Shown) -> list[str]:
    """The rows of a drawn exercise with what was measured of each, as a card's text."""
    task, body = shown.task, shown.card.body
    if task is None or not isinstance(body, Exercise):
        return []
    told = [
        item if isinstance(value, str) else f"{item}: {format_value(value)}"
        for item, value in zip(task.items, task.values, strict=True)
    ]
    match body.form:
        case "rank":
            return [f"{n}. {told[place]}" for n, place in enumerate(task.right, 1)]
        case "pick":
            return [f"{'✓' if n in task.right else '✗'} {text}" for n, text in enumerate(told)]
        case _:
            places = (task.places[place] for place in task.right)
            return [f"- {text} → {place}" for text, place in zip(told, places, strict=True)]


def render_claim_test(header: LabHeader, claim: str) -> str:
    """When the claim holds: ``|loss_base − unigram_entropy| ≤ 0.05``."""
    return render_test(parse_test(header.holds_if[claim]))
