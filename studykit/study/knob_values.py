"""The values that a knob may take: those that its lab offers, in order, and others like them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from studykit.course.cards import MODEL_KNOB, KnobValue, LabHeader
from studykit.course.labs import LONGEST_OWN_TEXT
from studykit.course.names import NAME
from studykit.course.parts import parse_settings, settings_text
from studykit.text import is_plain_line

LARGEST = 1e9
"""Of a number of one's own; a lab that takes it for a size would never end."""


def in_order(choices: Sequence[KnobValue], *more: KnobValue) -> tuple[KnobValue, ...]:
    """Every value once: numbers ascend, names and texts stand as the lab has them."""
    values = [*dict.fromkeys([*choices, *more])]
    return tuple(sorted(values)) if _are_numbers(choices) else tuple(values)


def takes_own(header: LabHeader, name: str) -> bool:
    """Whether the knob may have a value that is not offered: a number or a text, not a name."""
    return name in header.text_knobs or _are_numbers(header.knobs[name])


def parse_knob(header: LabHeader, name: str, text: str) -> KnobValue:
    """The value that a person means who types `text`: ``1e-3`` and ``0.001`` are the same.

    Raises `ValueError`, with what the knob may be, if it can be none of that.
    """
    choices, text = header.knobs[name], text.strip()
    if name in header.setting_knobs:
        try:
            return settings_text(parse_settings(text, header.parts))
        except ValueError as error:
            raise ValueError(f"{describe(header, name)}; {error}") from None
    if name in header.text_knobs:
        is_path = name == MODEL_KNOB and 0 < len(text) <= LONGEST_OWN_TEXT
        text = _full_path(text) if is_path else text
        if len(text) <= LONGEST_OWN_TEXT and is_plain_line(text):
            return text
        raise ValueError(f"{describe(header, name)}; {_why_not(text)}")
    if _are_numbers(choices):
        is_whole = isinstance(choices[0], int)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        low = min(float(value) for value in choices)
        is_allowed = number > 0 if low > 0 else number >= 0 if low == 0 else True
        if abs(number) <= LARGEST and is_allowed and (not is_whole or number.is_integer()):
            return int(number) if is_whole else number
    else:
        for value in choices:
            if text.casefold() == str(value).casefold():
                return value
    raise ValueError(describe(header, name))


def describe(header: LabHeader, name: str) -> str:
    """What a knob may be: ``a whole number above 0``, ``xavier or small``."""
    choices = header.knobs[name]
    if name in header.setting_knobs:
        return "settings of parts, like norm=none, with a comma between two"
    if name in header.text_knobs:
        what = "the name or the path of a model" if name == MODEL_KNOB else "a text of one line"
        return f"{what}, at most {LONGEST_OWN_TEXT} characters"
    if not _are_numbers(choices):
        *first, last = [str(value) for value in choices]
        return f"{', '.join(first)} or {last}" if first else last
    low = min(float(value) for value in choices)
    kind = "a whole number" if isinstance(choices[0], int) else "a number"
    return kind + (" above 0" if low > 0 else " from 0" if low == 0 else "")


def _why_not(text: str) -> str:
    """What keeps a text from being a knob's value; the rule alone seldom tells."""
    if not text:
        return "nothing was written"
    if len(text) > LONGEST_OWN_TEXT:
        return f"this one has {len(text)}"
    return "this one has a character that is no part of a line, or that cannot be seen"


def _are_numbers(choices: Sequence[KnobValue]) -> bool:
    return bool(choices) and all(type(value) in (int, float) for value in choices)


def _full_path(text: str) -> str:
    """A path from here as one that means the same from anywhere; a name as it is.

    What could be a name of the course's models is one, whatever lies in the folder.
    """
    if NAME.fullmatch(text):
        return text
    try:
        path = Path(text).expanduser()
        is_path = text.startswith(("/", "./", "../", "~")) or path.exists()
    except (OSError, RuntimeError, ValueError):
        return text
    return str(path.absolute()) if is_path else text
