"""Two models that differ in some parts: what the knobs of a bench say, part by part.

A lab whose header has ``PARTS`` is a bench. Its knobs hold both models as text
(`studykit.course.parts`), so that a design is run, stored, compared and repeated as any knobs are.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from studykit.course.cards import Knobs, KnobValue, LabHeader
from studykit.course.parts import (
    BASE_KNOB,
    CHANGE_KNOB,
    FAMILY_KNOB,
    SETTING_KNOBS,
    settings_text,
)
from studykit.text import clean

DESIGN = (FAMILY_KNOB, *SETTING_KNOBS)
"""The knobs by which a bench is set up; all others are sizes and the task."""


@dataclass(frozen=True, slots=True)
class Design:
    """The two models of a bench, part by part."""

    family: str
    start: Mapping[str, str]
    """Part -> its value in the family."""
    base: Mapping[str, str]
    """The same in the model that the other is compared with."""
    changed: Mapping[str, str]

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that its models have."""
        return tuple(self.start)

    @property
    def base_settings(self) -> dict[str, str]:
        """In what the base differs from its family."""
        return {part: value for part, value in self.base.items() if value != self.start[part]}

    @property
    def change(self) -> dict[str, str]:
        """In what the changed model differs from the base."""
        return {part: value for part, value in self.changed.items() if value != self.base[part]}

    @property
    def knobs(self) -> dict[str, KnobValue]:
        """The knobs that set it up."""
        return {
            FAMILY_KNOB: self.family,
            BASE_KNOB: settings_text(self.base_settings),
            CHANGE_KNOB: settings_text(self.change),
        }


def design_of(header: LabHeader, knobs: Knobs) -> Design:
    """The models that `knobs` set up; those not named have their defaults."""
    base, changed = header.models_of(knobs)
    family = str({**header.defaults, **knobs}[FAMILY_KNOB])
    return Design(family, header.families[family], base, changed)


def set_family(header: LabHeader, knobs: Knobs, family: str) -> dict[str, KnobValue]:
    """`knobs` with another family; of the settings those stay that it has the parts for."""
    old, start = design_of(header, knobs), header.families[family]

    def kept(settings: Mapping[str, str]) -> dict[str, str]:
        return {part: value for part, value in settings.items() if part in start}

    base = {**start, **kept(old.base_settings)}
    return {**knobs, **Design(family, start, base, {**base, **kept(old.change)}).knobs}


def set_part(
    header: LabHeader, knobs: Knobs, part: str, value: str, *, in_base: bool
) -> dict[str, KnobValue]:
    """`knobs` with another value of a part, in the base or in the changed model.

    In the base it is that of both, unless the change is about this very part.
    """
    design = design_of(header, knobs)
    base, changed = dict(design.base), dict(design.changed)
    if in_base:
        base[part] = value
        if part not in design.change:
            changed[part] = value
    else:
        changed[part] = value
    return {**knobs, **Design(design.family, design.start, base, changed).knobs}


def phrase_of(header: LabHeader, part: str, value: str) -> str:
    """A setting in plain words where the lab has any, else as it is written."""
    words = header.words.get(f"{part}={value}", ())
    return clean(words[0]) if words else f"{part}={value}"


def render_change(header: LabHeader, knobs: Knobs) -> str:
    """The question in words: ``gpt2: remove the residual connections``."""
    design = design_of(header, knobs)
    told = [phrase_of(header, part, value) for part, value in design.change.items()]
    base = settings_text(design.base_settings)
    family = f"{design.family} with {base}" if base else design.family
    return f"{family}: {'; '.join(told) or 'nothing is changed'}"


def replay_command(header: LabHeader, knobs: Knobs, n_seeds: int, budget: float = 1.0) -> str:
    """The command line that asks the same question again."""
    known = {**header.defaults, **knobs}
    design = design_of(header, known)
    words = ["studykit", "whatif", "--lab", header.id, "--family", design.family]
    if base := settings_text(design.base_settings):
        words += ["--base", base]
    words += [f"{part}={value}" for part, value in design.change.items()]
    for name, value in known.items():
        if name not in DESIGN and value != header.defaults[name]:
            words += ["--set", f"{name}={value}"]
    if n_seeds != header.seeds:
        words += ["--seeds", str(n_seeds)]
    if budget != 1:
        words += ["--budget", f"{budget:g}"]
    return shlex.join(words)
