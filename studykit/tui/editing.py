"""A card's deck in the learner's editor, and the course as it is afterwards. No widget."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from studykit.course.cards import Card
from studykit.course.decks import read_course
from studykit.course.source import one_line
from studykit.errors import CourseError, StudykitError
from studykit.text import clean
from studykit.tui.services import Services

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


def read_again(services: Services, deck: Path) -> None:
    """Take up the course as it is now; raises `CourseError` if `deck` is broken.

    Then the course stays as it was read before.
    """
    root = services.course.root
    course, errors = read_course(root)
    for error in errors:
        if error.place is not None and error.place.path == deck:
            # Short, for the status line.
            place = replace(error.place, path=deck.relative_to(root))
            raise CourseError(error.what, place=place, hint=error.hint)
    services.course = replace(course, problems=tuple(one_line(error) for error in errors))
    services.cards = services.course.cards
