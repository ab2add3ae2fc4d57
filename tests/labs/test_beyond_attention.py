from __future__ import annotations

from functools import cache

import pytest
import torch

from labs.flash import beyond_attention as lab
from studykit.lab.events import Event, Measurement, Table


@cache
def run(seed: int = 0) -> tuple[Event, ...]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab, "N_NUMBERS", 500)
        return tuple(lab.run(n_splits=8, n_cached=40, seed=seed, device="cpu"))


def measured(seed: int = 0) -> dict[str, float]:
    return {event.name: event.value for event in run(seed) if isinstance(event, Measurement)}


def test_what_is_merged_is_exact_and_what_is_averaged_is_not() -> None:
    for seed in (0, 1):
        found = measured(seed)
        assert found["error_log_sum_exp"] < 1e-12
        assert found["error_splits"] < 1e-12
        assert 0.05 < found["error_mean"] < 1
        assert found["error_deviations"] < 0.001
        assert found["error_sums"] > 1
    assert measured(0)["error_mean"] != measured(1)["error_mean"]


def test_moments_of_two_pieces_are_those_of_all() -> None:
    numbers = torch.tensor([0.0, 2.0, 4.0, 6.0, 11.0], dtype=torch.float64)
    merged = lab.merge_moments(*map(lab.moments_of, numbers.tensor_split([2])))
    assert merged.n == 5
    assert merged.mean == pytest.approx(numbers.mean().item())
    assert merged.deviations == pytest.approx((numbers - numbers.mean()).square().sum().item())


def test_every_number_read_is_a_candidate_for_the_median_and_one_for_the_maximum() -> None:
    events = list(lab.candidates(torch.tensor([3.0, -1.0, 8.0, 5.0, 0.5])))
    found = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert found == {"median_candidates": 5, "maximum_candidates": 1, "n_read": 5}
    (kept,) = (event for event in events if isinstance(event, Table))
    assert [*kept.rows] == [("median", 5), ("maximum", 1)]
