from __future__ import annotations

import math
from functools import cache

import pytest
import torch

from labs.flash import beyond_attention
from labs.flash.beyond_attention import Budget, Moments, candidates, measure, merge_moments, verdict
from studykit.lab.events import Curve, Event, Measurement, Table

TINY = Budget(n_tokens=16, d_model=8, n_numbers=500, n_cached=40, n_trials=20)

DEFAULT_RUN = {
    "difference_lse": 0,
    "difference_cross_entropy": 9.8e-15,
    "bytes_logits": 3.355e7,
    "peak_full": 1.007e8,
    "kept_full": 3.355e7,
    "peak_chunked": 1.062e7,
    "kept_chunked": 2048,
    "peak_ratio": 9.479,
    "flops_ratio": 4 / 3,
    "difference_splits": 2.5e-15,
    "difference_mean": 0.34,
    "error_moments": 2e-5,
    "error_sums": 14.4,
    "right_top_ten": 1,
    "right_median": 0.015,
    "candidates_median": 101,
    "candidates_maximum": 1,
    "n_read": 101,
}
"""What a run with default knobs measures, rounded."""

nan = math.nan


@cache
def tiny_run(seed: int = 0) -> tuple[Event, ...]:
    return tuple(measure(TINY, vocab_size=2100, chunk=64, seed=seed, device="cpu"))


def measurements(seed: int = 0) -> dict[str, float]:
    return {event.name: event.value for event in tiny_run(seed) if isinstance(event, Measurement)}


def test_a_run_measures_what_the_verdict_asks_for() -> None:
    measured = measurements()
    assert set(measured) == set(DEFAULT_RUN)
    assert set(verdict(measured)) == set(beyond_attention.CLAIMS)


def test_what_is_counted_is_known_from_theory() -> None:
    measured = measurements()
    assert measured["bytes_logits"] == 16 * 2100 * 4
    assert measured["kept_chunked"] == 16 * 4  # an lse for each token
    assert measured["kept_full"] >= 16 * 2100 * 4
    assert measured["flops_ratio"] == pytest.approx(4 / 3)
    assert measured["peak_full"] > 2 * measured["peak_chunked"]


def test_merged_results_are_exact() -> None:
    measured = measurements()
    for name in ("difference_lse", "difference_cross_entropy", "difference_splits"):
        assert measured[name] < 1e-12
    assert measured["right_top_ten"] == 1


def test_moments_of_two_pieces_are_those_of_all() -> None:
    numbers = torch.tensor([0.0, 2.0, 4.0, 6.0, 11.0], dtype=torch.float64)
    parts = [
        Moments(len(piece), piece.mean(), (piece - piece.mean()).square().sum())
        for piece in numbers.tensor_split([2])
    ]
    merged = merge_moments(*parts)
    assert merged.n == 5
    assert merged.mean == pytest.approx(numbers.mean().item())
    assert merged.squares == pytest.approx((numbers - numbers.mean()).square().sum().item())


def test_every_number_read_is_a_candidate_for_the_median_and_one_for_the_maximum() -> None:
    read = torch.tensor([3.0, -1.0, 8.0, 5.0, 0.5])
    found = {
        event.name: event.value for event in candidates(read) if isinstance(event, Measurement)
    }
    assert found == {"candidates_median": 5, "candidates_maximum": 1, "n_read": 5}


def test_the_seed_decides_the_numbers() -> None:
    assert measurements(1)["difference_mean"] != measurements()["difference_mean"]
    again = measure(TINY, vocab_size=2100, chunk=64, seed=0, device="cpu")
    assert {e.name: e.value for e in again if isinstance(e, Measurement)} == measurements()


def test_the_pictures_are_complete() -> None:
    curves = [event for event in tiny_run() if isinstance(event, Curve)]
    assert {(event.name, *event.xs) for event in curves} == {
        (name, size) for name in ("all logits", "chunks of 64") for size in (1024, 2048, 2100)
    }
    (kept,) = (event for event in tiny_run() if isinstance(event, Table))
    assert [row[0] for row in kept.rows] == ["maximum", "ten largest", "median"]


def test_the_verdict_of_a_default_run() -> None:
    said = verdict(DEFAULT_RUN)
    assert None not in said.values()
    refuted = {claim for claim, holds in said.items() if not holds}
    assert refuted == {"free", "doubles", "any_reduction"}


@pytest.mark.parametrize(
    ("claim", "change", "expected"),
    [
        ("log_sum_exp", {"difference_lse": 2e-12}, False),
        ("cross_entropy", {"difference_cross_entropy": 2e-12}, False),
        ("peak", {"peak_ratio": 3.9}, False),
        ("peak", {"peak_ratio": nan}, None),
        ("keeps", {"kept_chunked": 40_000}, False),
        ("free", {"flops_ratio": 1.05}, True),
        ("recomputes", {"flops_ratio": 1.05}, False),
        ("recomputes", {"flops_ratio": 1.6}, False),
        ("doubles", {"flops_ratio": 1.6}, True),
        ("splits", {"difference_splits": 2e-12}, False),
        ("moments", {"error_moments": 0.02}, False),
        ("any_reduction", {"right_median": 0.6}, True),
        ("every_value", {"candidates_median": 100}, False),
        ("every_value", {"candidates_maximum": 2}, False),
    ],
)
def test_every_claim_can_hold_and_can_fail(
    claim: str, change: dict[str, float], expected: bool | None
) -> None:
    assert verdict(DEFAULT_RUN | change)[claim] is expected


@pytest.mark.parametrize("ratio", [0.9, 1.1, 1.15, 1.3, 1.5, 1.51, nan])
def test_answers_of_the_predict_card_exclude_one_another(ratio: float) -> None:
    said = verdict(DEFAULT_RUN | {"flops_ratio": ratio})
    assert sum(said[claim] is True for claim in ("free", "recomputes", "doubles")) <= 1
