"""What-if questions that are pinned to cards: beside a card's answer stands what they found.

A pin is the question, not its answer: what stands there is the learner's latest run of it. So it
holds when a run is repeated, and when progress is restored from a copy.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studykit.course.cards import KnobValue
from studykit.course.source import read_json
from studykit.errors import CourseError, Place, StudykitError
from studykit.files import locked, replace_file
from studykit.text import clean

FORMAT = 1
LARGEST_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class Pin:
    """A question and the card whose answer it stands beside."""

    card_id: str
    lab: str
    knobs: Mapping[str, KnobValue]
    """Every knob, defaults included."""


def load_pins(path: Path) -> tuple[Pin, ...]:
    """The pins in the file, oldest first; none if there is no file.

    Raises `CourseError` if the file is damaged or cannot be read.
    """
    try:
        if not path.exists():
            return ()
    except OSError as error:  # a folder that may not be entered
        raise CourseError(f"cannot be read: {error.strerror}", place=Place(path)) from None
    hint = "delete it: only the pins are lost"
    return read_json(path, LARGEST_BYTES, _parse, hint=hint, refusal="not a list of pins: ")


def add_pin(path: Path, pin: Pin) -> bool:
    """Write the pin into the file; False if it is there already.

    Raises `StudykitError` if the file is damaged or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent):
            pins = load_pins(path)
            if pin in pins:
                return False
            document = {"format": FORMAT, "pins": [_document(each) for each in (*pins, pin)]}
            replace_file(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        raise StudykitError(f"{clean(str(path))} cannot be written: {error.strerror}") from None
    return True


def _document(pin: Pin) -> dict[str, Any]:
    return {"card": pin.card_id, "lab": pin.lab, "knobs": dict(pin.knobs)}


def _parse(document: Any) -> tuple[Pin, ...]:
    match document:
        case {"format": 1, "pins": [*items]}:
            return tuple(map(_pin, items))
    raise ValueError(f"format {FORMAT} with pins")


def _pin(item: Any) -> Pin:
    match item:
        case {"card": str(card), "lab": str(lab), "knobs": dict(knobs)} if all(
            isinstance(value, str | int | float) for value in knobs.values()
        ):
            settings = {clean(name): _cleaned(value) for name, value in knobs.items()}
            return Pin(clean(card), clean(lab), settings)
    raise ValueError("a pin needs a card, a lab and knobs")


def _cleaned(value: KnobValue) -> KnobValue:
    return clean(value) if isinstance(value, str) else value
