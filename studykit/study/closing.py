"""What a study day was, once it is done: its answers, what was wrong, how sure one was. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from studykit.course.cards import Card
from studykit.review.grading import Confidence
from studykit.review.schedule import Rating
from studykit.review.session import Review
from studykit.study.words import minutes
from studykit.text import percent, plural


@dataclass(frozen=True, slots=True)
class Miss:
    """A card that was answered wrongly, or rated Again, as it was the first time on the day."""

    card: Card
    review: Review


@dataclass(frozen=True, slots=True)
class Closing:
    """Answers of one study day, or of a part of it."""

    n_answers: int
    n_cards: int
    n_again: int
    taken: timedelta
    misses: tuple[Miss, ...]
    """Each card once: first what the learner was most sure of, then in the order of the day."""
    confidence: tuple[tuple[Confidence, int, int], ...]
    """Each level that was said, the surest first, with the judged answers and the right ones."""


def build_closing(reviews: Sequence[Review], cards: Mapping[str, Card]) -> Closing:
    """What `reviews`, in their order, were; of cards that are not in the course only counts."""
    misses: dict[str, Miss] = {}
    told: dict[int, list[bool]] = {}
    for review in reviews:
        is_miss = review.correct is False or review.rating is Rating.AGAIN
        if is_miss and review.card_id in cards:
            misses.setdefault(review.card_id, Miss(cards[review.card_id], review))
        if review.confidence is not None and review.correct is not None:
            told.setdefault(review.confidence, []).append(review.correct)
    return Closing(
        n_answers=len(reviews),
        n_cards=len({review.card_id for review in reviews}),
        n_again=sum(review.rating is Rating.AGAIN for review in reviews),
        taken=timedelta(milliseconds=sum(review.taken_ms for review in reviews)),
        misses=tuple(sorted(misses.values(), key=_by_sureness)),
        confidence=tuple(
            (level, len(told[level]), sum(told[level]))
            for level in sorted(Confidence, reverse=True)
            if level in told
        ),
    )


def _by_sureness(miss: Miss) -> int:
    is_sure = miss.review.is_confident_error
    return -(miss.review.confidence or 0) if is_sure else 0


def describe_answers(closing: Closing) -> str:
    """``12 answers on 9 cards in 8 min, 2 again (17 %)``."""
    n = closing.n_answers
    on_cards = f" on {plural(closing.n_cards, 'card')}" if closing.n_cards != n else ""
    again = f", {closing.n_again} again ({percent(closing.n_again / n)})" if closing.n_again else ""
    return f"{plural(n, 'answer')}{on_cards} in {minutes(closing.taken)}{again}"


def describe_confidence(closing: Closing) -> str:
    """``Right when certain 4 of 5, sure 1 of 2``; empty if it was never said."""
    parts = [f"{level.name.lower()} {right} of {n}" for level, n, right in closing.confidence]
    return f"Right when {', '.join(parts)}" if parts else ""
