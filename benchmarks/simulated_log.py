"""Logs of learners whose weights of FSRS are known, to fit weights to."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from studykit.review.habits import Habits
from studykit.review.schedule import (
    DEFAULT_WEIGHTS,
    NEW_MEMORY,
    Rating,
    Scheduler,
    ScheduleSettings,
    State,
)
from studykit.review.weights import History

BEGIN = datetime(2024, 1, 1, 12, tzinfo=UTC)


class Answer(NamedTuple):
    """One review: when, of which card, how it went, and how likely recall truly was."""

    at: datetime
    card: int
    rating: int
    recall: float


def _changed(**changes: float) -> tuple[float, ...]:
    """The defaults with some weights multiplied (w0 … w20)."""
    return tuple(w * changes.get(f"w{n}", 1.0) for n, w in enumerate(DEFAULT_WEIGHTS))


LEARNERS: Mapping[str, tuple[float, ...]] = {
    "as the defaults": DEFAULT_WEIGHTS,
    "remembers longer": _changed(w0=2.0, w1=2.5, w2=3.0, w3=3.0, w8=1.13),
    "forgets sooner": _changed(w0=0.6, w1=0.5, w2=0.4, w3=0.4, w8=0.81, w11=0.7),
    "forgets along another curve": _changed(w2=1.5, w3=0.7, w6=0.5, w14=1.24, w20=2.27),
}
"""What their memories are, in name and weights."""


def simulate(weights: tuple[float, ...], n_reviews: int, seed: int) -> list[Answer]:
    """The first `n_reviews` answers of a learner with `weights` whom the defaults schedule.

    Ratings are those of many learners, but recall in Review follows the learner's own weights.
    """
    rng, habits = random.Random(seed), Habits()
    scheduler = Scheduler(ScheduleSettings())
    true = Scheduler(ScheduleSettings(parameters=weights))
    n_days = int(min(900, 60 + 4 * n_reviews**0.5))
    answers: list[Answer] = []
    card = 0
    while len(answers) < n_reviews:
        at = BEGIN + timedelta(days=rng.randrange(n_days))
        known = memory = NEW_MEMORY
        last = Rating.GOOD
        while (at - BEGIN).days < n_days:
            day, recall = scheduler.study_day(at), 1.0
            match known.state:
                case State.NEW:
                    shares = habits.first
                case State.REVIEW:
                    recall = true.retrievability(memory, day)
                    shares = (1 - recall, *(recall * share for share in habits.recalled))
                case State.LEARNING:
                    shares = habits.learning[min(last, 3) - 1]
                case State.RELEARNING:
                    shares = habits.relearning[min(last, 3) - 1]
            last = rng.choices([*Rating], shares)[0]
            answers.append(Answer(at, card, int(last), recall))
            memory = true.review(str(card), memory, last, at)
            known = scheduler.review(str(card), known, last, at)
            assert known.due_day is not None
            at = known.due_at or BEGIN + (known.due_day - BEGIN.date())
        card += 1
    return sorted(answers)[:n_reviews]


def history_of(answers: list[Answer]) -> History:
    """The log as weights are fitted to it."""
    return History(
        [answer.card for answer in answers],
        [answer.at.date().toordinal() for answer in answers],
        [answer.rating for answer in answers],
    )
