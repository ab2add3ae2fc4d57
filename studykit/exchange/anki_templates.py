"""Anki's card templates: fields, conditions, filters and clozes, filled in as HTML.

https://docs.ankiweb.net/templates/fields.html. The hidden parts of a cloze stand between private
signs, so that they can be told apart once the HTML has become text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

OPENS, HINTS, CLOSES = "\ue000", "\ue001", "\ue002"
"""Around what is asked for, the second before its hint."""
PRIVATE = re.compile("[\ue000-\ue002]")

DEEPEST = 100
"""Conditions inside conditions: far more than anybody writes."""
LONGEST_SIDE = 500_000
"""Characters of HTML after which nothing more is filled in. ``{{Front}}`` a hundred thousand times
over makes gigabytes of one card."""

_TAG = re.compile(r"\{\{(?P<kind>[#^/]?)(?P<name>[^{}]*)\}\}")
_CLOZE_MARK = re.compile(r"\{\{c(?P<numbers>[0-9]{1,9}(?:,[0-9]{1,9})*)::|\}\}")
_EMPTY = re.compile(r"(?:\s|&nbsp;|<br ?/?>|</?div>|</?p>)*", re.IGNORECASE)
_FURIGANA = re.compile(r" ?([^ >\[\]]{1,100})\[([^\[\]]{1,200})\]")
_ANSWER_LINE = re.compile(r"<hr[^>]*\bid\s*=\s*[\"']?answer\b[^>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Template:
    """The two sides of a card, as their author wrote them."""

    name: str
    front: str
    back: str


@dataclass(frozen=True, slots=True)
class NoteType:
    """What the notes of one kind have in common."""

    name: str
    fields: tuple[str, ...]
    templates: tuple[Template, ...]
    is_cloze: bool


class Filling(NamedTuple):
    """What one card's templates are filled with."""

    fields: Mapping[str, str]
    """Name -> HTML."""
    special: Mapping[str, str]
    """``Tags``, ``Deck`` and the like -> text."""
    cloze: int
    """The number that the card asks for; 0 on a card that is no cloze."""


@dataclass
class Side:
    """One side, filled in."""

    html: str
    typed: str = ""
    """Name of the field that is typed as the answer, or empty."""


def split_template(template: str) -> tuple[tuple[str, str, str], ...]:
    """The template as a row of (kind, name, text before it); the last has the kind ``end``."""
    parts, end = [], 0
    for tag in _TAG.finditer(template):
        parts.append((tag["kind"] or "field", tag["name"].strip(), template[end : tag.start()]))
        end = tag.end()
    return (*parts, ("end", "", template[end:]))


def fill_front(parts: tuple[tuple[str, str, str], ...], filling: Filling) -> Side:
    """The front: what is asked for is marked, a typed answer stands as a gap without text."""
    side = Side("")

    def put(name: str, filters: list[str]) -> str:
        if "type" in filters:
            side.typed = name
            return f"{OPENS}{CLOSES}"
        text = filling.fields.get(name, filling.special.get(name, ""))
        if "cloze" in filters:
            return _asked(text, filling.cloze)
        return _filtered(text, filters)

    side.html = "".join(_fill(parts, filling, put))
    return side


def fill_back(parts: tuple[tuple[str, str, str], ...], filling: Filling) -> str:
    """What the back adds to the front: without the front, the cloze and the typed field."""

    def put(name: str, filters: list[str]) -> str:
        if name == "FrontSide" or "cloze" in filters or "type" in filters:
            return ""
        text = filling.fields.get(name, filling.special.get(name, ""))
        return _filtered(text, filters)

    html = "".join(_fill(parts, filling, put))
    # Above the line stands the front, whether or not the author wrote {{FrontSide}}.
    return _ANSWER_LINE.split(html, maxsplit=1)[-1]


def _fill(
    parts: tuple[tuple[str, str, str], ...],
    filling: Filling,
    put: Callable[[str, list[str]], str],
) -> Iterator[str]:
    """The filled text, without what stands inside conditions that do not hold."""
    conditions: list[tuple[str, bool]] = []
    n_false = n_filled = 0
    for kind, name, before in parts:
        if n_filled > LONGEST_SIDE:
            return
        if not n_false:
            n_filled += len(before)
            yield before
        if kind in "#^" and len(conditions) < DEEPEST:
            holds = _holds(name, filling) == (kind == "#")
            conditions.append((name, holds))
            n_false += not holds
        elif kind == "/" and conditions and conditions[-1][0] == name:
            n_false -= not conditions.pop()[1]
        elif kind == "field" and not n_false:
            *filters, field_name = (part.strip() for part in name.split(":"))
            text = put(field_name, filters)
            n_filled += len(text)
            yield text


def _holds(name: str, filling: Filling) -> bool:
    if name in filling.fields:
        return _EMPTY.fullmatch(filling.fields[name]) is None
    if re.fullmatch("c[0-9]{1,9}", name):
        return int(name[1:]) == filling.cloze
    return bool(filling.special.get(name, ""))


def _filtered(text: str, filters: list[str]) -> str:
    """What the filters that change words make of a field; all others change looks."""
    for name in reversed(filters):
        if name == "furigana":
            text = _FURIGANA.sub(r"\1(\2)", text)
        elif name == "kanji":
            text = _FURIGANA.sub(r"\1", text)
        elif name == "kana":
            text = _FURIGANA.sub(r"\2", text)
        elif name.split(" ")[0] in ("tts", "tts-voices"):
            text = ""  # it is spoken, and stands on the card in writing if it is to be read
    return text


def _asked(text: str, number: int) -> str:
    """The text with the parts of cloze `number` marked, and all others shown."""
    return "".join(part for part, _ in _cloze_parts(text, number))


def has_cloze(text: str, number: int) -> bool:
    """Whether the text hides a part of this number."""
    return any(is_asked for _, is_asked in _cloze_parts(text, number))


def _cloze_parts(text: str, number: int) -> Iterator[tuple[str, bool]]:
    """Pieces of HTML, and whether a part of cloze `number` begins with it.

    A part inside one that is asked for is a piece of it.
    """
    open_parts: list[bool] = []
    """Of each cloze around this place, whether it is the one that is asked for."""
    is_inside = False
    """Inside a part that is asked for."""
    end = 0
    for mark in _CLOZE_MARK.finditer(text):
        between = text[end : mark.start()]
        end = mark.end()
        if numbers := mark["numbers"]:
            yield between, False
            begins = not is_inside and number in map(int, numbers.split(","))
            open_parts.append(begins)
            if begins:
                is_inside = True
                yield OPENS, True
        elif open_parts:
            inner, _, hint = between.partition("::")
            yield inner, False
            if open_parts.pop():
                is_inside = False
                yield f"{HINTS}{hint}{CLOSES}" if hint else CLOSES, False
        else:
            yield between + mark[0], False
    yield text[end:], False
    if is_inside:
        yield CLOSES, False
