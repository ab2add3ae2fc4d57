"""Which keys a query sees, inside the Triton kernels: always one interval of them.

Whatever `reference.visible_keys` allows to be asked for, query i sees the keys from `first_key` up
to, not including, `end_key`, and neither ever falls as i grows. So the tiles of keys that a tile of
queries meets lie in this order, of which any part may be empty::

    none sees them | left edge | all see all of it | right edge | none sees them
    0              begin       full_begin          full_end     end         n_keys

Only at the edges is a score ever compared with a mask. The left edge comes from a window, the right
one from causality, from a window that looks ahead, or from the end of the keys.
"""

from __future__ import annotations

import math

import triton
import triton.language as tl

from labs.kernels.reference import Causal

LOG2_E = tl.constexpr(math.log2(math.e))
LN_2 = tl.constexpr(math.log(2))


@triton.jit
def real_keys(key_lengths, batch, n_keys):
    """How many keys of this sequence are no padding, in 0..n_keys."""
    if key_lengths is None:
        return n_keys
    else:
        return clamp(tl.load(key_lengths + batch), 0, n_keys).to(tl.int32)


@triton.jit
def clamp(value, low, high):
    """The value, or the bound that it lies beyond."""
    return tl.minimum(tl.maximum(value, low), high)


@triton.jit
def offset_of_places(n_queries, length, CAUSAL: tl.constexpr):
    """What is added to a query's number for its place among the keys."""
    if CAUSAL == "bottom-right":
        return length - n_queries
    else:
        return 0


@triton.jit
def first_key(query, offset, window):
    """The first key that a query sees, if it sees any."""
    if window is None:
        return query * 0
    else:
        return tl.maximum(query + offset - window + 1, 0)


@triton.jit
def end_key(query, offset, length, window, CAUSAL: tl.constexpr):
    """The key after the last that a query sees; it sees none if this isn't beyond `first_key`."""
    if CAUSAL != "none":
        return tl.minimum(query + offset + 1, length)
    elif window is not None:
        return tl.minimum(query + offset + window, length)
    else:
        return query * 0 + length


@triton.jit
def key_ranges(
    first_query, last_query, offset, length, window, CAUSAL: tl.constexpr, BLOCK_K: tl.constexpr
):
    """Where a tile of queries finds its keys: begin, full_begin, full_end and end, as drawn above.

    A tile of keys starts at a multiple of BLOCK_K; the last may reach beyond end.
    """
    # Neither bound falls with the query, so the first query's and the last one's bound the tile's.
    begin = first_key(first_query, offset, window) // BLOCK_K * BLOCK_K
    end = tl.maximum(end_key(last_query, offset, length, window, CAUSAL), begin)
    full_begin = tl.cdiv(first_key(last_query, offset, window), BLOCK_K) * BLOCK_K
    full_end = tl.maximum(end_key(first_query, offset, length, window, CAUSAL), 0)
    full_end = full_end // BLOCK_K * BLOCK_K
    # A narrow window leaves no full tile: then the right edge begins where the left one ends.
    full_begin = tl.minimum(full_begin, tl.cdiv(end, BLOCK_K) * BLOCK_K)
    full_end = tl.maximum(full_end, full_begin)
    return begin, full_begin, full_end, end


@triton.jit
def first_query(key, n_queries, offset, window, CAUSAL: tl.constexpr):
    """The first query that sees a key, if any does; n_queries if none comes late enough."""
    if CAUSAL != "none":
        return clamp(key - offset, 0, n_queries)
    elif window is not None:
        return clamp(key - offset - window + 1, 0, n_queries)
    else:
        return key * 0


@triton.jit
def end_query(key, n_queries, offset, window):
    """The query after the last that sees a key, in 0..n_queries."""
    if window is None:
        return key * 0 + n_queries
    else:
        return clamp(key - offset + window, 0, n_queries)


@triton.jit
def query_ranges(
    first_key,
    n_queries,
    offset,
    length,
    window,
    CAUSAL: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
):
    """Where a tile of keys finds the queries that see it: the same four bounds, among the queries.

    A tile of which some keys are padding is all left edge. What lies beyond the last query reads as
    0 and needs no mask.
    """
    last_key = tl.minimum(first_key + BLOCK_K, length) - 1
    begin = first_query(first_key, n_queries, offset, window, CAUSAL) // BLOCK_Q * BLOCK_Q
    end = tl.maximum(end_query(last_key, n_queries, offset, window), begin)
    end = tl.where(first_key < length, end, begin)
    full_begin = tl.cdiv(first_query(last_key, n_queries, offset, window, CAUSAL), BLOCK_Q)
    full_begin = tl.where(first_key + BLOCK_K > length, n_queries, full_begin * BLOCK_Q)
    full_begin = tl.minimum(full_begin, tl.cdiv(end, BLOCK_Q) * BLOCK_Q)
    if window is None:
        full_end = end
    else:
        full_end = end_query(first_key, n_queries, offset, window) // BLOCK_Q * BLOCK_Q
        full_end = tl.minimum(full_end, end)  # a tile of padding alone has none
    return begin, full_begin, tl.maximum(full_end, full_begin), end


def hides_keys(
    n_queries: int, n_keys: int, *, causal: Causal, window: int | None, padded: bool
) -> bool:
    """Whether there may be a key that no query sees.

    Nobody has promised a number there, and a weight of 0 does not silence a NaN: the kernels then
    take pains not to multiply by it.
    """
    offset = n_keys - n_queries if causal == "bottom-right" else 0
    begin, end = 0, n_keys
    if window is not None:
        begin, end = offset - window + 1, n_queries + offset + window - 1
    if causal != "none":
        end = n_queries + offset
    return padded or begin > 0 or end < n_keys
