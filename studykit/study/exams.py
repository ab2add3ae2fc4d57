"""How ready one will be for an exam: what is to be met a day, what will be recalled on the day."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from studykit.course.contents import AnyCard, AnyCourse
from studykit.review.habits import Habits
from studykit.review.placing import PlannedDays
from studykit.review.plan import EXAM_DAYS, Plan
from studykit.review.schedule import NEW_MEMORY, Memory, Rating, Scheduler, State
from studykit.study.words import short_day
from studykit.text import percent, plural

N_SIMULATED = 200
"""Cards whose reviews up to the exam are simulated; of more, so many are taken evenly."""


@dataclass(frozen=True, slots=True)
class Exam:
    """An exam to come, and what there is still to meet for it."""

    name: str
    """Id of the deck or course."""
    title: str
    day: date
    n_cards: int
    n_unseen: int
    n_days: int
    """Study days in which new cards can be met: until the last round, or the exam if that is on."""
    new_needed: int
    """New cards a usual day to meet all of them by then; 0 if none is unseen."""
    new_planned: int
    """Those of a usual day as it is set."""
    n_met: int
    """Cards that will have been met at that pace."""

    @property
    def last_round_per_day(self) -> float:
        """Reviews of this exam on each of the last study days before it."""
        return self.n_met / EXAM_DAYS


@dataclass(frozen=True, slots=True)
class Readiness:
    """Probability of recall on the day of the exam, the mean over its cards."""

    of_met: float
    """Of the cards that will have been met, if each is answered when it is due; 0 if none will."""
    if_stopped: float
    """Of the cards known today, if none is answered any more; 0 if none is known."""


def exams_ahead(
    course: AnyCourse,
    memories: Mapping[str, Memory],
    plan: Plan,
    new_per_day: int,
    today: date,
    suspended: Container[str] = frozenset(),
) -> list[Exam]:
    """The exams after `today` on decks of the course or on all of it, the earliest first.

    Cards that are `suspended` are in none.
    """
    titles = {deck.id: deck.title for deck in course.decks} | {course.id: course.title}
    days = ((day, name) for name, day in plan.exams.items() if name in titles and day > today)
    found: list[Exam] = []
    met_before: set[str] = set()
    for day, name in sorted(days):
        cards = cards_of(course, name, suspended)
        unseen = [card.id for card in cards if card.id not in memories]
        until = max(plan.last_round(day).days[0], today + timedelta(days=1))
        shares = [plan.share(today + timedelta(days=n)) for n in range((until - today).days)]
        capacity = sum(math.floor(new_per_day * share + 0.5) for share in shares)
        # Earlier exams have their new cards first.
        room = max(0, capacity - len(met_before.difference(unseen)))
        found.append(
            Exam(
                name=name,
                title=titles[name],
                day=day,
                n_cards=len(cards),
                n_unseen=len(unseen),
                n_days=sum(share > 0 for share in shares),
                new_needed=_needed(len(unseen), shares),
                new_planned=new_per_day,
                n_met=len(cards) - len(unseen) + min(room, len(unseen)),
            )
        )
        met_before.update(unseen)
    return found


def _needed(n_unseen: int, shares: Sequence[float]) -> int:
    """The fewest new cards of a usual day with which days of these shares meet all."""
    n_days = sum(share > 0 for share in shares)
    if not n_unseen or not n_days:
        return n_unseen
    per_day = max(1, n_unseen // n_days)
    while sum(math.floor(per_day * share + 0.5) for share in shares) < n_unseen:
        per_day += 1
    return per_day


def cards_of(course: AnyCourse, name: str, suspended: Container[str]) -> list[AnyCard]:
    """The cards of a deck, or of the whole course, by its id, without those `suspended`."""
    return [
        card
        for deck in course.decks
        if name in (deck.id, course.id)
        for card in deck.cards
        if card.id not in suspended
    ]


def readiness(
    exam: Exam,
    course: AnyCourse,
    memories: Mapping[str, Memory],
    plan: Plan,
    scheduler: Scheduler,
    today: date,
    suspended: Container[str] = frozenset(),
) -> Readiness:
    """What will be recalled on the day, by a simulation with a seed of each card's own.

    Cards are recalled with the probability that FSRS gives them; a new card is first rated as
    learners rate such cards, and met on the day that its turn comes.
    """
    cards = cards_of(course, exam.name, suspended)
    known = [(card, memories[card.id]) for card in cards if card.id in memories]
    unseen = [card for card in cards if card.id not in memories][: exam.n_met - len(known)]
    step = max(1, math.ceil(exam.n_met / N_SIMULATED))
    place = replace(plan, is_balanced=False)
    turns = [(card, memory, today) for card, memory in known]
    begins = _days_of_new(len(unseen), exam.new_planned, plan, today)
    turns += [(card, NEW_MEMORY, day) for card, day in zip(unseen, begins, strict=True)]
    recalled = [
        _recall_on(exam.day, card, memory, day, place, scheduler)
        for card, memory, day in turns[::step]
    ]
    stopped = [scheduler.retrievability(memory, exam.day) for _, memory in known]
    return Readiness(_mean(recalled), _mean(stopped))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _days_of_new(n_unseen: int, new_per_day: int, plan: Plan, today: date) -> list[date]:
    """The day on which each of so many new cards is met."""
    days: list[date] = []
    day = today
    while len(days) < n_unseen:
        days += [day] * math.floor(new_per_day * plan.share(day) + 0.5)
        day += timedelta(days=1)
    return days[:n_unseen]


def _recall_on(
    exam: date, card: AnyCard, memory: Memory, day: date, plan: Plan, scheduler: Scheduler
) -> float:
    """Probability of recall on the day of the exam, each review until then on its day."""
    wanted = plan.retention_of(card.deck_id)
    own = scheduler if wanted is None else scheduler.aiming_at(wanted)
    placing, random = PlannedDays(plan, {}, card.deck_id), Random(card.id)
    last_round = plan.last_round(exam)
    while True:
        day = plan.next_study_day(max(day, last_round.due_day(card.id, memory) or day))
        if day >= exam:
            return own.retrievability(memory, exam)
        at = datetime.combine(day, time(12), UTC)
        if memory.state is State.NEW:
            (rating,) = random.choices(tuple(Rating), Habits().first)
        elif random.random() < own.retrievability(memory, day):
            rating = Rating.GOOD
        else:
            rating = Rating.AGAIN
        memory = own.review(card.id, memory, rating, at, placing=placing)
        while memory.state is not State.REVIEW:
            memory = own.review(card.id, memory, Rating.GOOD, at, placing=placing)


def describe_exam(exam: Exam, today: date) -> str:
    """``core on 1 Feb 2027, in 62 days: 14 cards to meet, 1 a day``."""
    n_left = (exam.day - today).days
    told = f"{exam.name} on {short_day(exam.day, today)}, in {plural(n_left, 'day')}: "
    if not exam.n_unseen:
        return told + "all cards were met"
    pace = f"{exam.new_needed} a day"
    if exam.new_needed > exam.new_planned:
        pace += f" (set are {exam.new_planned}, which leaves out {exam.n_cards - exam.n_met})"
    return told + f"{plural(exam.n_unseen, 'card')} to meet, {pace}"


def describe_readiness(exam: Exam, ready: Readiness) -> str:
    """``93 % of 120 cards recalled on the day, 61 % of those known if you stopped now; …``."""
    if not exam.n_met:
        return "no card will have been met"
    stopped = ""
    if exam.n_unseen < exam.n_cards:
        stopped = f", {percent(ready.if_stopped)} of those known if you stopped now"
    return (
        f"{percent(ready.of_met)} of {plural(exam.n_met, 'card')} recalled on the day{stopped}; "
        f"about {exam.last_round_per_day:.0f} reviews a day in the last {EXAM_DAYS} study days"
    )
