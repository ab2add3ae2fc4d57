"""The study day as every screen and command counts it: what is asked today, and what waits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from studykit.review.marks import Marks
from studykit.review.schedule import Memory
from studykit.review.study_queue import Counts, Done, StudyQueue, as_asked, build_queue

if TYPE_CHECKING:
    from studykit.progress.store import Store
    from studykit.study.services import Services


@dataclass(frozen=True, slots=True)
class Day:
    """One study day of the course, at one moment of it."""

    day: date
    queue: StudyQueue
    decks: Mapping[str, Counts]
    """Deck id -> its share of the queue, of every deck that has a card."""
    memories: Mapping[str, Memory]
    """Of the course's cards that were reviewed at least once."""
    asked: Mapping[str, Memory]
    """The same as they will be asked: what counts when cards are counted by the day."""
    marks: Marks


def read_day(services: Services, store: Store | None) -> Day:
    """What `store` says of today; before the first answer there is none.

    Raises `StoreError` when it cannot be read.
    """
    cards, today, now = services.listed, services.today, services.clock.now()
    plan = services.plan
    if store is not None:
        services.use_weights(store)
    stored = {} if store is None else store.memories()
    marks = Marks() if store is None else store.marks(today)
    memories = {id_: memory for id_, memory in stored.items() if id_ in cards}
    queue = build_queue(
        cards,
        memories,
        day=today,
        at=now,
        limits=services.limits.on(today, plan),
        done=Done() if store is None else store.done(today, cards),
        scheduler=services.scheduler,
        hidden=marks.hidden,
        plan=plan,
    )
    asked = as_asked(memories, marks, queue.held, today, now, plan, cards)
    return Day(today, queue, queue.by_deck(cards), memories, asked, marks)
