"""The backward pass: FlashAttention-2, Algorithm 2 (Dao, 2023), in two kernels or in one.

With dout and dlse the gradients of what the forward pass returned, and everything else of one tile
of queries i and keys j::

    weights = exp(scale · q kᵀ - lse)               computed again: nothing of this size was kept
    delta   = Σ out · dout - dlse                   one number for each query
    dscores = weights · (dout vᵀ - delta)
    dv = weightsᵀ dout        dk = scale · dscoresᵀ q        dq = scale · dscores k

dk and dv are sums over queries, dq is a sum over keys. `key_value_kernel` collects the former for
one tile of keys, `query_kernel` the latter for one tile of queries; each result has one writer, so
the gradients are the same in every bit from run to run. Both compute the weights and dout vᵀ: seven
matrix products for the five of the formulas. With FUSED `key_value_kernel` does without the other
kernel: it adds its part to dq in memory, as all programs of the same head do, in any order. That
makes five, but the last bits of dq change from run to run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import triton
import triton.language as tl
from torch import Tensor

from labs.kernels.flash_call import Call
from labs.kernels.flash_copies import block_d, in_tiles, load_tile, locate, store_tile
from labs.kernels.flash_forward import KeyHead, query_tile, visible_to_any
from labs.kernels.flash_masks import (
    LN_2,
    LOG2_E,
    Mask,
    end_query,
    first_query,
    key_ranges,
    query_ranges,
    real_keys,
)
from labs.kernels.flash_tiles import Tiles
from labs.kernels.launch import Launch


class KeyTile(NamedTuple):
    """A tile of keys and values, and between which queries each key is seen."""

    k: Any
    v: Any
    first_query: Any
    end_query: Any


class QueryHead(NamedTuple):
    """What the backward pass reads of one query head, and, if fused, where it adds up dq."""

    queries: Any
    dout: Any
    lse: Any
    delta: Any
    dqueries: Any
    head_dim: Any
    batch: Any
    head: Any


class Upstream(NamedTuple):
    """What the backward pass reads of a tile of queries, beside the queries themselves."""

    dout: Any
    lse: Any
    delta: Any


@triton.jit
def delta_kernel(
    out,
    dout,
    dlse,
    delta,
    n_heads,
    n_queries,
    BLOCK_Q: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """delta = Σ out · dout - dlse of one tile of queries.

    Σ out · dout is Σ weights · dweights over the keys, which the softmax's derivative subtracts,
    found without a pass over the keys. The lse's derivative by a score is that score's weight.
    """
    number, head, batch = locate(tl.cdiv(n_queries, BLOCK_Q), n_heads)
    start = number * BLOCK_Q
    query = start + tl.arange(0, BLOCK_Q)
    row = (batch * n_heads + head).to(tl.int64) * n_queries + query
    out_tile = load_tile(out, batch, head, start, BLOCK_Q, BLOCK_D).to(tl.float32)
    dout_tile = load_tile(dout, batch, head, start, BLOCK_Q, BLOCK_D).to(tl.float32)
    dlse_rows = tl.load(dlse + row, mask=query < n_queries, other=0.0)
    tl.store(delta + row, tl.sum(out_tile * dout_tile, 1) - dlse_rows, mask=query < n_queries)


@triton.jit
def key_value_kernel(
    queries,
    keys,
    values,
    dout,
    lse,
    delta,
    dkeys,
    dvalues,
    dqueries,
    key_lengths,
    before,
    n_kv_heads,
    group,
    n_queries,
    n_keys,
    head_dim,
    scale_log2,
    CAUSAL: tl.constexpr,
    HIDES_KEYS: tl.constexpr,
    FUSED: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """dk and dv of one tile of keys, over all queries that see it; if FUSED, its part of dq too.

    The query heads that share the key-value head come one after the other, so that their gradients
    add up in registers.
    """
    number, kv_head, batch = locate(tl.cdiv(n_keys, BLOCK_K), n_kv_heads)
    start = number * BLOCK_K  # with causality the first keys have the most queries
    length = real_keys(key_lengths, batch, n_keys)
    offset = length - n_queries if CAUSAL == "bottom-right" else 0
    mask = Mask(n_queries, length, offset, before, before if CAUSAL == "none" else 0)
    begin, full_begin, full_end, end = query_ranges(mask, start, BLOCK_Q, BLOCK_K)

    key = start + tl.arange(0, BLOCK_K)
    # Padding is seen by none.
    key_first = tl.where(key < length, first_query(mask, key), n_queries)
    key_end = end_query(mask, key)
    k = load_tile(keys, batch, kv_head, start, BLOCK_K, BLOCK_D)
    v = load_tile(values, batch, kv_head, start, BLOCK_K, BLOCK_D)
    tile = KeyTile(k, v, key_first, key_end)
    dk = tl.zeros([BLOCK_K, BLOCK_D], tl.float32)
    dv = tl.zeros([BLOCK_K, BLOCK_D], tl.float32)
    for member in tl.range(0, group):
        head = kv_head * group + member
        row = (batch * n_kv_heads * group + head).to(tl.int64) * n_queries
        source = QueryHead(
            queries, dout, lse + row, delta + row, dqueries + row * head_dim, head_dim, batch, head
        )
        dk, dv = add_query_tiles(
            dk, dv, tile, source, mask, begin, full_begin, scale_log2, True, FUSED, BLOCK_Q
        )
        dk, dv = add_query_tiles(
            dk, dv, tile, source, mask, full_begin, full_end, scale_log2, False, FUSED, BLOCK_Q
        )
        if before is not None:
            dk, dv = add_query_tiles(
                dk, dv, tile, source, mask, full_end, end, scale_log2, True, FUSED, BLOCK_Q
            )
    if HIDES_KEYS:  # a key that no query sees may have left a NaN here
        seen = (key_first < key_end)[:, None]
        dk, dv = tl.where(seen, dk, 0.0), tl.where(seen, dv, 0.0)
    store_tile(dkeys, batch, kv_head, start, dk * (scale_log2 * LN_2))
    store_tile(dvalues, batch, kv_head, start, dv)


@triton.jit
def add_query_tiles(
    dk,
    dv,
    tile,
    source,
    mask,
    begin,
    end,
    scale_log2,
    MASKED: tl.constexpr,
    FUSED: tl.constexpr,
    BLOCK_Q: tl.constexpr,
):
    """Add to dk and dv what comes from the tiles of queries from begin to end, of one head.

    All tiles stand transposed, (block_k, block_q): so the weights leave one matrix product and
    enter the next in registers.
    """
    # Few tiles are masked: loading those ahead is not worth the registers.
    ahead: tl.constexpr = 1 if MASKED else None
    columns: tl.constexpr = tile.k.shape[1]
    for start in tl.range(begin, end, BLOCK_Q, num_stages=ahead, disable_licm=True):
        query = start + tl.arange(0, BLOCK_Q)
        q = load_tile(source.queries, source.batch, source.head, start, BLOCK_Q, columns)
        do = load_tile(source.dout, source.batch, source.head, start, BLOCK_Q, columns)
        # Beyond the last query, q and do are 0 and so is all that they add.
        lse_rows = tl.load(source.lse + query, mask=query < mask.n_queries, other=0.0)
        delta_rows = tl.load(source.delta + query, mask=query < mask.n_queries, other=0.0)
        scores = tl.dot(tile.k, q.T, input_precision="ieee")
        if MASKED:
            scores = tl.where(query[None, :] >= tile.first_query[:, None], scores, float("-inf"))
            if mask.before is not None:
                scores = tl.where(query[None, :] < tile.end_query[:, None], scores, float("-inf"))
            lse_rows = tl.where(lse_rows == float("-inf"), 0.0, lse_rows)  # it sees no key
        weights = tl.exp2(scores * scale_log2 - (lse_rows * LOG2_E)[None, :])
        dv = tl.dot(weights.to(do.dtype), do, dv, input_precision="ieee")
        dweights = tl.dot(tile.v, do.T, input_precision="ieee")
        dscores = (weights * (dweights - delta_rows[None, :])).to(q.dtype)
        dk = tl.dot(dscores, q, dk, input_precision="ieee")
        if FUSED:
            column = tl.arange(0, columns)
            place = query.to(tl.int64)[:, None] * source.head_dim + column[None, :]
            inside = (query < mask.n_queries)[:, None] & (column < source.head_dim)[None, :]
            dq = tl.dot(dscores.T, tile.k, input_precision="ieee") * (scale_log2 * LN_2)
            tl.atomic_add(source.dqueries + place, dq, mask=inside, sem="relaxed")
    return dk, dv


@triton.jit
def query_kernel(
    queries,
    keys,
    values,
    dout,
    lse,
    delta,
    dqueries,
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
    """dq of one tile of queries, over all keys that it sees: the walk of the forward pass."""
    n_heads, n_tiles = n_kv_heads * group, tl.cdiv(n_queries, BLOCK_Q)
    number, head, batch = locate(n_tiles, n_heads)
    first = (n_tiles - 1 - number) * BLOCK_Q  # the rows with the most keys first
    last = tl.minimum(first + BLOCK_Q, n_queries) - 1
    length = real_keys(key_lengths, batch, n_keys)
    offset = length - n_queries if CAUSAL == "bottom-right" else 0
    mask = Mask(n_queries, length, offset, before, before if CAUSAL == "none" else 0)
    begin, full_begin, full_end, end = key_ranges(mask, first, last, 0, length, BLOCK_K)

    query = first + tl.arange(0, BLOCK_Q)
    row = (batch * n_heads + head).to(tl.int64) * n_queries + query
    q = load_tile(queries, batch, head, first, BLOCK_Q, BLOCK_D)
    do = load_tile(dout, batch, head, first, BLOCK_Q, BLOCK_D)
    lse_rows = tl.load(lse + row, mask=query < n_queries, other=0.0)
    lse_rows = tl.where(lse_rows == float("-inf"), 0.0, lse_rows)
    delta_rows = tl.load(delta + row, mask=query < n_queries, other=0.0)
    tile = query_tile(mask, q, query, first, last)
    rows = Upstream(do, lse_rows, delta_rows)
    source = KeyHead(keys, values, batch, head // group)
    dq = tl.zeros([BLOCK_Q, BLOCK_D], tl.float32)
    if before is not None:
        dq = add_key_tiles(
            dq, tile, rows, source, mask, begin, full_begin, scale_log2, True, HIDES_KEYS, BLOCK_K
        )
    dq = add_key_tiles(
        dq, tile, rows, source, mask, full_begin, full_end, scale_log2, False, HIDES_KEYS, BLOCK_K
    )
    dq = add_key_tiles(
        dq, tile, rows, source, mask, full_end, end, scale_log2, True, HIDES_KEYS, BLOCK_K
    )
    store_tile(dqueries, batch, head, first, dq * (scale_log2 * LN_2))


@triton.jit
def add_key_tiles(
    dq,
    tile,
    rows,
    source,
    mask,
    begin,
    end,
    scale_log2,
    MASKED: tl.constexpr,
    HIDES_KEYS: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Add to dq what comes from the tiles of keys from begin to end."""
    columns: tl.constexpr = tile.q.shape[1]
    for start in tl.range(begin, end, BLOCK_K, disable_licm=True):
        key = start + tl.arange(0, BLOCK_K)
        k = load_tile(source.k, source.batch, source.head, start, BLOCK_K, columns)
        v = load_tile(source.v, source.batch, source.head, start, BLOCK_K, columns)
        if MASKED and HIDES_KEYS:
            k = tl.where(visible_to_any(tile, key)[:, None], k, 0.0)
        scores = tl.dot(tile.q, k.T, input_precision="ieee")
        dweights = tl.dot(rows.dout, v.T, input_precision="ieee")
        if MASKED:
            seen = key[None, :] < tile.end_key[:, None]
            if mask.before is not None:
                seen = seen & (key[None, :] >= tile.first_key[:, None])
            scores = tl.where(seen, scores, float("-inf"))
            if HIDES_KEYS:
                dweights = tl.where(seen, dweights, 0.0)
        weights = tl.exp2(scores * scale_log2 - (rows.lse * LOG2_E)[:, None])
        dscores = (weights * (dweights - rows.delta[:, None])).to(k.dtype)
        dq = tl.dot(dscores, k, dq, input_precision="ieee")
    return dq


