"""Plain output: JSON, tables and wrapped text on stdout, one-line notes on stderr."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import typer

from studykit.text import clean

MARKS = {"confirmed": "✓", "refuted": "✗", "depends": "±", "undecided": "?", "skipped": "–"}
"""Verdict -> its sign; the word always stands beside it."""

_COLOURS = {"confirmed": "green", "refuted": "red", "depends": "yellow"}


def say(text: str = "") -> None:
    """Print `text`, which may come from a deck or a lab, on stdout."""
    typer.echo(clean(text))


def warn(text: str) -> None:
    """Print one line on stderr."""
    typer.echo(f"studykit: {clean(' '.join(text.split()))}", err=True)


def say_json(document: Mapping[str, Any]) -> None:
    """Print `document` as one line of JSON, which has no NaN and no infinity."""
    typer.echo(json.dumps(document, ensure_ascii=False, allow_nan=False))


def say_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int) -> None:
    """Print a table; its last `numbers` columns are aligned to the right."""
    cells = [[clean(cell) for cell in row] for row in [header, *rows]]
    widths = [max(map(_columns, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = [
            _pad(cell, width, right=index >= len(row) - numbers)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        typer.echo("  ".join(padded).rstrip())


def say_verdicts(claims: Mapping[str, str], verdicts: Mapping[str, str]) -> None:
    """Print mark, claim, verdict and text of each claim, the text wrapped beside them."""
    name_width = max((len(name) for name in claims), default=0)
    for name, text in claims.items():
        verdict = verdicts.get(name, "undecided")
        head = f"{MARKS[verdict]} {name:<{name_width}}  {verdict:<9}  "
        say_beside(head, text, colour=_COLOURS.get(verdict, ""))


def say_beside(head: str, text: str, *, colour: str = "") -> None:
    """Print `head`, coloured where somebody wants that, and `text` wrapped to the right of it."""
    lines = textwrap.wrap(clean(text), max(terminal_width() - len(head), 24)) or [""]
    typer.echo((typer.style(head, fg=colour) if colour and _wants_colour() else head) + lines[0])
    for line in lines[1:]:
        typer.echo(" " * len(head) + line)


def counted(n: int, noun: str) -> str:
    """``1 card``, ``2 cards``."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def terminal_width() -> int:
    """Columns of the terminal, 80 where there is none."""
    return shutil.get_terminal_size().columns


def _wants_colour() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _columns(text: str) -> int:
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _columns(text))
    return space + text if right else text + space
