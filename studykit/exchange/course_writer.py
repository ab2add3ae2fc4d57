"""A `Collection` as a course of YAML decks: a new one, or cards added to one that is there.

A card's id comes from its identity in the source, so that the same card gets the same id at every
import. What stands in a course already stays as it is: new cards come in decks of their own.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from studykit.course.card_schema import LONGEST_TAG, MOST_TAGS
from studykit.course.cards import Card, Cloze, Course, Recall
from studykit.course.decks import (
    LONGEST_TITLE,
    MANIFEST,
    MOST_CARDS,
    MOST_DECKS,
    Seen,
    load_manifest,
    parse_deck,
    read_course,
)
from studykit.course.names import ID
from studykit.course.source import LONGEST_DECK_TEXT
from studykit.course.starter import course_id
from studykit.course.yaml_reader import MOST_NODES, read_document
from studykit.errors import CourseError, Place, StudykitError, UsageError
from studykit.exchange.circumstances import Tell
from studykit.exchange.collection import Collection, Remark, SourceCard, SourceNote
from studykit.files import replace_file
from studykit.text import clean

MOST_CARDS_A_FILE = 4_000
MOST_CHARACTERS_A_FILE = 2_000_000
MOST_VALUES_A_FILE = MOST_NODES // 2
"""Far below what a deck may hold, so that a learner's additions find room in it."""
VALUES_A_CARD = 18
"""With its keys, beside its tags."""
MOST_TOPICS_A_FILE = 1_000

_LONGEST_SLUG = 40


@dataclass(frozen=True, slots=True)
class NewCard:
    """A card of the source with what it is called here."""

    id: str
    note: str
    """Id that it shares with its siblings, or empty."""
    tags: tuple[str, ...]
    source: SourceCard


@dataclass(frozen=True, slots=True)
class CoursePlan:
    """What an import adds to a course."""

    course: Course | None
    """The course that is there, or None."""
    ids: Mapping[str, SourceCard]
    """Every card of the source that the course holds afterwards, by its id here."""
    added: Mapping[tuple[str, ...], list[NewCard]]
    """Deck -> its cards that are not in the course yet."""
    n_above: int = 0
    """Decks that all others lie in: their names would stand before everything."""
    remarks: tuple[Remark, ...] = ()

    @property
    def n_added(self) -> int:
        """Cards that are not in the course yet."""
        return sum(map(len, self.added.values()))


def plan_course(collection: Collection, folder: Path | None) -> CoursePlan:
    """What of `collection` is new to the course in `folder`, or to none; nothing is written.

    Raises `UsageError` for a folder that is neither free nor a course, and `CourseError` for a
    course that has mistakes, or whose cards all need labs.
    """
    course = None if folder is None else _course_in(folder)
    known = course.cards if course else {}
    ids: dict[str, SourceCard] = {}
    added: defaultdict[tuple[str, ...], list[NewCard]] = defaultdict(list)
    n_long = n_twice = n_other = 0
    for deck in collection.decks:
        for note in deck.notes:
            name = _digest(note.key)
            for card in note.cards:
                if any(len(text) > LONGEST_DECK_TEXT for text in _texts(card)):
                    n_long += 1
                    continue
                id_ = _card_id(name, card.key)
                if id_ in ids:
                    n_twice += 1
                    continue
                ids[id_] = card
                if id_ not in known:
                    sibling = name if len(note.cards) > 1 or card.key not in ("", "1") else ""
                    added[deck.path].append(NewCard(id_, sibling, _tags(note), card))
                elif not _is_as_in(card, known[id_]):
                    n_other += 1
    n_cards = len(known) + sum(map(len, added.values()))
    if n_cards > MOST_CARDS:
        what = f"the course would have {n_cards:,} cards; it may have {MOST_CARDS:,}"
        raise StudykitError(what, hint="export deck by deck, and make several courses of them")
    remarks = [
        Remark(n_long, f"cards with a text of more than {LONGEST_DECK_TEXT:,} characters"),
        Remark(n_twice, "cards that stand twice in the file"),
        Remark(n_other, "cards that have another text in your course, which stays"),
    ]
    return CoursePlan(
        course, ids, dict(added), _n_above(collection), tuple(r for r in remarks if r.n)
    )


