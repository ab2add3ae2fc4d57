"""The text of a course's files, and errors with their places in it."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path

from studykit.course.cards import Card
from studykit.errors import CourseError, Place
from studykit.text import clean

LARGEST_FILE_BYTES = 4 * 1024 * 1024
LONGEST_TEXT = 2000
"""Characters of one text of a deck or a lab's header; no card needs half of it."""


def read_source(path: Path) -> str:
    """The text of the file: UTF-8, a byte-order mark dropped, lines ended by a newline.

    Raises `CourseError` for what is no readable text file of a sensible size.
    """
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise CourseError(what, place=Place(path), hint="mend the path or add the file")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or "input error"
        raise CourseError(f"cannot be read: {reason}", place=Place(path)) from None
    if len(data) > LARGEST_FILE_BYTES:
        limit = f"a file of a course holds at most {LARGEST_FILE_BYTES // 1024**2} MiB"
        raise CourseError("is too large", place=Place(path), hint=limit)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Recounted from the data: with a byte-order mark the error's own offset is after it.
        data = data.removeprefix(b"\xef\xbb\xbf")
        place = locate(path, data[: error.start].decode("utf-8"), error.start)
        what = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise CourseError(what, place=place, hint="save the file as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def stamp_decks(root: Path) -> Hashable:
    """Differs from an earlier one if a file of the course's decks was changed since."""
    try:
        with os.scandir(root / "decks") as entries:
            files = [(entry.name, entry.stat()) for entry in entries]
    except OSError:
        return None
    return frozenset((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in files)


def locate(path: Path, text: str, index: int) -> Place:
    """The place of ``text[index]``."""
    before = text[:index]
    return Place(path, before.count("\n") + 1, len(before) - before.rfind("\n"))


def card_error(card: Card, what: str, hint: str) -> CourseError:
    """An error of a whole card."""
    return CourseError(f"card {card.id}: {what}", place=card.place, hint=hint)


def one_line(error: CourseError) -> str:
    """The error as one line that is safe to show, whatever its file is called."""
    return clean(str(error)).replace("\n", "\u240a")


def in_order(errors: list[CourseError]) -> list[CourseError]:
    """The errors by file, line and column."""
    return sorted(errors, key=lambda error: (_position(error), str(error)))


def _position(error: CourseError) -> tuple[str, int, int]:
    place = error.place
    return (str(place.path), place.line, place.column) if place else ("", 0, 0)
