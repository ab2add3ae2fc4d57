"""The forward pass: FlashAttention-2, Algorithm 1 (Dao, 2023).

One program takes one tile of queries and walks over the tiles of keys that these queries see. Of
each row it keeps three things in registers, the `Partial` of `online_softmax`: the largest score so
far (row_max), the sum of the weights relative to it (row_sum), and the sum of the weighted values
(acc). No score is ever written to memory.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl
from torch import Tensor

from labs.kernels.flash_call import Call
from labs.kernels.flash_copies import in_tiles, load_tile, locate, store_tile
from labs.kernels.flash_masks import (
    LN_2,
    Mask,
    end_key,
    first_key,
    key_ranges,
    real_keys,
)
from labs.kernels.flash_tiles import Tiles
from labs.kernels.launch import Launch


class Partial(NamedTuple):
    """What is known of the rows of a tile after some of their keys: (block_q,) and, acc, (block_q,
    block_d). row_max is in units of log2."""

    row_max: Any
    row_sum: Any
    acc: Any


class QueryTile(NamedTuple):
    """A tile of queries, between which keys each of them sees, and between which any of them."""

    q: Any
    first_key: Any
    end_key: Any
    tile_first: Any
    tile_end: Any


class KeyHead(NamedTuple):
    """The keys and values of one head, in memory. (A field cannot be called ``values`` here: Triton
    has an attribute of that name.)"""

    k: Any
    v: Any
    batch: Any
    head: Any


@triton.jit
def forward_kernel(
    queries,
    keys,
    values,
    out,
    lse,
    key_lengths,
    before,
    n_kv_heads,
    group,
    n_queries,
    n_keys,
    scale_log2,
    CAUSAL: tl.constexpr,
    HIDES_KEYS: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """out = softmax(scale · q kᵀ) v of one tile of queries, and the lse of its rows."""
    n_heads, n_tiles = n_kv_heads * group, tl.cdiv(n_queries, BLOCK_Q)
    number, head, batch = locate(n_tiles, n_heads)
    # With causality the last tiles have the most keys. They start first, so that the short ones
    # fill the gaps at the end.
    first = (n_tiles - 1 - number) * BLOCK_Q
    length = real_keys(key_lengths, batch, n_keys)
    offset = length - n_queries if CAUSAL == "bottom-right" else 0
    mask = Mask(n_queries, length, offset, before, before if CAUSAL == "none" else 0)

    query, last = first + tl.arange(0, BLOCK_Q), tl.minimum(first + BLOCK_Q, n_queries) - 1
    q = load_tile(queries, batch, head, first, BLOCK_Q, BLOCK_D)
    ranges = key_ranges(mask, first, last, 0, length, BLOCK_K)
    tile = query_tile(mask, q, query, first, last)
    source = KeyHead(keys, values, batch, head // group)
    partial = attend(tile, source, mask, ranges, scale_log2, HIDES_KEYS, BLOCK_K)

    out_tile, lse_rows = finish(partial)
    store_tile(out, batch, head, first, out_tile)
    row = (batch * n_heads + head).to(tl.int64) * n_queries + query
    tl.store(lse + row, lse_rows, mask=query < n_queries)


@triton.jit
def query_tile(mask, q, query, first, last):
    """The tile of q, in whose rows these queries stand, all of them between first and last."""
    return QueryTile(
        q,
        first_key(mask, query),
        end_key(mask, query),
        first_key(mask, first),
        end_key(mask, last),
    )


@triton.jit
def attend(tile, source, mask, ranges, scale_log2, HIDES_KEYS: tl.constexpr, BLOCK_K: tl.constexpr):
    """The partial result of a tile of queries over the keys in these ranges."""
    begin, full_begin, full_end, end = ranges
    partial = no_keys(tile.q.shape[0], tile.q.shape[1])
    if mask.before is not None:  # the left edge
        partial = merge_tiles(
            partial, tile, source, mask, begin, full_begin, scale_log2, True, HIDES_KEYS, BLOCK_K
        )
    partial = merge_tiles(
        partial, tile, source, mask, full_begin, full_end, scale_log2, False, HIDES_KEYS, BLOCK_K
    )
    return merge_tiles(  # the right edge
        partial, tile, source, mask, full_end, end, scale_log2, True, HIDES_KEYS, BLOCK_K
    )


@triton.jit
def merge_tiles(
    partial,
    tile,
    source,
    mask,
    begin,
    end,
    scale_log2,
    MASKED: tl.constexpr,
    HIDES_KEYS: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Merge the tiles of keys from begin to end into what the queries have so far."""
    # What is the same for all tiles is computed anew for each (no loop-invariant code motion): kept
    # over the loop, it would crowd acc out of the registers.
    for start in tl.range(begin, end, BLOCK_K, disable_licm=True):
        key = start + tl.arange(0, BLOCK_K)
        k = load_tile(source.k, source.batch, source.head, start, BLOCK_K, tile.q.shape[1])
        scores = tl.dot(tile.q, k.T, input_precision="ieee")  # (block_q, block_k), not yet scaled
        if MASKED:
            scores = tl.where(key[None, :] < tile.end_key[:, None], scores, float("-inf"))
            if mask.before is not None:
                scores = tl.where(key[None, :] >= tile.first_key[:, None], scores, float("-inf"))
        partial, finite_max = rescale(partial, tl.max(scores, 1) * scale_log2, MASKED)
        weights = tl.exp2(scores * scale_log2 - finite_max[:, None])
        row_sum = partial.row_sum + tl.sum(weights, 1)
        v = load_tile(source.v, source.batch, source.head, start, BLOCK_K, tile.q.shape[1])
        if MASKED and HIDES_KEYS:
            v = tl.where(visible_to_any(tile, key)[:, None], v, 0.0)
        acc = tl.dot(weights.to(v.dtype), v, partial.acc, input_precision="ieee")
        partial = Partial(partial.row_max, row_sum, acc)
    return partial


