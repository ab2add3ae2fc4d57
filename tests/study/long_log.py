"""A log that is long enough to fit weights to."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import insert

from benchmarks.simulated_log import LEARNERS, simulate
from studykit.progress.rows import memory_columns, review_row
from studykit.progress.store import Store
from studykit.progress.tables import METADATA
from studykit.review.schedule import NEW_MEMORY, Memory, Rating, Scheduler, ScheduleSettings
from tests.progress.builders import make_rated


def fill_log(store: Store, n_reviews: int, until: datetime) -> None:
    """Answers of a learner who forgets sooner than the defaults say, up to the day before."""
    answers = simulate(LEARNERS["forgets sooner"], n_reviews, seed=3)
    late = until - answers[-1].at - timedelta(days=1)
    scheduler = Scheduler(ScheduleSettings())
    memories: dict[str, Memory] = {}
    rows = []
    for answer in answers:
        card_id = f"card-{answer.card}"
        review = make_rated(
            card_id,
            at=answer.at + late,
            rating=Rating(answer.rating),
            known=memories.get(card_id, NEW_MEMORY),
            scheduler=scheduler,
        )
        memories[card_id] = review.after
        rows.append(review_row(review, None).model_dump(exclude={"id"}))
    store.keep_schedule(scheduler)
    known = [{"card_id": id_, **memory_columns(memory)} for id_, memory in memories.items()]
    with store._engine.begin() as connection:
        connection.execute(insert(METADATA.tables["reviews"]), rows)
        connection.execute(insert(METADATA.tables["memories"]), known)
