"""All figures in one run: ``python -m benchmarks``; ``--record`` keeps them in results/."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import chart, lab, parsing, rating, start, study_queue
from benchmarks.figures import Figure, report
from benchmarks.make_data import make_data

MODULES = (start, rating, study_queue, parsing, lab, chart)
N_CARDS, N_REVIEWS = 10_000, 200_000
RESULTS = Path(__file__).parent / "results" / "latest.json"


def measure_all(folder: Path) -> Iterator[Figure]:
    """Every figure, on one course and one log made below `folder`."""
    data = make_data(folder, N_CARDS, N_REVIEWS)
    for module in MODULES:
        yield from module.main(data)


def main() -> int:
    """Print the table; exit code 1 if a figure is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--record", action="store_true", help="keep the figures in results/")
    wanted = parser.parse_args()
    kept_in = RESULTS if wanted.record else None
    with tempfile.TemporaryDirectory() as folder:
        figures = measure_all(Path(folder))
        return report(figures, kept_in, cards=N_CARDS, reviews=N_REVIEWS)


if __name__ == "__main__":
    sys.exit(main())
