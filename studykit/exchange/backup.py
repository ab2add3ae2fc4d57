"""Everything that is the learner's in one zip archive, and the way back.

The progress as SQLite copies it, settings, own cards, pinned questions, and changed labs.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from studykit.errors import StudykitError
from studykit.exchange.archives import Archive, open_archive
from studykit.exchange.learner_files import (
    LARGEST_FILE_BYTES,
    MOST_FILES,
    learner_files,
    place_of,
)
from studykit.files import drafted
from studykit.progress.backups import copy_database
from studykit.progress.database import explained
from studykit.settings import Paths
from studykit.text import clean

DATABASE = "progress.sqlite3"

PREFIX = "studykit-"
"""How the name of a backup begins that was given none."""

_WHAT = "backup of studykit"

_ZIP_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class Backup:
    """An archive that was opened and found harmless."""

    database: Path | None
    """The progress, in a private folder; None if there was none yet."""
    files: Mapping[str, str]
    """Name, as `learner_files.place_of` knows it -> text."""


def write_backup(paths: Paths, target: Path, at: datetime) -> list[str]:
    """Write the archive `target`, whole or not at all; the names of what is in it.

    Raises `StudykitError` if there is nothing to keep or something cannot be read or written.
    """
    files = dict(learner_files(paths))
    if not files and not paths.database.exists():
        raise StudykitError(
            f"there is nothing to back up in {clean(str(paths.data_dir))}",
            hint="the first answer makes a progress",
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            TemporaryDirectory(prefix="studykit-") as folder,
            drafted(target) as draft,
            zipfile.ZipFile(draft, "x", zipfile.ZIP_DEFLATED) as archive,
        ):
            if paths.database.exists():
                copy = Path(folder) / DATABASE
                with explained(paths.database, paths.backups_dir):
                    copy_database(paths.database, copy)
                archive.write(copy, DATABASE)
            for name, text in files.items():
                entry = zipfile.ZipInfo(name, at.timetuple()[:6])
                archive.writestr(entry, text, zipfile.ZIP_DEFLATED)
            return archive.namelist()
    except OSError as error:
        what = f"{clean(str(target))} cannot be written: {error.strerror}"
        raise StudykitError(what, hint="name a place that you may write") from error


def is_backup(path: Path) -> bool:
    """Whether a file is meant as one: by its ending, or by how it begins, whatever its name."""
    if path.suffix == ".zip":
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC


@contextmanager
def opened_backup(path: Path, paths: Paths) -> Iterator[Backup]:
    """What a backup holds, unpacked within bounds; raises `StudykitError` if it is none."""
    with TemporaryDirectory(prefix="studykit-") as folder, open_archive(path, _WHAT) as archive:
        names = archive.entries.keys() - {DATABASE}
        if len(names) > MOST_FILES:
            raise archive.refused(f"it holds more than {MOST_FILES:,} files")
        for name in names:
            place_of(name, paths)
        files = {name: _text_of(archive, name) for name in sorted(names)}
        yield Backup(_unpacked(archive, Path(folder)) if DATABASE in archive else None, files)


@contextmanager
def unpacked_database(path: Path) -> Iterator[Path]:
    """The progress in a backup, in a private folder; raises `StudykitError` if there is none."""
    with TemporaryDirectory(prefix="studykit-") as folder, open_archive(path, _WHAT) as archive:
        yield _unpacked(archive, Path(folder))


def _unpacked(archive: Archive, folder: Path) -> Path:
    copy = folder / DATABASE
    with archive.open(DATABASE) as source:
        archive.unpack(source, copy)
    return copy


def _text_of(archive: Archive, name: str) -> str:
    try:
        return archive.read(name, LARGEST_FILE_BYTES).decode()
    except UnicodeDecodeError:
        raise archive.refused(f"{clean(name)} in it is no text") from None
