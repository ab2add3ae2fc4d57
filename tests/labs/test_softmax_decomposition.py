from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
import torch
from torch import Generator
from torch.testing import assert_close

from labs.flash import softmax_decomposition
from labs.flash.softmax_decomposition import Budget, Example, largest_score, measure, verdict
from labs.kernels.online_softmax import online_attention
from labs.kernels.reference import Attended, Causal, reference_attention
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Table, Walk

TINY = Budget(n_heads=1, n_queries=70, head_dim=16, tile_sizes=(7, 64))

DEFAULT_RUN = {
    "difference_float64": 1.3e-15,
    "difference_gradients": 7e-16,
    "error_ordinary": 3.9e-7,
    "error_tiled": 3.4e-7,
    "error_sdpa": 3.9e-7,
    "error_no_maximum": 3.9e-7,
    "same_bits_ordinary": 0.084,
    "same_bits_reversed": 0.19,
    "error_unscaled": 0.4,
    "error_largest_first": 1.3e-15,
    "error_local": 0.21,
    "rising_share": 0.156,
    "rising_share_expected": 0.159,
    "finite_float32_no": 0,
    "finite_float32_running": 1,
    "finite_float16_no": 0,
    "finite_float16_running": 1,
    "largest_score_float32": 88.72,
    "largest_score_float16": 11.09,
}
"""What a run with default knobs measures, rounded."""

nan, inf = math.nan, math.inf


@cache
def tiny_run(seed: int = 0) -> tuple[Event, ...]:
    return tuple(measure(TINY, n_keys=150, causal="none", seed=seed, device="cpu"))


def measurements(seed: int = 0) -> dict[str, float]:
    return {event.name: event.value for event in tiny_run(seed) if isinstance(event, Measurement)}


def test_a_run_measures_what_the_verdict_asks_for() -> None:
    measured = measurements()
    assert set(measured) == set(DEFAULT_RUN)
    assert set(verdict(measured)) == set(softmax_decomposition.CLAIMS)


def test_a_small_run_is_exact_where_it_must_be() -> None:
    measured = measurements()
    assert 0 < measured["difference_float64"] < 1e-13
    assert 0 < measured["difference_gradients"] < 1e-13
    assert measured["error_largest_first"] < 1e-13


def test_a_small_run_rounds_like_float32() -> None:
    measured = measurements()
    for name in ("ordinary", "tiled", "sdpa", "no_maximum"):
        assert 5e-8 < measured[f"error_{name}"] < 1e-6
    for name in ("ordinary", "reversed"):
        assert 0 < measured[f"same_bits_{name}"] < 0.9


def test_a_small_run_is_wrong_where_a_part_is_missing() -> None:
    measured = measurements()
    assert measured["error_unscaled"] > 0.01
    assert 0.05 < measured["error_local"] < 1
    for dtype in ("float16", "float32"):
        assert measured[f"finite_{dtype}_no"] < 0.5
        assert measured[f"finite_{dtype}_running"] == 1


