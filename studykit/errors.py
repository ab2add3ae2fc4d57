"""Errors that a user can cause: one line each, saying where, what and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a text file, printed as ``file:line:column`` (both from 1)."""

    path: Path
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class StudykitError(Exception):
    """What went wrong, where, and what to do; never shown with a traceback."""

    exit_code = 1

    def __init__(self, what: str, *, place: Place | None = None, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.place = place
        self.hint = hint

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{where}{self.what}{hint}"


class UsageError(StudykitError):
    """The command line asks for something that does not exist or does not fit."""

    exit_code = 2


class SettingsError(StudykitError):
    """The settings file is not valid."""


class CourseError(StudykitError):
    """A deck, an outline or a lab header is not valid."""


class LabError(StudykitError):
    """A lab cannot be run."""


class StoreError(StudykitError):
    """The progress database cannot be used as it is."""
