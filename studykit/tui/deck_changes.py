"""Decks that were changed on the disk while the app is open: noticed, and taken up. No widget."""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from studykit.course.cards import Card
from studykit.errors import CourseError
from studykit.tui.words import plural

if TYPE_CHECKING:
    from studykit.tui.services import Services


def stamp(root: Path) -> Hashable:
    """Differs from an earlier one if a file of the course's decks was changed since."""
    try:
        with os.scandir(root / "decks") as entries:
            files = [(entry.name, entry.stat()) for entry in entries]
    except OSError:
        return None
    return frozenset((name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in files)


def read_again(services: Services, deck: Path | None = None) -> None:
    """Take up the course as it is now; raises `CourseError` and leaves it if a deck broke.

    With `deck` any mistake in that one counts; without, only one that costs a whole deck which
    could be read before.
    """
    # What reads decks is loaded when one is read: the course may have come from a cache.
    from studykit.course.decks import read_course
    from studykit.course.source import one_line

    old, root = services.course, services.course.root
    services.deck_stamp = stamp(root)
    course, errors = read_course(root)
    readable = {each.path for each in course.decks}
    broken = {each.path for each in old.decks} - readable if deck is None else {deck}
    for error in errors:
        if error.place is not None and error.place.path in broken:
            # Short, for the status line.
            place = replace(error.place, path=error.place.path.relative_to(root))
            raise CourseError(error.what, place=place, hint=error.hint)
    services.course = replace(course, problems=tuple(one_line(error) for error in errors))
    services.cards = services.course.cards


def look_again(services: Services) -> str:
    """What became of decks that were changed on the disk, in one line; empty if none was.

    A deck that broke leaves all as it was, until its file changes again.
    """
    if stamp(services.course.root) == services.deck_stamp:
        return ""
    before = services.cards
    try:
        read_again(services)
    except CourseError as error:
        return f"! the changed decks are not taken over, the old cards stay: {error}"
    return _describe(before, services.cards)


def _describe(before: Mapping[str, Card], after: Mapping[str, Card]) -> str:
    n_new, n_gone = len(after.keys() - before.keys()), len(before.keys() - after.keys())
    common = before.keys() & after.keys()
    # A card that has only moved in its file is the same.
    n_other = sum(replace(before[id_], place=after[id_].place) != after[id_] for id_ in common)
    parts = [
        f"{plural(n_other, 'card')} changed" if n_other else "",
        f"{n_new} new" if n_new else "",
        f"{n_gone} gone, answers kept" if n_gone else "",
    ]
    told = ", ".join(part for part in parts if part)
    return f"The decks were changed: {told}" if told else ""
