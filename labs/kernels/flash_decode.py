"""Decoding: few queries against many keys, with the keys cut into pieces that run side by side.

A query alone would keep one program busy for all of its keys while the rest of the GPU idles. So
several programs take a piece of the keys each (`split_kernel`), and because `merge` is associative,
what they found can be put together afterwards (`combine_kernel`).

And the query heads that share a key-value head go through one program as rows of one tile: each key
is read once for the whole group. Since such heads lie side by side in memory, that is no more than
a change of shape: (batch, group · n_kv_heads, n_queries, ...) is (batch, n_kv_heads, n_rows, ...)
with n_rows = group · n_queries, and row r is query r mod n_queries.
"""

from __future__ import annotations

from dataclasses import replace

import triton
import triton.language as tl
from torch import Tensor

from labs.kernels.flash_call import Call
from labs.kernels.flash_copies import block_d, in_tiles, load_tile, locate, store_tile
from labs.kernels.flash_forward import (
    KeyHead,
    Partial,
    attend,
    finish,
    no_keys,
    query_tile,
    rescale,
)
from labs.kernels.flash_masks import LOG2_E, Mask, key_ranges, real_keys
from labs.kernels.flash_tiles import Tiles
from labs.kernels.launch import Launch

MOST_QUERIES = 16
"""From more queries on, the ordinary kernel has enough to do."""
FEWEST_KEYS = 1024
"""For fewer keys a second kernel is not worth its start."""
KEYS_OF_A_SPLIT = 256
"""The fewest keys that are worth a program of their own."""
PROGRAMS = 264
"""How many are wanted: two for each of the 132 multiprocessors of an H100. It is a constant, so
that the same input is cut in the same way everywhere."""


