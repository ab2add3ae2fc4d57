"""What is known of the forward kernel with given tiles, though no GPU has run it.

A process interprets Triton's kernels or compiles them, as its environment says when they are
imported: so these are functions for processes of their own, and import the kernels inside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from labs.kernels.flash_tiles import Tiles

if TYPE_CHECKING:
    from labs.kernels.launch import Launch


def compile_tiles(
    tiles: Sequence[Tiles], capability: int, head_dim: int
) -> dict[Tiles, dict[str, Any]]:
    """The fields of `CompiledFacts` in float16, and the share of a multiprocessor that a block
    takes of its ``registers``, ``shared memory`` and ``warps``. Not to be interpreted."""
    from labs.kernels.compiled import MULTIPROCESSORS, WARP_SIZE, facts

    sm = MULTIPROCESSORS[capability]
    x = torch.zeros(1, 1, 4096, head_dim, dtype=torch.float16)
    found = {}
    for tile in tiles:
        f = facts(forward(x, x, replace(tile, tma=capability >= 90)), capability)
        shares = {
            "registers": f.registers * WARP_SIZE * f.num_warps / sm.registers,
            "shared memory": f.shared_bytes / sm.shared_bytes,
            "warps": f.num_warps / sm.warps,
        }
        found[tile] = {**asdict(f), "shares": shares}
    return found


def count_requests(tiles: Sequence[Tiles], n_tokens: int) -> dict[Tiles, float]:
    """How often queries, keys and values are requested, on average. In the interpreter only."""
    from labs.kernels.interpreted import counting

    x = torch.zeros(1, 1, n_tokens, 16, dtype=torch.float16)  # how wide a row is, cancels out
    found = {}
    for tile in tiles:
        with counting() as counts:
            forward(x, torch.empty_like(x), tile).run()
        found[tile] = counts.loaded_bytes / (3 * x.numel() * x.element_size())
    return found


def forward(x: Tensor, out: Tensor, tiles: Tiles) -> Launch:
    """The start of the forward kernel, not causal, with x as queries, keys and values."""
    from labs.kernels.flash_call import Call
    from labs.kernels.flash_forward import forward_launch
    from labs.kernels.flash_masks import Masking

    call = Call(x, x, x, Masking(), scale=1 / math.sqrt(x.shape[3]))
    return forward_launch(call, out, torch.empty(x.shape[:3]), tiles)
