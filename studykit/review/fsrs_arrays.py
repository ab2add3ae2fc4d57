"""FSRS-6 for many cards at once: the formulas of the package `fsrs` on arrays of one shape.

In its order of operations, so that both give the same numbers to 1e-9. Which card is in which
state and step is the caller's; here are stabilities in days, difficulties from 1 to 10, ratings
from 1 (Again) to 4, whole days and probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

LOWEST_STABILITY = 0.001
LOWEST_DIFFICULTY, HIGHEST_DIFFICULTY = 1.0, 10.0


class FsrsArrays:
    """The model with 21 weights, `parameters`, which must lie within the package's bounds."""

    def __init__(self, parameters: Sequence[float]) -> None:
        self.parameters = np.asarray(parameters, dtype=np.float64)
        self.decay = -float(parameters[20])
        self.factor = 0.9 ** (1 / self.decay) - 1

    def retrievability(self, stability: ArrayLike, days: ArrayLike) -> Floats:
        """Probability of recall so many days after the last review."""
        ratio = np.maximum(days, 0) / np.asarray(stability, dtype=np.float64)
        recall: Floats = (1 + self.factor * ratio) ** self.decay
        return recall

    def interval(self, stability: Floats, retention: ArrayLike, maximum_days: int) -> Floats:
        """Whole days until the probability of recall has fallen to `retention`."""
        days = stability / self.factor * (np.asarray(retention) ** (1 / self.decay) - 1)
        whole: Floats = np.clip(np.rint(days), 1, maximum_days)
        return whole

    def first(self, rating: NDArray[np.integer]) -> tuple[Floats, Floats]:
        """Stability and difficulty after the first rating of a card."""
        stability = np.maximum(self.parameters[rating - 1], LOWEST_STABILITY)
        return stability, _difficulty(self._first_difficulty(rating))

    def next(
        self, stability: Floats, difficulty: Floats, rating: NDArray[np.integer], days: ArrayLike
    ) -> tuple[Floats, Floats]:
        """Stability and difficulty after a rating so many days after the one before."""
        w = self.parameters
        recall = self.retrievability(stability, days)
        recalled = stability * (
            1
            + math.e ** w[8]
            * (11 - difficulty)
            * stability ** -w[9]
            * (math.e ** ((1 - recall) * w[10]) - 1)
            * np.where(rating == 2, w[15], 1.0)
            * np.where(rating == 4, w[16], 1.0)
        )
        forgotten = np.minimum(
            w[11]
            * difficulty ** -w[12]
            * ((stability + 1) ** w[13] - 1)
            * math.e ** ((1 - recall) * w[14]),
            stability / math.e ** (w[17] * w[18]),
        )
        increase = math.e ** (w[17] * (rating - 3 + w[18])) * stability ** -w[19]
        same_day = stability * np.where(rating > 1, np.maximum(increase, 1.0), increase)
        later = np.where(rating == 1, forgotten, recalled)
        after = np.where(np.asarray(days) < 1, same_day, later)
        return np.maximum(after, LOWEST_STABILITY), self._next_difficulty(difficulty, rating)

    def _first_difficulty(self, rating: ArrayLike) -> Floats:
        first: Floats = (
            self.parameters[4] - math.e ** (self.parameters[5] * (np.asarray(rating) - 1)) + 1
        )
        return first

    def _next_difficulty(self, difficulty: Floats, rating: NDArray[np.integer]) -> Floats:
        w = self.parameters
        damped = difficulty + (10.0 - difficulty) * -(w[6] * (rating - 3)) / 9.0
        return _difficulty(w[7] * self._first_difficulty(4) + (1 - w[7]) * damped)


def _difficulty(value: Floats) -> Floats:
    return np.clip(value, LOWEST_DIFFICULTY, HIGHEST_DIFFICULTY)
