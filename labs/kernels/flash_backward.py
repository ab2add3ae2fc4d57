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

import triton
import triton.language as tl
from torch import Tensor

from labs.kernels.flash_copies import block_d, in_tiles, load_tile, store_tile
from labs.kernels.flash_masks import (
    LOG2_E,
    end_key,
    end_query,
    first_key,
    first_query,
    hides_keys,
    key_ranges,
    offset_of_places,
    query_ranges,
    real_keys,
)
from labs.kernels.flash_tiles import Tiles
from labs.kernels.launch import Launch
from labs.kernels.reference import Causal


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
    n_tiles = tl.cdiv(n_queries, BLOCK_Q)
    program = tl.program_id(0)
    start = program % n_tiles * BLOCK_Q
    head, batch = program // n_tiles % n_heads, program // n_tiles // n_heads
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
    n_kv_heads,
    group,
    n_queries,
    n_keys,
    head_dim,
    window,
    scale,
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
    n_tiles = tl.cdiv(n_keys, BLOCK_K)
    program = tl.program_id(0)
    start = program % n_tiles * BLOCK_K  # with causality the first keys have the most queries
    kv_head, batch = program // n_tiles % n_kv_heads, program // n_tiles // n_kv_heads
    length = real_keys(key_lengths, batch, n_keys)
    offset = offset_of_places(n_queries, length, CAUSAL)
    begin, full_begin, full_end, end = query_ranges(
        start, n_queries, offset, length, window, CAUSAL, BLOCK_Q, BLOCK_K
    )

    key = start + tl.arange(0, BLOCK_K)
    key_first = first_query(key, n_queries, offset, window, CAUSAL)
    key_first = tl.where(key < length, key_first, n_queries)  # nobody sees padding
    key_end = end_query(key, n_queries, offset, window)

    k = load_tile(keys, batch, kv_head, start, BLOCK_K, BLOCK_D)
    v = load_tile(values, batch, kv_head, start, BLOCK_K, BLOCK_D)
    dk = tl.zeros([BLOCK_K, BLOCK_D], tl.float32)
    dv = tl.zeros([BLOCK_K, BLOCK_D], tl.float32)
    for member in tl.range(0, group):
        head = kv_head * group + member
        row = (batch * n_kv_heads * group + head).to(tl.int64) * n_queries
        dk, dv = add_query_tiles(
            dk, dv, k, v, queries, dout, lse + row, delta + row, dqueries + row * head_dim,
            batch, head, begin, full_begin, key_first, key_end, n_queries, head_dim, window,
            scale, True, FUSED, BLOCK_Q, BLOCK_K, BLOCK_D,
        )  # fmt: skip
        dk, dv = add_query_tiles(
            dk, dv, k, v, queries, dout, lse + row, delta + row, dqueries + row * head_dim,
            batch, head, full_begin, full_end, key_first, key_end, n_queries, head_dim, window,
            scale, False, FUSED, BLOCK_Q, BLOCK_K, BLOCK_D,
        )  # fmt: skip
        if window is not None:
            dk, dv = add_query_tiles(
                dk, dv, k, v, queries, dout, lse + row, delta + row, dqueries + row * head_dim,
                batch, head, full_end, end, key_first, key_end, n_queries, head_dim, window,
                scale, True, FUSED, BLOCK_Q, BLOCK_K, BLOCK_D,
            )  # fmt: skip
    if HIDES_KEYS:  # a key that no query sees may have left a NaN here
        seen = (key_first < key_end)[:, None]
        dk, dv = tl.where(seen, dk, 0.0), tl.where(seen, dv, 0.0)
    store_tile(dkeys, batch, kv_head, start, dk * scale)
    store_tile(dvalues, batch, kv_head, start, dv)


