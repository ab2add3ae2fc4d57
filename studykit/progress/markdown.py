"""Text, numbers and tables as Markdown that is just as good read as plain text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from studykit.text import clean

_SPECIAL = re.compile(r"[\\`*\[\]<>|&~$]|(?<![^\W_])_|_(?![^\W_])|^[#+=-]")
_LIST_NUMBER = re.compile(r"^(\d+)(?=[.)](\s|$))")


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose columns line up; those of numbers are aligned to the right."""
    cells = [header, *rows]
    columns = list(zip(*cells, strict=True))
    widths = [max(3, *map(_width, column)) for column in columns]
    is_right = [all(re.match(r"[\d.]+( |$)", cell) for cell in column[1:]) for column in columns]
    is_right[0] = False
    rule = ["-" * (w - 1) + ":" if r else "-" * w for w, r in zip(widths, is_right, strict=True)]
    lines = []
    for row in (cells[0], rule, *cells[1:]):
        padded = [
            " " * (w - _width(cell)) + cell if r else cell + " " * (w - _width(cell))
            for cell, w, r in zip(row, widths, is_right, strict=True)
        ]
        lines.append(f"| {' | '.join(padded)} |")
    return "\n".join(lines)


def _width(text: str) -> int:
    """Terminal columns that `text` takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def escape(text: str) -> str:
    """`text` on one line, safe to show, and read as itself by every Markdown reader."""
    line = " ".join(clean(text).split())
    return _LIST_NUMBER.sub(r"\1\\", _SPECIAL.sub(r"\\\g<0>", line))


def shorten(text: str, length: int) -> str:
    """`text` on one line of at most `length` characters, cut between words where it has any."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    whole, _, rest = text[:length].rpartition(" ")
    return f"{whole or rest[:-1]}…"


def duration(seconds: float) -> str:
    """A time as people say it: "0.4 s", "45 s", "12 min", "1 h 5 min"."""
    if seconds < 9.5:
        return f"{seconds:.2g} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
