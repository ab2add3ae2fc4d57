"""What every kernel with keys is called with, described once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import triton
from torch import Tensor

from labs.kernels.flash_copies import block_d, in_tiles
from labs.kernels.flash_masks import Masking
from labs.kernels.flash_tiles import Tiles


@dataclass(frozen=True, slots=True)
class Call:
    """Attention that is asked for: shapes as in `flash_attention`, strides as `in_tiles` needs."""

    q: Tensor
    k: Tensor
    v: Tensor
    masking: Masking
    scale: float

    def grid(self, length: int, block: int, heads: int) -> tuple[int]:
        """A program for each tile of so many rows, of each head of each sequence."""
        return (triton.cdiv(length, block) * heads * self.q.shape[0],)

    def hides_keys(self) -> bool:
        """Whether there may be a key that no query sees."""
        return self.masking.hides_keys(self.q.shape[2], self.k.shape[2])

    def arguments(self, tiles: Tiles) -> dict[str, Any]:
        """The arguments that forward, backward and decoding kernels have in common."""
        n_queries, n_keys = self.q.shape[2], self.k.shape[2]
        return {
            "queries": in_tiles(self.q, tiles.block_q, tma=tiles.tma),
            "keys": in_tiles(self.k, tiles.block_k, tma=tiles.tma),
            "values": in_tiles(self.v, tiles.block_k, tma=tiles.tma),
            "n_kv_heads": self.k.shape[1],
            "group": self.q.shape[1] // self.k.shape[1],
            "n_queries": n_queries,
            "n_keys": n_keys,
            "scale_log2": self.scale * math.log2(math.e),
            **self.masking.arguments(n_queries, n_keys),
            "BLOCK_Q": tiles.block_q,
            "BLOCK_K": tiles.block_k,
            "BLOCK_D": block_d(self.q.shape[3]),
            **tiles.options(),
        }
