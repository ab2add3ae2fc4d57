"""Whatever is recorded and taken back, the memories are those that the log leads to."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from studykit.review.schedule import NEW_MEMORY, Memory, Rating, Scheduler, ScheduleSettings
from studykit.review.session import Review
from tests.progress.builders import MONDAY, make_review, open_store

SCHEDULER = Scheduler(ScheduleSettings())

RATE = st.tuples(st.sampled_from("abc"), st.sampled_from(Rating), st.integers(0, 3 * 24 * 60))
"""A card, its rating, and the minutes since the answer before."""

UNDO = st.none()


@settings(max_examples=20, deadline=None)
@given(st.lists(RATE | UNDO, max_size=12))
def test_memories_are_always_what_the_log_leads_to(
    steps: list[tuple[str, Rating, int] | None],
) -> None:
    """Against a model: a list of reviews, from which only the day's last can go."""
    log: list[Review] = []
    at = MONDAY.astimezone(UTC)
    with TemporaryDirectory() as folder, closing(open_store(Path(folder))) as store:
        for step in steps:
            if step is None:
                day = SCHEDULER.study_day(at)
                expected = log.pop() if log and log[-1].day == day else None
                assert store.take_back(day) == expected
            else:
                card_id, rating, minutes = step
                at += timedelta(minutes=minutes)
                after = SCHEDULER.review(card_id, store.memory(card_id), rating, at)
                review = replace(
                    make_review(card_id, at=at, rating=rating, after=after),
                    day=SCHEDULER.study_day(at),
                )
                log.append(review)
                store.record(review)
            assert store.memories() == _replay(log)

        assert store.reviews() == log
        assert store.check() == []
        assert store.rebuild() == 0


def _replay(log: list[Review]) -> dict[str, Memory]:
    """The memories that the ratings of the log lead to, scheduled again from nothing."""
    memories: dict[str, Memory] = {}
    for review in log:
        before = memories.get(review.card_id, NEW_MEMORY)
        memories[review.card_id] = SCHEDULER.review(
            review.card_id, before, review.rating, review.at
        )
    return memories
