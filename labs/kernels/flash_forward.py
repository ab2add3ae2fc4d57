"""The forward pass: FlashAttention-2, Algorithm 1 (Dao, 2023).

One program takes one tile of queries and walks over the tiles of keys that these queries see. Of
each row it keeps three things in registers, the `Partial` of `online_softmax`: the largest score so
far (row_max), the sum of the weights relative to it (row_sum), and the sum of the weighted values
(acc). No score is ever written to memory.
"""

from __future__ import annotations

import math

import triton
import triton.language as tl
from torch import Tensor

from labs.kernels.flash_copies import block_d, in_tiles, load_tile, store_tile
from labs.kernels.flash_masks import (
    LN_2,
    clamp,
    end_key,
    first_key,
    hides_keys,
    key_ranges,
    offset_of_places,
    real_keys,
)
from labs.kernels.flash_tiles import Tiles
from labs.kernels.launch import Launch
from labs.kernels.reference import Causal


@triton.jit
def forward_kernel(
    queries,
    keys,
    values,
    out,
    lse,
    key_lengths,
    n_heads,
    group,
    n_queries,
    n_keys,
    window,
    scale_log2,
    CAUSAL: tl.constexpr,
    HIDES_KEYS: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """out = softmax(scale · q kᵀ) v of one tile of queries, and the lse of its rows."""
    n_tiles = tl.cdiv(n_queries, BLOCK_Q)
    program = tl.program_id(0)
    # With causality the last tiles have the most keys. They start first, so that the short ones
    # fill the gaps at the end.
    first_query = (n_tiles - 1 - program % n_tiles) * BLOCK_Q
    head, batch = program // n_tiles % n_heads, program // n_tiles // n_heads
    length = real_keys(key_lengths, batch, n_keys)
    offset = offset_of_places(n_queries, length, CAUSAL)
    last_query = tl.minimum(first_query + BLOCK_Q, n_queries) - 1
    query = first_query + tl.arange(0, BLOCK_Q)

    q = load_tile(queries, batch, head, first_query, BLOCK_Q, BLOCK_D)
    row_max, row_sum, acc = attend(
        q, keys, values, batch, head // group, query, first_query, last_query, 0, length,
        offset, length, window, scale_log2, CAUSAL, HIDES_KEYS, BLOCK_K, BLOCK_D,
    )  # fmt: skip

    out_tile, lse_rows = finish(row_max, row_sum, acc)
    store_tile(out, batch, head, first_query, out_tile)
    row = (batch * n_heads + head).to(tl.int64) * n_queries + query
    tl.store(lse + row, lse_rows, mask=query < n_queries)


@triton.jit
def attend(
    q,
    keys,
    values,
    batch,
    kv_head,
    query,
    first_query,
    last_query,
    from_key,
    to_key,
    offset,
    length,
    window,
    scale_log2,
    CAUSAL: tl.constexpr,
    HIDES_KEYS: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """row_max, row_sum and acc of the rows of q over the keys between from_key and to_key.

    `query` says which query stands in which row; first_query and last_query bound them.
    """
    begin, full_begin, full_end, end = key_ranges(
        first_query, last_query, offset, length, window, CAUSAL, BLOCK_K
    )
    begin, full_begin = clamp(begin, from_key, to_key), clamp(full_begin, from_key, to_key)
    full_end, end = clamp(full_end, from_key, to_key), clamp(end, from_key, to_key)
    row_first = first_key(query, offset, window)
    row_end = end_key(query, offset, length, window, CAUSAL)
    tile_first = first_key(first_query, offset, window)
    tile_end = end_key(last_query, offset, length, window, CAUSAL)

    row_max = tl.full([q.shape[0]], float("-inf"), tl.float32)
    row_sum = tl.zeros([q.shape[0]], tl.float32)
    acc = tl.zeros([q.shape[0], BLOCK_D], tl.float32)
    if window is not None:  # the left edge
        row_max, row_sum, acc = merge_tiles(
            row_max, row_sum, acc, q, keys, values, batch, kv_head, begin, full_begin,
            row_first, row_end, tile_first, tile_end, window, scale_log2,
            True, HIDES_KEYS, BLOCK_K, BLOCK_D,
        )  # fmt: skip
    row_max, row_sum, acc = merge_tiles(
        row_max, row_sum, acc, q, keys, values, batch, kv_head, full_begin, full_end,
        row_first, row_end, tile_first, tile_end, window, scale_log2,
        False, HIDES_KEYS, BLOCK_K, BLOCK_D,
    )  # fmt: skip
    return merge_tiles(  # the right edge
        row_max, row_sum, acc, q, keys, values, batch, kv_head, full_end, end,
        row_first, row_end, tile_first, tile_end, window, scale_log2,
        True, HIDES_KEYS, BLOCK_K, BLOCK_D,
    )  # fmt: skip


@triton.jit
def merge_tiles(
    row_max,
    row_sum,
    acc,
    q,
    keys,
    values,
    batch,
    kv_head,
    begin,
    end,
    row_first,
    row_end,
    tile_first,
    tile_end,
    window,
    scale_log2,
    MASKED: tl.constexpr,
    HIDES_KEYS: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Merge the tiles of keys from begin to end into what the rows of q have so far."""
    # What is the same for all tiles is computed anew for each (no loop-invariant code motion): kept
    # over the loop, it would crowd acc out of the registers.
    for start in tl.range(begin, end, BLOCK_K, disable_licm=True):
        key = start + tl.arange(0, BLOCK_K)
        k = load_tile(keys, batch, kv_head, start, BLOCK_K, BLOCK_D)
        scores = tl.dot(q, k.T, input_precision="ieee")  # (block_q, block_k), not yet scaled
        if MASKED:
            scores = tl.where(key < row_end[:, None], scores, float("-inf"))
            if window is not None:
                scores = tl.where(key >= row_first[:, None], scores, float("-inf"))
        new_max = tl.maximum(row_max, tl.max(scores, 1) * scale_log2)
        # -∞ - (-∞) would be NaN in a row that has seen no key yet; -∞ - 0 gives a weight of 0.
        finite_max = tl.where(new_max == float("-inf"), 0.0, new_max) if MASKED else new_max
        weights = tl.exp2(scores * scale_log2 - finite_max[:, None])
        rescale = tl.exp2(row_max - finite_max)
        row_max = new_max
        row_sum = row_sum * rescale + tl.sum(weights, 1)
        v = load_tile(values, batch, kv_head, start, BLOCK_K, BLOCK_D)
        if MASKED and HIDES_KEYS:
            v = tl.where(((key >= tile_first) & (key < tile_end))[:, None], v, 0.0)
        acc = tl.dot(weights.to(v.dtype), v, acc * rescale[:, None], input_precision="ieee")
    return row_max, row_sum, acc


@triton.jit
def finish(row_max, row_sum, acc):
    """out and lse of rows whose keys are all in; a row without keys is 0 and -∞."""
    divisor = tl.where(row_sum == 0, 1.0, row_sum)
    return acc / divisor[:, None], (row_max + tl.log2(divisor)) * LN_2


def forward_launch(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    lse: Tensor,
    *,
    causal: Causal,
    window: int | None,
    scale: float,
    key_lengths: Tensor | None,
    tiles: Tiles,
) -> Launch:
    """The start that fills out, of q's shape and dtype, and lse, float32."""
    batch, n_heads, n_queries, head_dim = q.shape
    n_kv_heads, n_keys = k.shape[1:3]
    return Launch(
        forward_kernel,
        grid=(triton.cdiv(n_queries, tiles.block_q) * n_heads * batch,),
        arguments={
            "queries": in_tiles(q, tiles.block_q, tma=tiles.tma),
            "keys": in_tiles(k, tiles.block_k, tma=tiles.tma),
            "values": in_tiles(v, tiles.block_k, tma=tiles.tma),
            "out": in_tiles(out, tiles.block_q, tma=tiles.tma),
            "lse": lse,
            "key_lengths": key_lengths,
            "n_heads": n_heads,
            "group": n_heads // n_kv_heads,
            "n_queries": n_queries,
            "n_keys": n_keys,
            "window": window,
            "scale_log2": scale * math.log2(math.e),
            "CAUSAL": causal,
            "HIDES_KEYS": hides_keys(
                n_queries, n_keys, causal=causal, window=window, padded=key_lengths is not None
            ),
            "BLOCK_Q": tiles.block_q,
            "BLOCK_K": tiles.block_k,
            "BLOCK_D": block_d(head_dim),
            **tiles.options(),
        },
    )
