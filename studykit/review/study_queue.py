"""Which cards to ask now, and in which order: cards + memories + study day -> queue. Pure."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from hashlib import blake2b
from heapq import heapify, heappop, heappush, heapreplace

from studykit.course.contents import AnyCard
from studykit.review.marks import Marks
from studykit.review.plan import NO_PLAN, LastRound, Plan
from studykit.review.schedule import NEW_MEMORY, Memory, Scheduler, State, is_due

LEARN_AHEAD = timedelta(minutes=20)
"""When nothing else is left, a learning step that ends this soon is not waited for."""


UNLIMITED = 1_000_000
"""More cards than any course has."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a study day may ask; learning cards are never limited."""

    new_per_day: int = UNLIMITED
    reviews_per_day: int = UNLIMITED
    backlog_per_day: int = 0
    """Reviews of a day on which more are due than these; 0: such a day is like any other."""
    new_in_backlog: int = 0
    """New cards of such a day."""

    def with_more_new(self, done: Done, n_more: int) -> Limits:
        """Of a day that has seen `done` and may meet `n_more` new cards beyond its limit."""
        return replace(
            self,
            new_per_day=max(self.new_per_day, done.new) + n_more,
            new_in_backlog=done.new + n_more,
        )

    def on(self, day: date, plan: Plan) -> Limits:
        """Those of `day`: of a day off nothing, of an easy day its share of the new cards."""
        share = plan.share(day)
        if share == 0:
            return Limits(0, 0)
        return replace(self, new_per_day=math.floor(self.new_per_day * share + 0.5))

    def with_due(self, n_due: int, done: Done) -> Limits:
        """Those that hold where `n_due` reviews are due, with or without a backlog."""
        if not 0 < self.backlog_per_day < n_due + done.reviews:
            return self
        return replace(
            self,
            new_per_day=min(self.new_per_day, self.new_in_backlog),
            reviews_per_day=min(self.reviews_per_day, self.backlog_per_day),
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """Cards still to ask today."""

    new: int = 0
    learning: int = 0
    """Those whose step ends later today included."""
    review: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.new + self.learning + self.review


@dataclass(frozen=True, slots=True)
class Done:
    """What the study day has already seen, so that its limits hold across sittings."""

    new: int = 0
    """Cards that had their very first review today."""
    reviews: int = 0
    """Reviews today of cards that were in Review (not of learning steps)."""
    notes: frozenset[str] = frozenset()
    """Sibling groups of which a card was reviewed today."""

    def plus(self, card: AnyCard, before: Memory) -> Done:
        """Once `card`, of which `before` was known, has been reviewed, too."""
        return Done(
            new=self.new + (before.state is State.NEW),
            reviews=self.reviews + (before.state is State.REVIEW),
            notes=self.notes | {card.note} if card.note else self.notes,
        )

    def minus(self, card: AnyCard, before: Memory, *, asked_siblings: bool) -> Done:
        """Once that review has been taken back; inverse of `plus`.

        `asked_siblings`: the day still has a review of the card or of one of its siblings.
        """
        return replace(
            self,
            new=max(0, self.new - (before.state is State.NEW)),
            reviews=max(0, self.reviews - (before.state is State.REVIEW)),
            notes=self.notes if asked_siblings else self.notes - {card.note},
        )


@dataclass(frozen=True, slots=True)
class StudyQueue:
    """Ids of the cards to ask; no card stands in it twice."""

    learning: tuple[str, ...]
    """Learning steps that have ended, the longest ago first."""
    reviews: tuple[str, ...]
    new: tuple[str, ...]
    """In the course's order."""
    waiting: tuple[str, ...]
    """Learning steps that end later today, the soonest first; not part of `ids`."""
    siblings: tuple[str, ...] = ()
    """Reviews that are due, but wait until tomorrow: another card of their note is of today."""
    beyond: tuple[str, ...] = ()
    """Reviews that are due, but wait for a day whose limit has room for them; on a day off also
    steps of an earlier day."""
    limits: Limits = Limits()
    """The day's, as a backlog has left them."""

    @property
    def mixed(self) -> tuple[str, ...]:
        """Reviews with the new cards spread evenly among them.

        Evenly, because the reviews in between fill the minutes of the new cards' steps, and a
        sitting broken off half-way has done its share of both. New cards keep the course's
        order: what is met for the first time is learned topic by topic.
        """
        places = [((i + 0.5) / len(self.reviews), 0, id_) for i, id_ in enumerate(self.reviews)]
        places += [((i + 0.5) / len(self.new), 1, id_) for i, id_ in enumerate(self.new)]
        return tuple(id_ for _, _, id_ in sorted(places))

    @property
    def ids(self) -> tuple[str, ...]:
        """Everything that can be asked now, in order."""
        return self.learning + self.mixed

    @property
    def held(self) -> frozenset[str]:
        """What is due and yet not asked today."""
        return frozenset(self.siblings + self.beyond)

    @property
    def counts(self) -> Counts:
        """How many are left today."""
        return Counts(len(self.new), len(self.learning) + len(self.waiting), len(self.reviews))

    def by_deck(self, cards: Mapping[str, AnyCard]) -> dict[str, Counts]:
        """Deck id -> its share of `counts`, with zeros for a deck that has none left."""
        return self._shares({id_: card.deck_id for id_, card in cards.items()})

    def by_topic(self, cards: Mapping[str, AnyCard]) -> dict[str, Counts]:
        """The same of each topic, as ``deck/topic``."""
        return self._shares({id_: f"{card.deck_id}/{card.topic_id}" for id_, card in cards.items()})

    def _shares(self, names: Mapping[str, str]) -> dict[str, Counts]:
        new = Counter(names[id_] for id_ in self.new)
        learning = Counter(names[id_] for id_ in self.learning + self.waiting)
        review = Counter(names[id_] for id_ in self.reviews)
        return {
            name: Counts(new[name], learning[name], review[name])
            for name in dict.fromkeys(names.values())
        }


def build_queue(
    cards: Mapping[str, AnyCard],
    memories: Mapping[str, Memory],
    *,
    day: date,
    at: datetime,
    limits: Limits,
    done: Done,
    scheduler: Scheduler,
    hidden: Set[str] = frozenset(),
    plan: Plan = NO_PLAN,
    n_due: int | None = None,
) -> StudyQueue:
    """The queue of `day` at the instant `at`, without the `hidden`; the same for the same input.

    `limits` are those of the day. `n_due` counts the reviews that are due in all, if `cards` are
    only a part of what is studied. Cards of the next exam are met before other new ones.

    Of siblings only one is asked on a day: a learning card before a review before a new card.
    Learning cards themselves are always asked, or their steps would be lost; a day off asks those
    that were begun on it.
    """
    learning: list[str] = []
    waiting: list[str] = []
    due: list[str] = []
    unseen: list[str] = []
    broken_off: list[str] = []
    is_off = plan.share(day) == 0
    rounds = plan.last_rounds((card.deck_id for card in cards.values()), day)
    for id_ in cards:
        if id_ in hidden:
            continue
        memory = memories.get(id_, NEW_MEMORY)
        if memory.state is State.NEW:
            unseen.append(id_)
        elif is_due(memory, at, day):
            if memory.state is State.REVIEW:
                due.append(id_)
            elif is_off and memory.due_day is not None and memory.due_day < day:
                broken_off.append(id_)
            else:
                learning.append(id_)
        elif comes_today(memory, at, day):
            waiting.append(id_)
        elif rounds and _is_in_round(cards[id_], memory, rounds, day):
            due.append(id_)

    limits = limits.with_due(len(due) if n_due is None else n_due, done)
    if rounds:
        exams = {deck: each.exam for deck, each in rounds.items()}
        unseen.sort(key=lambda id_: exams.get(cards[id_].deck_id, date.max))
    asked = set(done.notes)
    asked.update(note for id_ in (*learning, *waiting) if (note := cards[id_].note))
    room = max(0, limits.reviews_per_day - done.reviews)
    if room and len(due) > room:
        # A backlog: first those that are still remembered best, which keeps the most of them;
        # what is forgotten already costs no more for waiting another day.
        fading = ((scheduler.fading(memories[id_], day), n) for n, id_ in enumerate(due))
        reviews = _without_siblings((due[n] for _, n in _ascending(fading)), cards, asked, room)
    else:
        due.sort(key=lambda id_: memories[id_].due_day or day)
        reviews = _without_siblings(due, cards, asked, room)
        reviews.sort(key=lambda id_: _draw(day, id_))
    chosen = set(reviews)
    left = [id_ for id_ in due if id_ not in chosen]
    siblings = [id_ for id_ in left if cards[id_].note in asked]
    beyond = [id_ for id_ in left if cards[id_].note not in asked] + broken_off
    new = _without_siblings(unseen, cards, asked, max(0, limits.new_per_day - done.new))
    return StudyQueue(
        learning=tuple(sorted(learning, key=lambda id_: step_end(memories[id_], at))),
        reviews=tuple(_interleave(reviews, cards)),
        new=tuple(new),
        waiting=tuple(sorted(waiting, key=lambda id_: step_end(memories[id_], at))),
        siblings=tuple(siblings),
        beyond=tuple(beyond),
        limits=limits,
    )


def next_due(memories: Mapping[str, Memory], day: date) -> tuple[date | datetime, int] | None:
    """When the next card comes once today's queue is empty, and how many come then.

    An instant if learning steps end later today, else a study day; None if nothing is scheduled.
    `memories` are those of cards that are in the course. A step of an earlier day is in the
    queue already.
    """
    ends = [m.due_at for m in memories.values() if m.due_at and m.due_day == day]
    if ends:
        return min(ends), len(ends)
    days = [m.due_day for m in memories.values() if m.due_day and m.due_day > day]
    return (min(days), days.count(min(days))) if days else None


def as_asked(
    memories: Mapping[str, Memory],
    marks: Marks,
    held: Set[str],
    day: date,
    at: datetime,
    plan: Plan = NO_PLAN,
    cards: Mapping[str, AnyCard] | None = None,
) -> dict[str, Memory]:
    """The memories as their cards will be asked, seen at the instant `at` of `day`.

    What is buried or `held` back comes tomorrow at the earliest, what falls due on a day off on the
    next study day, what is suspended not at all; a step that ends just after the day is of the day
    still. With their `cards`, those of an exam come in the last round before it.
    """
    cards = cards or {}
    rounds = plan.last_rounds((card.deck_id for card in cards.values()), day)
    study_day_from = cache(plan.next_study_day)  # many cards are due on one day
    tomorrow = study_day_from(day + timedelta(days=1))
    asked = {}
    for id_, memory in memories.items():
        due = memory.due_day
        if id_ in marks.suspended or due is None:
            continue
        if rounds and id_ in cards and (last_round := rounds.get(cards[id_].deck_id)):
            drawn = last_round.due_day(id_, memory) or due
            if drawn != due:
                due = max(drawn, day)
                memory = replace(memory, due_day=due)
        if id_ in marks.buried or id_ in held:
            asked[id_] = replace(memory, due_at=None, due_day=max(due, tomorrow))
        elif due > day and comes_today(memory, at, day):
            asked[id_] = replace(memory, due_day=day)
        else:
            until = study_day_from(due) if due > day else due
            asked[id_] = memory if until == due else replace(memory, due_at=None, due_day=until)
    return asked


def count_reviews_due(
    cards: Mapping[str, AnyCard],
    memories: Mapping[str, Memory],
    hidden: Set[str],
    day: date,
    plan: Plan = NO_PLAN,
) -> int:
    """Cards in Review that are due on `day`, without the `hidden`."""
    rounds = plan.last_rounds((card.deck_id for card in cards.values()), day)
    return sum(
        is_review_due(cards[id_], memory, rounds, day)
        for id_, memory in memories.items()
        if id_ in cards and id_ not in hidden
    )


def is_review_due(
    card: AnyCard, memory: Memory, rounds: Mapping[str, LastRound], day: date
) -> bool:
    """True if a card in Review is due on `day`, by itself or in the last round before an exam."""
    if memory.state is not State.REVIEW or memory.due_day is None:
        return False
    return memory.due_day <= day or _is_in_round(card, memory, rounds, day)


def _is_in_round(card: AnyCard, memory: Memory, rounds: Mapping[str, LastRound], day: date) -> bool:
    last_round = rounds.get(card.deck_id)
    due = last_round.due_day(card.id, memory) if last_round else None
    return due is not None and due <= day


def comes_today(memory: Memory, at: datetime, day: date) -> bool:
    """True if a (re)learning step ends on `day`, or just after it but within `LEARN_AHEAD`."""
    if memory.due_at is None or memory.due_day is None:
        return False
    return memory.due_day <= day or memory.due_at - at <= LEARN_AHEAD


def step_end(memory: Memory, at: datetime) -> datetime:
    """When the card's (re)learning step ends; `at` if it has none."""
    return memory.due_at or at


def _without_siblings(
    ids: Iterable[str], cards: Mapping[str, AnyCard], asked: set[str], room: int
) -> list[str]:
    """The first `room` ids whose note is not in `asked`, to which theirs are added."""
    chosen: list[str] = []
    for id_ in ids:
        if len(chosen) >= room:
            break
        note = cards[id_].note
        if note and note in asked:
            continue
        if note:
            asked.add(note)
        chosen.append(id_)
    return chosen


def _ascending(items: Iterable[tuple[float, int]]) -> Iterator[tuple[float, int]]:
    """`items` from the smallest on, sorted no further than they are asked for."""
    heap = list(items)
    heapify(heap)
    while heap:
        yield heappop(heap)


def _interleave(ids: Sequence[str], cards: Mapping[str, AnyCard]) -> list[str]:
    """`ids` with as few neighbours of one topic as can be, otherwise as they stand."""
    topics: dict[tuple[str, str], deque[int]] = {}
    for place, id_ in enumerate(ids):
        topics.setdefault((cards[id_].deck_id, cards[id_].topic_id), deque()).append(place)
    groups = list(topics.values())
    by_place = [(group[0], n) for n, group in enumerate(groups)]  # ascending as it is: a heap
    by_size = [(-len(group), n) for n, group in enumerate(groups)]
    heapify(by_size)
    order: list[str] = []
    last = -1
    for left in range(len(ids), 0, -1):
        while -by_size[0][0] != len(groups[by_size[0][1]]):
            n = by_size[0][1]
            heapreplace(by_size, (-len(groups[n]), n))
        largest = by_size[0][1]
        # A topic with more than half of what is left must go now, or it meets itself later.
        if largest != last and 2 * len(groups[largest]) > left:
            last = largest
        else:
            last = _first_but(last, by_place, groups)
        order.append(ids[groups[last].popleft()])
        if groups[last]:
            heappush(by_place, (groups[last][0], last))
    return order


def _first_but(last: int, by_place: list[tuple[int, int]], groups: Sequence[deque[int]]) -> int:
    """The group whose turn it is, another than `last` if there is one; taken off the heap."""
    held = None
    while by_place:
        place, n = heappop(by_place)
        if not groups[n] or groups[n][0] != place:
            continue  # it was taken out of turn
        if n != last:
            if held is not None:
                heappush(by_place, held)
            return n
        held = (place, n)
    return last


def _draw(day: date, id_: str) -> bytes:
    """A random place in the day's order that stays the same when other cards leave."""
    return blake2b(f"{day}:{id_}".encode(), digest_size=8).digest()
