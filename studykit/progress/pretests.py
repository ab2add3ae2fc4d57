"""How pretests went, and how the same cards go now: numbers for the report. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from studykit.course.cards import Course
from studykit.progress.summary import PretestScore
from studykit.review.practice import Practised
from studykit.review.session import Review


def pretest_scores(
    practised: Iterable[Practised], reviews: Sequence[Review], course: Course
) -> tuple[PretestScore, ...]:
    """Of each topic with a judged pretest answer, in the course's order.

    `reviews` is the log in its order; of a card its last judged answer counts.
    """
    before = {
        each.card_id: each
        for each in practised
        if each.mode == "pretest" and each.correct is not None
    }
    since = {
        review.card_id: review.correct
        for review in reviews
        if review.card_id in before and review.correct is not None
    }
    scores = []
    for deck in course.decks:
        for topic in deck.topics:
            asked = [before[card.id] for card in topic.cards if card.id in before]
            if asked:
                later = [since[each.card_id] for each in asked if each.card_id in since]
                scores.append(
                    PretestScore(
                        topic_number=topic.number,
                        title=topic.title,
                        day=max(each.day for each in asked),
                        judged=len(asked),
                        right=sum(each.correct is True for each in asked),
                        judged_since=len(later),
                        right_since=sum(later),
                    )
                )
    return tuple(scores)
