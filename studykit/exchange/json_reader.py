"""Everything of a learner out of the JSON document that `json_writer` has written."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studykit.errors import StoreError, StudykitError
from studykit.exchange.circumstances import Tell, tell_nobody
from studykit.exchange.json_stream import opened_object
from studykit.exchange.json_writer import FORMAT, VERSION
from studykit.exchange.learner_files import LARGEST_FILE_BYTES, MOST_FILES, place_of
from studykit.progress.from_rows import build_database
from studykit.progress.migrations import HEAD_REVISION
from studykit.progress.table_rows import TABLES
from studykit.settings import Paths
from studykit.text import clean


@dataclass(frozen=True, slots=True)
class Learner:
    """What a document holds beside the tables, which are in a database by then."""

    files: Mapping[str, str]
    """Name, as `learner_files.place_of` knows it -> text."""
    counts: Mapping[str, int]
    """Table -> its rows."""


def read_learner(path: Path, database: Path, paths: Paths, tell: Tell = tell_nobody) -> Learner:
    """Make a database at `database` of the document's tables, and return the rest.

    Nothing else is written. Raises `StudykitError` for a document that is no such one, that a
    newer studykit has written, or that breaks a rule.
    """
    document = _Document(path, paths)
    try:
        with opened_object(path, tell) as pairs:
            counts = build_database(database, document.tables(pairs))
    except StoreError as error:
        hint = "the document was changed, or is damaged; nothing was changed here"
        if "disk is full" in error.what:
            hint = f"it needs room in {clean(str(database.parent.parent))}; nothing was changed"
        raise StudykitError(f"{clean(str(path))}: {error.what}", hint=hint) from None
    document.require_known()
    return Learner(document.files, counts)


class _Document:
    def __init__(self, path: Path, paths: Paths) -> None:
        self._path = path
        self._paths = paths
        self._head: dict[str, Any] = {}
        self.files: dict[str, str] = {}

    def tables(self, pairs: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Iterable[Any]]]:
        """Each table with its rows; the rest of the document is kept on the way."""
        seen: set[str] = set()
        for key, value in pairs:
            if key in TABLES:
                if key in seen or not isinstance(value, Iterator):
                    raise self._fault(f"{key} stands twice, or is no list")
                seen.add(key)
                yield key, value
            elif key == "files":
                self._take_files(value)
            elif key in ("format", "version", "schema"):
                self._head[key] = value
                self._require_known_so_far()

    def _require_known_so_far(self) -> None:
        """Told at once: what follows a newer head may be anything."""
        head = self._head
        if head.get("format", FORMAT) != FORMAT:
            raise self._fault(f"its format is {str(head['format'])[:40]!r}, not {FORMAT}")
        version, schema = head.get("version", VERSION), head.get("schema", HEAD_REVISION)
        if type(version) is not int or type(schema) is not str or not schema.isdecimal():
            raise self._fault("its version cannot be read")
        if version > VERSION or int(schema) > int(HEAD_REVISION):
            what = f"{clean(str(self._path))} was written by a newer studykit"
            raise StudykitError(what, hint="upgrade studykit; nothing was changed")

    def require_known(self) -> None:
        """Raises `StudykitError` if the document never said what it is."""
        if missing := {"format", "version", "schema"} - self._head.keys():
            raise self._fault(f"it has no {min(missing)}")

    def _take_files(self, value: Any) -> None:
        if not isinstance(value, dict) or len(value) > MOST_FILES:
            raise self._fault("its files are no object of names and texts")
        for name, text in value.items():
            place_of(name, self._paths)
            if not isinstance(text, str) or _size(text) > LARGEST_FILE_BYTES:
                raise self._fault(f"the file {clean(name)} is no text, or too large")
            self.files[name] = text

    def _fault(self, what: str) -> StudykitError:
        return StudykitError(
            f"{clean(str(self._path))} is no export of studykit: {clean(what)}",
            hint="`studykit export --to me.json` writes one",
        )


def _size(text: str) -> float:
    """Bytes of the text as a file; without end for half a character, which no file can hold."""
    try:
        return len(text.encode("utf-8"))
    except UnicodeEncodeError:
        return math.inf
