"""What Home knows of the progress: a value, computed from the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studykit.review.study_queue import Counts
    from studykit.tui.services import Services


@dataclass(frozen=True, slots=True)
class Overview:
    """The study day at a glance."""

    decks: Mapping[str, Counts]
    """Deck id -> what is left of it today."""
    n_done: int
    """Answers given today."""
    n_known: int
    """Cards of the course that were answered at least once."""
    coming: tuple[date | datetime, int] | None
    """When cards come next once today's are done, and how many."""

    @property
    def n_new(self) -> int:
        """New cards left today."""
        return sum(counts.new for counts in self.decks.values())

    @property
    def n_learning(self) -> int:
        """Cards in learning steps left today."""
        return sum(counts.learning for counts in self.decks.values())

    @property
    def n_review(self) -> int:
        """Reviews left today."""
        return sum(counts.review for counts in self.decks.values())

    @property
    def n_due(self) -> int:
        """Everything left today."""
        return self.n_new + self.n_learning + self.n_review


def build_overview(services: Services) -> Overview:
    """The overview of now; raises `StoreError` when the progress cannot be read."""
    from studykit.review.study_queue import deck_counts, next_due

    store, cards, today = services.progress, services.cards, services.today
    memories = {id_: memory for id_, memory in store.memories().items() if id_ in cards}
    decks = deck_counts(
        cards,
        memories,
        day=today,
        at=services.clock.now(),
        limits=services.limits,
        done=store.done(today, cards),
        scheduler=services.scheduler,
    )
    return Overview(
        decks=decks,
        n_done=len(store.reviews(today)),
        n_known=len(memories),
        coming=next_due(memories, today),
    )
