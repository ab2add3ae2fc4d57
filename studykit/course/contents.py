"""What a course holds without the texts of its cards: enough to count, to queue and to report.

Of a large course it is there in a tenth of the time and the memory of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from studykit.course.cards import Card, Course, LabHeader


class ListedCard(NamedTuple):
    """A card as the contents list it; its fields are those of `Card`."""

    id: str
    deck_id: str
    topic_id: str
    note: str
    headline: str


@dataclass(frozen=True, slots=True)
class ListedTopic:
    """As `Topic`."""

    id: str
    number: str
    title: str
    cards: tuple[ListedCard, ...]


@dataclass(frozen=True, slots=True)
class ListedDeck:
    """As `Deck`."""

    id: str
    title: str
    topics: tuple[ListedTopic, ...]

    @property
    def cards(self) -> tuple[ListedCard, ...]:
        """All cards, in the deck's order."""
        return tuple([card for topic in self.topics for card in topic.cards])


@dataclass(frozen=True, slots=True)
class Contents:
    """As `Course`."""

    id: str
    title: str
    decks: tuple[ListedDeck, ...]
    labs: Mapping[str, LabHeader]
    retention: float | None

    @property
    def cards(self) -> dict[str, ListedCard]:
        """Card id -> card, in the course's order."""
        return {card.id: card for deck in self.decks for card in deck.cards}


AnyCourse: TypeAlias = Course | Contents
"""For what asks only for fields that both have."""
AnyCard: TypeAlias = Card | ListedCard
