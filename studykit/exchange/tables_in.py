"""Cards from tables of text: CSV and TSV, with or without a header, and Anki's text."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from studykit.course.cards import HOLE, HOLES, Cloze, Recall
from studykit.course.source import read_source
from studykit.errors import CourseError, Place, StudykitError
from studykit.exchange.circumstances import Circumstances
from studykit.exchange.collection import Collection, Remark, SourceCard, SourceDeck, SourceNote
from studykit.exchange.plain_text import to_text
from studykit.exchange.spreadsheet import unguard_cell
from studykit.review.marks import Mark
from studykit.text import clean

LARGEST_FILE_BYTES = 96 * 1024**2
LONGEST_CELL = csv.field_size_limit()
"""Characters: many more than the text of a card may have; what runs on lacks its closing quote."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "key": ("id", "guid", "key"),
    "question": ("question", "front", "term", "prompt"),
    "answer": ("answer", "back", "definition", "response"),
    "explain": ("explain", "explanation", "extra", "note"),
    "source": ("source",),
    "deck": ("deck",),
    "topic": ("topic",),
    "kind": ("kind",),
    "tags": ("tags",),
    "suspended": ("suspended",),
    "flagged": ("flagged",),
}
"""What a column may be called in a header, in any case."""

_DELIMITERS = "\t,;|"
_BY_NAME = {
    "tab": "\t",
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
    "colon": ":",
    "space": " ",
}
_ANKI_LINE = re.compile(r"#(?P<key>[a-z ]+):(?P<value>.*)", re.IGNORECASE)
_ANKI_CLOZE = re.compile(r"\{\{c[0-9]+::")
_NUMBER = re.compile("[1-9][0-9]{0,5}")


@dataclass
class _Layout:
    """Which column is what."""

    delimiter: str
    columns: dict[str, int] = field(default_factory=dict)
    """Name (of `NAMES`) -> its place in a row."""
    is_html: bool = False
    first: int = 0
    """Index of the first row that is a card."""


def read_table(path: Path, circumstances: Circumstances) -> Collection:
    """The cards in a file of CSV, TSV or Anki's text: a row each.

    A header that names question and answer says which column is what; without one the first two
    are. Raises `StudykitError` for a file that cannot be read.
    """
    text = read_source(path, LARGEST_FILE_BYTES)
    options, body = _anki_options(text)
    layout = _Layout(_delimiter(path, options, body), is_html=options.get("html") == "true")
    rows = _rows(path, body, layout, text.count("\n", 0, len(text) - len(body)))
    head = next(rows, None)
    if head is None:
        raise StudykitError(f"{clean(str(path))} holds no row", hint="one card a row")
    is_header = _find_columns(layout, options, head[1])
    reading = _Reading(path, layout, options)
    if not is_header:
        reading.add(*head)
    n_lines = text.count("\n") + 1
    for n, row in enumerate(rows, start=2):
        reading.add(*row)
        if not n % 1000:
            circumstances.tell("lines", row[0], n_lines)
    circumstances.tell("lines", n_lines, n_lines)
    return reading.collection()


