"""Days of study before the app is opened."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from datetime import timedelta

from studykit.review.schedule import NEW_MEMORY, Memory, Rating
from studykit.review.session import Review
from studykit.study.services import Services
from tests.tui.conftest import NOW


def study(
    services: Services, answers: Iterable[tuple[str, int, Rating]], *, confidence: int | None = None
) -> None:
    """Record card, days ago and rating of each answer, the oldest first; each took six seconds."""
    memories: dict[str, Memory] = {}
    with closing(services._open_store()) as store:
        for n, (card_id, days_ago, rating) in enumerate(answers):
            at = NOW - timedelta(days=days_ago, hours=1) + timedelta(seconds=n)
            before, day = memories.get(card_id, NEW_MEMORY), services.scheduler.study_day(at)
            memories[card_id] = services.scheduler.review(card_id, before, rating, at)
            store.record(
                Review(
                    card_id=card_id,
                    at=at,
                    day=day,
                    rating=rating,
                    kind=services.cards[card_id].kind,
                    correct=rating is not Rating.AGAIN,
                    suggested=Rating.GOOD,
                    given="",
                    confidence=confidence,
                    taken_ms=6000,
                    scheduler="fsrs",
                    parameters_id="default",
                    content_hash="",
                    after=memories[card_id],
                    before=before.state,
                    predicted=services.scheduler.predicted(before, day),
                )
            )


def daily(card_id: str, first: int, last: int = 1) -> list[tuple[str, int, Rating]]:
    """Good answers to one card on each day from `first` days ago to `last` days ago."""
    return [(card_id, n, Rating.GOOD) for n in range(first, last - 1, -1)]
