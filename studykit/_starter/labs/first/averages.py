"""The error of a mean falls with the square root of the number of draws.

Random numbers from 0 to 1 are averaged, again and again, and the lab measures how far the means are
from 0.5: for a number of draws, and for four times as many.

How to read it. The chart shows the error for more and more draws, on a logarithmic scale. The
expected error is the standard deviation of one draw, 0.289, divided by the root of their number.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from studykit.lab.events import Curve, Event, Measurement, Progress

QUESTION = "How much does a mean gain by four times the draws?"
POINTS = ("1.1.1", "1.1.2")
CLAIMS = {
    "root": "With four times the draws the error of a mean is about half as large.",
    "proportional": "With four times the draws the error of a mean is about a quarter as large.",
}
HOLDS_IF = {  # over what one seed measures
    "root": "1.6 < ratio < 2.5",
    "proportional": "ratio > 3.2",
}
KNOBS = {"n_draws": (100, 25, 400)}  # the first value is the default
KNOB_HELP = {"n_draws": "random numbers in the smaller mean"}
SEEDS = 3
SECONDS = {"cpu": 1}

N_MEANS = 1000
"""Means whose errors are averaged."""


def run(*, n_draws: int, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed; a lab may run on a GPU, this one has no use for it."""
    rng = random.Random(seed)
    sizes = [n_draws // 4, n_draws // 2, n_draws, 2 * n_draws, 4 * n_draws]
    errors = {}
    for done, size in enumerate(sizes):
        yield Progress(done, len(sizes), f"means of {size} draws")
        errors[size] = error_of_mean(size, rng)
        yield Curve("error of the mean", "measured", [size], [errors[size]], "draws", log_y=True)
    error_base, error_more = errors[n_draws], errors[4 * n_draws]
    yield Measurement("error_base", error_base, label=f"error of a mean of {n_draws} draws")
    yield Measurement("error_more", error_more, label=f"error of a mean of {4 * n_draws} draws")
    expected = math.sqrt(1 / 12 / n_draws)
    yield Measurement("error_expected", expected, label="0.289 / √draws", yardstick=True)
    yield Measurement("ratio", error_base / error_more, label="times smaller with 4 × the draws")


def error_of_mean(n_draws: int, rng: random.Random) -> float:
    """How far means of so many draws from 0 to 1 are from 0.5, as a root mean square."""
    squares = 0.0
    for _ in range(N_MEANS):
        mean = sum(rng.random() for _ in range(n_draws)) / n_draws
        squares += (mean - 0.5) ** 2
    return math.sqrt(squares / N_MEANS)
