"""A course as plain JSON data, and back: positions, not names, because there are many cards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields
from itertools import repeat
from pathlib import Path
from typing import Any

from studykit.course.cards import (
    Body,
    Card,
    Choice,
    Cloze,
    Course,
    Deck,
    Exercise,
    Kind,
    LabHeader,
    Match,
    Numeric,
    Option,
    Order,
    OutlineTopic,
    Predict,
    Recall,
    Topic,
)
from studykit.course.contents import Contents, ListedCard, ListedDeck, ListedTopic
from studykit.errors import Place


def pack_course(course: Course) -> Iterator[list[Any]]:
    """The course as lists, dicts, texts and numbers, paths left out: all but the decks first, then
    deck by deck. `unpack_course` takes them."""
    yield [
        course.id,
        course.title,
        [_pack_lab(lab) for lab in course.labs.values()],
        [_values(topic) for topic in course.outline],
        course.problems,
        course.retention,
        len(course.decks),
    ]
    yield from map(_pack_deck, course.decks)


def unpack_course(parts: Iterable[Any], root: Path) -> Course:
    """The course below `root` in what `pack_course` made of it, one part after the other."""
    rest = iter(parts)
    id_, title, labs, outline, problems, retention, n_decks = next(rest)
    decks = tuple([_unpack_deck(deck, root) for deck in rest])
    if len(decks) != n_decks:
        raise ValueError("a deck is missing")
    return Course(
        root,
        id_,
        title,
        decks,
        _unpack_labs(labs, root),
        tuple(OutlineTopic(*topic) for topic in outline),
        tuple(problems),
        retention,
    )


def pack_contents(course: Course) -> list[Any]:
    """What the course's decks list, without the texts; `unpack_contents` takes it."""
    return [
        [
            deck.id,
            deck.title,
            [
                [
                    topic.id,
                    topic.number,
                    topic.title,
                    [card.id for card in topic.cards],
                    [card.note for card in topic.cards],
                    [card.headline for card in topic.cards],
                ]
                for topic in deck.topics
            ],
        ]
        for deck in course.decks
    ]


def unpack_contents(first: Any, decks: Any, root: Path) -> Contents:
    """The contents of the course below `root`: of the first part that `pack_course` made, and of
    what `pack_contents` made."""
    id_, title, labs, _, _, retention, _ = first
    return Contents(
        id_,
        title,
        tuple(
            ListedDeck(deck_id, title, tuple(_unpack_listed(topic, deck_id) for topic in topics))
            for deck_id, title, topics in decks
        ),
        _unpack_labs(labs, root),
        retention,
    )


def _unpack_listed(data: Any, deck_id: str) -> ListedTopic:
    topic_id, number, title, ids, notes, headlines = data
    cards = map(ListedCard, ids, repeat(deck_id), repeat(topic_id), notes, headlines)
    return ListedTopic(topic_id, number, title, tuple(cards))


def _values(value: Any) -> list[Any]:
    return [getattr(value, field.name) for field in fields(value)]


def _pack_cards(topic: Topic) -> list[list[Any]]:
    return [
        [
            card.id,
            card.kind,
            card.points,
            card.question,
            _pack_body(card.body),
            card.explain,
            card.lab,
            card.claim,
            card.knobs,
            card.note,
            card.source,
            card.place.line,
            card.place.column,
            card.content_hash,
            card.is_only_related,
            card.tags,
        ]
        for card in topic.cards
    ]


def _pack_body(body: Body) -> list[Any]:
    if isinstance(body, Choice | Predict):
        _, *rest = _values(body)
        return [[_values(option) for option in body.options], *rest]
    return _values(body)


def _pack_deck(deck: Deck) -> list[Any]:
    topics = [
        [topic.id, topic.number, topic.title, topic.points, *_pack_cards(topic)]
        for topic in deck.topics
    ]
    return [deck.id, deck.title, deck.path.name, topics]


def _unpack_deck(data: Any, root: Path) -> Deck:
    deck_id, title, name, topics = data
    path = root / "decks" / name
    return Deck(
        deck_id, title, tuple(_unpack_topic(topic, deck_id, path) for topic in topics), path
    )


def _unpack_topic(data: Any, deck_id: str, path: Path) -> Topic:
    topic_id, number, title, points, *cards = data
    return Topic(
        topic_id,
        number,
        title,
        points,
        tuple([_unpack_card(card, deck_id, topic_id, path) for card in cards]),
    )


def _unpack_card(data: Any, deck_id: str, topic_id: str, path: Path) -> Card:
    id_, kind, points, question, body, explain, lab, claim, knobs, note, source, *end = data
    line, column, content_hash, is_only_related, tags = end
    # By position: there may be ten thousand.
    return Card(
        id_,
        kind,
        deck_id,
        topic_id,
        tuple(points),
        question,
        _unpack_body(kind, body),
        explain,
        lab,
        claim,
        knobs,
        note,
        source,
        Place(path, line, column),
        content_hash,
        is_only_related,
        tuple(tags),
    )


def _unpack_body(kind: Kind, data: Any) -> Body:
    first, *rest = data
    match kind:
        case "choice":
            return Choice(_options(first))
        case "predict":
            return Predict(_options(first), *rest)
        case "cloze":
            return Cloze(first, *map(tuple, rest))
        case "order":
            return Order(tuple(first))
        case "match":
            return Match(tuple([(left, right) for left, right in first]), *map(tuple, rest))
        case "numeric":
            return Numeric(first, *rest)
        case "recall":
            return Recall(first)
        case "exercise":
            *front, words, right_from = data
            return Exercise(*[*front, tuple(words), right_from])


def _options(data: Any) -> tuple[Option, ...]:
    return tuple([Option(*option) for option in data])


def _pack_lab(lab: LabHeader) -> dict[str, Any]:
    named = {field.name: getattr(lab, field.name) for field in fields(lab)}
    del named["path"]
    return named


def _unpack_labs(labs: Any, root: Path) -> dict[str, LabHeader]:
    headers = [_unpack_lab(lab, root) for lab in labs]
    return {header.id: header for header in headers}


def _unpack_lab(data: Any, root: Path) -> LabHeader:
    named = dict(data)
    for name in ("points", "needs", "text_knobs", "differences"):
        named[name] = tuple(named[name])
    for name in ("knobs", "parts", "words"):
        named[name] = {key: tuple(values) for key, values in named[name].items()}
    return LabHeader(path=root / "labs" / f"{named['id']}.py", **named)
