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

import math
from dataclasses import replace

import triton
import triton.language as tl
from torch import Tensor

from labs.kernels.flash_copies import block_d, in_tiles, load_tile, store_tile
from labs.kernels.flash_forward import attend, finish
from labs.kernels.flash_masks import LOG2_E, hides_keys, offset_of_places, real_keys
from labs.kernels.flash_tiles import Tiles
from labs.kernels.launch import Launch
from labs.kernels.reference import Causal

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
    n_kv_heads,
    n_batch,
    n_rows,
    n_queries,
    n_keys,
    keys_of_a_split,
    window,
    scale_log2,
    CAUSAL: tl.constexpr,
    HIDES_KEYS: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """out and lse of one tile of rows as if the keys of one split were all there are."""
    n_splits = tl.cdiv(n_keys, keys_of_a_split)
    n_tiles = tl.cdiv(n_rows, BLOCK_Q)
    program = tl.program_id(0)
    split, start = program % n_splits, program // n_splits % n_tiles * BLOCK_Q
    kv_head = program // n_splits // n_tiles % n_kv_heads
    batch = program // n_splits // n_tiles // n_kv_heads
    length = real_keys(key_lengths, batch, n_keys)
    offset = offset_of_places(n_queries, length, CAUSAL)
    from_key = split * keys_of_a_split
    to_key = tl.minimum(from_key + keys_of_a_split, length)

    row = start + tl.arange(0, BLOCK_Q)
    q = load_tile(queries, batch, kv_head, start, BLOCK_Q, BLOCK_D)
    row_max, row_sum, acc = attend(
        q, keys, values, batch, kv_head, row % n_queries, 0, n_queries - 1, from_key, to_key,
        offset, length, window, scale_log2, CAUSAL, HIDES_KEYS, BLOCK_K, BLOCK_D,
    )  # fmt: skip
    out, lse = finish(row_max, row_sum, acc)
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
    n_tiles = tl.cdiv(n_rows, BLOCK_Q)
    program = tl.program_id(0)
    start = program % n_tiles * BLOCK_Q
    kv_head, batch = program // n_tiles % n_kv_heads, program // n_tiles // n_kv_heads
    row = start + tl.arange(0, BLOCK_Q)
    row_max = tl.full([BLOCK_Q], float("-inf"), tl.float32)
    row_sum = tl.zeros([BLOCK_Q], tl.float32)
    acc = tl.zeros([BLOCK_Q, BLOCK_D], tl.float32)
    for split in tl.range(0, n_splits):
        piece = split * n_batch + batch
        lse_row = (piece * n_kv_heads + kv_head).to(tl.int64) * n_rows + row
        other_lse = tl.load(partial_lse + lse_row, mask=row < n_rows, other=float("-inf"))
        other_out = load_tile(partial_out, piece, kv_head, start, BLOCK_Q, BLOCK_D)
        # A finished result is a partial one again, with its lse as maximum and a sum of 1.
        other_max = other_lse * LOG2_E
        new_max = tl.maximum(row_max, other_max)
        finite_max = tl.where(new_max == float("-inf"), 0.0, new_max)
        rescale, other_sum = tl.exp2(row_max - finite_max), tl.exp2(other_max - finite_max)
        row_max = new_max
        row_sum = row_sum * rescale + other_sum
        acc = acc * rescale[:, None] + other_out * other_sum[:, None]
    out_tile, lse_rows = finish(row_max, row_sum, acc)
    store_tile(out, batch, kv_head, start, out_tile)
    lse_row = (batch * n_kv_heads + kv_head).to(tl.int64) * n_rows + row
    tl.store(lse + lse_row, lse_rows, mask=row < n_rows)


def by_kv_head(x: Tensor, n_kv_heads: int) -> Tensor:
    """(batch, n_heads, n_queries, ...) as (batch, n_kv_heads, n_rows, ...); a view if it can be."""
    return x.reshape(x.shape[0], n_kv_heads, -1, *x.shape[3:])


def decode_launches(
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
    keys_of_a_split: int,
    tiles: Tiles,
) -> list[Launch]:
    """The two starts that fill out and lse, contiguous, with memory for what lies between them."""
    batch, n_heads, n_queries, head_dim = q.shape
    n_kv_heads, n_keys = k.shape[1:3]
    n_rows = n_heads // n_kv_heads * n_queries
    pieces = triton.cdiv(n_keys, keys_of_a_split) * batch
    partial_out = lse.new_empty(pieces, n_kv_heads, n_rows, head_dim)
    partial_lse = lse.new_empty(pieces, n_kv_heads, n_rows)
    # A tile of rows is no larger than it has to be.
    block_q = min(tiles.block_q, max(16, int(triton.next_power_of_2(n_rows))))
    tiles = replace(tiles, block_q=block_q)
    return [
        split_launch(
            q,
            k,
            v,
            partial_out,
            partial_lse,
            causal=causal,
            window=window,
            scale=scale,
            key_lengths=key_lengths,
            keys_of_a_split=keys_of_a_split,
            tiles=tiles,
        ),
        combine_launch(partial_out, partial_lse, out, lse, tiles=tiles),
    ]


def split_launch(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    partial_out: Tensor,
    partial_lse: Tensor,
    *,
    causal: Causal,
    window: int | None,
    scale: float,
    key_lengths: Tensor | None,
    keys_of_a_split: int,
    tiles: Tiles,
) -> Launch:
    """The start that fills partial_out and partial_lse, float32.

    partial_out is (n_splits · batch, n_kv_heads, n_rows, head_dim), partial_lse the same without
    the last axis; the pieces of one split lie together.
    """
    batch, _, n_queries, head_dim = q.shape
    n_kv_heads, n_keys = k.shape[1:3]
    rows = by_kv_head(q, n_kv_heads)
    n_splits = triton.cdiv(n_keys, keys_of_a_split)
    return Launch(
        split_kernel,
        grid=(n_splits * triton.cdiv(rows.shape[2], tiles.block_q) * n_kv_heads * batch,),
        arguments={
            "queries": in_tiles(rows, tiles.block_q, tma=tiles.tma),
            "keys": in_tiles(k, tiles.block_k, tma=tiles.tma),
            "values": in_tiles(v, tiles.block_k, tma=tiles.tma),
            "partial_out": in_tiles(partial_out, tiles.block_q, tma=tiles.tma),
            "partial_lse": partial_lse,
            "key_lengths": key_lengths,
            "n_kv_heads": n_kv_heads,
            "n_batch": batch,
            "n_rows": rows.shape[2],
            "n_queries": n_queries,
            "n_keys": n_keys,
            "keys_of_a_split": keys_of_a_split,
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
