"""Numbers as people write them: ``1e-3``, ``2⁸``, ``3×768²``, ``¾``, ``ln 64``. Pure."""

from __future__ import annotations

import math
import re
import unicodedata
from itertools import groupby

LONGEST = 80
"""Characters of an expression; a longer one is not read, so brackets nest no deeper."""

_NUMBER = re.compile(
    # One group of digits, or groups of three set apart; never a comma.
    r"([0-9]{1,3}(?:[ _][0-9]{3})+(?:\.[0-9]*)?|[0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?"
)
_TOKEN = re.compile(rf" *(?:(?P<number>{_NUMBER.pattern})|(?P<sign>\*\*|sqrt|ln|log2|.))")
_FUNCTIONS = {"√": math.sqrt, "sqrt": math.sqrt, "ln": math.log, "log2": math.log2}
_HEXADECIMAL = re.compile(r"(?<![0-9.])0x[0-9]")
"""``0x10`` is sixteen to whoever writes it, and no product."""
_SIGNS = str.maketrans(
    {"×": "*", "·": "*", "⋅": "*", "∙": "*", "x": "*", "÷": "/", "∕": "/", "⁄": "/", "−": "-"}
)


def spell_out(text: str, power: str) -> str:
    """`text` in plain characters and small letters; what is raised stands in `power`.

    ``2⁸`` with ``^({})`` is ``2^(8)``. Digits in circles, below the line and the like stay as they
    are: they are not the digits that they look like.
    """
    parts = []
    for form, run in groupby(text, _form):
        part = "".join(run)
        if form == "super":
            parts.append(power.format(unicodedata.normalize("NFKC", part)))
        else:
            parts.append(part if form == "kept" else unicodedata.normalize("NFKC", part))
    return "".join(parts).casefold()


def _form(character: str) -> str:
    if unicodedata.decomposition(character).startswith("<super>"):
        return "super"
    return "kept" if unicodedata.category(character) == "No" else ""


def first_other_digit(text: str) -> str:
    """The first character that looks like a digit and is read as none; empty if there is none."""
    return next(
        (
            character
            for character in spell_out(text, "{}")
            if character.isdigit() and not character.isascii()
        ),
        "",
    )


def is_literal(text: str) -> bool:
    """True if `text` is a number as it stands, with nothing to be worked out."""
    return _NUMBER.fullmatch(spell_out(text, "^({})").strip().lstrip("+-−")) is not None


def evaluate(text: str) -> float | None:
    """The value of a number, or of a sum, product, fraction, power, root or logarithm of some.

    None if it is none of these, or has no finite value. ``^`` and ``**`` are powers, ``x`` between
    numbers multiplies, ``√64`` is ``sqrt(64)``, ``ln 64`` and ``log2(64)`` are logarithms; whoever
    raises one of those to a power must say by brackets what is raised. Thousands may be set apart
    by spaces or underscores.
    """
    plain = spell_out(text, "^({})")
    if len(text) > LONGEST or _HEXADECIMAL.search(plain):
        return None
    try:
        value = _Reader(plain).read()
    except (ArithmeticError, ValueError):
        return None
    return value if math.isfinite(value) else None


class _Reader:
    """Recursive descent; each method reads what its name says, and raises `ValueError` if not."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_TOKEN.finditer(text.translate(_SIGNS).strip()))
        self._place = 0

    def read(self) -> float:
        value = self._sum()
        if self._place < len(self._tokens):
            raise ValueError("something follows the number")
        return value

    def _next(self) -> str:
        """The sign that comes next; nothing if a number or the end does."""
        if self._place < len(self._tokens):
            return self._tokens[self._place]["sign"] or ""
        return ""

    def _takes(self, *signs: str) -> str:
        """The sign that comes next, if it is one of `signs`: it is read then; else nothing."""
        sign = self._next()
        if sign not in signs:
            return ""
        self._place += 1
        return sign

    def _sum(self) -> float:
        value = self._product()
        while sign := self._takes("+", "-"):
            value += self._product() if sign == "+" else -self._product()
        return value

    def _product(self) -> float:
        value = self._signed()
        while sign := self._takes("*", "/"):
            value = value * self._signed() if sign == "*" else value / self._signed()
        return value

    def _signed(self) -> float:
        if sign := self._takes("+", "-"):
            return self._signed() if sign == "+" else -self._signed()
        return self._power()

    def _power(self) -> float:
        name = self._next()
        base = self._root()
        if not self._takes("^", "**"):
            return base
        if name in ("ln", "log2"):
            raise ValueError("what is raised: the logarithm, or what it is of?")
        return math.pow(base, self._signed())  # raises where ** would give a complex number

    def _root(self) -> float:
        if name := self._takes(*_FUNCTIONS):
            return _FUNCTIONS[name](self._root())
        if self._takes("("):
            value = self._sum()
            if not self._takes(")"):
                raise ValueError("a bracket is open")
            return value
        return self._number()

    def _number(self) -> float:
        if self._place == len(self._tokens):
            raise ValueError("a number is missing")
        value = None
        if (digits := self._tokens[self._place]["number"]) is not None:
            value = float(re.sub("[ _]", "", digits))
            self._place += 1
        fraction = _vulgar_fraction(self._next())
        if fraction is not None:
            self._place += 1
        if value is None and fraction is None:
            raise ValueError("no number")
        return (value or 0.0) + (fraction or 0.0)


def _vulgar_fraction(sign: str) -> float | None:
    """The value of ½ and the like."""
    is_one = len(sign) == 1 and unicodedata.decomposition(sign).startswith("<fraction>")
    return unicodedata.numeric(sign) if is_one else None