def _is_as_in(source: SourceCard, card: Card) -> bool:
    texts = source.question.strip(), source.body, source.explain.strip()
    return texts == (card.question, card.body, card.explain)


def _n_above(collection: Collection) -> int:
    """One, if a single deck without cards of its own holds all decks: it is the course then."""
    paths = [deck.path for deck in collection.decks if deck.notes]
    is_one = len({path[0] for path in paths}) == 1 and all(len(path) > 1 for path in paths)
    return int(is_one and len(paths) > 1)


def write_course(
    plan: CoursePlan, folder: Path, title: str, today: date, tell: Tell
) -> dict[str, Card]:
    """Write what the plan adds to `folder`; the added cards by id, as the course now reads them.

    Everything is read back before any of it is put in its place: a deck that could not be read is
    never written. Raises `StudykitError`.
    """
    try:
        return _write(plan, folder, title, today, tell)
    except OSError as error:
        where = clean(str(error.filename or folder))
        raise StudykitError(f"{where} cannot be written: {error.strerror}") from None


def _write(plan: CoursePlan, folder: Path, title: str, today: date, tell: Tell) -> dict[str, Card]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        draft = Path(temporary, "course")
        decks = draft / "decks"
        decks.mkdir(parents=True)
        names = _Names.of(plan.course)
        cards: dict[str, Card] = {}
        files: list[str] = []
        for file in _files(plan, names, today):
            path = decks / file.name
            path.write_text(file.text, encoding="utf-8")
            deck, errors = parse_deck(read_document(path), names.seen, labs_are_optional=True)
            if errors or deck is None:
                raise errors[0]
            cards.update({card.id: card for card in deck.cards})
            files.append(file.name)
            tell("cards written", len(cards), plan.n_added)
        if plan.course is None:
            manifest = _manifest(course_id(folder.name), title, files)
            (decks / MANIFEST).write_text(manifest, encoding="utf-8")
            load_manifest(draft)
            if folder.is_dir():
                folder.rmdir()  # empty, or it would be a course
            draft.rename(folder)
        else:
            manifest = _with_decks(folder, files)
            for name in files:
                (decks / name).rename(folder / "decks" / name)
            replace_file(folder / "decks" / MANIFEST, manifest)
        return cards


def _course_in(folder: Path) -> Course | None:
    """The course in the folder; None if the folder is free for a new one."""
    if not (folder / "decks" / MANIFEST).exists():
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise UsageError(f"{clean(str(folder))} is no folder", hint="name one for the course")
        if folder.is_dir() and any(folder.iterdir()):
            what = f"{clean(str(folder))} is neither empty nor a course"
            raise UsageError(what, hint="name a folder that is not there yet")
        return None
    manifest = load_manifest(folder)
    if not manifest.labs_are_optional:
        hint = "write `labs: optional` into it, or name another folder"
        place = Place(folder / "decks" / MANIFEST)
        raise CourseError("each card of this course needs a lab", place=place, hint=hint)
    course, errors = read_course(folder)
    if errors:
        raise errors[0]  # a card that cannot be read might be one of those that come
    return course


def _digest(text: str) -> str:
    # A letter in front: to YAML 1234e-1 would be a number.
    data = text.encode("utf-8", "surrogatepass")
    return f"c{hashlib.blake2b(data, digest_size=8).hexdigest()}"


def _card_id(note: str, key: str) -> str:
    if not key:
        return note
    id_ = f"{note}-{key}"
    return id_ if ID.fullmatch(id_) else f"{note}-{_digest(key)}"


