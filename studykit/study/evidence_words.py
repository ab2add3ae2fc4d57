"""What is said of evidence, in words alone: knobs, times, whose run it was, which numbers tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from studykit.course.cards import Card, KnobValue, LabHeader, Predict
from studykit.lab.results import RunResult
from studykit.lab.verdicts import deciding_names
from studykit.study.numbers import Summary, ladder, summarise
from studykit.text import clean

_N_ROWS = 4
"""Measurements shown on a card, yardsticks not counted."""


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


def claims_of(header: LabHeader, card: Card | None) -> tuple[str, ...]:
    """The claims that the card rests on; without a card, all of the lab."""
    wanted = card.claims if card else header.claims
    return tuple(claim for claim in wanted if claim in header.claims)


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


def telling_numbers(header: LabHeader, card: Card | None, result: RunResult) -> tuple[Summary, ...]:
    """The numbers that decide the card's claims, else the lab's first, and the levels beside."""
    deciding = {name for claim in claims_of(header, card) for name in deciding_names(header, claim)}
    if card is not None and isinstance(card.body, Predict):
        deciding.add(card.body.measurement)
    rows = summarise(result.seeds)
    measured = [row for row in rows if not row.yardstick]
    told = [row for row in measured if row.name in deciding] or measured
    told = told[:_N_ROWS]
    units = {row.unit for row in told}
    levels = [row for row in rows if row.yardstick and row.unit in units]
    levels = [row for row in levels if row.name in deciding] or levels
    return ladder([*told, *levels])
