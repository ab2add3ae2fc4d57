"""The formats that `studykit import` reads into a `Collection`, each by a module of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from studykit.errors import UsageError
from studykit.exchange.circumstances import Circumstances
from studykit.exchange.collection import Collection
from studykit.text import clean

Reader = Callable[[Path, Circumstances], Collection]
"""Raises `StudykitError` for a file that it cannot read; it writes nothing."""


# Imported here one by one: each brings a package or a parser that the others do not need.


def _read_markdown(path: Path, circumstances: Circumstances) -> Collection:
    from studykit.exchange.markdown_decks import read_markdown

    return read_markdown(path, circumstances)


def _read_table(path: Path, circumstances: Circumstances) -> Collection:
    from studykit.exchange.tables_in import read_table

    return read_table(path, circumstances)


def _read_anki(path: Path, circumstances: Circumstances) -> Collection:
    from studykit.exchange.anki_reader import read_anki

    return read_anki(path, circumstances)


READERS: Mapping[str, Reader] = {
    "anki": _read_anki,
    "anki-text": _read_table,
    "csv": _read_table,
    "markdown": _read_markdown,
    "tsv": _read_table,
}
"""Name of a format, as `--format` takes it -> its reader."""

ENDINGS: Mapping[str, str] = {
    ".apkg": "anki",
    ".colpkg": "anki",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "anki-text",
    ".md": "markdown",
    ".markdown": "markdown",
}
"""Ending of a file -> name of the format that it is read as."""


def format_of(path: Path) -> str:
    """The format that a file is in, by its ending; a folder holds decks of Markdown.

    Raises `UsageError` for an ending that stands for none.
    """
    if path.is_dir():
        return "markdown"
    try:
        return ENDINGS[path.suffix.lower()]
    except KeyError:
        known = ", ".join((*ENDINGS, ".json"))
        what = f"{clean(str(path))} ends in none of {known}"
        raise UsageError(what, hint="name its format with --format") from None
