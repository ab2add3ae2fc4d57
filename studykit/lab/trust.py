"""Whether a course's labs may be run: its own code is asked about once, and again when it changes.

The hash tells that the labs are still those the learner agreed to. It is no sandbox: a lab may do
whatever its learner may.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import json
import os
from pathlib import Path

from studykit.errors import CourseError, Place
from studykit.files import replace_file
from studykit.settings import bundled_course_root

TRUST_FILE = "trusted.json"


def course_hash(root: Path) -> str:
    """A hash of everything below labs/ that Python could import, names and contents.

    Raises `CourseError` for a file that cannot be read.
    """
    digest = hashlib.sha256()
    folder = root / "labs"
    for path in _code_files(folder):
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CourseError(f"cannot be read: {error.strerror}", place=Place(path)) from None
        name = os.fsencode(path.relative_to(folder))
        # Lengths first, so that no two courses run together into the same bytes.
        digest.update(b"%d %d " % (len(name), len(content)) + name + content)
    return digest.hexdigest()


def _code_files(folder: Path) -> list[Path]:
    suffixes = tuple(importlib.machinery.all_suffixes())
    found = []
    seen = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        # Links are followed as an import does, but never in a circle.
        real = os.path.realpath(parent)
        if real in seen or Path(parent).name == "__pycache__":
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        found += [Path(parent, name) for name in files if name.endswith(suffixes)]
    return sorted(found)


def is_trusted(root: Path, data_dir: Path) -> bool:
    """True for the bundled course, and for one that is as it was when it was remembered."""
    if root.resolve() == bundled_course_root().resolve():
        return True
    return _load(data_dir).get(str(root.resolve())) == course_hash(root)


def remember(root: Path, data_dir: Path) -> None:
    """Note that the learner trusts the labs of `root` as they are now."""
    known = {**_load(data_dir), str(root.resolve()): course_hash(root)}
    data_dir.mkdir(parents=True, exist_ok=True)
    document = {"format": 1, "courses": dict(sorted(known.items()))}
    replace_file(data_dir / TRUST_FILE, json.dumps(document, indent=1) + "\n")


def _load(data_dir: Path) -> dict[str, str]:
    """Path of a course -> the hash that was trusted; a damaged file trusts no course."""
    try:
        document = json.loads((data_dir / TRUST_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    match document:
        case {"format": 1, "courses": dict(courses)}:
            return {path: known for path, known in courses.items() if isinstance(known, str)}
    return {}