def _tags(note: SourceNote) -> tuple[str, ...]:
    tags = (" ".join(tag.split())[:LONGEST_TAG].strip() for tag in note.tags)
    return tuple(dict.fromkeys(filter(None, tags)))[:MOST_TAGS]


def _texts(card: SourceCard) -> Iterator[str]:
    yield card.question
    yield card.explain
    if isinstance(card.body, Recall | Cloze):
        yield card.body.answer


# --- names that are still free ---


@dataclass
class _Names:
    """What is called how in the course, so that nothing new is called the same."""

    seen: Seen = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    deck_ids: set[str] = field(default_factory=set)
    topic_ids: set[str] = field(default_factory=set)
    n_files: int = 0
    n_sections: int = 0

    @classmethod
    def of(cls, course: Course | None) -> _Names:
        names = cls()
        if course is None:
            return names
        for outlined in course.outline:
            names.n_sections = max(names.n_sections, int(outlined.number.partition(".")[0]))
        for deck in course.decks:
            names.n_files += 1
            names.deck_ids.add(deck.id)
            names.seen["deck", deck.id] = Place(deck.path)
            for topic in deck.topics:
                names.topic_ids.add(topic.id)
                section = int(topic.number.partition(".")[0])
                names.n_sections = max(names.n_sections, section)
                names.seen["topic", topic.id] = Place(deck.path)
                names.seen["topic number", topic.number] = Place(deck.path)
                names.seen.update({("card", card.id): card.place for card in topic.cards})
        names.files = {path.name for path in (course.root / "decks").iterdir()}
        return names

    def file(self, slug: str) -> str:
        """A file's name that nothing in ``decks/`` has."""
        for n in count(self.n_files + 1):
            if (name := f"{n}-{slug}.yaml") not in self.files:
                self.n_files = n
                self.files.add(name)
                return name
        raise AssertionError("numbers do not end")


def _free(wanted: str, taken: set[str]) -> str:
    """`wanted`, or with a number behind it that makes it new; it is taken then."""
    name = next(
        name for n in count(1) if (name := wanted if n == 1 else f"{wanted[:70]}-{n}") not in taken
    )
    taken.add(name)
    return name


