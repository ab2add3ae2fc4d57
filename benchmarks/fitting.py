"""Fitting weights of FSRS beside the package alone: ``python -m benchmarks.fitting [--record]``.

Alone: as the package's example does it, items of a log and one fit to them, once of the whole log
and once of the reviews that ours is fitted to. Ours: items of the whole log, one fit to the older
four fifths, and the judgement of old and new weights on the newest fifth. In turn, in one process,
processor time; the simulated log is there before. Then what a learner waits for
`studykit workload`, and from the log in the database to the weights in it, in a process of its own.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, report
from benchmarks.simulated_log import LEARNERS, history_of, simulate
from studykit.progress.store import Store
from studykit.review.fitting import GAMMA, Dataset, Fit, fit
from studykit.review.habits import Habits
from studykit.review.schedule import DEFAULT_WEIGHTS, ScheduleSettings
from studykit.review.weights import History
from studykit.study.optimising import optimise
from studykit.study.workload import look_ahead

SIZES = (10_000, 100_000)
LEARNER = "forgets sooner"
N_ROUNDS = 5
RESULTS = Path(__file__).parent / "results" / "fitting.json"


def alone(history: History) -> None:
    """The package's example: histories, an item a review on a later day, one fit."""
    from fsrs_rs_python import FSRS, FSRSItem, FSRSReview, TrainingConfig

    by_card: dict[int, tuple[list[FSRSReview], int]] = {}
    items = []
    for card, day, rating in zip(history.card, history.day, history.rating, strict=True):
        past, last = by_card.get(card, ([], day))
        past.append(FSRSReview(rating, day - last))
        by_card[card] = past, day
        if day > last:
            items.append(FSRSItem(past))
    FSRS([]).compute_parameters(
        items, num_relearning_steps=1, training_config=TrainingConfig(gamma=GAMMA)
    )


def measure(sizes: Sequence[int] = SIZES, n_rounds: int = N_ROUNDS) -> Iterator[Figure]:
    """Processor seconds of fits, and what a learner waits for."""
    for n in sizes:
        history = history_of(simulate(LEARNERS[LEARNER], n, seed=0))
        n_older = Dataset(history).rows[_fit(history).judgement.n_fitted]
        older = History(history.card[:n_older], history.day[:n_older], history.rating[:n_older])
        seconds: list[list[float]] = [[], [], []]
        works: list[Callable[[], object]] = [
            partial(_fit, history),
            partial(alone, history),
            partial(alone, older),
        ]
        for _ in range(n_rounds):
            for taken, work in zip(seconds, works, strict=True):
                taken.append(_seconds(work))
        ours, whole, same = map(median, seconds)
        name = f"fitting and judging {n:,} reviews, processor time"
        beside = "the package alone, fitted to all of them"
        yield Figure(name, ours, "s", beside, whole, ratio_below=1.2)
        yield Figure(name, ours, "s", "the package alone, fitted to the same four fifths", same)
        yield _from_the_database(n)
    settings = ScheduleSettings()
    ahead = [
        _seconds(lambda: look_ahead(settings, Habits(), [], date(2026, 12, 1)))
        for _ in range(n_rounds)
    ]
    yield Figure("a year at 28 retentions, processor time", median(ahead), "s", below=2.0)


def _from_the_database(n_reviews: int) -> Figure:
    """The whole of `studykit optimize` but its start."""
    from tests.study.long_log import fill_log

    now = datetime(2026, 12, 1, 9, tzinfo=UTC)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        path, backups_dir = home / "progress.sqlite3", home / "backups"
        with closing(Store.open(path, backups_dir=backups_dir)) as store:
            fill_log(store, n_reviews, now)
            begin = time.perf_counter()
            optimise(store, ScheduleSettings(), now, lambda _: None)
            seconds = time.perf_counter() - begin
    return Figure(f"from the log of {n_reviews:,} to weights in the database, wall", seconds, "s")


def _fit(history: History) -> Fit:
    return fit(history, DEFAULT_WEIGHTS, 1, lambda _: None)


def _seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


if __name__ == "__main__":
    kept = RESULTS if "--record" in sys.argv[1:] else None
    sys.exit(report(measure(), kept, packages=["fsrs-rs-python", "numpy"]))
