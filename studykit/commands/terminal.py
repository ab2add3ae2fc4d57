"""Plain output: JSON, tables and wrapped text on stdout, one-line notes on stderr."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studykit.errors import UsageError
from studykit.text import clean

if TYPE_CHECKING:
    from studykit.lab.results import Verdict

_COLOURS = {"confirmed": "green", "refuted": "red", "depends": "yellow"}
_NARROWEST = 12
"""Columns that a wrapped column of a table keeps, however narrow the terminal is."""


def say(text: str = "") -> None:
    """Print `text`, which may come from a deck or a lab, on stdout."""
    print(clean(text), flush=True)


def say_wrapped(*lines: str) -> None:
    """Print lines, broken between words where the terminal would break inside one."""
    for line in lines:
        for row in rows_of(line):
            say(row)


def warn(text: str) -> None:
    """Print one line on stderr."""
    print(f"studykit: {clean(' '.join(text.split()))}", file=sys.stderr, flush=True)


def confirm(question: str, *, is_sure: bool) -> None:
    """Return if the answer is yes or `is_sure`; else the command ends here."""
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise UsageError("it asks first, and there is no terminal to ask on", hint="pass --yes")
    import typer

    if not typer.confirm(question, default=True):
        raise typer.Abort


def say_json(document: Mapping[str, Any]) -> None:
    """Print `document` as one line of JSON, which has no NaN and no infinity."""
    print(json.dumps(document, ensure_ascii=False, allow_nan=False), flush=True)


def say_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numbers: int,
    wrapped: int | None = None,
) -> None:
    """Print a table; its last `numbers` columns are aligned to the right.

    Where it is wider than the terminal, the cells of column `wrapped` are broken between words.
    A row of one cell is a heading across all columns.
    """
    cells = [[clean(cell) for cell in row] for row in [header, *rows]]
    full = [row for row in cells if len(row) > 1 or len(header) == 1]
    widths = [max(map(columns, column)) for column in zip(*full, strict=True)]
    if wrapped is not None:
        others = sum(widths) - widths[wrapped] + 2 * (len(widths) - 1)
        widths[wrapped] = min(widths[wrapped], max(_NARROWEST, terminal_width() - others))
    for row in cells:
        if len(row) < len(header):
            print(row[0], flush=True)
            continue
        lines = [[cell] for cell in row]
        if wrapped is not None:
            lines[wrapped] = wrap(row[wrapped], widths[wrapped])
        for line in itertools.zip_longest(*lines, fillvalue=""):
            padded = [
                _pad(cell, width, right=index >= len(row) - numbers)
                for index, (cell, width) in enumerate(zip(line, widths, strict=True))
            ]
            print("  ".join(padded).rstrip(), flush=True)


def say_verdicts(claims: Mapping[str, str], verdicts: Mapping[str, Verdict]) -> None:
    """Print mark, claim, verdict and text of each claim, the text wrapped beside them."""
    from studykit.lab.results import VERDICT_MARKS

    name_width = max((len(name) for name in claims), default=0)
    for name, text in claims.items():
        verdict = verdicts.get(name, "undecided")
        head = f"{VERDICT_MARKS[verdict]} {name:<{name_width}}  {verdict:<9}  "
        say_beside(head, text, colour=_COLOURS.get(verdict, ""))


def say_beside(head: str, text: str, *, colour: str = "") -> None:
    """Print `head`, in `colour` where colours are wanted, and `text` wrapped to the right of it."""
    lines = wrap(clean(text), max(terminal_width() - len(head), 24))
    if colour and _wants_colour():
        import typer  # the screens, too, come here for `warn`, and need no parser

        print(typer.style(head, fg=colour) + lines[0], flush=True)
    else:
        print(head + lines[0], flush=True)
    for line in lines[1:]:
        print(" " * len(head) + line, flush=True)


def terminal_width() -> int:
    """Columns of the terminal, 80 where there is none."""
    return shutil.get_terminal_size().columns


def _wants_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def columns(text: str) -> int:
    """Columns that `text` takes in a terminal: wide letters take two, combining marks none."""
    if text.isascii() or not any(map(_is_odd, text)):
        return len(text)
    from rich.cells import cell_len  # as the screens count, and needed for few texts

    return cell_len(text)


def wrap(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns, at least one; broken between words if it can."""
    if columns(text) == len(text):
        return textwrap.wrap(text, width) or [""]
    from rich.cells import chop_cells

    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if columns(longer) <= width:
            lines[-1] = longer
        else:
            lines += chop_cells(word, width)
    return lines if lines[0] else lines[1:]


def rows_of(text: str) -> list[str]:
    """The rows of a line as the terminal is wide, at least one; a line that fits stays as it is."""
    width = max(24, terminal_width())
    return [text] if columns(text) <= width else wrap(text, width)


def cut(text: str, width: int) -> str:
    """As much of the beginning of `text` as `width` columns hold."""
    text = text[:width]
    while columns(text) > width:
        text = text[:-1]
    return text


def _is_odd(character: str) -> bool:
    return (
        unicodedata.east_asian_width(character) in "WF" or unicodedata.category(character)[0] == "M"
    )


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - columns(text))
    return space + text if right else text + space
