"""How much a daily number of new cards asks for: answers a day, found by simulation. Pure.

Cards are rated as a large population of Anki's users rated theirs, by the shares that fsrs-rs
simulates with (`SimulatorConfig`), and recalled as often as the scheduler itself predicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random

from studykit.review.schedule import NEW_MEMORY, Memory, Rating, Scheduler, State
from studykit.study.words import minutes

N_CARDS = 200
"""Cards simulated: at the default settings their figures are those of 2,000 within 1 %."""
MONTH_DAYS = 30
N_DAYS = 90
"""Days that a card is followed from its first answer on."""

_RATINGS: tuple[Rating, ...] = tuple(Rating)
_FIRST = (0.24, 0.094, 0.495, 0.171)
"""Again, Hard, Good, Easy of a card never seen."""
_RECALLED = (0.224, 0.631, 0.145)
"""Hard, Good, Easy of one that is recalled in Review."""
_STEPS = {
    State.LEARNING: {
        Rating.AGAIN: (0.3686, 0.0628, 0.5108, 0.0577),
        Rating.HARD: (0.0442, 0.4553, 0.4457, 0.0549),
        Rating.GOOD: (0.0519, 0.047, 0.8462, 0.055),
    },
    State.RELEARNING: {
        Rating.AGAIN: (0.2157, 0.0643, 0.6595, 0.0604),
        Rating.HARD: (0.05, 0.4638, 0.4475, 0.0387),
        Rating.GOOD: (0.1057, 0.1434, 0.7266, 0.0244),
    },
}
"""The four of a card in steps, by its last rating."""

_BEGIN = datetime(2026, 1, 5, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Workload:
    """Answers a day, while there are new cards left to meet."""

    first_month: float
    later: float
    """The mean of the two months after it: the reviews of the cards of the first come on top."""


def build_workload(scheduler: Scheduler, new_per_day: int) -> Workload:
    """What so many new cards a day make."""
    by_day = [new_per_day * n for n in accumulate(_answers_by_age(scheduler))]
    month, later = by_day[:MONTH_DAYS], by_day[MONTH_DAYS:]
    return Workload(sum(month) / len(month), sum(later) / len(later))


def describe_workload(load: Workload, answer_seconds: float) -> str:
    """``≈ 30 answers (10 min) a day in the first month, 47 (16 min) later``."""
    first, later = (
        f"{n:.0f} answers ({minutes(timedelta(seconds=n * answer_seconds))})"
        for n in (load.first_month, load.later)
    )
    return f"≈ {first} a day in the first month, {later.replace(' answers', '')} later"


def _answers_by_age(scheduler: Scheduler) -> list[float]:
    """How often a card is answered so many days after its first answer, on average."""
    counts = [0] * N_DAYS
    for n in range(N_CARDS):
        card_id, random = f"card-{n}", Random(n)
        memory, last, at = NEW_MEMORY, Rating.AGAIN, _BEGIN
        while (age := (scheduler.study_day(at) - _BEGIN.date()).days) < N_DAYS:
            counts[age] += 1
            last = _rate(scheduler, memory, last, at, random)
            memory = scheduler.review(card_id, memory, last, at)
            assert memory.due_day is not None
            at = memory.due_at or _BEGIN + (memory.due_day - _BEGIN.date())
    return [count / N_CARDS for count in counts]


def _rate(
    scheduler: Scheduler, memory: Memory, last: Rating, at: datetime, random: Random
) -> Rating:
    if memory.state is State.NEW:
        return random.choices(_RATINGS, _FIRST)[0]
    if memory.state is State.REVIEW:
        if random.random() > scheduler.retrievability(memory, scheduler.study_day(at)):
            return Rating.AGAIN
        return random.choices(_RATINGS[1:], _RECALLED)[0]
    shares = _STEPS[memory.state].get(last, _STEPS[memory.state][Rating.GOOD])
    return random.choices(_RATINGS, shares)[0]
