"""The levels of the kernel lab: each computes the same attention, and counts what it multiplies.

Inputs are (1, n_heads, n_tokens, head_dim), as many keys as queries, and n_tokens is a multiple of
the tile. A process interprets Triton's kernels or compiles them, as its environment says when they
are imported; so levels 3 and 4 are functions for processes of their own, and import them inside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator, Tensor
from torch.utils.flop_counter import FlopCounterMode

from labs.kernels.online_softmax import (
    BackwardRows,
    Gradients,
    TileMask,
    online_attention,
    online_attention_backward,
    recompute_tile,
    row_delta,
)
from labs.kernels.reference import Causal

Array: TypeAlias = npt.NDArray[np.float32]


class Inputs(NamedTuple):
    """What attention is given, and the gradient of its out: (1, n_heads, n_tokens, head_dim)."""

    q: Tensor
    k: Tensor
    v: Tensor
    dout: Tensor

    def to(self, dtype: torch.dtype) -> Inputs:
        """The same numbers, rounded."""
        return Inputs(*(x.to(dtype) for x in self))


class Level(NamedTuple):
    """What one level computed, and how many products of two tiles that took, of all heads."""

    out: Tensor
    gradients: tuple[Tensor, ...]
    """dq, dk and dv; empty where it has no backward pass."""
    forward: float
    backward: float = math.nan
    one_pass: float = math.nan
    """Of the backward pass, if all programs add to the same dq."""


def naive(inputs: Inputs, causal: Causal, block: int) -> Level:
    """Attention as three operations, and its gradients from the weights that autograd kept."""
    q, k, v = (x.clone().requires_grad_() for x in inputs[:3])
    with FlopCounterMode(display=False) as forward:
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (1, n_heads, queries, keys)
        if causal != "none":
            later = torch.ones_like(scores[0, 0], dtype=torch.bool).triu(1)
            scores = scores.masked_fill(later, -math.inf)
        out = scores.softmax(dim=-1) @ v
    with FlopCounterMode(display=False) as backward:
        gradients = Gradients(*torch.autograd.grad(out, (q, k, v), inputs.dout))
    products = (in_tiles(counter, inputs, block) for counter in (forward, backward))
    return Level(out.detach(), gradients, *products)


def in_tiles(counter: FlopCounterMode, inputs: Inputs, block: int) -> float:
    """How many products of two tiles it takes to do the arithmetic that was counted."""
    flops = 2 * block * block * inputs.q.shape[-1]  # a multiplication and an addition each
    return float(counter.get_total_flops() / flops)


def by_hand(inputs: Inputs, causal: Causal, block: int) -> Level:
    """Level 1, head by head."""
    heads = [
        one_head(q.numpy(), k.numpy(), v.numpy(), block=block, causal=causal != "none")
        for q, k, v, _ in zip(*(x[0] for x in inputs), strict=True)
    ]
    out = torch.stack([torch.from_numpy(out) for out, _ in heads])[None]
    return Level(out, (), sum(products for _, products in heads))


def one_head(q: Array, k: Array, v: Array, *, block: int, causal: bool) -> tuple[Array, int]:
    """One head's attention as the kernel goes about it, and how many tiles were multiplied.

    Each turn of the outer loop is what one program of the kernel does. q, k and v are
    (n_tokens, head_dim).
    """
    n_tokens, head_dim = q.shape
    out, products = np.empty_like(q), 0
    for first_query in range(0, n_tokens, block):
        q_tile = q[first_query : first_query + block] / np.float32(math.sqrt(head_dim))
        row_max = np.full(len(q_tile), -np.inf, q.dtype)
        row_sum = np.zeros(len(q_tile), q.dtype)
        acc = np.zeros_like(q_tile)
        for first_key in range(0, first_query + block if causal else n_tokens, block):
            scores = q_tile @ k[first_key : first_key + block].T  # (block, block)
            if causal and first_key == first_query:
                scores[np.triu_indices(len(scores), 1)] = -np.inf
            new_max = np.maximum(row_max, scores.max(axis=1))
            weights = np.exp(scores - new_max[:, None])
            rescale = np.exp(row_max - new_max)
            row_sum = row_sum * rescale + weights.sum(axis=1)
            acc = acc * rescale[:, None] + weights @ v[first_key : first_key + block]
            row_max = new_max
            products += 2
        out[first_query : first_query + block] = acc / row_sum[:, None]
    return out, products


def tiled(inputs: Inputs, causal: Causal, block: int) -> Level:
    """Level 2: the specification, in the precision of the inputs throughout."""
    q, k, v, dout = inputs
    with FlopCounterMode(display=False) as forward:
        attended = online_attention(q, k, v, causal=causal, block_q=block, block_k=block)
    with FlopCounterMode(display=False) as backward:
        gradients = online_attention_backward(
            q, k, v, attended, dout, causal=causal, block_q=block, block_k=block
        )
    products = (in_tiles(counter, inputs, block) for counter in (forward, backward))
    return Level(attended.out, gradients, *products)


def query_gradient_parts(inputs: Inputs, causal: Causal, block: int) -> list[Tensor]:
    """What each tile of keys adds to dq, which has the shape of q."""
    q, k, v, dout = inputs
    n_tokens, scale = q.shape[2], 1 / math.sqrt(q.shape[3])
    mask = TileMask(n_tokens, n_tokens, block, block, causal, None, None, q.device)
    out, lse = online_attention(q, k, v, causal=causal, block_q=block, block_k=block)
    rows = BackwardRows(q, dout, lse, row_delta(out, dout), scale)
    parts = []
    for keys in mask.key_tiles:
        visible = mask.visible(slice(0, n_tokens), keys)[0]
        _, dscores = recompute_tile(rows, k[..., keys, :], v[..., keys, :], visible)
        parts.append(scale * (dscores @ k[..., keys, :]))
    return parts


def interpret(inputs: Inputs, causal: Causal, block: int) -> Level:
    """Level 3, to be called in a process with TRITON_INTERPRET=1."""
    from labs.kernels.flash_backward import (
        BackwardCall,
        delta_launch,
        key_value_launch,
        query_launch,
    )
    from labs.kernels.flash_call import Call
    from labs.kernels.flash_forward import forward_launch
    from labs.kernels.flash_masks import Masking
    from labs.kernels.flash_tiles import Tiles
    from labs.kernels.interpreted import counting

    q, k, v, dout = inputs
    call = Call(q, k, v, Masking(causal), scale=1 / math.sqrt(q.shape[-1]))
    tiles = Tiles(block, block, num_warps=4, num_stages=2)
    out, lse = torch.empty_like(q), torch.empty(q.shape[:3])
    with counting() as forward:
        forward_launch(call, out, lse, tiles).run()
    delta, dlse = torch.empty_like(lse), torch.zeros_like(lse)
    delta_launch(out, dout, dlse, delta, tiles).run()
    gradient = BackwardCall(call, dout, lse, delta)
    dq, dk, dv = (torch.empty_like(x) for x in (q, k, v))
    with counting() as backward:
        key_value_launch(gradient, dk, dv, tiles).run()
        query_launch(gradient, dq, tiles).run()
    spare = torch.empty_like(k), torch.empty_like(v)
    with counting() as one_pass:
        key_value_launch(gradient, *spare, tiles, dq=torch.zeros(q.shape)).run()
    products = (counts.tile_products for counts in (forward, backward, one_pass))
    return Level(out, Gradients(dq, dk, dv), *products)


def interpret_all(cases: Sequence[Inputs], causal: Causal, block: int) -> list[Level]:
    """Level 3 for several inputs in one process."""
    return [interpret(inputs, causal, block) for inputs in cases]


COMPILED = (
    "kernel",
    "queries × keys",
    "warps",
    "registers",
    "spilled, bytes",
    "products by 4 warps",
    "products by 1 warp",
    "tile copies",
)


def compile_kernels(capability: int, head_dim: int) -> list[tuple[str | float, ...]]:
    """Level 4: what the compiler reports of the forward and the two backward kernels, in float16.

    A row under `COMPILED` for each of the three. To be called without TRITON_INTERPRET.
    """
    from labs.kernels.compiled import facts
    from labs.kernels.flash_backward import BackwardCall, key_value_launch, query_launch
    from labs.kernels.flash_call import Call
    from labs.kernels.flash_forward import forward_launch
    from labs.kernels.flash_masks import Masking
    from labs.kernels.flash_tiles import tiles_for

    x, row = torch.zeros(1, 1, 4096, head_dim, dtype=torch.float16), torch.zeros(1, 1, 4096)
    call = Call(x, x, x, Masking("top-left"), scale=0.1)
    gradient = BackwardCall(call, x, row, row)
    forward, key_value, query = (
        tiles_for(capability, head_dim, direction)
        for direction in ("forward", "key_value", "query")
    )
    rows: list[tuple[str | float, ...]] = []
    for name, tile, launch in (
        ("forward", forward, forward_launch(call, x, row, forward)),
        ("dk and dv", key_value, key_value_launch(gradient, x, x, key_value)),
        ("dq", query, query_launch(gradient, x, query)),
    ):
        f = facts(launch, capability)
        found = (f.num_warps, f.registers, f.stack_bytes, f.wgmma, f.mma_sync, f.tma)
        rows.append((name, f"{tile.block_q} × {tile.block_k}", *found))
    return rows


def on_gpu(device: str) -> list[tuple[str, str | float]]:
    """Level 5: the kernel as users call it, if there is a GPU to call it on."""
    if not device.startswith("cuda"):
        return [("the kernel", "not measured on a GPU: this run has none")]
    from labs.kernels.flash_attention import flash_attention

    generator, shape = Generator().manual_seed(0), (1, 8, 2048, 128)
    drawn = (torch.randn(shape, generator=generator) for _ in Inputs._fields)
    inputs = Inputs(*(x.to(device, torch.float16) for x in drawn))
    q, k, v = (x.clone().requires_grad_() for x in inputs[:3])

    def once() -> tuple[Tensor, ...]:
        out = flash_attention(q, k, v, causal="top-left")
        assert isinstance(out, Tensor)
        return out.detach(), *torch.autograd.grad(out, (q, k, v), inputs.dout)

    exact = naive(inputs.to(torch.float64), "top-left", 1).out
    first = once()
    same = all(torch.equal(a, b) for _ in range(20) for a, b in zip(first, once(), strict=True))
    return [
        ("GPU", torch.cuda.get_device_name()),
        ("error in float16, 2048 tokens", rms(first[0] - exact)),
        ("output and gradients of 20 more runs", "equal in every bit" if same else "not equal"),
    ]


def rms(x: Tensor) -> float:
    """The root of the mean square."""
    return float(x.double().square().mean().sqrt())