def _slug(text: str, otherwise: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub("[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST_SLUG].strip("-")
    return slug or otherwise


# --- files ---


@dataclass(frozen=True, slots=True)
class _File:
    name: str
    text: str


def _files(plan: CoursePlan, names: _Names, today: date) -> Iterator[_File]:
    """The decks as files, each of one deck at the top and the decks that lie in it."""
    tops: defaultdict[str, list[tuple[str, list[NewCard]]]] = defaultdict(list)
    for full, cards in plan.added.items():
        path = full[plan.n_above :]
        tops[path[0]].append((" / ".join(path[1:]) or path[0], cards))
    n_decks = len(plan.course.decks) if plan.course else 0
    for top, decks in tops.items():
        parts = list(_parts(decks))
        n_decks += len(parts)
        for n, topics in enumerate(parts, start=1):
            title = _title(top, n if len(parts) > 1 else 0, today if plan.course else None)
            yield _file(title, _slug(top, "deck"), topics, names)
    if n_decks > MOST_DECKS:
        raise StudykitError(
            f"the course would have more than {MOST_DECKS} decks",
            hint="export deck by deck, and make several courses of them",
        )


def _title(top: str, part: int, added_on: date | None) -> str:
    more = [f"part {part}"] if part else []
    more += [f"added {added_on}"] if added_on else []
    tail = f" ({', '.join(more)})" if more else ""
    return f"{top[: LONGEST_TITLE - len(tail)].strip()}{tail}"


def _parts(
    decks: Iterable[tuple[str, list[NewCard]]],
) -> Iterator[list[tuple[str, list[str]]]]:
    """Topics with the YAML of their cards, in lists that each fit into a file."""
    topics: list[tuple[str, list[str]]] = []
    n_cards = n_characters = n_values = 0
    for title, cards in decks:
        topics.append((title, []))
        for card in cards:
            text = _card_yaml(card)
            is_full = (
                n_cards >= MOST_CARDS_A_FILE
                or n_characters > MOST_CHARACTERS_A_FILE
                or n_values > MOST_VALUES_A_FILE
                or len(topics) > MOST_TOPICS_A_FILE
            )
            if n_cards and is_full:
                yield [topic for topic in topics if topic[1]]
                topics, n_cards, n_characters, n_values = [(title, [])], 0, 0, 0
            topics[-1][1].append(text)
            n_cards, n_characters = n_cards + 1, n_characters + len(text)
            n_values += VALUES_A_CARD + len(card.tags)
    if n_cards:
        yield topics


def _file(title: str, slug: str, topics: list[tuple[str, list[str]]], names: _Names) -> _File:
    deck_id = _free(slug, names.deck_ids)
    names.n_sections += 1
    lines = ["format: 1", f"deck: {_quoted(deck_id)}", f"title: {_quoted(title)}", "topics:"]
    for n, (topic, cards) in enumerate(topics, start=1):
        topic_id = _free(f"{deck_id}-{_slug(topic, 'topic')}"[:80].strip("-"), names.topic_ids)
        lines += [
            f"  - id: {_quoted(topic_id)}",
            f'    number: "{names.n_sections}.{n}"',
            f"    title: {_quoted(topic[:LONGEST_TITLE].strip())}",
            "    cards:",
            *cards,
        ]
    return _File(names.file(deck_id), "\n".join(lines) + "\n")


def _card_yaml(card: NewCard) -> str:
    source = card.source
    body = source.body
    if not isinstance(body, Recall | Cloze):
        raise TypeError(f"no reader makes a {type(body).__name__}")
    kind = "recall" if isinstance(body, Recall) else "cloze"
    lines = [
        f"      - id: {card.id}",
        f"        kind: {kind}",
        f"        question: {_text(source.question)}",
        f"        answer: {_text(body.answer)}",
    ]
    if isinstance(body, Cloze) and body.accept:
        lines.append(f"        accept: {_listed(body.accept)}")
    if source.explain:
        lines.append(f"        explain: {_text(source.explain)}")
    if card.note:
        lines.append(f"        note: {card.note}")
    if card.tags:
        lines.append(f"        tags: {_listed(card.tags)}")
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """A text as YAML: of several lines as a block, which is easier to edit, else in quotes."""
    text = text.strip()
    is_block = "\n" in text and "\t" not in text
    if not is_block or any(line != line.rstrip() for line in text.split("\n")):
        return _quoted(text)
    return "\n".join(["|-", *(f"          {line}" if line else "" for line in text.split("\n"))])


def _listed(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"


def _quoted(text: str) -> str:
    """In double quotes, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)


def _manifest(id_: str, title: str, files: list[str]) -> str:
    lines = ["format: 1", f"course: {_quoted(id_)}", f"title: {_quoted(title[:LONGEST_TITLE])}"]
    return "\n".join([*lines, "labs: optional", "decks:", *(f"  - {name}" for name in files), ""])


def _with_decks(folder: Path, files: list[str]) -> str:
    """The manifest with more decks at the end of its list, and nothing else changed.

    Raises `CourseError` where the list is not written line by line.
    """
    path = folder / "decks" / MANIFEST
    text = path.read_text(encoding="utf-8-sig")
    _, last = load_manifest(folder).deck_names[-1]
    lines = text.splitlines(keepends=True)
    line = lines[last.line - 1]
    if not line.lstrip().startswith("- "):
        hint = "write each deck on a line of its own, as `  - 1-first.yaml`"
        raise CourseError("a deck cannot be added to this list", place=last, hint=hint)
    indent = line[: len(line) - len(line.lstrip())]
    if not line.endswith("\n"):
        lines[last.line - 1] = f"{line}\n"
    lines[last.line : last.line] = [f"{indent}- {name}\n" for name in files]
    return "".join(lines)
