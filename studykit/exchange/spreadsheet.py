"""Cells that no spreadsheet takes for a formula, and that are read back as they were."""

from __future__ import annotations

import re

from studykit.text import clean

_FORMULA = re.compile(r"'*\s*[=+\-@＝＋－＠|%]")
_NUMBER = re.compile(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?", re.IGNORECASE)


def guard_cell(text: str) -> str:
    """`text` with an apostrophe before it if a program might compute it; numbers stay numbers."""
    text = clean(text)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def unguard_cell(cell: str) -> str:
    """The text that `guard_cell` made `cell` of."""
    is_guarded = cell.startswith("'") and _FORMULA.match(cell[1:])
    return cell[1:] if is_guarded and not _NUMBER.fullmatch(cell[1:]) else cell
