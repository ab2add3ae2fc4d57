"""The parts of a lab's two models, and the settings that change them: ``residual=off, norm=post``.

A lab that compares two models says in its header what they are made of: `PARTS`, each with its
values, and `FAMILIES` to start from. Three knobs say which two are meant: `FAMILY_KNOB` names what
both start from, `BASE_KNOB` what the base has otherwise than that, and `CHANGE_KNOB` what the
changed model has otherwise than the base. What the parts do is the lab's business alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

Parts: TypeAlias = Mapping[str, tuple[str, ...]]
"""Part -> the values that it may have."""
Settings: TypeAlias = Mapping[str, str]
"""Part -> value, of some parts or of all."""

FAMILY_KNOB, BASE_KNOB, CHANGE_KNOB = "family", "base", "change"
SETTING_KNOBS = (BASE_KNOB, CHANGE_KNOB)
"""Knobs that hold settings as text; the empty text changes nothing."""

VALUE = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
"""What a value of a part may be called."""
VALUE_HINT = "lower-case letters, digits, points, hyphens and underscores, like pre"


def parse_settings(text: str, parts: Parts, start: Settings | None = None) -> dict[str, str]:
    """The settings of a text, in the order of the parts; case and spaces do not matter.

    `start` has the parts of the model that is to be changed, where it is known. Raises `ValueError`
    with what cannot be read, or is no part, or no value of it, or what the model does not have.
    """
    found: dict[str, str] = {}
    for piece in text.casefold().split(","):
        if not piece.strip():
            continue
        part, equals, value = (word.strip() for word in piece.partition("="))
        if not equals:
            raise ValueError(f"{part!r} is no setting: write part=value, like {_example(parts)}")
        if part not in parts:
            raise ValueError(f"there is no part {part!r}: one of {', '.join(parts)}")
        if value not in parts[part]:
            raise ValueError(f"{part} cannot be {value!r}: one of {', '.join(parts[part])}")
        if found.get(part, value) != value:
            raise ValueError(f"{part} is set to both {found[part]!r} and {value!r}: keep one")
        if start is not None and part not in start:
            raise ValueError(f"this model has no {part}: change one of {', '.join(start)}")
        found[part] = value
    return {part: found[part] for part in parts if part in found}


def settings_text(settings: Settings) -> str:
    """Settings as `parse_settings` reads them."""
    return ", ".join(f"{part}={value}" for part, value in settings.items())


def _example(parts: Parts) -> str:
    return next(f"{part}={values[-1]}" for part, values in parts.items())
