"""Zip archives from elsewhere: looked at before anything is unpacked, and unpacked within bounds.

What an archive says of itself may be false, so every bound is kept again while bytes come out.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir
from typing import IO, BinaryIO

from studykit.errors import StudykitError
from studykit.files import open_regular
from studykit.text import clean, size_in_words

MOST_ENTRIES = 200_000
"""Files in an archive; the largest shared decks have some ten thousand pictures and sounds."""
LONGEST_NAME = 1_000
MOST_BYTES = 4 * 1024**3
"""Of one file that is unpacked."""
HIGHEST_RATIO = 200
"""Bytes that come out for each that goes in. A database packs ten to forty times smaller."""
FREE_BYTES = 16 * 1024**2
"""So much may come out at any ratio: a small file of one letter is no bomb."""

_CHUNK = 1024**2
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
"""Bit of an entry's flags."""


class Archive:
    """A zip archive whose table of contents has been found harmless."""

    def __init__(self, path: Path, file: zipfile.ZipFile) -> None:
        self.path = path
        self._file = file
        self.entries = {info.filename: info for info in _checked(path, file.infolist())}

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def read(self, name: str, most: int) -> bytes:
        """All of a small file; raises `StudykitError` if it holds more than `most` bytes."""
        with self.open(name) as source:
            data = source.read(most + 1)
        if len(data) > most:
            raise self.refused(f"{clean(name)} holds more than {size_in_words(most)}")
        return data

    @contextmanager
    def open(self, name: str) -> Iterator[BoundedReader]:
        """A file to be read from its beginning; raises `StudykitError` for one that is damaged."""
        if name not in self.entries:
            raise self.refused(f"{clean(name)} is missing")
        try:
            with self._file.open(self.entries[name]) as source:
                packed = self.entries[name].compress_size
                yield BoundedReader(source, self.path, name, packed)
        except OSError as error:
            what = f"{clean(name)} of {clean(str(self.path))} cannot be unpacked: {error.strerror}"
            hint = f"it needs room below {gettempdir()}; nothing was written"
            raise StudykitError(what, hint=hint) from None
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise self.refused(f"{clean(name)} in it is damaged: {clean(str(error))}") from None

    def unpack(self, source: IO[bytes] | BoundedReader, target: Path) -> None:
        """Write all that `source` still holds into the new file `target`."""
        with target.open("xb") as file:
            while chunk := source.read(_CHUNK):
                file.write(chunk)

    def refused(self, what: str) -> StudykitError:
        """The error of this archive."""
        return _refused(self.path, what)


class BoundedReader:
    """Bytes that come out of something packed, until there are too many of them."""

    def __init__(self, source: IO[bytes], path: Path, name: str, n_packed: int) -> None:
        self._source = source
        self._path, self._name = path, name
        self._most = min(MOST_BYTES, max(FREE_BYTES, HIGHEST_RATIO * n_packed))
        self._n = 0

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size`; raises `StudykitError` past the bound."""
        data = self._source.read(size if size >= 0 else self._most + 1)
        self._n += len(data)
        if self._n > self._most:
            what = f"{clean(self._name)} in it unpacks to more than {size_in_words(self._most)}"
            raise _refused(self._path, what)
        return data


@contextmanager
def open_archive(path: Path, what: str) -> Iterator[Archive]:
    """The archive at `path`, which is called `what` where it turns out to be none.

    Raises `StudykitError` for a file that cannot be read, is no archive, or holds what no honest
    one holds: too many files, names that lead elsewhere, links, a password.
    """
    try:
        file: BinaryIO = open_regular(path)
    except OSError as error:
        raise StudykitError(f"{clean(str(path))} cannot be read: {error.strerror}") from None
    with file:
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, zlib.error, ValueError, OSError, NotImplementedError) as error:
            hint = "is the download whole?"
            detail = clean(str(error)).splitlines()[0] if str(error) else "it ends too early"
            raise StudykitError(f"{clean(str(path))} is no {what}: {detail}", hint=hint) from None
        with archive:
            yield Archive(path, archive)


def _checked(path: Path, infos: list[zipfile.ZipInfo]) -> Iterator[zipfile.ZipInfo]:
    if len(infos) > MOST_ENTRIES:
        raise _refused(path, f"it holds more than {MOST_ENTRIES:,} files")
    seen: set[str] = set()
    for info in infos:
        name = info.filename
        if len(name) > LONGEST_NAME or not _stays_inside(name):
            raise _refused(path, f"the name {clean(name[:60])!r} in it leads elsewhere")
        if name in seen:
            raise _refused(path, f"{clean(name)} stands twice in it")
        if info.flag_bits & _ENCRYPTED:
            raise _refused(path, f"{clean(name)} in it needs a password")
        if info.compress_type not in _METHODS:
            raise _refused(path, f"{clean(name)} in it is packed in an unknown way")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise _refused(path, f"{clean(name)} in it is a link")
        if info.file_size > max(FREE_BYTES, HIGHEST_RATIO * info.compress_size):
            raise _refused(path, f"{clean(name)} in it is packed {HIGHEST_RATIO} times or more")
        seen.add(name)
        yield info


def _stays_inside(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return not (name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in name)


def _refused(path: Path, what: str) -> StudykitError:
    return StudykitError(f"{clean(str(path))} is refused: {what}", hint="nothing was written")
