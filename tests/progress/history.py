"""Four days of study, small enough to count by hand.

==========  ======  =======================================  ==================
Day         Card    Rating, state before → after             Counts as
==========  ======  =======================================  ==================
Fri 20      a       Again, New → Learning                    new
            a       Good, Learning → Learning
            b       Good, New → Learning                     new
Sat 21      a       Good, Learning → Review
            b       Good, Learning → Review
Sun 22      a       Again, Review → Relearning               forgotten
            a       Good, Relearning → Review
            gone    Good, New → Learning                     new, elsewhere
Mon 23      b       Good, Review → Review                    remembered
==========  ======  =======================================  ==================
"""

from __future__ import annotations

from datetime import timedelta

from studykit.lab.results import Prediction
from studykit.progress.report_data import PeriodStats, period_stats
from studykit.progress.runs import StoredRun
from studykit.review.schedule import Rating, Scheduler, ScheduleSettings, State
from studykit.review.session import Review
from tests.progress.builders import (
    MONDAY,
    make_card,
    make_course,
    make_memory,
    make_review,
    make_run,
    sums_of,
    with_befores,
)

SCHEDULER = Scheduler(ScheduleSettings())
TODAY = MONDAY.date()

COURSE = make_course(
    {
        "Why norms | matter": (
            make_card(
                "a", question="Does `x | y` hold\nfor <b>every</b> d_model, say\x1b[31m 512?"
            ),
            make_card("b"),
            make_card("c"),
        ),
        "Residuals": (make_card("d", topic_id="residuals"), make_card("e", topic_id="residuals")),
        "No cards yet": (),
    }
)


def answer(
    n_days: int,
    card_id: str,
    rating: Rating,
    state: State,
    reps: int,
    *,
    lapses: int = 0,
    due_in: int = 3,
    correct: bool | None = True,
) -> Review:
    """An answer `n_days` before today that took ten seconds; `state` is the one after."""
    at = MONDAY - timedelta(days=n_days) + timedelta(minutes=reps)
    after = make_memory(state, at=at, days=due_in, reps=reps, lapses=lapses)
    return make_review(card_id, at=at, rating=rating, after=after, correct=correct, taken_ms=10_000)


_REVIEWS = [
    answer(3, "a", Rating.AGAIN, State.LEARNING, 1, correct=False),
    answer(3, "a", Rating.GOOD, State.LEARNING, 2),
    answer(3, "b", Rating.GOOD, State.LEARNING, 1),
    answer(2, "a", Rating.GOOD, State.REVIEW, 3),
    answer(2, "b", Rating.GOOD, State.REVIEW, 2),
    answer(1, "a", Rating.AGAIN, State.RELEARNING, 4, lapses=1, correct=False),
    answer(1, "a", Rating.GOOD, State.REVIEW, 5, lapses=1, due_in=2),
    answer(1, "gone", Rating.GOOD, State.LEARNING, 1),
    answer(0, "b", Rating.GOOD, State.REVIEW, 3, due_in=10, correct=None),
]
REVIEWS = with_befores(_REVIEWS)

MEMORIES = {review.card_id: review.after for review in REVIEWS} | {
    "d": make_memory(State.LEARNING, at=MONDAY - timedelta(days=1)),
}
"""Those of the log, and one of a card whose reviews are not asked for."""

RUNS = [
    StoredRun(
        1,
        make_run(
            at=MONDAY - timedelta(days=1), verdicts={"stuck": "confirmed", "vanishes": "refuted"}
        ),
        "a",
        Prediction("It gets stuck", claim="stuck", confidence=70, correct=True),
    ),
    StoredRun(
        2,
        make_run(knobs={"n_layers": 16, "norm": "post"}, status="cancelled", code_hash="old"),
        None,
        Prediction("3.3", claim="", value=3.3),
    ),
    StoredRun(3, make_run("core/gone", status="failed"), None, None),
]


def whole_summary() -> PeriodStats:
    """Of everything until today."""
    return period_stats(sums_of(REVIEWS), RUNS, COURSE, MEMORIES, None, TODAY, SCHEDULER)
