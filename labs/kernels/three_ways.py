"""The same attention computed in three ways that differ in what they keep in memory.

What the labs compare: queries, keys and values of one shape, (batch, n_heads, n_tokens, head_dim),
without a mask.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Generator, Tensor
from torch.autograd.function import once_differentiable
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from labs.kernels.online_softmax import online_attention, online_attention_backward
from labs.kernels.reference import Attended

Attention: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]

LABELS = {"naive": "naive attention", "tiled": "tiled attention", "fused": "fused kernel"}
"""The names of the three, and what people call them."""


def attention(name: str, *, block: int) -> Attention:
    """One of the three by its name; block is the side of a tile, in queries and in keys."""
    if name == "tiled":
        return partial(tiled, block=block)
    return {"naive": naive, "fused": fused}[name]


def random_inputs(
    n_heads: int, n_tokens: int, head_dim: int, *, seed: int, device: str, trained: bool
) -> list[Tensor]:
    """Queries, keys and values of one sequence: fp32 on the CPU, fp16 elsewhere."""
    generator = Generator().manual_seed(seed)
    dtype = torch.float32 if device == "cpu" else torch.float16
    shape = (1, n_heads, n_tokens, head_dim)
    return [
        torch.randn(shape, generator=generator).to(device, dtype).requires_grad_(trained)
        for _ in range(3)
    ]


def naive(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention as three operations, two of which write a matrix of n_tokens² for every head."""
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)
    weights = scores.softmax(dim=-1)
    return weights @ v


def tiled(q: Tensor, k: Tensor, v: Tensor, *, block: int) -> Tensor:
    """The specification of FlashAttention, tile by tile, forward and backward."""
    out: Tensor = Tiled.apply(q, k, v, block)  # type: ignore[no-untyped-call]
    return out


def fused(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """PyTorch's own attention with its FlashAttention backend, or an error where that cannot run.

    Left to choose, PyTorch may take a backend that writes the matrix, and say nothing.
    """
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        return scaled_dot_product_attention(q, k, v)


def fused_backend(q: Tensor, k: Tensor, v: Tensor) -> str:
    """The name of the backend that `fused` runs, as PyTorch itself says."""
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        return SDPBackend(torch._fused_sdp_choice(q, k, v)).name


class Tiled(torch.autograd.Function):
    """`online_attention` with `online_attention_backward` as its gradient."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, block: int) -> Tensor:
        out, lse = online_attention(q, k, v, block_q=block, block_k=block)
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.block = block
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dout: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, out, lse = ctx.saved_tensors
        block = ctx.block
        gradients = online_attention_backward(
            q, k, v, Attended(out, lse), dout, block_q=block, block_k=block
        )
        return *gradients, None
