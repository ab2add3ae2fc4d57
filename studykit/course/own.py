"""The learner's own deck: cards beside those of a course, in a file that is the learner's alone.

It has the form of any deck, may be edited as one, and uses the course's labs. The course never
knows of it: checks, coverage and the cache of the course leave it out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from studykit.course.cards import Course, Deck, KnobValue, Topic
from studykit.course.decks import Seen, parse_deck, without_orphans
from studykit.course.source import one_line, read_source
from studykit.course.yaml_reader import read_document
from studykit.errors import CourseError, Place, StudykitError
from studykit.files import locked, replace_file
from studykit.text import clean

DECK = "mine"
"""The deck's id."""
POINT = "9999.1.1"
"""The one point that its cards ask about; no outline counts so far."""
SHOWN_NUMBER = "own"
"""What is shown as the number of the topic of `POINT`, which nobody should have to explain."""
_NUMBER = POINT.rpartition(".")[0]
_HEAD = f"""\
format: 1
deck: {DECK}
title: My own cards
topics:
  - id: {DECK}-what-if
    number: "{_NUMBER}"
    title: What I asked on the bench
    points:
      {POINT}: What a change does to a model.
    cards:
"""


def own_deck_path(folder: Path, course_id: str) -> Path:
    """Where the own deck beside a course lies, of those in `folder`."""
    return folder / f"{course_id}.yaml"


def with_own_deck(course: Course, folder: Path) -> Course:
    """The course with the learner's deck as its last; what is broken in it is a problem of it."""
    path = own_deck_path(folder, course.id)
    if not path.is_file():
        return course
    deck, errors = _read(course, path)
    decks = _others(course, path)
    if deck is not None:
        decks = (*decks, replace(deck, topics=tuple(map(_with_shown_number, deck.topics))))
    return replace(course, decks=decks, problems=(*course.problems, *map(one_line, errors)))


def require_own_deck(course: Course, folder: Path) -> None:
    """Raise `CourseError` with the first mistake of the own deck."""
    path = own_deck_path(folder, course.id)
    if path.is_file() and (errors := _read(course, path)[1]):
        raise errors[0]


def _with_shown_number(topic: Topic) -> Topic:
    return replace(topic, number=SHOWN_NUMBER) if topic.number == _NUMBER else topic


def _others(course: Course, path: Path) -> tuple[Deck, ...]:
    return tuple(deck for deck in course.decks if deck.path != path)


def _read(course: Course, path: Path) -> tuple[Deck | None, list[CourseError]]:
    seen: Seen = {}
    for deck in _others(course, path):
        seen["deck", deck.id] = Place(deck.path)
        for topic in deck.topics:
            seen["topic", topic.id] = seen["topic number", topic.number] = Place(deck.path)
            seen.update({("card", card.id): card.place for card in topic.cards})
    try:
        own, errors = parse_deck(read_document(path), seen)
    except CourseError as error:
        return None, [error]
    return (without_orphans(own, dict(course.labs), errors) if own else None), errors


def add_own_card(
    course: Course,
    folder: Path,
    *,
    stem: str,
    question: str,
    options: Mapping[str, str],
    lab: str,
    knobs: Mapping[str, KnobValue],
    explain: str,
) -> str:
    """Write a `predict` card at the end of the own deck, made if there is none; returns its id.

    `options` maps a claim of the lab to the option that bets on it. The id is `stem` with a number
    that is free. Raises `StudykitError` and leaves the deck as it was if it cannot be written, or
    would have a mistake with the card.
    """
    path = own_deck_path(folder, course.id)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path.parent):
            old = read_source(path) if path.exists() else _HEAD
            taken = with_own_deck(course, folder).cards
            card_id = next(
                name
                for n in range(1, len(taken) + 2)
                if (name := f"{DECK}-{stem}-{n}") not in taken
            )
            lines = _card(card_id, question, options, lab, knobs, explain)
            had = path.exists()
            replace_file(path, old.rstrip("\n") + "\n" + "\n".join(lines) + "\n")
            try:
                require_own_deck(course, folder)
            except CourseError:
                if had:
                    replace_file(path, old)
                else:
                    path.unlink()
                raise
    except OSError as error:
        raise StudykitError(f"{clean(str(path))} cannot be written: {error.strerror}") from None
    return card_id


def _card(
    card_id: str,
    question: str,
    options: Mapping[str, str],
    lab: str,
    knobs: Mapping[str, KnobValue],
    explain: str,
) -> Sequence[str]:
    """The card as YAML; what is quoted is written as JSON, which YAML reads alike."""

    def quoted(text: object) -> str:
        return json.dumps(text, ensure_ascii=False)

    settings = ", ".join(f"{name}: {quoted(value)}" for name, value in knobs.items())
    return [
        f"      - id: {card_id}",
        "        kind: predict",
        f'        points: ["{POINT}"]',
        f"        question: {quoted(question)}",
        "        options:",
        *(
            f"          - {{text: {quoted(text)}, claim: {claim}}}"
            for claim, text in options.items()
        ),
        f"        lab: {lab}",
        *([f"        knobs: {{{settings}}}"] if settings else []),
        f"        explain: {quoted(explain)}",
    ]
