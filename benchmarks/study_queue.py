"""The day's queue of a large course, built from cards and memories that are at hand.

What is compared with: sorting as many memories by the day that they are due.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from benchmarks.figures import Figure, in_turn, ms
from benchmarks.make_data import NOW, Data
from studykit.course.cards import Card
from studykit.course.decks import load_course
from studykit.review.schedule import Memory, Rating, Scheduler, ScheduleSettings
from studykit.review.study_queue import Done, Limits, build_queue

N_NEW = 10
"""One card in so many was never reviewed."""
N_DAYS_AGO = 60
"""The others were, so many days ago at most."""


def measure(data: Data, n_cards: int, n_rounds: int) -> list[Figure]:
    """The median of `n_rounds` queues of `n_cards`."""
    scheduler = Scheduler(ScheduleSettings())
    cards = _multiply(load_course(data.root).cards, n_cards)
    memories = _memories(cards, scheduler)
    day = scheduler.study_day(NOW)

    def queue() -> float:
        began = time.perf_counter()
        build_queue(
            cards,
            memories,
            day=day,
            at=NOW,
            limits=Limits(new_per_day=20, reviews_per_day=200),
            done=Done(),
            scheduler=scheduler,
        )
        return time.perf_counter() - began

    def sort() -> float:
        began = time.perf_counter()
        sorted(memories.values(), key=lambda memory: memory.due_day or day)
        return time.perf_counter() - began

    queues, sorts = in_turn(n_rounds, queue, sort)
    return [
        Figure(
            f"the day's queue of {n_cards:,} cards",
            ms(queues),
            "ms",
            "sorting their memories by due day",
            ms(sorts),
            below=150.0,
        )
    ]


def _multiply(cards: Mapping[str, Card], n_cards: int) -> dict[str, Card]:
    """As many cards, each a copy of one of `cards` with an id of its own."""
    originals = list(cards.values())
    copies = (
        replace(originals[n % len(originals)], id=f"card-{n:06}", note="") for n in range(n_cards)
    )
    return {card.id: card for card in copies}


def _memories(cards: Mapping[str, Card], scheduler: Scheduler) -> dict[str, Memory]:
    """Of all but each tenth card; those of one day share their stability."""
    new = Memory()
    reviewed = [
        scheduler.review("card", new, Rating.EASY, NOW - timedelta(days=n_days))
        for n_days in range(N_DAYS_AGO)
    ]
    return {id_: reviewed[n % N_DAYS_AGO] for n, id_ in enumerate(cards) if n % N_NEW}


def main(data: Data) -> Iterator[Figure]:
    yield from measure(data, 100_000, 11)
