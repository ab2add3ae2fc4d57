"""The bench: the learner's own versions of the course's labs, to change and to compare.

A version is a copy of one file. It runs as the lab that it was copied from would, with the same
helper modules of the course, and is kept apart from it: its runs are no evidence for a card.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from studykit.course.cards import OWN_PREFIX, Course, LabHeader
from studykit.course.labs import load_lab_header
from studykit.course.source import read_source
from studykit.errors import CourseError, StudykitError
from studykit.files import replace_file
from studykit.text import clean

_RUN = re.compile(r"^(async )?def run\b", re.MULTILINE)


class Bench:
    """The learner's own versions of the labs of one course, in files below `folder`."""

    def __init__(self, course: Course, folder: Path) -> None:
        self._course = course
        self._root = folder / course.id

    def path(self, lab_id: str) -> Path:
        """Where the own version of the course's lab lies, if there is one."""
        return self._root / "labs" / f"{lab_id}.py"

    def has(self, lab_id: str) -> bool:
        """Whether there is an own version of the course's lab, broken or not."""
        return self.path(lab_id).is_file()

    def copy(self, lab_id: str) -> Path:
        """The file of the own version, made from the course's lab if there is none yet.

        Raises `StudykitError` if it cannot be written, or the lab not be read.
        """
        path = self.path(lab_id)
        if not path.exists():
            source = read_source(self._course.labs[lab_id].path)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                replace_file(path, source)
            except OSError as error:
                what = f"{clean(str(path))} cannot be written: {error.strerror}"
                raise StudykitError(what) from None
        return path

    def load(self, lab_id: str) -> LabHeader:
        """The own version of the course's lab as it is now.

        Raises `CourseError` with its first mistake, or if there is none.
        """
        header = load_lab_header(self.path(lab_id), self._root)
        return replace(header, id=OWN_PREFIX + header.id)

    def each_with_own(self) -> list[LabHeader]:
        """The labs of the course, each followed by the own version if that has no mistake."""
        found = []
        for lab_id, lab in self._course.labs.items():
            found.append(lab)
            if self.has(lab_id):
                with suppress(CourseError):  # it is told where it is edited
                    found.append(self.load(lab_id))
        return found


def first_line(source: str) -> int:
    """Where to begin to read a lab: the index of the line of `run`, or 0."""
    found = _RUN.search(source)
    return source.count("\n", 0, found.start()) if found else 0
