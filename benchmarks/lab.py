"""A lab of the bundled course: from the request to its first word and its first measurement.

What is compared with: the same request to a child that was not warmed, which imports torch first.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator

from benchmarks.figures import Figure, copy_of, environment_of, ms
from benchmarks.make_data import Data
from benchmarks.terminal import Terminal
from studykit.course.decks import load_course
from studykit.lab.events import Measurement
from studykit.lab.process import LabRunner, SeedEvent, Started
from studykit.settings import bundled_course_root

LAB = "core/residuals"
WARM_WITHIN_S = 10.0
"""A child that was given this long has imported torch."""


def measure_feedback(data: Data, n_rounds: int) -> Figure:
    """From the key that runs the lab to the screen that says so, in a terminal."""
    seconds = []
    for _ in range(n_rounds):
        with copy_of(data) as own:
            command = [sys.executable, "-m", "studykit"]
            with Terminal(command, environment_of(own)) as terminal:
                terminal.wait_for("min   ")
                terminal.press("x")
                terminal.wait_for(LAB)
                terminal.press("\r")
                terminal.wait_for("skip prediction")
                pressed = terminal.press("s")
                seconds.append(terminal.wait_for("starting torch") - pressed)
    return Figure("the key that runs a lab to the screen's answer", ms(seconds), "ms", below=200.0)


def measure(n_rounds: int) -> list[Figure]:
    """Medians of `n_rounds` with and without a warm child, in turn."""
    warm, cold = [], []
    for _ in range(n_rounds):
        warm.append(asyncio.run(_first(is_warm=True)))
        cold.append(asyncio.run(_first(is_warm=False)))
    words, numbers = zip(*warm, strict=True)
    cold_words, cold_numbers = zip(*cold, strict=True)
    return [
        Figure(
            f"{LAB}, warm child: run to its first word",
            ms(words),
            "ms",
            "a child not warmed",
            ms(cold_words),
            below=200.0,
        ),
        Figure(
            f"{LAB}, warm child: run to its first measurement",
            ms(numbers),
            "ms",
            "a child not warmed",
            ms(cold_numbers),
            below=3000.0,
        ),
    ]


async def _first(*, is_warm: bool) -> tuple[float, float]:
    """Seconds to the child's first message, and to its first measurement of its own."""
    root = bundled_course_root()
    header = load_course(root).labs[LAB]
    runner = LabRunner(root, time_limit_s=120.0)
    try:
        if is_warm:
            await runner.warm()
            await asyncio.sleep(WARM_WITHIN_S)
        began, word = time.perf_counter(), 0.0
        async for message in runner.run(header, knobs={}, seeds=[0], device="cpu"):
            if isinstance(message, Started):
                word = time.perf_counter() - began
            if isinstance(message, SeedEvent):
                event = message.event
                if isinstance(event, Measurement) and not event.yardstick:
                    return word, time.perf_counter() - began
    finally:
        await runner.close()
    raise RuntimeError(f"{LAB} measured nothing")


def main(data: Data) -> Iterator[Figure]:
    yield measure_feedback(data, 5)
    yield from measure(3)
