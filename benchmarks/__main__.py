"""All figures in one run: ``python -m benchmarks``; ``--record`` keeps them in results/."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import chart, lab, parsing, rating, start, study_queue
from benchmarks.figures import TABLE_HEAD, Figure, conditions, row
from benchmarks.make_data import make_data

MODULES = (start, rating, study_queue, parsing, lab, chart)
N_CARDS, N_REVIEWS = 10_000, 200_000
RESULTS = Path(__file__).parent / "results"


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
    print(TABLE_HEAD)
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for figure in measure_all(Path(folder)):
            figures.append(figure)
            print(row(figure), flush=True)
    if wanted.record:
        RESULTS.mkdir(exist_ok=True)
        document = {**conditions(figures), "cards": N_CARDS, "reviews": N_REVIEWS}
        text = json.dumps(document, indent=1, ensure_ascii=False)
        (RESULTS / "latest.json").write_text(text + "\n", encoding="utf-8")
    return 1 if any(figure.is_met is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
