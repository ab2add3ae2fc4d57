"""The text of a course's files, read within bounds, and errors with their places in it.

A course may come from anybody. Whatever its files are, reading them ends, and fits into memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from studykit.errors import CourseError, Place
from studykit.files import open_regular
from studykit.text import clean

if TYPE_CHECKING:
    from studykit.course.cards import Card

T = TypeVar("T")

LARGEST_FILE_BYTES = 8 * 1024**2
MOST_DECK_BYTES = 80 * 1024**2
"""Of all decks of a course."""
MOST_LAB_BYTES = 1024**2
"""Of all its labs, helper modules not counted."""
MOST_RESULT_BYTES = 16 * 1024**2
"""Of all its recorded results."""
MOST_PYTHON_BYTES = 32 * 1024**2
"""Of all Python files that may be labs."""
MOST_ENTRIES = 20_000
"""Files and folders below one folder of a course, those behind links included."""
LONGEST_TEXT = 2000
"""Characters of one text of a lab's header; no card of ours needs half of it."""
LONGEST_DECK_TEXT = 10_000
"""Characters of one text of a deck; a card from elsewhere may be a page."""


def read_source(path: Path, largest: int = LARGEST_FILE_BYTES) -> str:
    """The text of the file: UTF-8, a byte-order mark dropped, lines ended by a newline.

    Raises `CourseError` for what is no readable text file of at most `largest` bytes.
    """
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise CourseError(what, place=Place(path), hint="mend the path or add the file")
    try:
        with open_regular(path) as file:
            data = file.read(largest + 1)
    except OSError as error:
        reason = error.strerror or "input error"
        raise CourseError(f"cannot be read: {reason}", place=Place(path)) from None
    if len(data) > largest:
        limit = f"it may hold at most {largest // 1024:,} KiB"
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


def read_json(
    path: Path, largest: int, parse: Callable[[Any], T], *, hint: str, refusal: str = ""
) -> T:
    """What `parse` makes of a JSON file of at most `largest` bytes.

    Raises `CourseError`, with the place and `hint`, for what is no JSON, and for what `parse`
    refuses by a `ValueError`, whose text `refusal` goes before.
    """
    try:
        return parse(json.loads(read_source(path, largest)))
    except json.JSONDecodeError as error:
        place = Place(path, error.lineno, error.colno)
        raise CourseError(f"not valid JSON: {error.msg}", place=place, hint=hint) from None
    except RecursionError:
        raise CourseError("is nested too deeply", place=Place(path), hint=hint) from None
    except ValueError as error:
        raise CourseError(f"{refusal}{error}", place=Place(path), hint=hint) from None


def walk_files(folder: Path, *, follows_links: bool = False) -> Iterator[Path]:
    """Whatever lies below `folder` and is no folder, by path.

    Links to folders are followed if it `follows_links`, but in no circle. Left out is what cannot
    be listed, and what begins with a dot: it belongs to editors and systems, and no import finds
    it. Raises `CourseError` where there is more than a course may hold.
    """
    n_left = MOST_ENTRIES
    waiting: list[tuple[Path, frozenset[str]]] = [(folder, frozenset())]
    """Folders to come, each with the real paths of those that it lies in."""
    while waiting:
        parent, above = waiting.pop()
        real = os.path.realpath(parent)
        if real in above:
            continue
        try:
            with os.scandir(parent) as listed:
                entries = sorted(islice(listed, n_left + 1), key=lambda entry: entry.name)
        except OSError:
            continue
        n_left -= len(entries)
        if n_left < 0:
            raise _too_much(folder, f"holds more than {MOST_ENTRIES:,} files")
        folders = []
        for entry in entries:
            path = Path(entry.path)
            if entry.name.startswith("."):
                continue
            if _is_folder(entry, follows_links=follows_links):
                folders.append((path, above | {real}))
            else:
                yield path
        waiting += reversed(folders)


def _is_folder(entry: os.DirEntry[str], *, follows_links: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follows_links)
    except OSError:  # a link to itself
        return False


def require_bounded(folder: Path, paths: Iterable[Path], most_bytes: int, what: str) -> None:
    """Raise `CourseError` if the files `paths` of `folder`, in words `what`, hold more than all may
    together."""
    n_bytes = 0
    for path in paths:
        if path.is_file():
            n_bytes += min(path.stat().st_size, LARGEST_FILE_BYTES + 1)
        if n_bytes > most_bytes:
            raise _too_much(folder, f"holds more than {most_bytes // 1024**2} MiB of {what}")


def _too_much(folder: Path, what: str) -> CourseError:
    return CourseError(what, place=Place(folder), hint="does a link lead out of the course?")


def stamp_decks(root: Path) -> Hashable:
    """Differs from an earlier one if a file of the course's decks was changed since."""
    return stamp_folder(root / "decks")


def stamp_folder(folder: Path) -> Hashable:
    """Differs from an earlier one if a file in `folder` was changed since."""
    try:
        with os.scandir(folder) as entries:
            files = [
                (entry.name, entry.stat())
                for entry in islice(entries, MOST_ENTRIES)
                if not entry.name.startswith(".")  # an editor's lock may be a link to nowhere
            ]
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
