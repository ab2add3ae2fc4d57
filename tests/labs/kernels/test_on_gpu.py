"""What only a GPU can show: bfloat16, the rounding of compiled code, races and peak memory."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import Tensor

pytest.importorskip("triton")

from labs.kernels.reference import reference_attention
from tests.labs.kernels.accuracy import faults, results_of
from tests.labs.kernels.cases import INTERPRETED, Case, DType
from tests.labs.kernels.checks import CHECKS, attend
from tests.labs.kernels.registry import unequal

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here; see `make gpu`"),
]

GIB = 2**30


ALL_DTYPES: tuple[DType, ...] = "float32", "float16", "bfloat16"
CASES = [replace(case, dtype=dtype) for case in INTERPRETED for dtype in ALL_DTYPES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case) -> None:
    assert faults(attend, case, "cuda") == []


@pytest.mark.parametrize("name", CHECKS)
def test_check(name: str) -> None:
    assert CHECKS[name]("cuda") == []


def random_tensors(*shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    generator = torch.Generator("cuda").manual_seed(5)
    return tuple(
        torch.randn(shape, dtype=torch.bfloat16, device="cuda", generator=generator)
        for shape in shapes
    )


@pytest.mark.parametrize("head_dim", [64, 128, 256])
def test_250_runs_give_the_same_bits(head_dim: int) -> None:
    """A race shows in some runs only, and sooner when the whole GPU is busy."""
    q, k, v, d_out = random_tensors(*((16, heads, 1000, head_dim) for heads in (8, 2, 2, 8)))
    call = partial(results_of, attend, q, k, v, d_out, causal="bottom-right")
    first = call()
    for _ in range(250):
        assert unequal(call(), first) == []


def test_250_decoded_tokens_have_the_same_bits() -> None:
    q, k, v = random_tensors((16, 8, 1, 128), (16, 2, 8000, 128), (16, 2, 8000, 128))
    first = attend(q, k, v)
    for _ in range(250):
        out, lse = attend(q, k, v)
        assert torch.equal(out, first.out)
        assert torch.equal(lse, first.lse)


def peak_bytes(n_tokens: int) -> int:
    """What forward and backward take at most beside q, k, v and the gradient of out."""
    q, k, v, d_out = random_tensors(*[(1, 8, n_tokens, 64)] * 4)
    results_of(attend, q, k, v, d_out)  # what is allocated once
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    results_of(attend, q, k, v, d_out)
    return torch.cuda.max_memory_allocated() - before


def test_peak_memory_grows_with_the_tokens_and_not_with_their_square() -> None:
    few, many = peak_bytes(4096), peak_bytes(32768)
    assert 7 * few < many < 9 * few
    assert many < 16 * 32768 * 8 * 64  # 8 tensors of 2 bytes; the scores alone would be 17 GB


def needs_memory(gib: int) -> None:
    free = torch.cuda.mem_get_info()[0]
    if free < gib * GIB:
        pytest.skip(f"needs {gib} GiB of free GPU memory, there are {free / GIB:.1f}")


def test_more_than_2_to_the_31_numbers_of_queries() -> None:
    needs_memory(40)
    n_queries = 2**24 + 100
    q, d_out = random_tensors(*[(1, 1, n_queries, 128)] * 2)
    k, v = random_tensors(*[(1, 1, 100, 128)] * 2)
    found = results_of(attend, q, k, v, d_out)
    last = slice(n_queries - 200, None)
    expected = results_of(reference_attention, q[:, :, last], k, v, d_out[:, :, last])
    for name in ("out", "lse", "dq"):
        torch.testing.assert_close(
            found[name][:, :, last].float(), expected[name].float(), atol=0.05, rtol=0.05
        )


def test_more_than_2_to_the_31_numbers_of_keys() -> None:
    """Only the last of them are seen, so that the reference needs no others."""
    needs_memory(40)
    n_keys, window = 2**24 + 100, 500
    q, d_out = random_tensors(*[(1, 1, 64, 128)] * 2)
    k, v = random_tensors(*[(1, 1, n_keys, 128)] * 2)
    last = slice(n_keys - 600, None)
    call = partial(results_of, causal="bottom-right", window=window)
    found = call(attend, q, k, v, d_out)
    expected = call(reference_attention, q, k[:, :, last], v[:, :, last], d_out)
    for name, right in expected.items():
        result = found[name][:, :, last] if name in ("dk", "dv") else found[name]
        torch.testing.assert_close(result.float(), right.float(), atol=0.05, rtol=0.05)
    for name in ("dk", "dv"):
        assert found[name][:, :, : last.start].count_nonzero() == 0


def test_a_compiled_model_calls_the_same_kernel() -> None:
    """Inductor, as one graph, forward and backward, with sizes that change."""
    compiled = torch.compile(attend, fullgraph=True)
    for n_tokens in (100, 333):
        q, k, v, d_out = random_tensors(*((2, heads, n_tokens, 64) for heads in (4, 2, 2, 4)))
        found = results_of(compiled, q, k, v, d_out, causal="top-left")
        assert unequal(found, results_of(attend, q, k, v, d_out, causal="top-left")) == []
