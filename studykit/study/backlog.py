"""Reviews that are due but have no room today: how many they are, and how long they take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

from studykit.review.schedule import NEW_MEMORY, Memory, Rating, Scheduler, State
from studykit.review.study_queue import Done
from studykit.study.words import short_day

if TYPE_CHECKING:
    from studykit.review.plan import Plan
    from studykit.review.study_queue import Limits
    from studykit.study.day import Day
    from studykit.study.services import Services

N_SAMPLED = 30
"""Cards of a backlog by which it is reckoned when those that are asked come again."""
N_TIMES = 4
"""How often each of them is asked in the reckoning: its intervals grow. After that they stay."""
WITHIN_DAYS = 365
"""How far the reckoning goes."""
FOR_GOOD = 0.5
"""A backlog of fewer expected cards is none."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits for a day with room."""

    n_cards: int
    per_day: int
    """Reviews a day, as the limits have it now."""
    days: int | None
    """Days from today on until nothing waits any more, about; None: more than `WITHIN_DAYS`."""
    resumes: date | None
    """The next study day, if today is a day off."""
    pauses_new: bool
    """No new cards until then."""


def read_backlog(day: Day, services: Services) -> Backlog | None:
    """The backlog of a study day; None if every review that is due has its place in it."""
    queue, today = day.queue, day.day
    if not queue.beyond:
        return None
    plan, usual = services.plan, services.limits
    waiting = frozenset(queue.beyond)
    is_off = plan.share(today) == 0
    limits = usual.with_due(len(queue.beyond), Done()) if is_off else queue.limits
    usual_new = usual.on(plan.next_study_day(today), plan).new_per_day
    return Backlog(
        n_cards=len(queue.beyond),
        per_day=limits.reviews_per_day,
        days=days_to_clear(
            [day.memories[id_] for id_ in queue.beyond],
            [day.memories[id_] for id_ in queue.reviews],
            Counter(
                memory.due_day
                for id_, memory in day.asked.items()
                if memory.due_day is not None and id_ not in waiting
            ),
            n_unseen=len(services.listed) - len(day.memories),
            today=today,
            limits=limits,
            plan=plan,
            scheduler=services.scheduler,
        ),
        resumes=plan.next_study_day(today) if is_off else None,
        pauses_new=limits.new_per_day < usual_new,
    )


def days_to_clear(
    waiting: Sequence[Memory],
    asked_today: Sequence[Memory],
    coming: Mapping[date, int],
    *,
    n_unseen: int,
    today: date,
    limits: Limits,
    plan: Plan,
    scheduler: Scheduler,
) -> int | None:
    """Days from `today` on until no review waits any more, in expectation; None if over a year.

    `waiting` have no room today, `asked_today` have; `coming` counts the other cards by the day
    that they are due. Each review counts as remembered with the probability that FSRS gives it,
    and its card comes again after the interval of Good, or, forgotten, of Again and then Good.
    """
    returns = _returns(waiting, scheduler, today)
    after_first = _first_return(scheduler, today)
    arriving = [[0.0] * (WITHIN_DAYS + 1) for _ in returns]
    """Cards by how often they were asked since today, and by the day that they come."""
    for due, n in coming.items():
        if 0 < (ahead := (due - today).days) <= WITHIN_DAYS:
            arriving[0][ahead] += n

    def come_again(n: float, from_day: int, times: int) -> None:
        following = arriving[min(times + 1, len(arriving) - 1)]
        for interval, share in returns[times].items():
            if from_day + interval <= WITHIN_DAYS:
                following[from_day + interval] += n * share

    come_again(len(asked_today), 0, 0)
    n_waiting = [float(len(waiting)), *[0.0] * (len(returns) - 1)]
    for ahead in range(1, WITHIN_DAYS + 1):
        n_waiting = [n_then + come[ahead] for n_then, come in zip(n_waiting, arriving, strict=True)]
        of_day = limits.on(today + timedelta(days=ahead), plan)
        n_all = sum(n_waiting)
        part = min(1.0, of_day.reviews_per_day / n_all) if n_all else 1.0
        for times, n_then in enumerate(n_waiting):
            come_again(n_then * part, ahead, times)
        n_waiting = [n_then * (1 - part) for n_then in n_waiting]
        n_new = min(of_day.new_per_day, n_unseen)
        n_unseen -= n_new
        if ahead + after_first <= WITHIN_DAYS:
            arriving[0][ahead + after_first] += n_new
        if sum(n_waiting) < FOR_GOOD and of_day.reviews_per_day:
            return ahead
    return None


def _returns(
    memories: Sequence[Memory], scheduler: Scheduler, today: date
) -> list[dict[int, float]]:
    """Days until a card that is asked comes again -> the share of such cards; by a sample.

    First for the first time that it is asked, then for the second and so on. Whether the one next
    time was recalled this time is spread evenly over the sample, not drawn.
    """
    step = max(1, len(memories) // N_SAMPLED)
    sample = [(memory, today) for memory in memories[::step]]
    returns: list[dict[int, float]] = []
    for times in range(N_TIMES):
        shares: dict[int, float] = {}
        for n, (memory, day) in enumerate(sample):
            recalled = scheduler.retrievability(memory, day)
            card_id = f"sampled {n}"
            good = _after(scheduler, memory, (Rating.GOOD,), day, card_id)
            again = _after(scheduler, memory, (Rating.AGAIN, Rating.GOOD), day, card_id)
            for (_, due), share in ((good, recalled), (again, 1 - recalled)):
                days = (due - day).days
                shares[days] = shares.get(days, 0.0) + share / len(sample)
            sample[n] = good if (n * _GOLDEN + times / N_TIMES) % 1 < recalled else again
        returns.append(shares)
    return returns


_GOLDEN = 0.6180339887
"""Its multiples lie evenly between 0 and 1, whatever their number."""


def _first_return(scheduler: Scheduler, today: date) -> int:
    """Days from a new card's first answers to its first review."""
    n_steps = len(scheduler.settings.learning_steps)
    ratings = (Rating.GOOD,) * (n_steps + 1)
    _, due = _after(scheduler, NEW_MEMORY, ratings, today, "sampled")
    return (due - today).days


def _after(
    scheduler: Scheduler, memory: Memory, ratings: Sequence[Rating], today: date, card_id: str
) -> tuple[Memory, date]:
    """The card after these ratings on one day, and the day that it is due, a later one."""
    at = datetime.combine(today, time(12), UTC)
    for rating in ratings:
        memory = scheduler.review(card_id, memory, rating, at)
        if memory.state is State.REVIEW and rating is not Rating.AGAIN:
            break
    assert memory.due_day is not None
    return memory, max(memory.due_day, today + timedelta(days=1))


def describe_backlog(backlog: Backlog | None, today: date) -> str:
    """``340 beyond today's limit, cleared in about 12 days``; empty if there is none."""
    if backlog is None:
        return ""
    if backlog.resumes is not None:
        waiting = "1 card waits" if backlog.n_cards == 1 else f"{backlog.n_cards} cards wait"
        told = f"a day off: {waiting} until {short_day(backlog.resumes, today)}"
        if backlog.days is None or today + timedelta(days=backlog.days) <= backlog.resumes:
            return told
    else:
        told = f"{backlog.n_cards} beyond today's limit"
    if backlog.days is None:
        pace = f"over a year at {backlog.per_day} a day" if backlog.per_day else "none is asked"
        told += f", {pace}"
    else:
        n = backlog.days
        told += f", cleared in about {n} {'day' if n == 1 else 'days'}"
    return told + (", no new cards until then" if backlog.pauses_new else "")
