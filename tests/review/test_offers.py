"""What can be practised: the right cards in each choice, and nothing that says the same twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from studykit.course.cards import Card, Choice, Course, Deck, Recall, Topic
from studykit.review.marks import Marks
from studykit.review.offers import (
    Known,
    Offer,
    build_ahead,
    build_crams,
    build_more_new,
    build_pretests,
    ids_at,
    missed,
    without_empty,
)
from studykit.review.schedule import Memory, Rating, Scheduler, ScheduleSettings, State
from studykit.review.study_queue import Done, Limits
from tests.progress.builders import make_review
from tests.review.helpers import MONDAY, make_card, make_options

TODAY = date(2026, 11, 23)
CHOICE = Choice(make_options("yes", "no", correct="yes"))


def known(due_in_days: int, *, lapses: int = 0) -> Memory:
    return Memory(
        State.REVIEW,
        stability_days=5.0,
        difficulty=5.0,
        due_day=TODAY + timedelta(days=due_in_days),
        reps=3,
        lapses=lapses,
    )


def course(**topics: tuple[Card, ...]) -> Course:
    """Topic ids as ``deck_topic`` -> their cards; decks in the order of their first topics."""
    decks: dict[str, list[Topic]] = {}
    for name, cards in topics.items():
        deck, topic = name.split("_")
        number = f"{len(decks)}.{topic}"
        decks.setdefault(deck, []).append(Topic(topic, number, topic.title(), {}, cards))
    return Course(
        Path(),
        "course",
        "A course",
        tuple(
            Deck(deck, deck.title(), tuple(parts), Path(f"{deck}.yaml"))
            for deck, parts in decks.items()
        ),
        {},
        (),
    )


def cards(deck: str, topic: str, *ids: str, is_graded: bool = True) -> tuple[Card, ...]:
    body = CHOICE if is_graded else Recall("so")
    return tuple(make_card(id_, body, deck=deck, topic=topic) for id_ in ids)


COURSE = course(
    core_norm=cards("core", "norm", "a", "b"),
    core_heads=cards("core", "heads", "c"),
    bert_mask=(*cards("bert", "mask", "d", "e"), *cards("bert", "mask", "f", is_graded=False)),
)


def knows(*, course: Course = COURSE, marks: Marks | None = None, **changes: Memory) -> Known:
    return Known(course, changes, marks or Marks(), frozenset(), frozenset(), TODAY)


def by_name(offers: list[Offer]) -> dict[str, tuple[str, ...]]:
    return {offer.what: offer.ids for offer in offers}


def test_ahead_are_known_cards_that_fall_due_after_today() -> None:
    """Neither those of today, which the review asks, nor new ones."""
    state = knows(a=known(0), b=known(1), c=known(7), d=known(8))
    assert build_ahead(state, 1).ids == ("b",)
    assert build_ahead(state, 7).ids == ("b", "c")


def test_crams_hold_known_cards_only_by_place_and_by_trouble() -> None:
    marks = Marks(flagged=frozenset({"a", "e"}))
    state = replace(knows(marks=marks, a=known(3), c=known(0, lapses=8)), missed={"c", "d"})
    assert by_name(without_empty(build_crams(state))) == {
        "wrong": ("c",),
        "flagged": ("a",),
        "leeches": ("c",),
        "core": ("a", "c"),
        "core/norm": ("a",),
        "core/heads": ("c",),
    }


def test_cards_put_aside_are_not_practised() -> None:
    marks = Marks(suspended=frozenset({"a"}), buried=frozenset({"b", "d"}))
    state = knows(marks=marks, a=known(1), b=known(1), c=known(1))
    assert build_ahead(state, 1).ids == ("c",)
    assert by_name(build_crams(state))["core"] == ("c",)
    assert by_name(build_pretests(state))["bert"] == ("e",)


def test_a_topic_that_is_all_of_its_deck_is_not_named_twice() -> None:
    state = knows(d=known(1), e=known(1))
    assert [o.what for o in without_empty(build_crams(state))] == ["bert"]
    ahead = [build_ahead(state, 1), build_ahead(state, 7)]
    assert [o.what for o in without_empty(ahead)] == ["1"]


def test_flagged_and_leeches_are_told_apart_though_they_are_the_same_cards() -> None:
    state = knows(marks=Marks(flagged=frozenset({"a"})), a=known(1, lapses=9))
    names = [o.what for o in without_empty(build_crams(state))]
    assert names == ["flagged", "leeches", "core"]


def test_a_pretest_asks_the_graded_cards_of_what_is_not_begun() -> None:
    """A deck of which one card is known has begun; its other topics have not."""
    pretests = by_name(build_pretests(knows(a=known(3))))
    assert pretests == {
        "core": (),
        "core/norm": (),
        "core/heads": ("c",),
        "bert": ("d", "e"),
        "bert/mask": ("d", "e"),
    }


def test_no_card_is_pretested_twice() -> None:
    state = replace(knows(), pretested={"a", "b", "d"})
    pretests = by_name(build_pretests(state))
    assert (pretests["core"], pretests["core/norm"], pretests["bert"]) == (("c",), (), ("e",))


def test_missed_is_what_was_wrong_or_rated_again() -> None:
    reviews = [
        make_review(card_id="wrong", correct=False, rating=Rating.GOOD),
        make_review(card_id="again", correct=None, rating=Rating.AGAIN),
        make_review(card_id="right", correct=True, rating=Rating.HARD),
    ]
    assert missed(reviews) == {"wrong", "again"}


def test_the_cards_of_a_place() -> None:
    assert ids_at(COURSE, "core") == {"a", "b", "c"}
    assert ids_at(COURSE, "bert/mask") == {"d", "e", "f"}
    assert ids_at(COURSE, "flagged") == frozenset()


def more_new(n: int, limit: int, done: Done) -> tuple[str, ...]:
    every = {card.id: card for card in COURSE.cards.values()}
    return build_more_new(
        every,
        {},
        n,
        day=TODAY,
        at=MONDAY,
        limits=Limits(new_per_day=limit),
        done=done,
        scheduler=Scheduler(ScheduleSettings()),
        hidden=frozenset({"d"}),
    ).ids


def test_more_new_cards_are_those_behind_todays() -> None:
    """Counted from what today has met, also where an earlier sitting went beyond the limit."""
    assert more_new(2, 2, Done()) == ("c", "e")
    assert more_new(2, 0, Done(new=7)) == ("a", "b")
    assert more_new(9, 2, Done(new=2)) == ("a", "b", "c", "e", "f")
    assert more_new(5, 20, Done()) == ()
