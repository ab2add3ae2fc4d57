from __future__ import annotations

import math
from collections.abc import Iterator

from labs.kit.arms import Losses
from labs.kit.speed import race
from studykit.lab.events import Curve, Measurement


def training() -> Iterator[Losses]:
    """One arm whose second model is the faster, though it diverges, and one that never learns."""
    for step, first, second in ((0, 2.0, 2.0), (5, 1.9, 0.4), (10, 0.3, math.nan), (15, 0.2, 9.0)):
        yield Losses(step, {"learns": (first, second), "never": (2.0, math.nan)})


def test_the_first_of_an_arms_models_to_reach_the_target_counts() -> None:
    events = list(race(training(), {"learns": "a", "never": "b"}, target=0.4, n_steps=15))
    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert measured == {"steps_learns": 5, "steps_never": math.inf}
    drawn = [y for e in events if isinstance(e, Curve) and e.name == "a" for y in e.ys]
    assert drawn == [2.0, 0.4, 0.3, 0.2]
