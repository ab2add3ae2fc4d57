"""How fast arms learn: the steps that each needs, not where each stands at some step."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Mapping

from labs.kit.arms import Losses, best
from studykit.lab.events import Curve, Event, Measurement, Progress


def race(
    training: Iterable[Losses],
    labels: Mapping[str, str],
    *,
    target: float,
    n_steps: int,
    chart: str = "Held-out loss, best learning rate at each step",
) -> Generator[Event, None, Losses]:
    """Draw the losses of all arms and measure ``steps_<arm>``; the last losses.

    That is after how many steps the loss of one of the arm's models was at most `target` nats,
    and infinity if none of them got there in `n_steps`. It is as exact as evaluations are close.
    """
    steps = dict.fromkeys(labels, math.inf)
    for losses in training:
        n_models = sum(map(len, losses.of.values()))
        for arm, label in labels.items():
            lowest = best(losses.of[arm])
            yield Curve(chart, label, [losses.step], [lowest], "step", "nats", log_y=True)
            if lowest <= target:
                steps[arm] = min(steps[arm], losses.step)
        yield Progress(losses.step, n_steps, f"training {n_models} models")
    for arm, label in labels.items():
        what = f"steps to {target:g} nats, {label} (∞: more than {n_steps:,})"
        yield Measurement(f"steps_{arm}", steps[arm], "steps", what)
    return losses