@dataclass(frozen=True, slots=True)
class BackwardCall:
    """What the backward pass reads: a call, the gradient of its out, its lse, and delta."""

    call: Call
    dout: Tensor
    lse: Tensor
    delta: Tensor
    """(batch, n_heads, n_queries), float32, as `delta_launch` fills it."""

    def arguments(self, tiles: Tiles) -> dict[str, Any]:
        """The arguments that the kernels with keys have in common."""
        return {
            **self.call.arguments(tiles),
            "dout": in_tiles(self.dout, tiles.block_q, tma=tiles.tma),
            "lse": self.lse,
            "delta": self.delta,
        }


def delta_launch(out: Tensor, dout: Tensor, dlse: Tensor, delta: Tensor, tiles: Tiles) -> Launch:
    """The start that fills delta, of dlse's shape and dtype (float32)."""
    batch, n_heads, n_queries, head_dim = out.shape
    return Launch(
        delta_kernel,
        grid=(triton.cdiv(n_queries, tiles.block_q) * n_heads * batch,),
        arguments={
            "out": in_tiles(out, tiles.block_q, tma=tiles.tma),
            "dout": in_tiles(dout, tiles.block_q, tma=tiles.tma),
            "dlse": dlse,
            "delta": delta,
            "n_heads": n_heads,
            "n_queries": n_queries,
            "BLOCK_Q": tiles.block_q,
            "BLOCK_D": block_d(head_dim),
            **tiles.options(),
        },
    )


