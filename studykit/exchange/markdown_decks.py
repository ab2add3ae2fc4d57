"""Decks as Markdown, in the notation that hashcards and repeater share, read and written.

A line that begins with ``Q:`` starts a question, one with ``A:`` its answer, one with ``C:`` a
text with ``[hidden]`` parts, each of which is a card. A card ends where the next begins, or with a
line ``---``. Outside of cards ``question::answer`` in one line is a card, too.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from studykit.course.cards import HOLE, Recall
from studykit.course.source import read_source, walk_files
from studykit.errors import CourseError, Place, StudykitError
from studykit.exchange.circumstances import Circumstances
from studykit.exchange.clozes import hide
from studykit.exchange.collection import (
    Collection,
    Remark,
    SourceCard,
    SourceDeck,
    SourceNote,
)
from studykit.exchange.outgoing import OutCard, Outgoing
from studykit.text import FENCE, clean

LARGEST_FILE_BYTES = 16 * 1024**2
MOST_BYTES = 256 * 1024**2
"""Of all files of a folder."""

MOST_HIDDEN = 100
"""Of one text; each makes a card with all of the text."""

_TAG = re.compile(r"(?P<tag>[QAC]):")
_RULE = "---"
_BEGINS = re.compile(r" *(?:[QAC]:|---)")
_INDENTED = re.compile(f"^ (?={_BEGINS.pattern})")
_HIDDEN = re.compile(r"\\[\\\[\]]|!\[[^\[\]]*\]|\[(?P<hidden>[^\[\]]*(?:\\[\[\]][^\[\]]*)*)\]")
_AMBIGUOUS = re.compile(rf"[\[\]\\]|!{HOLE}")
"""What a text with a hidden part cannot hold in every version of the notation."""
_ESCAPED = re.compile(r"\\([\\\[\]])")
_PICTURE = re.compile(r"!\[[^\[\]]*\]\(<?([^)\s<>]+)")


@dataclass
class _Found:
    """What the files hold so far."""

    notes: dict[tuple[str, ...], list[SourceNote]] = field(default_factory=dict)
    n_with_key: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[Place]] = field(default_factory=dict)
    media: dict[str, None] = field(default_factory=dict)

    def add(self, deck: tuple[str, ...], key: str, cards: list[SourceCard]) -> None:
        """Two notes with the same question stay two: the second has a key of its own."""
        self.n_with_key[key] += 1
        if (n := self.n_with_key[key]) > 1:
            key = f"{key}\n{n}"
        self.notes.setdefault(deck, []).append(SourceNote(key, tuple(cards)))

    def blame(self, what: str, place: Place) -> None:
        self.faults.setdefault(what, []).append(place)


def read_markdown(path: Path, circumstances: Circumstances) -> Collection:
    """The decks in a Markdown file, or in all of a folder.

    A note's key is its question, so that its answer can be corrected and the next import knows it
    again. Raises `StudykitError` for a file that cannot be read.
    """
    files = [path] if not path.is_dir() else _files_below(path)
    found = _Found()
    for n, file in enumerate(files, start=1):
        folders = file.relative_to(path).parent.parts if path.is_dir() else ()
        _read_file(file, folders, found)
        circumstances.tell("files", n, len(files))
    if not found.notes:
        hint = "a card begins with a line Q: or C:, at the left margin"
        raise StudykitError(f"{clean(str(path))} holds no card", hint=hint)
    remarks = [
        Remark(len(places), f"{what}; the first at {clean(str(places[0]))}")
        for what, places in found.faults.items()
    ]
    if found.media:
        remarks.append(Remark(len(found.media), "pictures or sounds, of which the path stays"))
    return Collection(
        title=clean(path.resolve().stem).replace("_", " ").strip() or "Markdown",
        decks=tuple(SourceDeck(name, tuple(notes)) for name, notes in found.notes.items()),
        remarks=tuple(remarks),
        media=tuple(found.media),
    )


def _files_below(folder: Path) -> list[Path]:
    files = [p for p in walk_files(folder) if p.suffix.lower() in (".md", ".markdown")]
    if not files:
        raise StudykitError(f"{clean(str(folder))} holds no Markdown file")
    if sum(file.stat().st_size for file in files) > MOST_BYTES:
        what = f"{clean(str(folder))} holds more than {MOST_BYTES // 1024**2} MiB of Markdown"
        raise StudykitError(what, hint="import its folders one by one")
    return files


def _read_file(file: Path, folders: tuple[str, ...], found: _Found) -> None:
    lines = clean(read_source(file, LARGEST_FILE_BYTES)).split("\n")
    name, first = _front_matter(file, lines)
    deck = (*map(clean, folders), name)
    for tag, start, text in _blocks(file, lines, first, found):
        place = Place(file, start + 1)
        found.media.update(dict.fromkeys(_PICTURE.findall(text)))
        if tag == "C":
            _add_cloze(deck, text, place, found)
        else:
            question, _, answer = text.partition("\0")
            _add_basic(deck, question, answer, place, found)


def _front_matter(file: Path, lines: list[str]) -> tuple[str, int]:
    """The deck's name and the index of the first line after the front matter, if there is one."""
    name = clean(file.stem).strip() or "deck"
    if lines[0].strip() != _RULE:
        return name, 0
    try:
        end = next(n for n, line in enumerate(lines[1:], start=1) if line.strip() == _RULE)
        table = tomllib.loads("\n".join(lines[1:end]))
    except StopIteration:
        return name, 0  # a rule at the top
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        if any(_TAG.match(line) for line in lines[1:end]):
            return name, 0  # a rule at the top, and one after the first card
        what = f"the front matter is not TOML: {clean(str(error))}"
        raise CourseError(what, place=Place(file, 2), hint='write name = "My deck"') from None
    given = table.get("name")
    return (clean(given).strip() or name) if isinstance(given, str) else name, end + 1


