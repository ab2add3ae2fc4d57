from __future__ import annotations

import pytest
import torch

from labs.kernels.counted_attention import (
    CostModel,
    FlopCounter,
    memory_of,
    naive_attention,
    tiled_attention,
)
from labs.kernels.reference import reference_attention


@pytest.mark.parametrize(("block_q", "block_k"), [(16, 16), (16, 32), (32, 8), (64, 64)])
def test_both_programs_compute_attention_and_cost_what_the_formulas_say(
    block_q: int, block_k: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(50, 8, generator=generator, dtype=torch.float64) for _ in range(3))
    expected = reference_attention(q[None, None], k[None, None], v[None, None]).out[0, 0]
    model = CostModel(50, 8, block_q, block_k, number_bytes=8)
    for program, cost in (
        (naive_attention, model.naive),
        (tiled_attention, model.tiled),
    ):
        memory = memory_of(q, k, v)
        program(memory, block_q, block_k)
        torch.testing.assert_close(memory.arrays["out"], expected)
        assert memory.requested_bytes == cost.requested
        assert memory.held_bytes == cost.held


def test_the_arithmetic_of_known_operations() -> None:
    a, b = torch.ones(2, 3), torch.ones(3, 5)
    counter = FlopCounter()
    with counter:
        product = a @ b  # 2 · 2 · 3 · 5
        product = product[:, 1:3].exp() + 1  # 4 numbers, twice
        product.sum()  # 4 numbers in
        _ = torch.cat([a, torch.zeros_like(a)]).T  # nothing is computed
    assert counter.n_flops == 60 + 4 + 4 + 4
