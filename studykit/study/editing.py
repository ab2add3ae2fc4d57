"""A card's deck in the learner's editor."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from studykit.course.cards import Card
from studykit.errors import StudykitError
from studykit.text import clean

TAKE_A_LINE = {"vi", "vim", "nvim", "nano", "emacs", "emacsclient", "kak", "micro", "joe", "ed"}
"""Editors that open a file at a line by ``+LINE``; others get the file alone."""


def editor_command(card: Card, environ: Mapping[str, str]) -> list[str]:
    """The program and its arguments that edit the card's deck; raises if it cannot be edited."""
    path = card.place.path
    if not path.is_file():
        raise StudykitError(f"{clean(str(path))} is there no longer")
    if not os.access(path, os.W_OK):
        raise StudykitError(
            f"{clean(str(path))} is read-only",
            hint="copy the course's folder and open the copy with --course",
        )
    chosen = environ.get("VISUAL") or environ.get("EDITOR") or "vi"
    try:
        command = shlex.split(chosen)
    except ValueError:
        command = [chosen]
    if Path(command[0]).name in TAKE_A_LINE:
        command.append(f"+{card.place.line}")
    return [*command, str(path)]
