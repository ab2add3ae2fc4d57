"""What can be practised now, and how many cards each choice has. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple, TypeAlias

from studykit.course.cards import Card, Course, Deck, Recall, Topic
from studykit.review.marks import Marks
from studykit.review.plan import NO_PLAN, Plan
from studykit.review.practice import Mode
from studykit.review.schedule import NEW_MEMORY, Memory, Rating, Scheduler, State, is_leech
from studykit.review.session import Part, Review
from studykit.review.study_queue import Done, Limits, build_queue

OfferKind: TypeAlias = Mode | Literal["new"]
"""A mode of practice, or more new cards today, which are reviews like all others."""

N_MORE_NEW = (5, 10)
"""How many more new cards can be had at once."""

AHEAD_DAYS = (1, 7)
"""How far ahead the cards are due that can be practised at once."""

MISSED_DAYS = 7
"""How long an answer counts as missed lately, today included."""


class Wish(NamedTuple):
    """What the command line asks for, as the fields of an `Offer`; ``deck``: today's of a part;
    ``whatif``: the bench of that id, or the first."""

    kind: OfferKind | Literal["deck", "whatif"]
    what: str


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing to choose, with its cards."""

    kind: OfferKind
    what: str
    """What the command line calls it: a number, a word, a deck's id, or ``deck/topic``."""
    title: str
    ids: tuple[str, ...]
    """In the course's order."""


@dataclass(frozen=True, slots=True)
class Known:
    """What choosing needs to know of the course's cards."""

    course: Course
    memories: Mapping[str, Memory]
    marks: Marks
    """Of `today`; hidden cards are not practised."""
    missed: Set[str]
    """Ids of the cards that were answered wrongly in the last `MISSED_DAYS`."""
    pretested: Set[str]
    """Ids of the cards that were asked in a pretest once."""
    today: date

    def memory(self, card: Card) -> Memory:
        """Of one card; `NEW_MEMORY` if it was never reviewed."""
        return self.memories.get(card.id, NEW_MEMORY)

    @property
    def cards(self) -> list[Card]:
        """Known cards that may be asked, in the course's order."""
        return [card for card in self.course.cards.values() if self._may_ask(card, known=True)]

    def _may_ask(self, card: Card, *, known: bool) -> bool:
        is_known = self.memory(card).state is not State.NEW
        return is_known == known and card.id not in self.marks.hidden

    def untouched(self, cards: Iterable[Card]) -> tuple[str, ...]:
        """Those of `cards` to pretest, each once: graded and new, if none of all is known yet."""
        all_cards = list(cards)
        if any(self.memory(card).state is not State.NEW for card in all_cards):
            return ()
        return tuple(
            card.id
            for card in all_cards
            if not isinstance(card.body, Recall)
            and card.id not in self.pretested
            and self._may_ask(card, known=False)
        )


def missed(reviews: Iterable[Review]) -> frozenset[str]:
    """Cards of which one of `reviews` was wrong or rated Again."""
    return frozenset(
        review.card_id
        for review in reviews
        if review.correct is False or review.rating is Rating.AGAIN
    )


def build_ahead(known: Known, days: int) -> Offer:
    """The known cards that fall due within `days` after today."""
    last = known.today + timedelta(days=days)
    ids = tuple(
        card.id
        for card in known.cards
        if (due := known.memory(card).due_day) is not None and known.today < due <= last
    )
    when = "tomorrow" if days == 1 else f"in the next {days} days"
    return Offer("ahead", str(days), f"Due {when}", ids)


def build_crams(known: Known) -> list[Offer]:
    """Every choice of known cards, the empty ones, too: by what is hard, by deck, by topic."""
    cards = known.cards
    flagged = tuple(card.id for card in cards if card.id in known.marks.flagged)
    leeches = tuple(card.id for card in cards if is_leech(known.memory(card)))
    wrong = tuple(card.id for card in cards if card.id in known.missed)
    offers = [
        Offer("cram", "wrong", f"Answered wrongly in the last {MISSED_DAYS} days", wrong),
        Offer("cram", "flagged", "Flagged", flagged),
        Offer("cram", "leeches", "Leeches", leeches),
    ]
    may_ask = {card.id for card in cards}
    for deck, topic in _places(known.course):
        part = topic or deck
        ids = tuple(card.id for card in part.cards if card.id in may_ask)
        offers.append(Offer("cram", _name(deck, topic), _title(deck, topic), ids))
    return offers


def build_pretests(known: Known) -> list[Offer]:
    """Every deck and topic, with no cards where one of it was reviewed already."""
    return [
        Offer(
            "pretest",
            _name(deck, topic),
            _title(deck, topic),
            known.untouched((topic or deck).cards),
        )
        for deck, topic in _places(known.course)
    ]


def build_more_new(
    cards: Mapping[str, Card],
    memories: Mapping[str, Memory],
    n_more: int,
    *,
    day: date,
    at: datetime,
    limits: Limits,
    done: Done,
    scheduler: Scheduler,
    hidden: Set[str],
    plan: Plan = NO_PLAN,
) -> Offer:
    """The new cards that today would ask, too, if its limit were `n_more` higher."""
    usual, raised = (
        build_queue(
            cards,
            memories,
            day=day,
            at=at,
            limits=each,
            done=done,
            scheduler=scheduler,
            hidden=hidden,
            plan=plan,
        )
        for each in (limits, limits.with_more_new(done, n_more))
    )
    ids = raised.new[len(usual.new) :]
    cards_word = "card" if len(ids) == 1 else "cards"
    return Offer("new", str(n_more), f"{len(ids)} new {cards_word} more than today's limit", ids)


def without_empty(offers: Iterable[Offer]) -> list[Offer]:
    """Those that have cards; a topic that is all of its deck, and a longer time without more
    cards, are left out.
    """
    kept: list[Offer] = []
    for offer in offers:
        last = kept[-1] if kept else None
        if offer.ids and (last is None or not _adds_nothing(offer, last)):
            kept.append(offer)
    return kept


def _adds_nothing(offer: Offer, last: Offer) -> bool:
    is_more_of_it = offer.kind in ("new", "ahead") or offer.what.startswith(f"{last.what}/")
    return offer.kind == last.kind and offer.ids == last.ids and is_more_of_it


def part_at(course: Course, what: str) -> Part | None:
    """The deck or topic that is called so, ``deck`` or ``deck/topic``; None if it is no place."""
    for deck, topic in _places(course):
        if _name(deck, topic) == what:
            ids = frozenset(card.id for card in (topic or deck).cards)
            return Part(_title(deck, topic), ids)
    return None


def ids_at(course: Course, what: str) -> frozenset[str]:
    """All cards of the deck or topic that a cram or a pretest calls so; none if it is no place."""
    part = part_at(course, what)
    return frozenset(part.ids) if part else frozenset()


def _places(course: Course) -> Iterable[tuple[Deck, Topic | None]]:
    """Each deck as a whole, then its topics."""
    for deck in course.decks:
        yield deck, None
        yield from ((deck, topic) for topic in deck.topics)


def _name(deck: Deck, topic: Topic | None) -> str:
    return deck.id if topic is None else f"{deck.id}/{topic.id}"


def _title(deck: Deck, topic: Topic | None) -> str:
    return deck.title if topic is None else f"{topic.number} {topic.title}"
