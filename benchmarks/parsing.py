"""A course of many cards from its YAML, cold, and from what was kept of it, warm.

Each measurement is taken in a process of its own, after its imports. What is compared with:
`yaml.load` with libyaml's `CSafeLoader` on the same decks, read from the disk, too. It checks
nothing, keeps no places, makes dictionaries, and is let go of each deck before the next.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from benchmarks.figures import Figure, environment_of, in_turn, ms
from benchmarks.make_data import Data
from studykit.course.cache import CourseReader
from studykit.course.decks import load_course


def measure(data: Data, n_rounds: int) -> list[Figure]:
    """Medians of `n_rounds`, taken in turn."""
    n_cards = len(load_course(data.root).cards)
    with tempfile.TemporaryDirectory() as folder:
        _ = CourseReader(data.root, Path(folder)).course  # keeps it

        def seconds_of(name: str) -> Callable[[], float]:
            command = [sys.executable, "-m", "benchmarks.parsing", name, str(data.root), folder]
            environment = environment_of(data)
            return lambda: float(subprocess.check_output(command, env=environment))

        libraries, colds, warms, covers = in_turn(n_rounds, *map(seconds_of, ACTIONS))
    against, baseline = "yaml.CSafeLoader alone", ms(libraries)
    return [
        Figure(
            f"parsing {n_cards:,} cards, cold", ms(colds), "ms", against, baseline, ratio_below=1.5
        ),
        Figure(f"{n_cards:,} cards from what was kept", ms(warms), "ms", against, baseline),
        Figure(f"what Home shows of {n_cards:,} cards", ms(covers), "ms", against, baseline),
    ]


def _library(root: Path, _folder: Path) -> None:
    for path in sorted((root / "decks").glob("*.yaml")):
        yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def _cold(root: Path, _folder: Path) -> object:
    return load_course(root)


def _warm(root: Path, folder: Path) -> object:
    return CourseReader(root, folder).course


def _cover(root: Path, folder: Path) -> object:
    return CourseReader(root, folder).cover


ACTIONS: dict[str, Callable[[Path, Path], object]] = {
    "library": _library,
    "cold": _cold,
    "warm": _warm,
    "cover": _cover,
}


def main(data: Data) -> Iterator[Figure]:
    yield from measure(data, 7)


if __name__ == "__main__":
    act, root, folder = ACTIONS[sys.argv[1]], Path(sys.argv[2]), Path(sys.argv[3])
    began = time.perf_counter()
    made = act(root, folder)
    print(time.perf_counter() - began)
