"""What the reader of any format makes of a file: decks, notes, cards and what is known of them.

Values only. A reader knows its format and nothing of courses on the disk or of the progress; the
writer knows those and no format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from studykit.course.cards import Body
from studykit.review.marks import Mark
from studykit.review.schedule import Memory


class PastReview(NamedTuple):
    """One rated answer that counts for the schedule, as another program recorded it."""

    at_ms: int
    """UTC milliseconds since the epoch."""
    rating: int
    """1 (Again) to 4 (Easy)."""
    taken_ms: int
    interval: int = 0
    """What the source scheduled then: days, or below 0 seconds of a learning step; 0: unknown."""


@dataclass(frozen=True, slots=True)
class SourceCard:
    """One card as plain text: no HTML, nothing that `text.clean` would replace."""

    key: str
    """Its identity among the cards of its note, the same at the next import."""
    question: str
    """With exactly one `HOLE` if the body is a `Cloze`."""
    body: Body
    explain: str = ""
    """What is shown beside the answer, or empty."""
    marks: frozenset[Mark] = frozenset()
    reviews: tuple[PastReview, ...] = ()
    """Oldest first; only those that the present schedule rests on."""
    memory: Memory | None = None
    """What the source itself knows of it; None: nothing, or it was never reviewed.

    `due_day` of a card in Review is when the source asks for it; without `stability_days` the
    reviews alone say how well it is known.
    """


@dataclass(frozen=True, slots=True)
class SourceNote:
    """Cards made of one text, which are siblings."""

    key: str
    """Its identity in the source, the same at the next import: an id, or else its question."""
    cards: tuple[SourceCard, ...]
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDeck:
    """The notes of one deck; those of decks below it stand in their own."""

    path: tuple[str, ...]
    """Its name, after those of the decks that it lies in."""
    notes: tuple[SourceNote, ...]


class Remark(NamedTuple):
    """What does not come, or comes otherwise than it is in the source."""

    n: int
    """How many."""
    what: str
    """Of what, and why: "pictures, which a terminal cannot show"."""


@dataclass(frozen=True, slots=True)
class Collection:
    """All that one file holds."""

    title: str
    decks: tuple[SourceDeck, ...]
    """In the order in which new cards are to come."""
    remarks: tuple[Remark, ...] = ()
    media: tuple[str, ...] = ()
    """Names of the files that came along; none of them is taken over."""

    def cards(self) -> Iterator[SourceCard]:
        """Every card, in the order of the decks."""
        return (card for deck in self.decks for note in deck.notes for card in note.cards)