def test_the_maximum_rises_as_often_as_chance_says() -> None:
    measured = measurements()
    assert measured["rising_share_expected"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert measured["rising_share"] == pytest.approx(measured["rising_share_expected"], abs=0.15)


@pytest.mark.parametrize("causal", ["none", "bottom-right"])
@pytest.mark.parametrize("spread", [1.0, 5.0])
def test_scores_of_any_spread_are_attended_to_alike(causal: Causal, spread: float) -> None:
    generator = Generator().manual_seed(2)
    q, k, v = (
        torch.randn(1, 2, n, 16, dtype=torch.float64, generator=generator) for n in (20, 90, 90)
    )
    example = Example(q, k, v, causal)
    expected = reference_attention(spread * q, k, v, causal=causal).out
    assert_close(example.tiled(spread=spread), expected)
    assert_close(example.without_maximum(torch.float64, spread), expected)


def test_causality_changes_the_numbers_and_stays_exact() -> None:
    events = measure(TINY, n_keys=150, causal="bottom-right", seed=0, device="cpu")
    causal = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert causal["difference_float64"] < 1e-13
    assert causal["error_ordinary"] != measurements()["error_ordinary"]


def test_the_seed_decides_the_numbers() -> None:
    again = {
        event.name: event.value
        for event in measure(TINY, n_keys=150, causal="none", seed=0, device="cpu")
        if isinstance(event, Measurement)
    }
    assert again == measurements()
    assert measurements(1)["error_unscaled"] != measurements()["error_unscaled"]


def test_the_pictures_are_complete() -> None:
    (by_tiling,) = (event for event in tiny_run() if isinstance(event, HeatMap))
    assert list(by_tiling.columns) == ["7 (ragged)", "64 (ragged)", "150"]
    assert len({row[-1] for row in by_tiling.values}) == 1  # a single tile has no order
    (walk,) = (event for event in tiny_run() if isinstance(event, Walk))
    assert len(walk.steps) == 10  # the lower triangle of 4 x 4 tiles
    (errors,) = (event for event in tiny_run() if isinstance(event, Table))
    assert len(errors.rows) == 4
    assert len({event.name for event in tiny_run() if isinstance(event, Curve)}) == 4


def test_each_tile_size_is_tried_in_three_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def attend(*args: Any, order: Sequence[int], block_k: int, **options: Any) -> Attended:
        tried.append((block_k, list(order)))
        return online_attention(*args, order=order, block_k=block_k, **options)

    monkeypatch.setattr(softmax_decomposition, "online_attention", attend)
    x = torch.ones(1, 1, 40, 2, dtype=torch.float64)
    list(softmax_decomposition.exactness(Example(x, x, x, "none"), (5, 64), Generator()))
    assert [block_k for block_k, _ in tried] == [5] * 3 + [40] * 3
    forward, backward, shuffled = (order for _, order in tried[:3])
    assert forward == list(range(8)) == backward[::-1] == sorted(shuffled)
    assert shuffled not in (forward, backward)


def test_the_largest_score_is_the_logarithm_of_the_largest_number() -> None:
    for dtype in (torch.float16, torch.float32):
        expected = math.log(torch.finfo(dtype).max)
        assert largest_score(dtype) == pytest.approx(expected, abs=0.01)


def test_the_verdict_of_a_default_run() -> None:
    said = verdict(DEFAULT_RUN)
    assert None not in said.values()
    assert {claim for claim, holds in said.items() if holds} == {
        "exact",
        "gradients",
        "rounds_alike",
        "order_bits",
        "wrong",
        "largest_first",
        "overflows",
        "half_overflows",
        "ordinary_scores",
    }


@pytest.mark.parametrize(
    ("claim", "change", "expected"),
    [
        ("exact", {"difference_float64": 2e-12}, False),
        ("exact", {"difference_float64": nan}, False),
        ("gradients", {"difference_gradients": 2e-12}, False),
        ("approximates", {"error_tiled": 8e-7}, True),
        ("approximates", {"error_tiled": nan}, True),
        ("rounds_alike", {"error_tiled": 8e-7}, False),
        ("rounds_alike", {"same_bits_ordinary": 1}, False),
        ("bitwise", {"same_bits_ordinary": 1}, True),
        ("order_bits", {"same_bits_reversed": 1}, False),
        ("order_bits", {"same_bits_reversed": nan}, None),
        ("harmless", {"error_unscaled": 0.009}, True),
        ("harmless", {"error_unscaled": nan}, False),
        ("wrong", {"error_unscaled": 0.04}, False),
        ("wrong", {"error_unscaled": inf}, False),
        ("breaks", {"error_unscaled": nan}, True),
        ("breaks", {"error_unscaled": inf}, True),
        ("largest_first", {"error_largest_first": 0.4}, False),
        ("always_rises", {"rising_share": 0.51}, True),
        ("always_rises", {"rising_share": nan}, None),
        ("local", {"error_local": 0.04}, True),
        ("overflows", {"finite_float32_no": 0.2}, False),
        ("overflows", {"finite_float32_running": 0.99}, False),
        ("half_overflows", {"finite_float16_no": 0.2}, False),
        ("half_overflows", {"finite_float16_running": 0.99}, False),
        ("ordinary_scores", {"error_no_maximum": 8e-7}, False),
    ],
)
def test_every_claim_can_hold_and_can_fail(
    claim: str, change: dict[str, float], expected: bool | None
) -> None:
    assert verdict(DEFAULT_RUN | change)[claim] is expected


def test_answers_of_a_predict_card_exclude_one_another() -> None:
    for options in (("harmless", "wrong", "breaks"), ("approximates", "rounds_alike", "bitwise")):
        for unscaled in (0.001, 0.02, 0.4, inf, nan):
            for tiled in (3e-7, 9e-7):
                for bits in (0.1, 1.0):
                    run = DEFAULT_RUN | {
                        "error_unscaled": unscaled,
                        "error_tiled": tiled,
                        "same_bits_ordinary": bits,
                    }
                    held = [claim for claim in options if verdict(run)[claim]]
                    # Bits that are all the same leave no room for another error.
                    assert len(held) <= 1 or (bits == 1 and tiled > 8e-7)
