"""What there is to practise, and what a practice was, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from studykit.errors import UsageError
from studykit.review.asking import Asking
from studykit.review.offers import (
    AHEAD_DAYS,
    MISSED_DAYS,
    N_MORE_NEW,
    Known,
    Offer,
    Wish,
    build_ahead,
    build_crams,
    build_more_new,
    build_pretests,
    ids_at,
    missed,
    part_at,
    without_empty,
)
from studykit.review.practice import Mode, Practice, Practised
from studykit.review.session import Session
from studykit.study.services import Services
from studykit.study.words import short_day
from studykit.text import clean, percent, plural

LABELS: Mapping[Mode, str] = {
    "ahead": "study ahead · schedule untouched",
    "cram": "cram · schedule untouched",
    "pretest": "pretest · nothing is rated",
}
"""Stands beside every card of a practice."""


def sum_lines(practice: Practice, services: Services) -> Iterator[str]:
    """What the practice was, line by line; of a pretest the score of each topic, too."""
    firsts = practice.firsts
    if not firsts:
        yield "Nothing was answered"
        return
    if not practice.is_pretest:
        n_right = sum(practised.correct is True for practised in firsts)
        yield (
            f"{plural(len(firsts), 'card')} practised, {n_right} right at the first try"
            f" ({percent(n_right / len(firsts))})"
        )
        yield "The schedule is as it was; what falls due is asked all the same"
        return
    yield f"{score(firsts)} before learning anything"
    for deck in services.course.decks:
        for topic in deck.topics:
            ids = {card.id for card in topic.cards}
            if own := [practised for practised in firsts if practised.card_id in ids]:
                yield f"  {topic.number} {topic.title}: {score(own)}"
    yield "The cards are new still: they come in the review, and the report keeps this score"


def score(practised: Sequence[Practised]) -> str:
    """``5 of 12 right``; those that could not be judged are not counted, but named."""
    judged = [each.correct for each in practised if each.correct is not None]
    text = f"{sum(judged)} of {len(judged)} right"
    n_open = len(practised) - len(judged)
    return f"{text}, {n_open} not measured yet" if n_open else text


# --- what can be chosen ---


def read_offers(services: Services) -> list[Offer]:
    """Everything that can be practised now, and the more new cards that there are.

    Raises `StoreError` when the progress cannot be read.
    """
    known = _read_known(services)
    return [
        *without_empty(_more_new(services, known, n) for n in N_MORE_NEW),
        *without_empty(build_ahead(known, days) for days in AHEAD_DAYS),
        *without_empty(build_crams(known)),
        *without_empty(build_pretests(known)),
    ]


def find_offer(services: Services, wish: Wish) -> Offer:
    """What the command line asks for, though it may have no card now.

    Raises `UsageError` if the course has nothing of that name.
    """
    known = _read_known(services)
    if wish.kind == "new":
        return _more_new(services, known, int(wish.what))
    if wish.kind == "ahead":
        return build_ahead(known, int(wish.what))
    offers = build_crams(known) if wish.kind == "cram" else build_pretests(known)
    for offer in offers:
        if offer.what == wish.what:
            return offer
    raise _nothing_named(wish, (offer.what for offer in offers if "/" not in offer.what))


def open_part(services: Services, what: str) -> Session:
    """A sitting on today's cards of one deck or topic; raises `UsageError` if it is none."""
    part = part_at(services.course, what)
    if part is None:
        raise _nothing_named(Wish("deck", what), (deck.id for deck in services.course.decks))
    return services.open_session(part=part)


def _nothing_named(wish: Wish, names: Iterable[str]) -> UsageError:
    what = f"--{wish.kind} {clean(wish.what)}: there is nothing of that name"
    return UsageError(what, hint=f"{', '.join(names)}, or a topic as deck/topic")


def open_offer(services: Services, offer: Offer) -> Asking:
    """What asks the cards of `offer`: more new ones are real reviews, all else is practice."""
    if offer.kind == "new":
        return services.open_session(int(offer.what))
    return services.open_practice(offer.kind, offer.ids, offer.title)


def last_pretests(services: Services) -> dict[str, Practised]:
    """Card id -> its latest answer in a pretest."""
    return {each.card_id: each for each in services.progress.practised("pretest")}


def taken_before(offer: Offer, pretests: Mapping[str, Practised], services: Services) -> str:
    """What the pretest of a deck or topic gave, if one was taken: ``23 Nov: 5 of 12 right``."""
    taken = [pretests[id_] for id_ in ids_at(services.course, offer.what) & pretests.keys()]
    if not taken:
        return ""
    day = max(each.day for each in taken)
    return f"{short_day(day, services.today)}: {score(taken)}"


def _read_known(services: Services) -> Known:
    store, today = services.progress, services.today
    since = today - timedelta(days=MISSED_DAYS - 1)
    return Known(
        services.course,
        store.memories(),
        store.marks(today),
        missed(store.reviews(since)),
        last_pretests(services).keys(),
        today,
    )


def _more_new(services: Services, known: Known, n_more: int) -> Offer:
    cards, plan = services.cards, services.plan
    return build_more_new(
        cards,
        {id_: memory for id_, memory in known.memories.items() if id_ in cards},
        n_more,
        day=known.today,
        at=services.clock.now(),
        limits=services.limits.on(known.today, plan),
        done=services.progress.done(known.today, cards),
        scheduler=services.scheduler,
        hidden=known.marks.hidden,
        plan=plan,
    )
