"""Finding cards: words and filters over a course and what is known of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from studykit.course.cards import KINDS, Card, Course, Deck, Topic
from studykit.review.marks import Marks
from studykit.review.schedule import NEW_MEMORY, Memory, State, is_leech


@dataclass(frozen=True, slots=True)
class Entry:
    """A card with where it stands in the course and what is known of it."""

    card: Card
    deck: Deck
    topic: Topic
    memory: Memory
    text: str
    """Id, question, number and title of the topic, tags: what words are looked for in, folded."""
    asked_on: date | None = None
    """The day that asks it, as siblings, limits and exams have it."""


@dataclass(frozen=True, slots=True)
class Found:
    """The cards that a search gives, in the course's order."""

    entries: tuple[Entry, ...]
    hint: str = ""
    """What is wrong with the search, where a filter does not exist."""


def build_entries(
    course: Course, memories: Mapping[str, Memory], asked: Mapping[str, Memory] | None = None
) -> tuple[Entry, ...]:
    """Every card of the course, in its order; `asked`: memories as their cards will be asked."""
    asked = {**memories, **(asked or {})}
    return tuple(
        Entry(
            card,
            deck,
            topic,
            memories.get(card.id, NEW_MEMORY),
            "\n".join(
                (card.id, card.headline, f"{topic.number} {topic.title}", *card.tags)
            ).casefold(),
            asked.get(card.id, NEW_MEMORY).due_day,
        )
        for deck in course.decks
        for topic in deck.topics
        for card in topic.cards
    )


def _is_due(entry: Entry, marks: Marks, today: date) -> bool:
    day = entry.asked_on
    return day is not None and day <= today and entry.card.id not in marks.hidden


STATES: Mapping[str, Callable[[Entry, Marks, date], bool]] = {
    "new": lambda entry, marks, today: entry.memory.state is State.NEW,
    "learning": lambda entry, marks, today: (
        entry.memory.state in (State.LEARNING, State.RELEARNING)
    ),
    "review": lambda entry, marks, today: entry.memory.state is State.REVIEW,
    "due": _is_due,
    "suspended": lambda entry, marks, today: entry.card.id in marks.suspended,
    "buried": lambda entry, marks, today: entry.card.id in marks.buried,
    "flagged": lambda entry, marks, today: entry.card.id in marks.flagged,
    "leech": lambda entry, marks, today: is_leech(entry.memory),
}
"""What the filter ``s:`` takes, and whether a card is in that state; it may be in several."""


FILTERS: Mapping[str, str] = {"s": "state", "t": "kind", "d": "deck", "l": "lab"}
"""Letter before the colon -> what it chooses by."""

NO_LAB = "none"
"""What ``l:`` takes for cards without a lab; a lab's id has a slash."""


def find(entries: Sequence[Entry], search: str, marks: Marks, today: date) -> Found:
    """The entries that have every word of `search` and pass each of its filters.

    ``s:`` takes a state, ``t:`` a kind of card, ``d:`` a deck's id or place, with a topic as
    ``deck/topic``, ``l:`` a lab; their beginnings do. A word with another colon is looked for as
    it stands; if no card has it, it was meant for a filter, and the hint names those there are.
    """
    found: Iterable[Entry] = entries
    for term in search.casefold().split():
        name, colon, value = term.partition(":")
        if not colon or name not in FILTERS:
            if colon and name.isalpha() and not any(term in entry.text for entry in entries):
                return Found((), f"{name}: is no filter; {filter_words()}")
            found = [entry for entry in found if term in entry.text]
            continue
        if not value:
            continue
        takes = values_of(name, entries)
        values = [each for each in takes if _begins(name, each, value)]
        if name == "d" and value.isdecimal():
            values = list(dict.fromkeys(entry.deck.id for entry in entries))[int(value) - 1 :][:1]
        if not values:
            known = [each for each in takes if "/" not in each] if name == "d" else takes
            return Found((), f"{name}: takes {', '.join(known)}")
        passes = _passes(name, values, marks, today)
        found = [entry for entry in found if passes(entry)]
    return Found(tuple(found))


def filter_words() -> str:
    """The filters in one line: ``s:state  t:kind …``."""
    return "  ".join(f"{name}:{what}" for name, what in FILTERS.items())


def values_of(name: str, entries: Iterable[Entry]) -> list[str]:
    """What a filter takes, in full."""
    match name:
        case "s":
            return [*STATES]
        case "t":
            return [*KINDS]
        case "d":
            places = ((e.deck.id, f"{e.deck.id}/{e.topic.id}") for e in entries)
            return list(dict.fromkeys(place for pair in places for place in pair))
        case _:
            return list(dict.fromkeys(entry.card.lab or NO_LAB for entry in entries))


def _begins(name: str, each: str, value: str) -> bool:
    """A lab's section can be left out; a deck alone is meant where no topic is named."""
    each = each.casefold()
    if name == "d":
        return each.startswith(value) and ("/" in each) == ("/" in value)
    return each.startswith(value) or (name == "l" and each.partition("/")[2].startswith(value))


def _passes(name: str, values: Sequence[str], marks: Marks, today: date) -> Callable[[Entry], bool]:
    match name:
        case "s":
            tests = [STATES[each] for each in values]
            return lambda entry: any(test(entry, marks, today) for test in tests)
        case "t":
            return lambda entry: entry.card.kind in values
        case "d":
            return lambda entry: (
                entry.deck.id in values or f"{entry.deck.id}/{entry.topic.id}" in values
            )
        case _:
            return lambda entry: (entry.card.lab or NO_LAB) in values


Recall = Callable[[Memory], float]
"""The probability that a card is recalled today."""

ORDERS: Mapping[str, Callable[[Entry, Recall], tuple[float, ...]]] = {
    "course": lambda entry, recall: (),
    "due day": lambda entry, recall: (_due_ordinal(entry),),
    "recall, lowest first": lambda entry, recall: (_recall(entry, recall),),
    "lapses, most first": lambda entry, recall: (-entry.memory.lapses, _recall(entry, recall)),
}
"""What a list of cards can be in the order of; cards that are alike stay in the course's."""


def in_order(entries: Iterable[Entry], order: str, recall: Recall) -> tuple[Entry, ...]:
    """The entries by one of `ORDERS`; cards never reviewed stand last."""
    key = ORDERS[order]
    return tuple(sorted(entries, key=lambda entry: key(entry, recall)))


def _due_ordinal(entry: Entry) -> float:
    due = entry.memory.due_day
    return math.inf if due is None else due.toordinal()


def _recall(entry: Entry, recall: Recall) -> float:
    return math.inf if entry.memory.state is State.NEW else recall(entry.memory)
