"""Values of a YAML file that know their place, asked for by the type that is expected.

Asking for the wrong type raises the error: where, what stands there, what to write instead.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from studykit.course.source import LONGEST_DECK_TEXT
from studykit.errors import CourseError, Place
from studykit.text import clean

# No leading zeros (YAML 1.1 reads 010 as 8), no colons (1:30 is 90), no underscores.
_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")

# What the versions of YAML read as something else than text when it stands without quotes.
_WORDS = {"~": "nothing", "null": "nothing", "=": "a default value", "<<": "a merge key"} | {
    word: meaning
    for meaning, words in {"true": ("yes", "on", "true"), "false": ("no", "off", "false")}.items()
    for word in words
}
LARGEST_NUMBER = 1e150
"""Of a card's answers and tolerances."""
_LONGEST_NUMBER = 40
"""Characters."""
_STARTS_NUMBER = frozenset("0123456789+-.")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?")
_ODD_NUMBER = re.compile(
    r"[-+]?(?:0[bB][01_]+|0[oO][0-7_]+|0[xX][0-9a-fA-F_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?"
    r"|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF|nan|NaN|NAN))"
)


class Node:
    """One value of a file: text, a list of nodes, or a mapping of keys to nodes."""

    __slots__ = ("column", "is_cut", "key", "line", "path", "plain", "value")

    def __init__(
        self, value: str | list[Node], path: Path, event: Any, *, is_cut: bool = False
    ) -> None:
        mark = event.start_mark
        self.value: str | list[Node] | dict[str, Node] = value
        self.path = path
        self.line: int = mark.line + 1
        self.column: int = mark.column + 1
        self.plain: bool = isinstance(value, str) and event.implicit[0]
        """Unquoted text, which YAML may take for something else."""
        self.is_cut = is_cut
        """Unquoted text that is ended by a comment, which perhaps was meant as text."""
        self.key: Node | None = None
        """The key in front of it, if it stands in a mapping."""

    @property
    def place(self) -> Place:
        """Where it begins."""
        return Place(self.path, self.line, self.column)

    def fail(self, what: str, hint: str = "") -> CourseError:
        """An error at this value, named by its key."""
        name = f"{shown(self.key.value)}: " if self.key else ""
        return CourseError(f"{name}{what}", place=self.place, hint=hint)

    def text(self, longest: int = LONGEST_DECK_TEXT) -> str:
        """The value as text, safe to show; unquoted values that are no text to YAML fail."""
        if not isinstance(self.value, str):
            raise self.fail(f"must be text, not {self._form()}", "put text with [ or { in quotes")
        if self.plain and self.value and (meaning := meaning_to_yaml(self.value)):
            what = f"{shown(self.value)} is {meaning} to YAML, not text"
            raise self.fail(what, f'put it in quotes: "{self.value[:40]}"')
        text = clean(self.value).strip()
        if not text:
            raise self.fail("is empty", "write its text")
        if len(text) > longest:
            raise self.fail(f"has {len(text)} characters", f"at most {longest}")
        return text

    def prose(self, longest: int = LONGEST_DECK_TEXT) -> str:
        """As `text`, for what a learner reads: none of it may be lost to a comment."""
        text = self.text(longest)
        if self.is_cut:
            hint = "put the text in quotes, or the comment on a line of its own"
            raise self.fail("what follows # is a comment to YAML", hint)
        return text

    def matching(self, pattern: re.Pattern[str], hint: str) -> str:
        """The text, which must match the whole pattern."""
        text = self.text()
        if not pattern.fullmatch(text):
            raise self.fail(f"{shown(text)} is not of the right form", hint)
        return text

    def number(self) -> float:
        """The value as a number whose square is finite, so that it can be reckoned with."""
        if not isinstance(self.value, str):
            raise self.fail(f"must be a number, not {self._form()}")
        if not self.plain:
            raise self.fail("must be a number, not text", "write it without quotes")
        if len(self.value) > _LONGEST_NUMBER or not _NUMBER.fullmatch(self.value):
            raise self.fail(f"{shown(self.value)} is not a number", "write 12, 0.5 or 1e-3")
        number = float(self.value)
        if abs(number) > LARGEST_NUMBER:
            raise self.fail(f"{shown(self.value)} is too large", f"at most {LARGEST_NUMBER:g}")
        return number

    def whole(self, most: int = 9999) -> int:
        """The value as a whole number from 1 to `most`."""
        number = self.number()
        if not 1 <= number <= most or number != int(number):
            raise self.fail(f"{shown(self.value)} is no whole number from 1 to {most}", "count it")
        return int(number)

    def flag(self) -> bool:
        """The value as true or false."""
        if not self.plain or self.value not in ("true", "false"):
            raise self.fail(f"{shown(self.value)} is not a flag", "write true or false")
        return self.value == "true"

    def scalar(self) -> int | float | str | bool:
        """The value as the number, flag or text that it plainly is."""
        if self.plain and isinstance(self.value, str):
            if self.value in ("true", "false"):
                return self.flag()
            if _INTEGER.fullmatch(self.value) and len(self.value) <= 15:
                return int(self.value)
            if _NUMBER.fullmatch(self.value):
                return self.number()
        return self.text()

    def items(self, least: int = 1, most: int | None = None) -> list[Node]:
        """The entries of a list that has `least` to `most` of them."""
        if not isinstance(self.value, list):
            raise self.fail(f"must be a list, not {self._form()}", "write [a, b] or lines with - ")
        if len(self.value) < least or (most is not None and len(self.value) > most):
            bounds = f"at least {least}" if most is None else f"{least} to {most:,}"
            raise self.fail(f"the number of entries is {len(self.value)}", f"it takes {bounds}")
        return self.value

    def entries(self, most: int | None = None) -> dict[str, Node]:
        """A mapping whose keys are the author's own, at most so many."""
        if not isinstance(self.value, dict):
            raise self.fail(f"must be a mapping, not {self._form()}", "write lines with key: value")
        if most is not None and len(self.value) > most:
            raise self.fail(f"the number of entries is {len(self.value)}", f"at most {most}")
        for node in self.value.values():
            if node.key:
                node.key.text()
        return self.value

    def fields(self, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Node]:
        """A mapping that has all the required keys and no unknown one."""
        if not isinstance(self.value, dict):
            raise self.fail(f"must be a mapping, not {self._form()}", f"with {', '.join(required)}")
        known = (*required, *optional)
        for name, node in self.value.items():
            if name not in known:
                where = node.key or node
                close = difflib.get_close_matches(name.lower(), known, 1)
                hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
                raise CourseError(f"unknown key {shown(name)}", place=where.place, hint=hint)
        for name in required:
            if name not in self.value:
                raise self.fail(f"has no {name}", f"add {name}: …")
        return self.value

    def as_data(self, without: frozenset[str] = frozenset()) -> Any:
        """The bare texts, lists and mappings, less the named keys of this mapping."""
        if isinstance(self.value, str):
            return self.value
        if isinstance(self.value, list):
            return [node.as_data() for node in self.value]
        return {key: node.as_data() for key, node in self.value.items() if key not in without}

    def scalars(self) -> Iterator[Node]:
        """Every text below this value, keys too, in the file's order."""
        if isinstance(self.value, str):
            yield self
        elif isinstance(self.value, list):
            for node in self.value:
                yield from node.scalars()
        else:
            for node in self.value.values():
                if node.key:
                    yield node.key
                yield from node.scalars()

    def _form(self) -> str:
        if isinstance(self.value, str):
            return shown(self.value) if self.value else "nothing"
        return "a list" if isinstance(self.value, list) else "a mapping"


