"""The learner's own files beside the progress: by which names they travel, and where they lie."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from studykit.course.source import read_source, walk_files
from studykit.errors import StudykitError
from studykit.settings import Paths
from studykit.text import clean

SETTINGS = "settings.toml"
_DECK = re.compile(r"decks/[a-z0-9][a-z0-9-]{0,79}\.yaml")
_PINS = re.compile(r"pins/[a-z0-9][a-z0-9-]{0,79}\.json")
_LAB = re.compile(r"bench/[a-z0-9][a-z0-9-]{0,79}/labs(?:/[a-z][a-z0-9_]{0,79}){2}\.py")

LARGEST_FILE_BYTES = 4 * 1024**2


def place_of(name: str, paths: Paths) -> Path:
    """Where a file that travels as `name` lies; raises `StudykitError` for any other name.

    No name leads out of the learner's folder, and none to what is not the learner's own.
    """
    if name == SETTINGS:
        return paths.settings_file
    if any(pattern.fullmatch(name) for pattern in (_DECK, _PINS, _LAB)):
        return paths.data_dir / name
    hint = "settings.toml, decks/NAME.yaml, pins/NAME.json or bench/COURSE/labs/FOLDER/NAME.py"
    raise StudykitError(f"no file of a learner is called {clean(name)[:80]!r}", hint=hint)


def is_program(name: str) -> bool:
    """Whether the file is run by somebody who opens what it belongs to."""
    return name.startswith("bench/")


def learner_files(paths: Paths) -> Iterator[tuple[str, str]]:
    """Name and text of each file that is there; raises `StudykitError` for one it cannot read."""
    if paths.settings_file.is_file():
        yield SETTINGS, read_source(paths.settings_file, LARGEST_FILE_BYTES)
    for folder in (paths.own_decks_dir, paths.pins_dir, paths.bench_dir):
        for path in walk_files(folder):
            name = path.relative_to(paths.data_dir).as_posix()
            if any(pattern.fullmatch(name) for pattern in (_DECK, _PINS, _LAB)):
                yield name, read_source(path, LARGEST_FILE_BYTES)
