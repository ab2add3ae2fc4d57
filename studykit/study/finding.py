"""Finding cards: words and filters over a course and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
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
    """Id, question, number and title of the topic: what words are looked for in, folded."""
    is_held: bool = False
    """It is due, but today does not ask it: a sibling is asked, or the limit is used up."""


@dataclass(frozen=True, slots=True)
class Found:
    """The cards that a search gives, in the course's order."""

    entries: tuple[Entry, ...]
    hint: str = ""
    """What is wrong with the search, where a filter does not exist."""


def build_entries(
    course: Course, memories: Mapping[str, Memory], held: Set[str] = frozenset()
) -> tuple[Entry, ...]:
    """Every card of the course, in its order."""
    return tuple(
        Entry(
            card,
            deck,
            topic,
            memories.get(card.id, NEW_MEMORY),
            f"{card.id}\n{card.question}\n{topic.number} {topic.title}".casefold(),
            card.id in held,
        )
        for deck in course.decks
        for topic in deck.topics
        for card in topic.cards
    )


def _is_due(entry: Entry, marks: Marks, today: date) -> bool:
    due = entry.memory.due_day
    is_asked = not entry.is_held and entry.card.id not in marks.hidden
    return due is not None and due <= today and is_asked


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


def find(entries: Sequence[Entry], search: str, marks: Marks, today: date) -> Found:
    """The entries that have every word of `search` and pass each of its filters.

    ``s:`` takes a state, ``t:`` a kind of card, ``d:`` a deck's id or place; their beginnings do.
    A colon elsewhere is part of a word.
    """
    found: Iterable[Entry] = entries
    for term in search.casefold().split():
        name, colon, value = term.partition(":")
        if not colon or name not in ("s", "t", "d"):
            found = [entry for entry in found if term in entry.text]
            continue
        if name == "d":
            found = _of_deck(list(found), value, [entry.deck for entry in entries])
            continue
        values = [each for each in (STATES if name == "s" else KINDS) if each.startswith(value)]
        if not values:
            known = ", ".join(STATES if name == "s" else KINDS)
            return Found((), f"{name}: takes {known}")
        if name == "t":
            found = [entry for entry in found if entry.card.kind in values]
        elif value:
            tests = [STATES[each] for each in values]
            found = [entry for entry in found if any(test(entry, marks, today) for test in tests)]
    return Found(tuple(found))


def _of_deck(found: Sequence[Entry], value: str, decks: Sequence[Deck]) -> list[Entry]:
    """Those of the decks whose id begins with `value`, or of the deck at that place."""
    order = list(dict.fromkeys(deck.id for deck in decks))
    if value.isdecimal():
        return [entry for entry in found if order.index(entry.deck.id) + 1 == int(value)]
    return [entry for entry in found if entry.deck.id.casefold().startswith(value)]
