"""Months of study, beside another build: ``python -m benchmarks.months --base PATH``.

50,000 cards and 1,000,000 reviews. Both builds run each command in turn, on the same course and
the same log, each in the schema of its own; the limits of the other build on a course are lifted,
where they are lower (`months_probe.py`). `--record` keeps the figures in results/months.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from benchmarks import start
from benchmarks.figures import Figure, environment_of, report
from benchmarks.make_data import Data, make_data

HERE = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results" / "months.json"
N_CARDS, N_REVIEWS = 50_000, 1_000_000
N_ROUNDS, N_STARTS = 3, 15


@dataclass(frozen=True, slots=True)
class Measured:
    """A command and what is wanted of it."""

    name: str
    arguments: tuple[str, ...]
    ratio_below: float
    """Of the processor time of the other build."""
    mb_below: float | None = None
    """At its peak."""


MEASURED = (
    Measured("report as Markdown", ("report",), 0.15, 250),
    Measured("report as HTML", ("report", "--format", "html"), 0.15, 250),
    Measured("report as CSV", ("report", "--format", "csv"), 0.5, 150),
    Measured("doctor", ("doctor",), 0.4, 300),
    Measured("due, warm", ("due",), 0.5),
)


def probe(checkout: Path, data: Data, *action: str) -> dict[str, float]:
    """What `months_probe` says of one action of the build in `checkout`, whose output is dropped.

    It goes through a pipe, as into a pager or a file that another program writes.
    """
    script = Path(__file__).with_name("months_probe.py")
    with tempfile.NamedTemporaryFile() as out:
        command = [sys.executable, "-P", str(script), out.name, *action]
        environment = environment_of(data) | {"PYTHONPATH": str(checkout)}
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            while process.stdout.read(1 << 20):
                pass
        if process.returncode:
            raise RuntimeError(f"{checkout}: {' '.join(action)} ended with {process.returncode}")
        took: dict[str, float] = json.loads(Path(out.name).read_text(encoding="utf-8"))
        return took


def measure(ours: Data, theirs: Data, base: Path, n_rounds: int) -> Iterator[Figure]:
    """Medians of `n_rounds` of every command, after one that fills the caches."""
    for data, checkout in ((theirs, base), (ours, HERE)):
        probe(checkout, data, "run", "--course", str(data.root), "due")
    for each in MEASURED:
        now: list[dict[str, float]] = []
        then: list[dict[str, float]] = []
        for _ in range(n_rounds):
            for data, checkout, runs in ((theirs, base, then), (ours, HERE, now)):
                runs.append(
                    probe(checkout, data, "run", "--course", str(data.root), *each.arguments)
                )
        against = "the other build"
        for key, what, unit, below, ratio_below in (
            ("processor_s", "processor time", "s", None, each.ratio_below),
            ("peak_mb", "memory at most", "MB", each.mb_below, None),
        ):
            value, baseline = (median(run[key] for run in runs) for runs in (now, then))
            yield Figure(f"{each.name}: {what}", value, unit, against, baseline, below, ratio_below)


def measure_all(folder: Path, base: Path, n_rounds: int) -> Iterator[Figure]:
    """Every figure, on data made below `folder`."""
    ours = make_data(folder, N_CARDS, N_REVIEWS)
    theirs = Data(ours.root, folder / "other")
    probe(base, theirs, "take-over", str(ours.paths.database))
    yield from measure(ours, theirs, base, n_rounds)
    first, numbers = start.measure(ours, N_STARTS)
    yield replace(first, ratio_below=1.3)
    yield numbers


def main() -> int:
    """Print the table; exit code 1 if a figure is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.months", description=__doc__)
    parser.add_argument("--base", type=Path, required=True, help="checkout of the other build")
    parser.add_argument("--rounds", type=int, default=N_ROUNDS)
    parser.add_argument("--record", action="store_true", help="keep the figures in results/")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure_all(Path(folder), wanted.base.resolve(), wanted.rounds)
        kept_in = RESULTS if wanted.record else None
        return report(figures, kept_in, cards=N_CARDS, reviews=N_REVIEWS)


if __name__ == "__main__":
    sys.exit(main())
