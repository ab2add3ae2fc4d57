"""All figures in one run: ``python -m benchmarks``; ``--record`` keeps them in results/."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import chart, lab, parsing, rating, start, study_queue
from benchmarks.figures import Figure
from benchmarks.make_data import make_data
from studykit.lab.execute import describe_machine

MODULES = (start, rating, study_queue, parsing, lab, chart)
N_CARDS, N_REVIEWS = 10_000, 200_000
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("textual", "sqlmodel", "sqlalchemy", "pyyaml", "fsrs", "torch", "typer")


def measure_all(folder: Path) -> Iterator[Figure]:
    """Every figure, on one course and one log made below `folder`."""
    data = make_data(folder, N_CARDS, N_REVIEWS)
    for module in MODULES:
        yield from module.main(data)


def row(figure: Figure) -> str:
    """One line of the table, as Markdown."""
    baseline = ""
    if figure.baseline is not None and figure.ratio is not None:
        baseline = f"{figure.against}: {figure.baseline:.3g} {figure.unit} (× {figure.ratio:.2g})"
    wanted = [f"< {figure.below:g} {figure.unit}"] if figure.below is not None else []
    wanted += [f"× {figure.ratio_below:g} at most"] if figure.ratio_below is not None else []
    met = {True: "✓", False: "✗", None: ""}[figure.is_met]
    value = f"{figure.value:.3g} {figure.unit}"
    return f"| {figure.name} | {value} | {baseline} | {', '.join(wanted)} | {met} |"


def document(figures: Iterable[Figure]) -> dict[str, object]:
    """What is kept of a run."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "format": 1,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine("cpu"),
        "system": platform.system(),
        "versions": {"python": platform.python_version(), **versions},
        "cards": N_CARDS,
        "reviews": N_REVIEWS,
        "figures": [{**asdict(figure), "ratio": figure.ratio} for figure in figures],
    }


def main() -> int:
    """Print the table; exit code 1 if a figure is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--record", action="store_true", help="keep the figures in results/")
    wanted = parser.parse_args()
    print("| figure | measured | beside | wanted | met |\n|---|---|---|---|---|")
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for figure in measure_all(Path(folder)):
            figures.append(figure)
            print(row(figure), flush=True)
    if wanted.record:
        RESULTS.mkdir(exist_ok=True)
        text = json.dumps(document(figures), indent=1, ensure_ascii=False)
        (RESULTS / "latest.json").write_text(text + "\n", encoding="utf-8")
    return 1 if any(figure.is_met is False for figure in figures) else 0


if __name__ == "__main__":
    sys.exit(main())
