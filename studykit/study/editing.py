"""A file of the course in the learner's editor."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from studykit.errors import StudykitError
from studykit.text import clean

TAKE_A_LINE = {"vi", "vim", "nvim", "nano", "emacs", "emacsclient", "kak", "micro", "joe", "ed"}
"""Editors that open a file at a line by ``+LINE``; others get the file alone."""
USUAL = ("vi", "nano", "vim", "emacs")
"""Editors that are looked for where the environment names none."""


def editor_command(path: Path, line: int, environ: Mapping[str, str]) -> list[str]:
    """The program and its arguments that edit the file at `path`, at `line` if it can.

    Raises `StudykitError` if the file cannot be edited, or there is no such editor.
    """
    if not path.is_file():
        raise StudykitError(f"{clean(str(path))} is there no longer")
    if not os.access(path, os.W_OK):
        raise StudykitError(
            f"{clean(str(path))} is read-only",
            hint="copy the course's folder and open the copy with --course",
        )
    command = _chosen(environ)
    if Path(command[0]).name in TAKE_A_LINE:
        command.append(f"+{line}")
    return [*command, str(path)]


def _chosen(environ: Mapping[str, str]) -> list[str]:
    for name in ("VISUAL", "EDITOR"):
        command = _words(environ.get(name, ""))
        if not command:
            continue
        if shutil.which(command[0], path=environ.get("PATH")) is None:
            program = clean(command[0])
            raise StudykitError(
                f"{program} cannot be started: there is no such program",
                hint=f"set {name} to your editor",
            )
        return command
    for program in USUAL:
        if shutil.which(program, path=environ.get("PATH")) is not None:
            return [program]
    raise StudykitError("no editor was found", hint="set EDITOR to yours")


def _words(chosen: str) -> list[str]:
    """The words of a command as a shell has them; none if it is blank."""
    try:
        words = shlex.split(chosen)
    except ValueError:
        words = [chosen.strip()]
    return words if words and words[0].strip() else []
