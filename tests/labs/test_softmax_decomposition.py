from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
import torch
from torch import Generator
from torch.testing import assert_close

from labs.flash import softmax_decomposition as lab
from labs.kernels.online_softmax import online_attention
from labs.kernels.reference import Attended, Causal, reference_attention
from studykit.lab.events import Event, HeatMap, Measurement, Table, Walk

SMALL = 150
"""Keys: two whole tiles and a ragged one."""


@cache
def run(causal: Causal = "none") -> tuple[Event, ...]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab, "N_QUERIES", 70)
        patch.setattr(lab, "TILE_SIZES", (7, 64))
        return tuple(lab.run(n_keys=SMALL, causal=causal, seed=0, device="cpu"))


def measured(causal: Causal = "none") -> dict[str, float]:
    return {event.name: event.value for event in run(causal) if isinstance(event, Measurement)}


@pytest.mark.parametrize("causal", ["none", "bottom-right"])
def test_a_small_run_is_exact_in_float64_and_rounds_in_float32(causal: Causal) -> None:
    found = measured(causal)
    assert 0 < found["difference_out"] < 1e-13
    assert 0 < found["difference_gradients"] < 1e-13
    for name in ("naive", "tiled", "sdpa"):
        assert 5e-8 < found[f"error_{name}"] < 1e-6
    assert 0 < found["equal_bits"] < 0.9


def test_naive_attention_is_the_reference() -> None:
    generator = Generator().manual_seed(2)
    q, k, v = (torch.randn(1, 2, n, 64, generator=generator) for n in (20, 90, 90))
    for causal in ("none", "bottom-right"):
        expected = reference_attention(q, k, v, causal=causal).out
        assert_close(lab.naive_attention(q, k, v, causal=causal), expected)


def test_each_tile_size_is_tried_in_three_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def attend(*args: Any, order: Sequence[int], block_k: int, **options: Any) -> Attended:
        tried.append((block_k, list(order)))
        return online_attention(*args, order=order, block_k=block_k, **options)

    monkeypatch.setattr(lab, "online_attention", attend)
    monkeypatch.setattr(lab, "TILE_SIZES", (5, 64))
    x = torch.ones(1, 1, 40, 2, dtype=torch.float64)
    list(lab.exactness([x, x, x], "none", Generator()))
    assert [block_k for block_k, _ in tried] == [5] * 3 + [40] * 3
    forward, backward, shuffled = (order for _, order in tried[:3])
    assert forward == list(range(8)) == backward[::-1] == sorted(shuffled)
    assert shuffled not in (forward, backward)


def test_map_walk_and_table_are_complete() -> None:
    (by_tiling,) = (event for event in run() if isinstance(event, HeatMap))
    assert list(by_tiling.columns) == ["7 (ragged)", "64 (ragged)", "150"]
    assert len({row[-1] for row in by_tiling.values}) == 1  # a single tile has no order
    (walk,) = (event for event in run() if isinstance(event, Walk))
    assert len(walk.steps) == 16  # 4 x 4 tiles
    (causal,) = (event for event in run(causal="bottom-right") if isinstance(event, Walk))
    assert len(causal.steps) == 10  # their lower triangle
    (errors,) = (event for event in run() if isinstance(event, Table))
    assert len(errors.rows) == 3
