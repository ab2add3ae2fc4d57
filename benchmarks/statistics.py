"""All statistics of a long log: ``python -m benchmarks.statistics``; ``--record`` keeps them.

What is compared with: fetching each row of the log, as a count in Python would begin.
"""

from __future__ import annotations

import argparse
import gc
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.figures import Figure, in_turn, ms, report
from benchmarks.make_data import Data, clock, make_data
from studykit.course.decks import load_course
from studykit.progress.store import Store
from studykit.settings import Settings
from studykit.study.services import Services
from studykit.study.statistics import read_statistics

SIZES = {(10_000, 200_000): 500.0, (50_000, 1_000_000): 2_000.0}
"""Cards and reviews -> the milliseconds that all statistics may take."""
N_ROUNDS = 5
RESULTS = Path(__file__).parent / "results" / "statistics.json"


def measure(data: Data, n_reviews: int, below: float, n_rounds: int) -> Iterator[Figure]:
    """The medians of `n_rounds`, by the processor's clock and by the wall's."""
    store = Store.open(data.paths.database, backups_dir=data.paths.backups_dir)
    services = Services(load_course(data.root), Settings(), data.paths, clock(), lambda: store)
    services.store = store
    with closing(store), closing(sqlite3.connect(data.paths.database)) as connection:

        def all_told() -> None:
            read_statistics(services, store, ())

        def fetch() -> None:
            for _ in connection.execute("SELECT * FROM reviews"):
                pass

        for name, timer in (("processor", time.process_time), ("wall", time.perf_counter)):
            told, fetched = in_turn(n_rounds, _timed(all_told, timer), _timed(fetch, timer))
            yield Figure(
                f"all statistics of {n_reviews:,} reviews, {name} time",
                ms(told),
                "ms",
                "fetching each row of the log with sqlite3",
                ms(fetched),
                below=below,
            )


def _timed(work: Callable[[], object], timer: Callable[[], float]) -> Callable[[], float]:
    def seconds() -> float:
        gc.collect()  # what the round before has left is not this one's
        began = timer()
        work()
        return timer() - began

    return seconds


def main() -> int:
    """Print the table; exit code 1 if a figure is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.statistics", description=__doc__)
    parser.add_argument("--record", action="store_true", help="keep the figures in results/")
    wanted = parser.parse_args()

    def figures() -> Iterator[Figure]:
        for (n_cards, n_reviews), below in SIZES.items():
            with tempfile.TemporaryDirectory() as folder:
                data = make_data(Path(folder), n_cards, n_reviews)
                yield from measure(data, n_reviews, below, N_ROUNDS)

    return report(figures(), RESULTS if wanted.record else None)


if __name__ == "__main__":
    sys.exit(main())
