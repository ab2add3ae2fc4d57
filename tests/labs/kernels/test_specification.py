"""FlashAttention in plain PyTorch is exact: in float64 it is the reference, in every case."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Generator

from labs.kernels.online_softmax import online_attention, online_attention_backward
from labs.kernels.reference import reference_attention
from tests.labs.kernels.accuracy import results_of
from tests.labs.kernels.cases import INTERPRETED, Case


@pytest.mark.parametrize("case", INTERPRETED, ids=lambda case: case.id)
def test_results_and_gradients_are_those_of_the_reference(case: Case) -> None:
    q, k, v = (x.double() for x in case.tensors())
    options: dict[str, Any] = case.options()
    d_out = torch.randn(q.shape, dtype=q.dtype, generator=Generator().manual_seed(6))
    blocks: dict[str, Any] = {"block_q": 64, "block_k": 48}
    attended = online_attention(q, k, v, **options, **blocks)
    gradients = online_attention_backward(q, k, v, attended, d_out, **options, **blocks)
    found = {**attended._asdict(), **gradients._asdict()}
    for name, exact in results_of(reference_attention, q, k, v, d_out, **options).items():
        torch.testing.assert_close(found[name], exact, atol=1e-12, rtol=1e-12, msg=name)
