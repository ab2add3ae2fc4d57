from __future__ import annotations

import pytest
import torch
from torch import Tensor

from labs.kernels.reference import reference_attention
from labs.kernels.three_ways import LABELS, attention, fused_backend, random_inputs


def inputs(seed: int = 0, *, trained: bool = True) -> list[Tensor]:
    return random_inputs(2, 100, 16, seed=seed, device="cpu", trained=trained)


@pytest.mark.parametrize("name", LABELS)
def test_all_compute_the_attention_of_the_definition(name: str) -> None:
    q, k, v = inputs()
    expected = reference_attention(q, k, v).out
    out = attention(name, block=32)(q, k, v)
    torch.testing.assert_close(out, expected)
    dout = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        torch.autograd.grad(out, (q, k, v), dout), torch.autograd.grad(expected, (q, k, v), dout)
    )


def test_the_seed_decides_the_inputs() -> None:
    again, other = inputs(), inputs(seed=1)
    for x, y, z in zip(inputs(), again, other, strict=True):
        assert x.shape == (1, 2, 100, 16)
        assert torch.equal(x, y)
        assert not torch.equal(x, z)


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        attention("sparse", block=32)


def test_the_fused_kernel_is_the_one_that_it_is_called() -> None:
    assert fused_backend(*inputs(trained=False)) == "FLASH_ATTENTION"
