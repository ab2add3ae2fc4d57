"""How a cost grows with a size: the power of the size to which it is proportional."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch


def log_slope(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The slope of a line through the logarithms of both, by least squares.

    1 where the cost is proportional to the size, 2 where it is to the square; NaN if a cost is not
    positive.
    """
    if not all(cost > 0 for cost in costs):
        return math.nan
    xs, ys = (torch.tensor([*values], dtype=torch.float64).log() for values in (sizes, costs))
    xs = xs - xs.mean()
    return float((xs * ys).sum() / xs.square().sum())
