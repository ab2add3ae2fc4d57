"""From the start of the process to the first paint of Home, and to the numbers of the day.

What is compared with: the first paint of hello.py, started in turn in a terminal of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.figures import Figure, copy_of, environment_of, in_turn, ms
from benchmarks.hello import GREETING
from benchmarks.make_data import Data
from benchmarks.terminal import Terminal

FIRST_DECK = "Deck 1"
"""Stands in the table of decks, which is painted at once."""
NUMBERS = "min   "
"""Stands behind the minutes that today takes, once the progress is open."""


def measure(data: Data, n_rounds: int) -> list[Figure]:
    """Medians of `n_rounds` after one that fills the caches."""
    with copy_of(data) as own:
        home = [sys.executable, "-m", "studykit", "--course", str(own.root)]
        hello = [sys.executable, str(Path(__file__).with_name("hello.py"))]

        def paint() -> float:
            return _seconds(own, home, FIRST_DECK)

        def numbers() -> float:
            return _seconds(own, home, NUMBERS)

        def greet() -> float:
            return _seconds(own, hello, GREETING)

        in_turn(1, numbers, greet)
        paints, filled, greetings = in_turn(n_rounds, paint, numbers, greet)
    against, baseline = "hello.py, three widgets", ms(greetings)
    return [
        Figure(
            "process start to first paint of Home",
            ms(paints),
            "ms",
            against,
            baseline,
            ratio_below=1.6,
        ),
        Figure("process start to the day's numbers on Home", ms(filled), "ms", against, baseline),
    ]


def _seconds(data: Data, command: Sequence[str], text: str) -> float:
    with Terminal(command, environment_of(data)) as terminal:
        return terminal.wait_for(text) - terminal.started_s


def main(data: Data) -> Iterator[Figure]:
    yield from measure(data, 15)
