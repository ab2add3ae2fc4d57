"""What a replay of the log costs: ``python -m benchmarks.replaying [N_REVIEWS] [--record]``.

The answers of 20 reviews a card, on the days that the schedule gave them, most of them right. In
turn, in one process: `replay`, which finds states, numbers and due days, and a loop over the
package's `review_card`, which is given midnights so that it counts the same days, and finds no
fuzz, no study days and no caps. Processor time. Both must agree to 1e-9.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as midnight
from pathlib import Path
from statistics import median

import fsrs
import numpy as np

from benchmarks.figures import Figure, in_turn, report
from studykit.clock import to_ms
from studykit.review.replay import Answers, Outcomes, replay
from studykit.review.schedule import NEW_MEMORY, Rating, Scheduler, ScheduleSettings

N_REVIEWS, A_CARD, N_HISTORIES, N_ROUNDS = 200_000, 20, 500, 7
BEGIN = datetime(2024, 1, 1, 9, tzinfo=UTC)
SETTINGS = ScheduleSettings()
KEPT_IN = Path(__file__).parent / "results" / "replaying.json"


def make_answers(n_reviews: int) -> Answers:
    """Histories of cards, begun one after the other, in the order of time."""
    histories = [[*_history(random.Random(n))] for n in range(N_HISTORIES)]
    rows = []
    for card in range(n_reviews // A_CARD):
        later = timedelta(days=card // 20)
        for at, rating in histories[card % N_HISTORIES]:
            rows.append((to_ms(at + later), card, (at + later).date(), int(rating)))
    rows.sort()
    at_ms, cards, days, ratings = zip(*rows, strict=True)
    zeros = np.zeros(len(rows), np.int64)
    return Answers(
        card=np.array(cards),
        at_ms=np.array(at_ms),
        offset_min=zeros,
        day=np.array(days, "datetime64[D]"),
        rating=np.array(ratings),
        is_confident_error=zeros > 0,
        schedule=zeros,
    )


def _history(rng: random.Random) -> Iterator[tuple[datetime, Rating]]:
    scheduler, memory, at = Scheduler(SETTINGS), NEW_MEMORY, BEGIN
    for _ in range(A_CARD):
        rating = rng.choices([*Rating], weights=(12, 10, 70, 8))[0]
        yield at, rating
        memory = scheduler.review("card", memory, rating, at)
        assert memory.due_day is not None
        at = memory.due_at or datetime.combine(memory.due_day, at.timetz())


def by_the_package(answers: Answers) -> list[fsrs.Card]:
    """Each card after its last answer."""
    scheduler = fsrs.Scheduler(enable_fuzzing=False)
    cards = [fsrs.Card(card_id=n) for n in range(int(answers.card.max()) + 1)]
    days: list[date] = answers.day.tolist()
    for n, day, rating in zip(answers.card.tolist(), days, answers.rating.tolist(), strict=True):
        at = datetime.combine(day, midnight(), UTC)
        cards[n], _ = scheduler.review_card(cards[n], fsrs.Rating(rating), at)
    return cards


def measure(n_reviews: int, n_rounds: int) -> Iterator[Figure]:
    """The replay beside the loop; raises `AssertionError` where they do not agree."""
    answers = make_answers(n_reviews)
    ids = [f"card-{n}" for n in range(int(answers.card.max()) + 1)]
    found: list[Outcomes] = []
    cards: list[fsrs.Card] = []

    def ours() -> float:
        began = time.process_time()
        found[:] = [replay(ids, answers, [SETTINGS]).after]
        return time.process_time() - began

    def theirs() -> float:
        began = time.process_time()
        cards[:] = by_the_package(answers)
        return time.process_time() - began

    replayed, looped = in_turn(n_rounds, ours, theirs)
    last = np.zeros(len(ids), np.int64)
    last[answers.card] = np.arange(len(answers.card))  # of several rows the last stays
    stability, difficulty = found[0].stability_days[last], found[0].difficulty[last]
    package = np.array([(card.stability, card.difficulty) for card in cards], np.float64).T
    assert np.isclose([stability, difficulty], package, rtol=1e-9, atol=0).all()
    yield Figure(
        f"replaying {n_reviews:,} reviews, processor time",
        median(replayed),
        "s",
        "a loop over py-fsrs's review_card",
        median(looped),
        ratio_below=0.5,
    )


def main() -> int:
    """The table, and whether the figure was reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n_reviews", nargs="?", type=int, default=N_REVIEWS)
    parser.add_argument("--record", action="store_true", help="keep it in results/replaying.json")
    options = parser.parse_args()
    figures = measure(options.n_reviews, N_ROUNDS)
    kept_in = KEPT_IN if options.record else None
    return report(figures, kept_in, packages=("numpy",), n_reviews=options.n_reviews)


if __name__ == "__main__":
    raise SystemExit(main())
