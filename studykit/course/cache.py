"""A cache of the course as it was read last time, so that a start need not read its YAML again.

It is used for the very bytes that it was read from and no others: its name for them is a hash of
every deck and lab, of where they lie, and of the program that reads them. While the file system
says that none of these files was changed since they were hashed, they are not hashed again. The
cache is plain JSON with checksums. Whatever is wrong with it, it is left aside and the course is
read as ever.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studykit import __version__
from studykit.course.cover import Cover, DeckCover
from studykit.course.source import LARGEST_FILE_BYTES, MOST_DECK_BYTES, MOST_PYTHON_BYTES
from studykit.files import drafted, open_regular

FORMAT = 3
COVER, FRAME, CONTENTS, FIRST_DECK = 1, 2, 3, 4
"""Lines of the file below the name of the content and the stamp of its files; from the last on each
has a deck."""
SETTLED_S = 2.0
"""A file that was changed so short a time ago may be changed again without another time."""
NO_STAMP = "-" * 64
FOLDER = "courses"
"""Where they lie in the folder of the learner's data."""

if TYPE_CHECKING:
    from studykit.course.cards import Course
    from studykit.course.contents import Contents

_PROGRAM = Path(__file__).parent
_BROKEN = (OSError, ValueError, TypeError, KeyError, RecursionError)
"""What reading a damaged file may raise."""


class CourseReader:
    """The course below `root`, from the cache in `data_dir` or else from its files.

    It writes there only if it `may_write`. Both properties raise `CourseError` as `load_course`
    does.
    """

    def __init__(self, root: Path, data_dir: Path, *, may_write: bool = True) -> None:
        self.root = root
        self._data_dir = data_dir
        self._may_write = may_write

    @cached_property
    def cover(self) -> Cover:
        """What is shown first; of a cached course it takes no more than a look."""
        with suppress(*_BROKEN):
            title, decks, problems = next(self._cached(COVER))
            return Cover(title, tuple(DeckCover(*deck) for deck in decks), tuple(problems))
        return self.course.cover

    @cached_property
    def course(self) -> Course:
        """All of it."""
        # Imported here, as the parser below: the first paint waits for neither.
        from studykit.course.serialisation import unpack_course

        with suppress(*_BROKEN):
            return unpack_course(self._cached(FRAME, FIRST_DECK, and_on=True), self.root)
        from studykit.course.decks import load_course

        # Before anything is read: `_write` asks whether it is still the same.
        _ = self._stamp, self._key
        course = load_course(self.root)
        self._write(course)
        return course

    @cached_property
    def contents(self) -> Contents:
        """What it lists, without the texts of its cards."""
        from studykit.course.serialisation import pack_contents, pack_course, unpack_contents

        if "course" not in self.__dict__:
            with suppress(*_BROKEN):
                frame, listed = self._cached(FRAME, CONTENTS)
                return unpack_contents(frame, listed, self.root)
        frame = next(pack_course(replace(self.course, decks=())))
        return unpack_contents(frame, pack_contents(self.course), self.root)

    @cached_property
    def _key(self) -> str:
        """The name of the course's present content; empty if it cannot be cached."""
        try:
            return course_key(self.root)
        except OSError:
            return ""

    @property
    def _path(self) -> Path:
        name = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:16]
        return self._data_dir / FOLDER / f"{name}.json"

    def _cached(self, *numbers: int, and_on: bool = False) -> Iterator[Any]:
        """What these lines of the cache file hold, in ascending order, one by one; `and_on`: and
        all that come after them.

        Raises one of `_BROKEN` if there is none of the present content or one is damaged.
        """
        with open_regular(self._path) as file:
            self._require_present(file.readline())
            for number, line in enumerate(file, start=1):
                if number in numbers or (and_on and number > numbers[-1]):
                    yield _unsealed(line)
                if number >= numbers[-1] and not and_on:
                    break

    def _require_present(self, line: bytes) -> None:
        """Raises `ValueError` unless the cache is of the present content, by its first line."""
        key, stamp = line.decode("ascii").split()
        if stamp != NO_STAMP and stamp == self._stamp:
            return
        if key != self._key:
            raise ValueError("of another content")
        if self._stamp != stamp and self._may_write:
            # The next start then need not hash these files. Both lines are of the same length.
            with suppress(OSError), self._path.open("r+b") as file:
                file.write(_first_line(key, self._stamp))

    @cached_property
    def _stamp(self) -> str:
        """Of the files before they are read."""
        try:
            return course_stamp(self.root)
        except OSError:
            return NO_STAMP

    def _write(self, course: Course) -> None:
        """Cache what was just read, where that is possible and nothing was changed meanwhile."""
        if not self._key or not self._may_write:
            return
        from studykit.course.serialisation import pack_contents, pack_course

        cover = course.cover
        decks = [(deck.id, deck.title, deck.n_cards) for deck in cover.decks]
        parts = pack_course(course)
        first = _first_line(self._key, self._stamp)
        seen = [cover.title, decks, cover.problems]
        with suppress(OSError, ValueError):
            if course_key(self.root) == self._key:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with drafted(self._path) as draft, draft.open("xb") as file:
                    file.write(first + _sealed(seen))
                    file.write(_sealed(next(parts)) + _sealed(pack_contents(course)))
                    file.writelines(map(_sealed, parts))


