"""Paired differences: their intervals, and when two models can be told apart."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.lab.differences import (
    Difference,
    describe_mean,
    describe_verdict,
    t_quantile,
    t_share,
)


def difference(*values: float, unit: str = "nats") -> Difference:
    return Difference("loss_change", "loss, changed less base", unit, values)


@pytest.mark.parametrize(
    ("df", "quantile"),
    # Student's t, two-sided 95 %: the table of any textbook.
    [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (19, 2.093), (60, 2.000), (999, 1.962)],
)
def test_the_quantile_is_that_of_the_tables(df: int, quantile: float) -> None:
    assert t_quantile(df) == pytest.approx(quantile, abs=5e-4)


@given(st.floats(0, 50), st.integers(1, 60))
def test_the_share_is_a_share_and_grows(t: float, df: int) -> None:
    assert 0 <= t_share(t, df) <= t_share(t + 0.5, df) + 1e-12 <= 1 + 2e-12


def test_the_interval_holds_the_true_mean_in_nineteen_of_twenty_samples() -> None:
    """Four seeds each, 2,000 times: what makes it a 95 % interval."""
    rng = random.Random(0)
    n_held = 0
    for _ in range(2000):
        interval = difference(*(rng.gauss(0.3, 1.0) for _ in range(4))).interval
        assert interval is not None
        n_held += interval[0] <= 0.3 <= interval[1]

    assert n_held / 2000 == pytest.approx(0.95, abs=0.015)


def test_two_models_that_can_be_told_apart() -> None:
    change = difference(1.0, 1.2, 1.1)

    low, high = change.interval or (0.0, 0.0)
    assert change.mean == pytest.approx(1.1)
    assert (low, high) == pytest.approx(
        (1.1 - 4.303 * 0.1 / 3**0.5, 1.1 + 4.303 * 0.1 / 3**0.5), 1e-3
    )
    assert change.is_separable
    assert describe_mean(change) == "+1.100 nats (mean), 95 % interval +0.852 to +1.348"
    assert describe_verdict(change) == "separable with 3 seeds"


def test_too_few_seeds_say_how_many_would_do() -> None:
    change = difference(0.1, -0.1, 0.2)

    assert not change.is_separable
    needed = change.seeds_needed
    assert needed is not None
    mean, deviation = change.mean, change.deviation
    assert t_quantile(needed - 1) * deviation / math.sqrt(needed) < mean
    assert t_quantile(needed - 2) * deviation / math.sqrt(needed - 1) >= mean
    assert describe_verdict(change) == f"not separable with 3 seeds; would need about {needed}"


def test_differences_about_nothing_need_more_seeds_than_anybody_runs() -> None:
    change = difference(1.0, -1.0, 0.001)

    assert change.seeds_needed is None
    assert describe_verdict(change).endswith("would need more than 1,000")


def test_one_seed_has_a_difference_and_no_interval() -> None:
    change = difference(0.5)

    assert change.interval is None and not change.is_separable
    assert describe_mean(change) == "+0.500 nats"
    assert describe_verdict(change) == "one seed has no interval"


def test_the_same_on_every_seed() -> None:
    assert describe_verdict(difference(0.0, 0.0)) == "no difference on any seed"
    assert not difference(0.0, 0.0).is_separable
    assert describe_verdict(difference(-2.0, -2.0)) == "the same on every seed"
    assert difference(-2.0, -2.0).is_separable


def test_a_seed_that_diverged_is_counted_and_left_out_of_the_mean() -> None:
    change = difference(1.0, math.nan, 1.2)

    assert change.mean == pytest.approx(1.1)
    assert describe_verdict(change).endswith("; diverged on 1 of 3 seeds")
    lost = difference(math.nan, math.nan)
    assert describe_mean(lost) == "diverged"
    assert describe_verdict(lost) == "diverged on 2 of 2 seeds"
