"""How long ``studykit verify`` takes, beside its labs one by one by another build.

``python -m benchmarks.verify --base PATH [DECK ...]``: deck by deck, first the command as it is
here, then each of the deck's labs by itself as the other build runs it, every one in a process of
its own. `--record` keeps the figures in results/verify.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.figures import Figure, report
from studykit.course.decks import load_course

HERE = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).parent / "results" / "verify.json"
MOST_S = 1200.0
"""The whole course on two cores."""


class Cost(NamedTuple):
    """What a command took, in seconds; of processors with all its child processes."""

    wall: float
    processor: float
    problems: tuple[str, ...] = ()

    def __add__(self, other: Any) -> Cost:
        return Cost(*(a + b for a, b in zip(self, other, strict=True)))


def run_verify(checkout: Path, *options: str) -> Cost:
    """``studykit verify`` of the build in `checkout`, on the course that lies beside it."""
    with tempfile.TemporaryDirectory() as home:
        began, used = time.perf_counter(), _children_s()
        done = subprocess.run(
            [sys.executable, "-m", "studykit", "verify", "--json", *options],
            env={**os.environ, "PYTHONPATH": str(checkout), "STUDYKIT_HOME": home},
            cwd=checkout,
            stdout=subprocess.PIPE,
            check=False,  # a verdict that differs is told with the figures
        )
        wall, processor = time.perf_counter() - began, _children_s() - used
    return Cost(wall, processor, tuple(json.loads(done.stdout)["problems"]))


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(base: Path, decks: Sequence[str]) -> Iterator[Figure]:
    """Figures of each deck as soon as they are there, then of all."""
    course, theirs = load_course(HERE), load_course(base)
    ours_all, one_by_one_all = Cost(0, 0), Cost(0, 0)
    against = "its labs one by one, the other build"
    for deck in course.decks:
        if decks and deck.id not in decks:
            continue
        labs = sorted({card.lab for card in deck.cards} & theirs.labs.keys())
        ours = run_verify(HERE, "--deck", deck.id)
        one_by_one = Cost(0, 0)
        for lab in labs:
            one_by_one += run_verify(base, lab)
        ours_all += ours
        one_by_one_all += one_by_one
        for problem in ours.problems:
            print(f"{deck.id}: {problem}", file=sys.stderr, flush=True)
        name = f"verify --deck {deck.id}, {len(labs)} labs"
        print(name, ours[:2], one_by_one[:2], file=sys.stderr, flush=True)
        yield Figure(f"{name}: wall time", ours.wall, "s", against, one_by_one.wall)
        yield Figure(f"{name}: processor time", ours.processor, "s", against, one_by_one.processor)
    yield Figure(
        "all of these decks: wall time",
        ours_all.wall,
        "s",
        against,
        one_by_one_all.wall,
        below=None if decks else MOST_S,
        ratio_below=0.5,
    )
    yield Figure(
        "all of these decks: processor time",
        ours_all.processor,
        "s",
        against,
        one_by_one_all.processor,
    )


def main() -> int:
    """Print the table; exit code 1 if a figure is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.verify", description=__doc__)
    parser.add_argument("decks", nargs="*", metavar="DECK", help="default: every deck")
    parser.add_argument("--base", type=Path, required=True, help="checkout of the other build")
    parser.add_argument("--record", action="store_true", help="keep the figures in results/")
    wanted = parser.parse_args()
    figures = measure(wanted.base.resolve(), wanted.decks)
    return report(figures, RESULTS if wanted.record else None)


if __name__ == "__main__":
    sys.exit(main())
