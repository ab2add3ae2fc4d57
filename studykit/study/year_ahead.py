"""The year ahead of this learner in this course, simulated from what the progress says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from studykit.review.habits import Habits, habits_of
from studykit.study.workload import RETENTIONS, YearAhead, look_ahead

if TYPE_CHECKING:
    from studykit.progress.store import Store
    from studykit.study.services import Services

N_HABITS = 5_000
"""The latest answers, of which ratings and times are taken."""


@dataclass(frozen=True, slots=True)
class CourseAhead:
    """A year of the cards of one course."""

    ahead: YearAhead
    n_unseen: int
    """Cards that were never asked; suspended ones are left out, here and among the known."""


def read_year_ahead(services: Services, store: Store | None) -> CourseAhead:
    """Simulate it; under a second of computing, so call it in a thread.

    With the weights in use, the steps that are set, and the learner's own habits of late.
    `store` is None before the first sitting. Raises `StoreError`.
    """
    habits = Habits()
    memories, suspended = {}, frozenset[str]()
    if store is not None:
        services.use_weights(store)
        habits = habits_of(store.rated_lately(N_HABITS))
        memories, suspended = store.memories(), store.marks(services.today).suspended
    asked = [card_id for card_id in services.cards if card_id not in suspended]
    known = [memories[card_id] for card_id in asked if card_id in memories]
    ahead = look_ahead(services.scheduler.settings, habits, known, services.today)
    return CourseAhead(ahead, len(asked) - len(known))


def shown_retentions(desired: float) -> list[float]:
    """The steps of a table: every 0.05, and above 0.9, where it grows dear, more; and `desired`."""
    usual = (0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.95, 0.96, 0.97)
    closest = min(RETENTIONS, key=lambda each: abs(each - desired))
    return sorted({*usual, closest})
