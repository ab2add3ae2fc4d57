"""Anki packages, ``.apkg`` and ``.colpkg``: which of the three formats, its database, its media.

===========  ==========================  ===================  ==========================
format       database                    schema               media
===========  ==========================  ===================  ==========================
1, Legacy 1  ``collection.anki2``        11, JSON             JSON, number -> name
2, Legacy 2  ``collection.anki21``       11, JSON             JSON, number -> name
3, Latest    ``collection.anki21b``      18, Protobuf; zstd   Protobuf in zstd
===========  ==========================  ===================  ==========================

``meta`` says which of them it is; a package without it is Legacy 2 if it has the file, else
Legacy 1. Formats 2 and 3 carry a ``collection.anki2``, too, that holds one note, "please update".
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple, cast

from studykit.errors import StudykitError
from studykit.exchange.archives import MOST_ENTRIES, Archive, BoundedReader, open_archive
from studykit.exchange.foreign_database import open_foreign
from studykit.exchange.protobuf import read_fields
from studykit.text import clean

DATABASES = {1: "collection.anki2", 2: "collection.anki21", 3: "collection.anki21b"}
"""Format -> the file that holds the collection."""

MOST_MEDIA_BYTES = 64 * 1024**2
"""Of the list of media."""
LARGEST_WINDOW = 128 * 1024**2
"""Bytes that a zstd frame may make its reader remember; Anki's take 8 MiB at most."""


class Package(NamedTuple):
    """An opened package."""

    database: sqlite3.Connection
    media: tuple[str, ...]
    """Names of its pictures and sounds."""
    has_protobuf: bool
    """Note types and decks stand in tables of their own, not as JSON in ``col``."""


@contextmanager
def open_package(path: Path) -> Iterator[Package]:
    """The package at `path`; its database lies in a private folder while the block lasts.

    Raises `StudykitError` for what is no package, or one of a format to come.
    """
    with (
        TemporaryDirectory(prefix="studykit-anki-") as folder,
        open_archive(path, "Anki package") as archive,
    ):
        version = _format_of(archive)
        database = Path(folder, "collection")
        with archive.open(DATABASES[version]) as source:
            _unpack(archive, source, database, DATABASES[version], is_packed=version == 3)
        media = _media_of(archive, version) if "media" in archive else ()
        with open_foreign(database, path, {"unicase": _compare}) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if missing := {"col", "notes", "cards", "revlog"} - tables:
                what = f"its database has no table {min(missing)}"
                raise StudykitError(f"{clean(str(path))} is no Anki package: {what}")
            yield Package(connection, media, "notetypes" in tables)


def _format_of(archive: Archive) -> int:
    if "meta" in archive:
        try:
            version = dict(read_fields(archive.read("meta", 1024))).get(1)
        except ValueError:
            version = None
        if isinstance(version, int) and version in DATABASES:
            return version
        number = f"format {version}" if isinstance(version, int) else "its format"
        what = f"{clean(str(archive.path))}: {number} is not known"
        raise StudykitError(what, hint="export it with “Support older Anki versions”")
    for version in sorted(DATABASES, reverse=True):
        if DATABASES[version] in archive:
            return version
    what = f"{clean(str(archive.path))} is no Anki package: it holds no collection"
    raise StudykitError(what, hint="an .apkg or .colpkg that Anki has exported")


def _unpack(
    archive: Archive, source: BoundedReader, target: Path, name: str, *, is_packed: bool
) -> None:
    if not is_packed:
        archive.unpack(source, target)
        return
    import zstandard

    packed = archive.entries[name].file_size
    unpacker = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
    try:
        # Anki's frames do not say how large they become, so this goes by pieces.
        with unpacker.stream_reader(cast("IO[bytes]", source), read_across_frames=True) as unpacked:
            archive.unpack(BoundedReader(unpacked, archive.path, name, packed), target)
    except zstandard.ZstdError as error:
        raise archive.refused(f"{name} in it is damaged: {clean(str(error))}") from None


def _media_of(archive: Archive, version: int) -> tuple[str, ...]:
    """The names in the list of media, the paths of which lead nowhere: none is unpacked."""
    try:
        if version < 3:
            listed = json.loads(archive.read("media", MOST_MEDIA_BYTES) or b"{}")
            names = [str(name) for name in listed.values()]
        else:
            names = [*islice(_media_entries(archive), MOST_ENTRIES + 1)]
    except (ValueError, AttributeError, RecursionError) as error:
        reason = clean(str(error)).splitlines()[0] if str(error) else "it is no list"
        raise archive.refused(f"its list of media cannot be read: {reason}") from None
    if len(names) > MOST_ENTRIES:
        raise archive.refused(f"its list of media names more than {MOST_ENTRIES:,} files")
    return tuple(clean(name) for name in names)


def _media_entries(archive: Archive) -> Iterator[str]:
    import zstandard

    with archive.open("media") as source:
        packed = source.read(MOST_MEDIA_BYTES)
    try:
        unpacker = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW)
        with unpacker.stream_reader(packed, read_across_frames=True) as unpacked:
            data = BoundedReader(unpacked, archive.path, "media", len(packed)).read(
                MOST_MEDIA_BYTES
            )
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None
    for number, entry in read_fields(data):
        if number == 1 and isinstance(entry, bytes):
            name = dict(read_fields(entry)).get(1, b"")
            yield name.decode("utf-8", "replace") if isinstance(name, bytes) else ""


def _compare(a: str, b: str) -> int:
    """Anki's collation, by which names are equal whatever their case."""
    a, b = a.casefold(), b.casefold()
    return (a > b) - (a < b)
