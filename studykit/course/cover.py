"""What is shown of a course first; apart from `cards`, which the first paint need not load."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeckCover:
    """What a table of decks shows of one before anything is known of its cards."""

    id: str
    title: str
    n_cards: int


@dataclass(frozen=True, slots=True)
class Cover:
    """What the first screen shows of a course."""

    title: str
    decks: tuple[DeckCover, ...]
    problems: tuple[str, ...]
    """As in `Course`."""
