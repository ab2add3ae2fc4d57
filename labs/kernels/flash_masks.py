"""Which keys a query sees, inside the Triton kernels: always one interval of them.

On the host a `Masking` says what is asked for. In a kernel it is a `Mask`, which knows two numbers
instead of names: how many keys before its own place a query sees, and how many after it. So query i
sees the keys from `first_key` up to, not including, `end_key`, and neither ever falls as i grows.
The tiles of keys that a tile of queries meets lie in this order, of which any part may be empty::

    none sees them | left edge | all see all of it | right edge | none sees them
    0              begin       full_begin          full_end     end         n_keys

Only at the edges is a score ever compared with a mask. The left edge comes from a window, the right
one from causality, from a window that looks ahead, or from the end of the keys.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import triton
import triton.language as tl
from torch import Tensor

from labs.kernels.reference import Causal

LOG2_E = tl.constexpr(math.log2(math.e))
LN_2 = tl.constexpr(math.log(2))


@dataclass(frozen=True, slots=True)
class Masking:
    """Which keys are hidden, as `visible_keys` in `reference` defines it."""

    causal: Causal = "none"
    window: int | None = None
    key_lengths: Tensor | None = None
    """(batch,), integers: keys that are no padding."""

    @property
    def before(self) -> int | None:
        """How many keys before its own place a query sees; None: all."""
        return None if self.window is None else self.window - 1

    @property
    def after(self) -> int | None:
        """How many keys after its own place a query sees; None: all."""
        return self.before if self.causal == "none" else 0

    def hides_keys(self, n_queries: int, n_keys: int) -> bool:
        """Whether there may be a key that no query sees.

        No number is promised there, and a weight of 0 does not silence a NaN: the kernels then take
        pains not to multiply by it.
        """
        offset = n_keys - n_queries if self.causal == "bottom-right" else 0
        begins_late = self.before is not None and offset > self.before
        ends_early = self.after is not None and n_queries + offset + self.after < n_keys
        return self.key_lengths is not None or begins_late or ends_early

    def arguments(self, n_queries: int, n_keys: int) -> dict[str, Any]:
        """What every kernel with keys is told about the mask."""
        return {
            "key_lengths": self.key_lengths,
            "before": self.before,
            "CAUSAL": self.causal,
            "HIDES_KEYS": self.hides_keys(n_queries, n_keys),
        }


class Mask(NamedTuple):
    """The mask of one sequence, in a kernel. `Masking` explains before and after."""

    n_queries: Any
    length: Any
    """Keys that are no padding."""
    offset: Any
    """What is added to a query's number for its place among the keys."""
    before: Any
    after: Any


class Ranges(NamedTuple):
    """Where the tiles begin and end that are seen in part or in full, as drawn above."""

    begin: Any
    full_begin: Any
    full_end: Any
    end: Any


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
def first_key(mask, query):
    """The first key that a query sees, if it sees any."""
    if mask.before is None:
        return query * 0
    else:
        return tl.maximum(query + mask.offset - mask.before, 0)


@triton.jit
def end_key(mask, query):
    """The key after the last that a query sees; it sees none if this isn't beyond `first_key`."""
    if mask.after is None:
        return query * 0 + mask.length
    else:
        return tl.minimum(query + mask.offset + mask.after + 1, mask.length)


@triton.jit
def first_query(mask, key):
    """The first query that sees a key, if any does; n_queries if none comes late enough."""
    if mask.after is None:
        return key * 0
    else:
        return clamp(key - mask.offset - mask.after, 0, mask.n_queries)


@triton.jit
def end_query(mask, key):
    """The query after the last that sees a key, in 0..n_queries."""
    if mask.before is None:
        return key * 0 + mask.n_queries
    else:
        return clamp(key - mask.offset + mask.before + 1, 0, mask.n_queries)


@triton.jit
def key_ranges(mask, first, last, from_key, to_key, BLOCK_K: tl.constexpr):
    """Where the queries from first to last find their keys, of those from from_key to to_key.

    A tile of keys starts at a multiple of BLOCK_K; the last may reach beyond end.
    """
    # Neither bound falls with the query, so the first query's and the last one's bound the tile's.
    begin = first_key(mask, first) // BLOCK_K * BLOCK_K
    end = tl.maximum(end_key(mask, last), begin)
    full_begin = tl.cdiv(first_key(mask, last), BLOCK_K) * BLOCK_K
    full_end = tl.maximum(end_key(mask, first), 0) // BLOCK_K * BLOCK_K
    # A narrow window leaves no full tile: then the right edge begins where the left one ends.
    full_begin = tl.minimum(full_begin, tl.cdiv(end, BLOCK_K) * BLOCK_K)
    full_end = tl.maximum(full_end, full_begin)
    return Ranges(
        clamp(begin, from_key, to_key),
        clamp(full_begin, from_key, to_key),
        clamp(full_end, from_key, to_key),
        clamp(end, from_key, to_key),
    )


@triton.jit
def query_ranges(mask, start, BLOCK_Q: tl.constexpr, BLOCK_K: tl.constexpr):
    """Where the tile of keys from start on finds the queries that see it.

    A tile of which some keys are padding is all left edge. What lies beyond the last query reads as
    0 and needs no mask.
    """
    last = tl.minimum(start + BLOCK_K, mask.length) - 1
    begin = first_query(mask, start) // BLOCK_Q * BLOCK_Q
    end = tl.maximum(end_query(mask, last), begin)
    end = tl.where(start < mask.length, end, begin)
    full_begin = tl.cdiv(first_query(mask, last), BLOCK_Q) * BLOCK_Q
    full_begin = tl.where(start + BLOCK_K > mask.length, mask.n_queries, full_begin)
    full_begin = tl.minimum(full_begin, tl.cdiv(end, BLOCK_Q) * BLOCK_Q)
    if mask.before is None:
        full_end = end
    else:
        full_end = end_query(mask, start) // BLOCK_Q * BLOCK_Q
        full_end = tl.minimum(full_end, end)  # a tile of padding alone has none
    return Ranges(begin, full_begin, tl.maximum(full_end, full_begin), end)