def distinct(nodes: Iterable[Node], what: str, *, of_prose: bool = False) -> tuple[str, ...]:
    """The nodes' texts, `of_prose` if a learner reads them; one that stands twice fails."""
    seen: dict[str, Node] = {}
    for node in nodes:
        if (text := node.prose() if of_prose else node.text()) in seen:
            raise node.fail(f"{what} stands twice", f"first in line {seen[text].line}; keep one")
        seen[text] = node
    return tuple(seen)


def meaning_to_yaml(value: str) -> str:
    """What YAML makes of the unquoted `value`, or "" if all its versions agree that it is text."""
    if value.lower() in _WORDS:
        return _WORDS[value.lower()]
    if value[:1] not in _STARTS_NUMBER:
        return ""
    if _DATE.fullmatch(value):
        return "a date"
    if _SEXAGESIMAL.fullmatch(value):
        total = 0.0
        for part in value.lstrip("+-").replace("_", "").split(":"):
            total = total * 60 + float(part)
        return f"the number {-total if value[0] == '-' else total:g}"
    if _NUMBER.fullmatch(value):
        return f"the number {float(value):g}"
    return "a number" if _ODD_NUMBER.fullmatch(value) else ""


def shown(value: Any) -> str:
    """A value inside a message: short, on one line."""
    text = value if isinstance(value, str) else "a list or mapping"
    return f"`{clean(text[:40])}{'…' if len(text) > 40 else ''}`".replace("\n", " ")
