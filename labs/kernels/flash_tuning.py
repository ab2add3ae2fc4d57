"""Tiles chosen by the clock instead of the table: for the GPU, head_dim and mask at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext

import torch
import triton
from torch import Tensor

from labs.kernels.flash_backward import BackwardCall, key_value_launch, query_launch
from labs.kernels.flash_call import Call
from labs.kernels.flash_checks import check_options, check_tensors
from labs.kernels.flash_forward import forward_launch
from labs.kernels.flash_masks import Masking
from labs.kernels.flash_tiles import Direction, Tiles, capability_of, prefer, tiles_for
from labs.kernels.launch import Launch
from labs.kernels.reference import Causal

BLOCKS = ((128, 128), (128, 64), (64, 128), (64, 64), (32, 64))
"""block_q and block_k of the candidates; each is tried with 4 and 8 warps."""


def milliseconds(run: Callable[[], None]) -> float:
    """The median time of a call on the GPU, over some 0.1 s of calls with a cold L2 cache."""
    return float(triton.testing.do_bench(run, return_mode="median"))


def tune(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    causal: Causal = "none",
    window: int | None = None,
    measure: Callable[[Callable[[], None]], float] = milliseconds,
    blocks: Iterable[tuple[int, int]] = BLOCKS,
) -> dict[Direction, Tiles]:
    """The fastest of a handful of tiles for each kernel, which `flash_attention` uses from now on.

    q, k and v are such as will be used: contiguous, head_dim a multiple of 8. Takes a minute, most
    of it the compiler's. The choice holds in this process, for this GPU's architecture, head_dim
    and number format. Tiles that the GPU has no room for are passed over.
    """
    scale = q.shape[3] ** -0.5
    check_tensors(q, k, v)
    check_options(q, causal, window, scale, None)
    call = Call(q, k, v, Masking(causal, window), scale)
    blocks = tuple(blocks)
    fastest: dict[Direction, Tiles] = {}
    with torch.cuda.device(q.device) if q.is_cuda else nullcontext():
        for direction, launch in _launches(call).items():
            shipped = tiles_for(capability_of(q), q.shape[3], direction, q.dtype.itemsize)
            others = (
                Tiles(*block, warps, shipped.num_stages) for block in blocks for warps in (4, 8)
            )
            times = {tiles: _time(launch(tiles), measure) for tiles in (shipped, *others)}
            fastest[direction] = min(times, key=lambda tiles: times[tiles])
    for direction, tiles in fastest.items():
        prefer(capability_of(q), q.shape[3], direction, tiles, q.dtype.itemsize)
    return fastest


def _launches(call: Call) -> dict[Direction, Callable[[Tiles], Launch]]:
    """For each direction, what starts its kernel with given tiles."""
    q, out, dq, dk, dv = call.q, *(torch.empty_like(x) for x in (call.q, call.q, call.k, call.v))
    lse, delta = (q.new_zeros(q.shape[:3], dtype=torch.float32) for _ in range(2))
    backward = BackwardCall(call, q, lse, delta)  # q for dout: any numbers will do
    return {
        "forward": lambda tiles: forward_launch(call, out, lse, tiles),
        "key_value": lambda tiles: key_value_launch(backward, dk, dv, tiles),
        "query": lambda tiles: query_launch(backward, dq, tiles),
    }


def _time(launch: Launch, measure: Callable[[Callable[[], None]], float]) -> float:
    try:
        launch.run()
    except triton.OutOfResources:
        return float("inf")
    return measure(launch.run)