def course_key(root: Path) -> str:
    """A hash of all that `load_course` depends on; raises `OSError` for a file it cannot read."""
    digest = hashlib.sha256(_program_and_place(root))
    n_left = MOST_DECK_BYTES + MOST_PYTHON_BYTES
    for path in _files(root):
        with open_regular(path) as file:
            content = file.read(LARGEST_FILE_BYTES + 1)  # as much as the parser looks at
        n_left -= len(content)
        if n_left < 0:
            raise OSError("more than a course may hold")
        # Lengths first, so that no two courses run together into the same bytes.
        name = os.fsencode(path.relative_to(root))
        digest.update(b"%d %d " % (len(name), len(content)) + name)
        digest.update(content)
    return digest.hexdigest()


def course_stamp(root: Path) -> str:
    """Another one once a file was changed, moved or put back since, as the file system tells it.

    `NO_STAMP` if one was changed just now. Raises `OSError` for a file it cannot look at.
    """
    digest = hashlib.sha256(_program_and_place(root))
    latest_ns = 0
    for path in _files(root):
        status = path.stat()
        # The time of the last change, unlike that of the last writing, cannot be set.
        numbers = (status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns)
        digest.update(f"{numbers} {status.st_mtime_ns} ".encode() + os.fsencode(path) + b"\0")
        latest_ns = max(latest_ns, status.st_ctime_ns)
    is_settled = time.time_ns() - latest_ns > SETTLED_S * 1e9
    return digest.hexdigest() if is_settled else NO_STAMP


def _files(root: Path) -> list[Path]:
    return sorted([*(root / "decks").glob("*.yaml"), *(root / "labs").glob("*/*.py")])


def _program_and_place(root: Path) -> bytes:
    program = f"{FORMAT} {__version__} {sys.version_info[:2]}"
    parts = [program.encode() + os.fsencode(root)]
    for path in sorted([*_PROGRAM.glob("*.py"), *_PROGRAM.parent.glob("*.py")]):
        status = path.stat()
        parts.append(f"{path.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return b"".join(parts)


def _first_line(key: str, stamp: str) -> bytes:
    return f"{key} {stamp}\n".encode()


def _unsealed(line: bytes) -> Any:
    seal, text = line[:8], line[9:].removesuffix(b"\n")
    if seal != b"%08x" % zlib.crc32(text):
        raise ValueError("damaged")
    return json.loads(text)


def _sealed(data: object) -> bytes:
    """A line."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return b"%08x %b\n" % (zlib.crc32(text), text)
