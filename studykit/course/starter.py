"""A course to begin with: one deck, one lab, written into a folder of the author's."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

from studykit.course.decks import LONGEST_TITLE
from studykit.errors import UsageError
from studykit.text import first_suspect

LAB = "first/averages"
"""Its lab, which needs no package."""
_STARTER = Path(__file__).resolve().parent.parent / "_starter"
_ID, _TITLE = "my-course", "My course"
"""What the course is called in its files, before it gets its own name."""


def write_starter(folder: Path, title: str) -> None:
    """Write the course into `folder`, which must be empty or not there, under its own names.

    It is whole but for its recorded results. Raises `UsageError` for a folder or a title that
    cannot be used; then nothing is written.
    """
    if len(title) > LONGEST_TITLE or first_suspect(title) is not None or not title.strip():
        raise UsageError(f"--title of {len(title)} characters", hint="a line, at most 200")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", hint="name a folder that is not there yet")
    if not folder.is_dir() and (folder.is_symlink() or folder.exists()):
        raise UsageError(f"{folder} is a file", hint="name a folder that is not there yet")
    try:
        _write(folder, title)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}") from None


def _write(folder: Path, title: str) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        course = Path(temporary, "course")
        for path in _STARTER.rglob("*.*"):
            if path.suffix not in (".md", ".yaml", ".py"):
                continue
            text = path.read_text(encoding="utf-8").replace(_ID, course_id(folder.name))
            quoted = title if path.suffix == ".md" else json.dumps(title, ensure_ascii=False)
            # Written anew, not copied: what is installed may be read-only.
            copy = course / path.relative_to(_STARTER)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(text.replace(_TITLE, quoted), encoding="utf-8")
        course.rename(folder)


def course_id(name: str) -> str:
    """An id for the course in a folder of this name."""
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:40].rstrip("-") or "course"
