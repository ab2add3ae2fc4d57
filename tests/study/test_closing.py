"""What a study day was, counted from its reviews."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from studykit.review.schedule import Rating
from studykit.review.session import Review
from studykit.study.closing import build_closing, describe_answers, describe_confidence
from tests.progress.builders import MONDAY, make_card, make_review


def answer(
    card: str, rating: Rating, *, correct: bool | None = None, sure: int | None = None
) -> Review:
    review = make_review(card, at=MONDAY, rating=rating, correct=correct, taken_ms=30_000)
    return replace(review, confidence=sure)


CARDS = {card.id: card for card in map(make_card, "abcd")}
DAY = (
    answer("a", Rating.AGAIN, correct=False, sure=50),
    answer("b", Rating.GOOD, correct=False, sure=95),
    answer("c", Rating.AGAIN),
    answer("a", Rating.AGAIN, correct=False, sure=95),
    answer("d", Rating.GOOD, correct=True, sure=95),
    answer("gone", Rating.AGAIN, correct=False, sure=75),
)


def test_each_card_is_missed_once_and_the_firmest_error_comes_first() -> None:
    """As it was at first; a wrong answer that was rated Good is one of them."""
    closing = build_closing(DAY, CARDS)
    assert [(miss.card.id, miss.review.confidence) for miss in closing.misses] == [
        ("b", 95),
        ("a", 50),
        ("c", None),
    ]


def test_confidence_stands_against_what_was_right() -> None:
    closing = build_closing(DAY, CARDS)
    assert describe_confidence(closing) == "Right when certain 1 of 3, sure 0 of 1, unsure 0 of 1"
    assert describe_confidence(build_closing([answer("c", Rating.GOOD)], CARDS)) == ""


def test_answers_are_not_cards() -> None:
    closing = build_closing(DAY, CARDS)
    assert closing.taken == timedelta(minutes=3)
    assert describe_answers(closing) == "6 answers on 5 cards in 3 min, 4 again (67 %)"
    assert describe_answers(build_closing(DAY[:1], CARDS)) == (
        "1 answer in under a minute, 1 again (100 %)"
    )
    assert describe_answers(build_closing([], CARDS)) == "0 answers in under a minute"