def _blocks(
    file: Path, lines: list[str], first: int, found: _Found
) -> Iterator[tuple[str, int, str]]:
    """Each card's tag, "Q" or "C", the index of its first line, and its text.

    Between a question and its answer stands a NUL, which no clean text holds.
    """
    tag, start = "", 0
    text: list[str] = []
    in_fence = False  # outside of cards: in one, both tools know tags and rules only
    for n, line in enumerate(lines[first:], start=first):
        mark = _TAG.match(line)
        if not tag and line.lstrip().startswith(FENCE):
            in_fence = not in_fence
        elif mark is not None and mark["tag"] == "A":
            if tag == "Q" and "\0" not in text:
                text += ["\0", line[2:].removeprefix(" ")]
            else:
                found.blame("answers without a question", Place(file, n + 1))
        elif mark is not None or line.startswith(_RULE):
            if tag:
                yield tag, start, _joined(text)
            tag, start, text = "", n, []
            in_fence = False
            if mark is not None:
                tag, text = mark["tag"], [line[2:].removeprefix(" ")]
        elif tag:
            text.append(_INDENTED.sub("", line, count=1))
        elif not in_fence and (pair := _in_one_line(line)):
            yield "Q", n, "\0".join(pair)
        elif line.strip() and not in_fence:
            found.blame("lines outside of cards", Place(file, n + 1))
    if tag:
        yield tag, start, _joined(text)


def _in_one_line(line: str) -> tuple[str, str] | None:
    """Both sides of ``question::answer``."""
    question, _, answer = (part.strip() for part in line.partition("::"))
    if not question or not answer or answer.startswith(":") or "::" in answer:
        return None
    return question, answer


def _joined(lines: list[str]) -> str:
    return "\n".join(lines).replace("\n\0\n", "\0")


def _add_basic(
    deck: tuple[str, ...], question: str, answer: str, place: Place, found: _Found
) -> None:
    question, answer = question.strip(), answer.strip()
    if not question or not answer:
        found.blame("questions without an answer", place)
        return
    found.add(deck, question, [SourceCard("", question, Recall(answer))])


def _add_cloze(deck: tuple[str, ...], text: str, place: Place, found: _Found) -> None:
    text = text.strip()
    spans = [match for match in _HIDDEN.finditer(text) if (match["hidden"] or "").strip()]
    if not 0 < len(spans) <= MOST_HIDDEN:
        many = f"texts with more than {MOST_HIDDEN} hidden parts"
        found.blame(many if spans else "texts without a [hidden] part", place)
        return
    cards = []
    for n, match in enumerate(spans, start=1):
        before, after = _shown(text[: match.start()]), _shown(text[match.end() :])
        question, body = hide(before, _shown(match["hidden"]), after)
        cards.append(SourceCard(str(n), question, body))
    found.add(deck, _shown(text), cards)


def _shown(text: str) -> str:
    """The text without the brackets of its hidden parts; those of pictures stay."""
    return _HIDDEN.sub(_unwrapped, text)


def _unwrapped(match: re.Match[str]) -> str:
    if match["hidden"] is not None:
        return _ESCAPED.sub(r"\1", match["hidden"])
    return match[0] if match[0].startswith("!") else match[0][1:]


def write_markdown(outgoing: Outgoing, folder: Path) -> int:
    """A file for each deck, in the new folder `folder`; returns how many cards were written.

    Raises `OSError`. What follows the answer, explanation and source, goes to the answer.
    """
    folder.mkdir()
    names: dict[str, Path] = {}
    n = 0
    for title, cards in groupby(outgoing.cards, key=lambda card: card.deck):
        path = names.setdefault(title, folder / f"{len(names) + 1:02}-{_file_name(title)}.md")
        is_new = not path.exists()
        with path.open("a", encoding="utf-8") as file:
            if is_new:
                file.write(f"---\nname = {json.dumps(title, ensure_ascii=False)}\n---\n")
            for card in cards:
                file.write("\n" + _as_card(card))
                n += 1
        outgoing.tell("cards", n, outgoing.n_cards)
    return n


def _file_name(title: str) -> str:
    return re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")[:40] or "deck"


def _as_card(card: OutCard) -> str:
    more = "".join(f"\n\n{text}" for text in (card.explain, card.source) if text)
    if card.hidden and not more and not _AMBIGUOUS.search(card.question + card.hidden):
        return f"C: {_indented(card.question.replace(HOLE, f'[{card.hidden}]'))}\n"
    return f"Q: {_indented(card.question)}\nA: {_indented(card.answer + more)}\n"


def _indented(text: str) -> str:
    """The text with a space before each line, but the first, that would begin or end a card."""
    first, *rest = clean(text).strip().split("\n")
    return "\n".join([first, *(f" {line}" if _BEGINS.match(line) else line for line in rest)])