class _Reading:
    """The rows of one file, one after the other."""

    def __init__(self, path: Path, layout: _Layout, options: Mapping[str, str]) -> None:
        self._path = path
        self._layout = layout
        self._options = options
        self._title = clean(path.stem).replace("_", " ").strip() or "Cards"
        self._decks: dict[tuple[str, ...], list[SourceNote]] = {}
        self._n_with_key: Counter[str] = Counter()
        self._faults: dict[str, list[int]] = {}

    def add(self, line: int, cells: Sequence[str]) -> None:
        """One row, which begins in this line of the file."""
        if not any(cell.strip() for cell in cells):
            return
        get = {name: self._cell(name, cells) for name in NAMES}
        question, answer = get["question"], get["answer"]
        if not question or not answer:
            self._faults.setdefault("rows without a question or an answer", []).append(line)
            return
        if _ANKI_CLOZE.search(question):
            what = "clozes of Anki, which come as they are; its .apkg makes cards of them"
            self._faults.setdefault(what, []).append(line)
        body: Recall | Cloze = Recall(answer)
        is_short = "\n" not in answer
        if get["kind"] == "cloze" and is_short and HOLES.findall(question) == [HOLE]:
            body = Cloze(answer)
        marks: list[Mark] = [
            mark for mark in MARKS if get[mark].casefold() in ("true", "yes", "1", "x")
        ]
        explain = "\n\n".join(filter(None, (get["explain"], get["source"])))
        card = SourceCard("", question, body, explain=explain, marks=frozenset(marks))
        key = get["key"] or question
        self._n_with_key[key] += 1
        if (n := self._n_with_key[key]) > 1:
            key = f"{key}\n{n}"
        note = SourceNote(key, (card,), tuple(get["tags"].split()))
        self._decks.setdefault(self._deck(get), []).append(note)

    def _cell(self, name: str, cells: Sequence[str]) -> str:
        place = self._layout.columns.get(name)
        if place is None or place >= len(cells):
            return ""
        if self._layout.is_html and name in ("question", "answer", "explain", "source"):
            return to_text(cells[place])
        return clean(unguard_cell(cells[place])).strip()

    def _deck(self, get: Mapping[str, str]) -> tuple[str, ...]:
        name = get["deck"] or self._options.get("deck", "") or self._title
        parts = [part.strip() for part in name.split("::")]
        return tuple(filter(None, [*parts, get["topic"]])) or (self._title,)

    def collection(self) -> Collection:
        """All rows; raises `StudykitError` if none is a card."""
        if not self._decks:
            hint = (
                "a row needs a question and an answer, in the first two columns or as a header says"
            )
            raise StudykitError(f"{clean(str(self._path))} holds no card", hint=hint)
        return Collection(
            self._title,
            tuple(SourceDeck(name, tuple(notes)) for name, notes in self._decks.items()),
            tuple(
                Remark(len(lines), f"{what}; the first at {Place(self._path, lines[0])}")
                for what, lines in self._faults.items()
            ),
        )


MARKS: tuple[Mark, ...] = ("suspended", "flagged")


def _anki_options(text: str) -> tuple[dict[str, str], str]:
    """What the lines ``#key:value`` at the top of Anki's text say, and the text below them."""
    options: dict[str, str] = {}
    end = 0
    for line in text.split("\n"):
        found = _ANKI_LINE.fullmatch(line)
        if found is None:
            break
        options[found["key"].strip().lower()] = found["value"].strip()
        end += len(line) + 1
    return options, text[end:]


def _delimiter(path: Path, options: Mapping[str, str], body: str) -> str:
    named = options.get("separator", "")
    if named:
        delimiter = _BY_NAME.get(named.lower(), named[:1])
        if delimiter in '"\r':
            hint = f"one of {', '.join(_BY_NAME)}, or a sign that no cell holds"
            raise CourseError(
                "nothing can be separated by a quote", place=Place(path, 1), hint=hint
            )
        return delimiter
    if path.suffix.lower() == ".tsv":
        return "\t"
    first = body.partition("\n")[0]
    return max(_DELIMITERS, key=first.count) if any(d in first for d in _DELIMITERS) else ","


def _rows(
    path: Path, body: str, layout: _Layout, n_lines_before: int
) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line that it begins in."""
    reader = csv.reader(_lines(body), delimiter=layout.delimiter, strict=True)
    begins = 1 + n_lines_before
    try:
        for row in reader:
            yield begins, row
            begins = reader.line_num + 1 + n_lines_before
    except csv.Error as error:
        what, hint = (
            str(error),
            "a cell with a quote in it stands in quotes, each quote inside doubled",
        )
        if what.startswith("field larger"):
            what = f"a cell holds more than {LONGEST_CELL:,} characters"
            hint = "shorten it, or close the quote that it begins with"
        raise CourseError(what, place=Place(path, begins), hint=hint) from None


def _lines(text: str) -> Iterator[str]:
    """Each line with its end; `str.splitlines` would end them at other signs, too."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _find_columns(layout: _Layout, options: Mapping[str, str], row: Sequence[str]) -> bool:
    """Fill `layout.columns`; whether `row` is a header."""
    special = {
        "key": "guid column",
        "deck": "deck column",
        "tags": "tags column",
        "": "notetype column",
    }
    places = {name: options.get(option, "") for name, option in special.items()}
    taken = {name: int(place) - 1 for name, place in places.items() if _NUMBER.fullmatch(place)}
    names = [cell.strip().casefold() for cell in row]
    found = {
        meaning: names.index(name)
        for meaning, known in NAMES.items()
        for name in known
        if name in names
    }
    is_header = "question" in found and "answer" in found
    if is_header:
        layout.columns = found
    else:
        free = [n for n in range(len(row)) if n not in taken.values()]
        layout.columns = dict(zip(("question", "answer"), free, strict=False))
        if not options:
            layout.columns |= dict(zip(("explain",), free[2:], strict=False))
    layout.columns |= {name: place for name, place in taken.items() if name}
    return is_header