def key_value_launch(
    backward: BackwardCall, dk: Tensor, dv: Tensor, tiles: Tiles, dq: Tensor | None = None
) -> Launch:
    """The start that fills dk and dv.

    With dq (contiguous, float32, zeros) it is the fused kernel, which adds dq up there. Raises a
    `ValueError` if it would have to and there may be a key that no query sees.
    """
    call = backward.call
    if dq is not None and call.hides_keys():
        raise ValueError("the fused kernel reads keys that no query sees: leave dq out")
    _, n_kv_heads, n_keys, head_dim = call.k.shape
    return Launch(
        key_value_kernel,
        grid=call.grid(n_keys, tiles.block_k, n_kv_heads),
        arguments={
            **backward.arguments(tiles),
            "dkeys": in_tiles(dk, tiles.block_k, tma=tiles.tma),
            "dvalues": in_tiles(dv, tiles.block_k, tma=tiles.tma),
            "dqueries": backward.lse if dq is None else dq,
            "head_dim": head_dim,
            "FUSED": dq is not None,
        },
    )


def query_launch(backward: BackwardCall, dq: Tensor, tiles: Tiles) -> Launch:
    """The start that fills dq."""
    _, n_heads, n_queries, _ = backward.call.q.shape
    result = {"dqueries": in_tiles(dq, tiles.block_q, tma=tiles.tma)}
    grid = backward.call.grid(n_queries, tiles.block_q, n_heads)
    return Launch(query_kernel, grid, backward.arguments(tiles) | result)
