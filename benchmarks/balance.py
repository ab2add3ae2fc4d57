"""How even balanced days are, how near an easy day comes to its share, and what a choice costs.

``python -m benchmarks.balance``: a learner of ten new cards a day for a year, recalling them as
often as FSRS expects, beside the same learner whose intervals are drawn evenly from their ranges.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from statistics import fmean, median, pstdev
from unittest.mock import patch

from studykit.review import placing
from studykit.review.placing import PlannedDays
from studykit.review.plan import Plan
from studykit.review.schedule import NEW_MEMORY, Memory, Placing, Rating, Scheduler, draw_evenly
from studykit.review.schedule import ScheduleSettings as Settings

BEGIN = datetime(2026, 1, 5, 12, tzinfo=UTC)
N_DAYS, N_NEW, N_SEEDS = 365, 10, 3
SETTLED = range(63, 363)
"""Days that are counted: the first have too few reviews to be spread."""
EASY = Plan(is_balanced=True, easy_days={5: 0.5, 6: 0.0})
VARIANTS: Mapping[str, tuple[Plan | None, int]] = {
    "drawn evenly": (None, 0),
    "balanced, power 2": (Plan(is_balanced=True), 2),
    "balanced, power 4": (Plan(is_balanced=True), 4),
    "Saturday half, Sunday off, power 2": (EASY, 2),
    "Saturday half, Sunday off, power 4": (EASY, 4),
}


@dataclass
class Year:
    """Reviews of known cards on each day; on a day off they wait."""

    asked: Counter[date] = field(default_factory=Counter)
    movable: Counter[date] = field(default_factory=Counter)
    """Those of them whose interval had a range of days."""


def simulate(plan: Plan | None, power: int, seed: int) -> Year:
    """A year of the learner."""
    scheduler = Scheduler(Settings(learning_steps=(), relearning_steps=()))
    random, memories = Random(seed), dict[str, Memory]()
    due: dict[date, list[str]] = {}
    load: Counter[date] = Counter()
    year, usual = Year(), plan or Plan()
    with patch.object(placing, "CROWD_POWER", power):
        for n in range(N_DAYS):
            at = BEGIN + timedelta(days=n)
            today = at.date()
            share = usual.share(today)
            if share == 0:
                due.setdefault(today + timedelta(days=1), []).extend(due.pop(today, []))
                continue
            known = due.pop(today, [])
            year.asked[today] = len(known)
            year.movable[today] = sum(_interval(memories[id_]) >= 3 for id_ in known)
            for id_ in [*known, *(f"{n}-{i}" for i in range(round(N_NEW * share)))]:
                memory = memories.get(id_, NEW_MEMORY)
                recalled = random.random() < (scheduler.retrievability(memory, today) or 0.7)
                rating = Rating.GOOD if recalled else Rating.AGAIN
                place = draw_evenly if plan is None else PlannedDays(plan, load, "core")
                memory = scheduler.review(id_, memory, rating, at, placing=place)
                memories[id_] = memory
                assert memory.due_day is not None
                load[memory.due_day] += 1
                due.setdefault(memory.due_day, []).append(id_)
    return year


def _interval(memory: Memory) -> int:
    assert memory.due_day is not None
    assert memory.last_review_day is not None
    return (memory.due_day - memory.last_review_day).days


def microseconds_of_previews(plan: Plan | None, interval: int) -> float:
    """The median processor time of the four intervals of a card, in microseconds."""
    scheduler = Scheduler(Settings())
    today = BEGIN.date()
    load = {today + timedelta(days=n): 20 for n in range(3650)}
    memory, at = scheduler.review("card", NEW_MEMORY, Rating.EASY, BEGIN), BEGIN
    while _interval(memory) < interval:
        at = datetime.combine(memory.due_day or today, BEGIN.timetz())
        memory = scheduler.review("card", memory, Rating.GOOD, at)
    at = datetime.combine(memory.due_day or today, BEGIN.timetz())
    times = []
    for _ in range(300):
        began = time.process_time()
        place: Placing = draw_evenly if plan is None else PlannedDays(plan, load, "core")
        scheduler.preview("card", memory, at, placing=place)
        times.append(time.process_time() - began)
    return 1e6 * median(times)


def _share(counts: list[Counter[date]], days: list[date], weekday: int) -> float:
    """What a weekday has of an ordinary one's reviews, Tuesday to Friday."""
    mean = {
        n: fmean(each[day] for each in counts for day in days if day.weekday() == n)
        for n in (1, 2, 3, 4, weekday)
    }
    return mean[weekday] / fmean(mean[n] for n in (1, 2, 3, 4))


def main() -> None:
    """Print both tables as Markdown."""
    print("| variant | spread of the weekdays | Saturday | of movable reviews | Sunday |")
    print("|---|---|---|---|---|")
    for name, (plan, power) in VARIANTS.items():
        years = [simulate(plan, power, seed) for seed in range(N_SEEDS)]
        days = [BEGIN.date() + timedelta(days=n) for n in SETTLED]
        # They grow through the year: Tuesdays to Fridays of a week against their own mean.
        weeks = [
            [year.asked[days[n + k]] for k in range(1, 5)]
            for year in years
            for n in range(0, len(days) - 6, 7)
        ]
        spread = fmean(pstdev(week) / fmean(week) for week in weeks)
        shares = (
            _share([year.asked for year in years], days, 5),
            _share([year.movable for year in years], days, 5),
            _share([year.asked for year in years], days, 6),
        )
        print(f"| {name} | {spread:.1%} | {' | '.join(f'{share:.2f}' for share in shares)} |")
    print("\n| previews of a card | drawn evenly | by the plan |\n|---|---|---|")
    plan = Plan(is_balanced=True, easy_days={5: 0.5}, holidays=((BEGIN.date(), BEGIN.date()),) * 5)
    for interval in (10, 100, 1000):
        drawn, planned = (microseconds_of_previews(each, interval) for each in (None, plan))
        print(f"| about {interval} days | {drawn:.0f} µs | {planned:.0f} µs |")


if __name__ == "__main__":
    main()
