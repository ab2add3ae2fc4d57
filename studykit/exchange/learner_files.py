"""The learner's own files beside the progress: by which names they travel, and where they lie."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from studykit.course.source import read_source, walk_files
from studykit.errors import StudykitError
from studykit.files import replace_file
from studykit.settings import Paths
from studykit.settings_file import load_settings
from studykit.text import clean

SETTINGS = "settings.toml"
_DECK = re.compile(r"decks/[a-z0-9][a-z0-9-]{0,79}\.yaml")
_PINS = re.compile(r"pins/[a-z0-9][a-z0-9-]{0,79}\.json")
_LAB = re.compile(r"bench/[a-z0-9][a-z0-9-]{0,79}/labs(?:/[a-z][a-z0-9_]{0,79}){2}\.py")

LARGEST_FILE_BYTES = 4 * 1024**2
MOST_FILES = 2000
"""Of one learner; a backup or document with more is none of ours."""


def place_of(name: str, paths: Paths) -> Path:
    """Where a file that travels as `name` lies; raises `StudykitError` for any other name.

    No name leads out of the learner's folder, and none to what is not the learner's own.
    """
    if name == SETTINGS:
        return paths.settings_file
    if _is_in_a_folder(name):
        return paths.data_dir / name
    hint = "settings.toml, decks/NAME.yaml, pins/NAME.json or bench/COURSE/labs/FOLDER/NAME.py"
    raise StudykitError(f"no file of a learner is called {clean(name)[:80]!r}", hint=hint)


def _is_in_a_folder(name: str) -> bool:
    """Whether it is the name of a file of the learner's, other than the settings."""
    return any(pattern.fullmatch(name) for pattern in (_DECK, _PINS, _LAB))


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
            if _is_in_a_folder(name):
                yield name, read_source(path, LARGEST_FILE_BYTES)


class Placed(NamedTuple):
    """What became of files that came along."""

    written: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    """Others lie there, and stay."""
    left: tuple[str, ...] = ()
    """Programs that nobody has said to trust."""


def put_files(
    files: Mapping[str, str], paths: Paths, *, trusted: bool, dry_run: bool = False
) -> Placed:
    """Write each file where none lies; no file is written over.

    Raises `StudykitError` for a name that is none of ours, or settings that cannot be read, and
    `OSError`; nothing is written then that was not written before.
    """
    found: dict[str, list[str]] = {"written": [], "kept": [], "left": []}
    for name, text in files.items():
        path = place_of(name, paths)
        if is_program(name) and not trusted:
            found["left"].append(name)
        elif path.exists() or path.is_symlink():
            if not path.is_file() or read_source(path, LARGEST_FILE_BYTES) != text:
                found["kept"].append(name)
        else:
            found["written"].append(name)
    if SETTINGS in found["written"]:
        _require_settings(files[SETTINGS])
    for name in () if dry_run else found["written"]:
        path = place_of(name, paths)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, files[name])
    return Placed(**{key: tuple(names) for key, names in found.items()})


def _require_settings(text: str) -> None:
    with TemporaryDirectory(prefix="studykit-") as folder:
        path = Path(folder, SETTINGS)
        path.write_text(text, encoding="utf-8")
        load_settings(path)
