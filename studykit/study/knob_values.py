"""The values that a knob may take: those that its lab offers, in order, and others like them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from studykit.course.cards import KnobValue

LARGEST = 1e9
"""Of a number of one's own; a lab that takes it for a size would never end."""


def in_order(choices: Sequence[KnobValue], *more: KnobValue) -> tuple[KnobValue, ...]:
    """Every value once: numbers ascend, names stand as the lab has them."""
    values = [*dict.fromkeys([*choices, *more])]
    return tuple(sorted(values)) if takes_own(choices) else tuple(values)


def takes_own(choices: Sequence[KnobValue]) -> bool:
    """Whether a knob with these choices may have another value: a number may, a name may not."""
    return bool(choices) and all(type(value) in (int, float) for value in choices)


def parse_knob(choices: Sequence[KnobValue], text: str) -> KnobValue:
    """The value that a person means who types `text`: ``1e-3`` and ``0.001`` are the same.

    Raises `ValueError`, with what the knob may be, if it can be none of that.
    """
    for value in choices:
        if not takes_own(choices) and text.casefold() == str(value).casefold():
            return value
    if takes_own(choices):
        is_whole = isinstance(choices[0], int)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        low = min(float(value) for value in choices)
        is_allowed = number > 0 if low > 0 else number >= 0 if low == 0 else True
        if abs(number) <= LARGEST and is_allowed and (not is_whole or number.is_integer()):
            return int(number) if is_whole else number
    raise ValueError(describe(choices))


def describe(choices: Sequence[KnobValue]) -> str:
    """What a knob may be: ``a whole number above 0``, ``xavier or small``."""
    if not takes_own(choices):
        *first, last = [str(value) for value in choices]
        return f"{', '.join(first)} or {last}" if first else last
    low = min(float(value) for value in choices)
    kind = "a whole number" if isinstance(choices[0], int) else "a number"
    return kind + (" above 0" if low > 0 else " from 0" if low == 0 else "")
