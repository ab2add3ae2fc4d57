from __future__ import annotations

import math

import pytest

from labs.machine.growth import log_slope


@pytest.mark.parametrize("power", [0, 1, 2, 0.5])
def test_the_slope_is_the_power(power: float) -> None:
    sizes = [1, 2, 4, 100]
    assert log_slope(sizes, [7 * size**power for size in sizes]) == pytest.approx(power, abs=1e-12)


def test_a_fixed_part_lowers_the_slope() -> None:
    assert 0.3 < log_slope([1, 2, 4], [1 + 1, 1 + 2, 1 + 4]) < 0.8


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan])
def test_there_is_no_slope_without_a_cost(bad: float) -> None:
    assert math.isnan(log_slope([1, 2], [bad, 1.0]))