@triton.jit
def add_query_tiles(
    dk,
    dv,
    k,
    v,
    queries,
    dout,
    lse,
    delta,
    dqueries,
    batch,
    head,
    begin,
    end,
    key_first,
    key_end,
    n_queries,
    head_dim,
    window,
    scale,
    MASKED: tl.constexpr,
    FUSED: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Add to dk and dv what comes from the tiles of queries from begin to end, of one head.

    All tiles stand transposed, (block_k, block_q): so the weights leave one matrix product and
    enter the next in registers.
    """
    # Few tiles are masked: loading those ahead is not worth the registers.
    ahead: tl.constexpr = 1 if MASKED else None
    for start in tl.range(begin, end, BLOCK_Q, num_stages=ahead, disable_licm=True):
        query = start + tl.arange(0, BLOCK_Q)
        q = load_tile(queries, batch, head, start, BLOCK_Q, BLOCK_D)
        do = load_tile(dout, batch, head, start, BLOCK_Q, BLOCK_D)
        # Beyond the last query, q and do are 0 and so is all that they add.
        lse_rows = tl.load(lse + query, mask=query < n_queries, other=0.0)
        delta_rows = tl.load(delta + query, mask=query < n_queries, other=0.0)
        scores = tl.dot(k, q.T, input_precision="ieee")
        if MASKED:
            scores = tl.where(query[None, :] >= key_first[:, None], scores, float("-inf"))
            if window is not None:
                scores = tl.where(query[None, :] < key_end[:, None], scores, float("-inf"))
            lse_rows = tl.where(lse_rows == float("-inf"), 0.0, lse_rows)  # it sees no key
        weights = tl.exp2(scores * (scale * LOG2_E) - (lse_rows * LOG2_E)[None, :])
        dv = tl.dot(weights.to(do.dtype), do, dv, input_precision="ieee")
        dweights = tl.dot(v, do.T, input_precision="ieee")
        dscores = (weights * (dweights - delta_rows[None, :])).to(q.dtype)
        dk = tl.dot(dscores, q, dk, input_precision="ieee")
        if FUSED:
            column = tl.arange(0, BLOCK_D)
            tile = dqueries + query.to(tl.int64)[:, None] * head_dim + column[None, :]
            inside = (query < n_queries)[:, None] & (column < head_dim)[None, :]
            dq = tl.dot(dscores.T, k, input_precision="ieee") * scale
            tl.atomic_add(tile, dq, mask=inside, sem="relaxed")
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
    n_heads,
    group,
    n_queries,
    n_keys,
    window,
    scale,
    CAUSAL: tl.constexpr,
    HIDES_KEYS: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """dq of one tile of queries, over all keys that it sees: the walk of the forward pass."""
    n_tiles = tl.cdiv(n_queries, BLOCK_Q)
    program = tl.program_id(0)
    start = (n_tiles - 1 - program % n_tiles) * BLOCK_Q  # the rows with the most keys first
    head, batch = program // n_tiles % n_heads, program // n_tiles // n_heads
    length = real_keys(key_lengths, batch, n_keys)
    offset = offset_of_places(n_queries, length, CAUSAL)
    last_query = tl.minimum(start + BLOCK_Q, n_queries) - 1
    begin, full_begin, full_end, end = key_ranges(
        start, last_query, offset, length, window, CAUSAL, BLOCK_K
    )

    query = start + tl.arange(0, BLOCK_Q)
    row = (batch * n_heads + head).to(tl.int64) * n_queries + query
    q = load_tile(queries, batch, head, start, BLOCK_Q, BLOCK_D)
    do = load_tile(dout, batch, head, start, BLOCK_Q, BLOCK_D)
    lse_rows = tl.load(lse + row, mask=query < n_queries, other=0.0)
    lse_rows = tl.where(lse_rows == float("-inf"), 0.0, lse_rows)
    delta_rows = tl.load(delta + row, mask=query < n_queries, other=0.0)
    dq = tl.zeros([BLOCK_Q, BLOCK_D], tl.float32)
    if window is not None:
        dq = add_key_tiles(
            dq, q, do, lse_rows, delta_rows, keys, values, batch, head // group, begin, full_begin,
            query, start, last_query, offset, length, window, scale,
            True, CAUSAL, HIDES_KEYS, BLOCK_K, BLOCK_D,
        )  # fmt: skip
    dq = add_key_tiles(
        dq, q, do, lse_rows, delta_rows, keys, values, batch, head // group, full_begin, full_end,
        query, start, last_query, offset, length, window, scale,
        False, CAUSAL, HIDES_KEYS, BLOCK_K, BLOCK_D,
    )  # fmt: skip
    dq = add_key_tiles(
        dq, q, do, lse_rows, delta_rows, keys, values, batch, head // group, full_end, end,
        query, start, last_query, offset, length, window, scale,
        True, CAUSAL, HIDES_KEYS, BLOCK_K, BLOCK_D,
    )  # fmt: skip
    store_tile(dqueries, batch, head, start, dq * scale)


@triton.jit
def add_key_tiles(
    dq,
    q,
    do,
    lse_rows,
    delta_rows,
    keys,
    values,
    batch,
    kv_head,
    begin,
    end,
    query,
    first_query_of_tile,
    last_query_of_tile,
    offset,
    length,
    window,
    scale,
    MASKED: tl.constexpr,
    CAUSAL: tl.constexpr,
    HIDES_KEYS: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_D: tl.constexpr,
):
    """Add to dq what comes from the tiles of keys from begin to end."""
    for start in tl.range(begin, end, BLOCK_K, disable_licm=True):
        key = start + tl.arange(0, BLOCK_K)
        k = load_tile(keys, batch, kv_head, start, BLOCK_K, BLOCK_D)
        v = load_tile(values, batch, kv_head, start, BLOCK_K, BLOCK_D)
        if MASKED and HIDES_KEYS:
            tile_first = first_key(first_query_of_tile, offset, window)
            tile_end = end_key(last_query_of_tile, offset, length, window, CAUSAL)
            k = tl.where(((key >= tile_first) & (key < tile_end))[:, None], k, 0.0)
        scores = tl.dot(q, k.T, input_precision="ieee")
        dweights = tl.dot(do, v.T, input_precision="ieee")
        if MASKED:
            visible = key < end_key(query, offset, length, window, CAUSAL)[:, None]
            if window is not None:
                visible = visible & (key >= first_key(query, offset, window)[:, None])
            scores = tl.where(visible, scores, float("-inf"))
            if HIDES_KEYS:
                dweights = tl.where(visible, dweights, 0.0)
        weights = tl.exp2(scores * (scale * LOG2_E) - (lse_rows * LOG2_E)[:, None])
        dscores = (weights * (dweights - delta_rows[:, None])).to(k.dtype)
        dq = tl.dot(dscores, k, dq, input_precision="ieee")
    return dq


def delta_launch(out: Tensor, dout: Tensor, dlse: Tensor, delta: Tensor, *, tiles: Tiles) -> Launch:
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
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dout: Tensor,
    lse: Tensor,
    delta: Tensor,
    dk: Tensor,
    dv: Tensor,
    *,
    causal: Causal,
    window: int | None,
    scale: float,
    key_lengths: Tensor | None,
    tiles: Tiles,
    dq: Tensor | None = None,
) -> Launch:
    """The start that fills dk and dv.

    With dq (contiguous, float32, zeros) it is the fused kernel, which adds dq up there. Raises a
    `ValueError` if it would have to and there may be a key that no query sees.
    """
    batch, n_heads, n_queries, head_dim = q.shape
    n_kv_heads, n_keys = k.shape[1:3]
    hides = hides_keys(
        n_queries, n_keys, causal=causal, window=window, padded=key_lengths is not None
    )
    if dq is not None and hides:
        raise ValueError("the fused kernel reads keys that no query sees: leave dq out")
    return Launch(
        key_value_kernel,
        grid=(triton.cdiv(n_keys, tiles.block_k) * n_kv_heads * batch,),
        arguments={
            "queries": in_tiles(q, tiles.block_q, tma=tiles.tma),
            "keys": in_tiles(k, tiles.block_k, tma=tiles.tma),
            "values": in_tiles(v, tiles.block_k, tma=tiles.tma),
            "dout": in_tiles(dout, tiles.block_q, tma=tiles.tma),
            "lse": lse,
            "delta": delta,
            "dkeys": in_tiles(dk, tiles.block_k, tma=tiles.tma),
            "dvalues": in_tiles(dv, tiles.block_k, tma=tiles.tma),
            "dqueries": lse if dq is None else dq,
            "key_lengths": key_lengths,
            "n_kv_heads": n_kv_heads,
            "group": n_heads // n_kv_heads,
            "n_queries": n_queries,
            "n_keys": n_keys,
            "head_dim": head_dim,
            "window": window,
            "scale": scale,
            "CAUSAL": causal,
            "HIDES_KEYS": hides,
            "FUSED": dq is not None,
            "BLOCK_Q": tiles.block_q,
            "BLOCK_K": tiles.block_k,
            "BLOCK_D": block_d(head_dim),
            **tiles.options(),
        },
    )


def query_launch(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    dout: Tensor,
    lse: Tensor,
    delta: Tensor,
    dq: Tensor,
    *,
    causal: Causal,
    window: int | None,
    scale: float,
    key_lengths: Tensor | None,
    tiles: Tiles,
) -> Launch:
    """The start that fills dq."""
    batch, n_heads, n_queries, head_dim = q.shape
    n_kv_heads, n_keys = k.shape[1:3]
    return Launch(
        query_kernel,
        grid=(triton.cdiv(n_queries, tiles.block_q) * n_heads * batch,),
        arguments={
            "queries": in_tiles(q, tiles.block_q, tma=tiles.tma),
            "keys": in_tiles(k, tiles.block_k, tma=tiles.tma),
            "values": in_tiles(v, tiles.block_k, tma=tiles.tma),
            "dout": in_tiles(dout, tiles.block_q, tma=tiles.tma),
            "lse": lse,
            "delta": delta,
            "dqueries": in_tiles(dq, tiles.block_q, tma=tiles.tma),
            "key_lengths": key_lengths,
            "n_heads": n_heads,
            "group": n_heads // n_kv_heads,
            "n_queries": n_queries,
            "n_keys": n_keys,
            "window": window,
            "scale": scale,
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
