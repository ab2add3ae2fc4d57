"""Whether a course's labs may be run: its code is asked about once, and again when it changes.

The hash tells that the labs are still those the learner agreed to. It is no sandbox: a lab may do
whatever its learner may. A course of the learner's own is not asked about again.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from studykit.course.source import walk_files
from studykit.errors import CourseError, Place
from studykit.files import locked, open_regular, replace_file
from studykit.lab.importing import PACKAGE, SUFFIXES
from studykit.settings import bundled_course_root

TRUST_FILE = "trusted.json"
MOST_CODE_BYTES = 256 * 1024**2
"""Of all files that can be imported."""
_LARGEST_BYTES = 1024**2
"""Of what was remembered: some thousand courses."""
_CHUNK_BYTES = 1024**2


@dataclass(frozen=True)
class _Known:
    """What the learner has agreed to, courses by their path."""

    courses: dict[str, str]
    """Course -> the hash that was trusted."""
    own: frozenset[str]
    """Courses whose labs are the learner's own, however they change."""


def course_hash(root: Path) -> str:
    """A hash of everything that a lab can import of its course, names and contents.

    Raises `CourseError` for a file that cannot be read, and for more than a course may hold.
    """
    digest = hashlib.sha256()
    folder = root / PACKAGE
    n_left = MOST_CODE_BYTES
    # Links are followed as an import follows them.
    for path in walk_files(folder, follows_links=True):
        if not path.name.endswith(SUFFIXES):
            continue  # nor is a cache of bytecode ever read
        content = hashlib.sha256()
        n_bytes = 0
        try:
            with open_regular(path) as file:
                while n_bytes <= n_left and (chunk := file.read(_CHUNK_BYTES)):
                    content.update(chunk)
                    n_bytes += len(chunk)
        except OSError as error:
            raise CourseError(f"cannot be read: {error.strerror}", place=Place(path)) from None
        n_left -= n_bytes
        if n_left < 0:
            what = f"labs of more than {MOST_CODE_BYTES // 1024**2} MiB"
            hint = "does a link lead out of the course?"
            raise CourseError(what, place=Place(folder), hint=hint)
        name = os.fsencode(path.relative_to(folder))
        # Lengths first, so that no two courses run together into the same bytes.
        digest.update(b"%d %d " % (len(name), n_bytes) + name + content.digest())
    return digest.hexdigest()


def is_trusted(root: Path, data_dir: Path) -> bool:
    """True for the bundled course, the learner's own, and one that is as it was remembered.

    Raises `CourseError` as `course_hash` does.
    """
    root = root.resolve()
    known = _load(data_dir)
    if root == bundled_course_root().resolve() or str(root) in known.own:
        return True
    return str(root) in known.courses and known.courses[str(root)] == course_hash(root)


def remember(root: Path, data_dir: Path, *, as_own: bool = False) -> None:
    """Note that the learner trusts the labs of `root`: as they are now, or however they change.

    Raises `CourseError` as `course_hash` does, and `OSError` if nothing can be written.
    """
    path = str(root.resolve())
    hash_ = "" if as_own else course_hash(root)
    data_dir.mkdir(parents=True, exist_ok=True)
    with locked(data_dir):
        known = _load(data_dir)
        document = {
            "format": 1,
            "courses": known.courses if as_own else {**known.courses, path: hash_},
            "own": sorted(known.own | {path} if as_own else known.own),
        }
        replace_file(data_dir / TRUST_FILE, json.dumps(document, indent=1, sort_keys=True) + "\n")


def _load(data_dir: Path) -> _Known:
    """What was remembered; a damaged file trusts no course."""
    try:
        with open_regular(data_dir / TRUST_FILE) as file:
            document = json.loads(file.read(_LARGEST_BYTES))
    except (OSError, ValueError, RecursionError):
        document = None
    match document:
        case {"format": 1, "courses": dict(courses), **others}:
            known = {path: hash_ for path, hash_ in courses.items() if isinstance(hash_, str)}
            own = others.get("own")
            paths = own if isinstance(own, list) else []
            return _Known(known, frozenset(path for path in paths if isinstance(path, str)))
    return _Known({}, frozenset())