def split_length(n_sequences: int, n_queries: int, n_keys: int, *, block_k: int) -> int | None:
    """How many keys one program takes, a multiple of block_k; None: leave the keys uncut.

    n_sequences is batch · n_kv_heads: as many programs read keys side by side without a cut.
    """
    if n_queries > MOST_QUERIES or n_keys < FEWEST_KEYS:
        return None
    wanted = triton.cdiv(PROGRAMS, n_sequences)
    n_splits = min(wanted, n_keys // KEYS_OF_A_SPLIT)
    return int(triton.cdiv(triton.cdiv(n_keys, n_splits), block_k) * block_k)


@triton.jit
def split_kernel(
    queries,
    keys,
    values,
    partial_out,
    partial_lse,
    key_lengths,
    before,
    n_kv_heads,
    group,
    n_batch,
    n_queries,
    n_keys,
    keys_of_a_split,
    scale_log2,
    CAUSAL: tl.constexpr,
    HIDES_KEYS: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """out and lse of one tile of rows as if the keys of one split were all there are."""
    n_rows, n_splits = group * n_queries, tl.cdiv(n_keys, keys_of_a_split)
    n_tiles = tl.cdiv(n_rows, BLOCK_Q)
    number, kv_head, batch = locate(n_tiles * n_splits, n_kv_heads)
    split, start = number % n_splits, number // n_splits * BLOCK_Q
    length = real_keys(key_lengths, batch, n_keys)
    offset = length - n_queries if CAUSAL == "bottom-right" else 0
    mask = Mask(n_queries, length, offset, before, before if CAUSAL == "none" else 0)
    from_key = split * keys_of_a_split
    to_key = tl.minimum(from_key + keys_of_a_split, length)
    ranges = key_ranges(mask, 0, n_queries - 1, from_key, to_key, BLOCK_K)

    row = start + tl.arange(0, BLOCK_Q)
    q = load_tile(queries, batch, kv_head, start, BLOCK_Q, BLOCK_D)
    tile = query_tile(mask, q, row % n_queries, 0, n_queries - 1)
    source = KeyHead(keys, values, batch, kv_head)
    partial = attend(tile, source, mask, ranges, scale_log2, HIDES_KEYS, BLOCK_K)
    out, lse = finish(partial)
    piece = split * n_batch + batch
    store_tile(partial_out, piece, kv_head, start, out)
    lse_row = (piece * n_kv_heads + kv_head).to(tl.int64) * n_rows + row
    tl.store(partial_lse + lse_row, lse, mask=row < n_rows)


@triton.jit
def combine_kernel(
    partial_out,
    partial_lse,
    out,
    lse,
    n_kv_heads,
    n_batch,
    n_rows,
    n_splits,
    BLOCK_Q: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Merge what the splits found for one tile of rows, from the first split to the last."""
    number, kv_head, batch = locate(tl.cdiv(n_rows, BLOCK_Q), n_kv_heads)
    start = number * BLOCK_Q
    row = start + tl.arange(0, BLOCK_Q)
    partial = no_keys(BLOCK_Q, BLOCK_D)
    for split in tl.range(0, n_splits):
        piece = split * n_batch + batch
        lse_row = (piece * n_kv_heads + kv_head).to(tl.int64) * n_rows + row
        other_lse = tl.load(partial_lse + lse_row, mask=row < n_rows, other=float("-inf"))
        other_out = load_tile(partial_out, piece, kv_head, start, BLOCK_Q, BLOCK_D)
        # A finished result is a partial one again, with its lse as maximum and a sum of 1.
        other_max = other_lse * LOG2_E
        partial, finite_max = rescale(partial, other_max, True)
        weight = tl.exp2(other_max - finite_max)
        partial = Partial(
            partial.row_max,
            partial.row_sum + weight,
            partial.acc + other_out * weight[:, None],
        )
    out_tile, lse_rows = finish(partial)
    store_tile(out, batch, kv_head, start, out_tile)
    lse_row = (batch * n_kv_heads + kv_head).to(tl.int64) * n_rows + row
    tl.store(lse + lse_row, lse_rows, mask=row < n_rows)


def by_kv_head(x: Tensor, n_kv_heads: int) -> Tensor:
    """(batch, n_heads, n_queries, ...) as (batch, n_kv_heads, n_rows, ...); a view if it can be."""
    return x.reshape(x.shape[0], n_kv_heads, -1, *x.shape[3:])


def decode_launches(
    call: Call, out: Tensor, lse: Tensor, *, keys_of_a_split: int, tiles: Tiles
) -> list[Launch]:
    """The two starts that fill out and lse, contiguous, with memory for what lies between them."""
    batch, n_heads, n_queries, head_dim = call.q.shape
    n_kv_heads, n_keys = call.k.shape[1:3]
    n_rows = n_heads // n_kv_heads * n_queries
    pieces = triton.cdiv(n_keys, keys_of_a_split) * batch
    partial_out = lse.new_empty(pieces, n_kv_heads, n_rows, head_dim)
    partial_lse = lse.new_empty(pieces, n_kv_heads, n_rows)
    # A tile of rows is no larger than it has to be.
    block_q = min(tiles.block_q, max(16, int(triton.next_power_of_2(n_rows))))
    tiles = replace(tiles, block_q=block_q)
    return [
        split_launch(call, partial_out, partial_lse, keys_of_a_split=keys_of_a_split, tiles=tiles),
        combine_launch(partial_out, partial_lse, out, lse, tiles=tiles),
    ]


def split_launch(
    call: Call, partial_out: Tensor, partial_lse: Tensor, *, keys_of_a_split: int, tiles: Tiles
) -> Launch:
    """The start that fills partial_out and partial_lse, float32.

    partial_out is (n_splits · batch, n_kv_heads, n_rows, head_dim), partial_lse the same without
    the last axis; the pieces of one split lie together.
    """
    n_kv_heads, n_keys = call.k.shape[1:3]
    rows = by_kv_head(call.q, n_kv_heads)
    n_splits = triton.cdiv(n_keys, keys_of_a_split)
    return Launch(
        split_kernel,
        grid=call.grid(rows.shape[2], tiles.block_q, n_kv_heads * n_splits),
        arguments={
            **call.arguments(tiles),
            "queries": in_tiles(rows, tiles.block_q, tma=tiles.tma),
            "partial_out": in_tiles(partial_out, tiles.block_q, tma=tiles.tma),
            "partial_lse": partial_lse,
            "n_batch": call.q.shape[0],
            "keys_of_a_split": keys_of_a_split,
        },
    )


def combine_launch(
    partial_out: Tensor, partial_lse: Tensor, out: Tensor, lse: Tensor, *, tiles: Tiles
) -> Launch:
    """The start that fills out and lse, contiguous, from the pieces that `split_launch` left."""
    batch, head_dim = out.shape[0], out.shape[3]
    n_kv_heads, n_rows = partial_out.shape[1:3]
    return Launch(
        combine_kernel,
        grid=(triton.cdiv(n_rows, tiles.block_q) * n_kv_heads * batch,),
        arguments={
            "partial_out": in_tiles(partial_out, tiles.block_q, tma=tiles.tma),
            "partial_lse": partial_lse,
            "out": in_tiles(by_kv_head(out, n_kv_heads), tiles.block_q, tma=tiles.tma),
            "lse": lse,
            "n_kv_heads": n_kv_heads,
            "n_batch": batch,
            "n_rows": n_rows,
            "n_splits": partial_out.shape[0] // batch,
            "BLOCK_Q": tiles.block_q,
            "BLOCK_D": block_d(head_dim),
            **tiles.options(),
        },
    )