@triton.jit
def visible_to_any(tile, key):
    """Which of the keys any query of a tile sees."""
    return (key >= tile.tile_first) & (key < tile.tile_end)


@triton.jit
def no_keys(ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """The partial result before the first key."""
    return Partial(
        tl.full([ROWS], float("-inf"), tl.float32),
        tl.zeros([ROWS], tl.float32),
        tl.zeros([ROWS, COLUMNS], tl.float32),
    )


@triton.jit
def rescale(partial, other_max, MAY_BE_EMPTY: tl.constexpr):
    """The partial result relative to the larger of its maximum and another, and that maximum.

    This is the step that makes a softmax in tiles exact. A row that has seen no key yet keeps -∞ as
    its maximum, but 0 stands for it in exponents: -∞ - (-∞) would be NaN, -∞ - 0 gives 0.
    """
    row_max = tl.maximum(partial.row_max, other_max)
    finite_max = tl.where(row_max == float("-inf"), 0.0, row_max) if MAY_BE_EMPTY else row_max
    factor = tl.exp2(partial.row_max - finite_max)
    return Partial(row_max, partial.row_sum * factor, partial.acc * factor[:, None]), finite_max


@triton.jit
def finish(partial):
    """out and lse of rows whose keys are all in; a row without keys is 0 and -∞."""
    divisor = tl.where(partial.row_sum == 0, 1.0, partial.row_sum)
    return partial.acc / divisor[:, None], (partial.row_max + tl.log2(divisor)) * LN_2


def forward_launch(call: Call, out: Tensor, lse: Tensor, tiles: Tiles) -> Launch:
    """The start that fills out, of q's shape and dtype, and lse, float32."""
    _, n_heads, n_queries, _ = call.q.shape
    results = {"out": in_tiles(out, tiles.block_q, tma=tiles.tma), "lse": lse}
    grid = call.grid(n_queries, tiles.block_q, n_heads)
    return Launch(forward_kernel, grid, call.arguments(tiles) | results)
