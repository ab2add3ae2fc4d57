"""FlashAttention in plain PyTorch: attention tile by tile, without ever holding all scores.

This is the specification of the Triton kernel, in the same steps and with the same names. Forward
it is Algorithm 1 of Dao et al. (2022): a tile of keys gives each query a `Partial` result, and
`merge` joins two of them. Backward it is Algorithm 2 of Dao (2023): the weights of a tile are
computed again from the saved lse, so that nothing of the size n_queries × n_keys is kept.

Shapes and masks are those of `reference`. Inside, the query heads that share a key-value head
stand on an axis of their own: queries are (batch, n_kv_heads, group, n_queries, head_dim), keys
and values (batch, n_kv_heads, 1, n_keys, head_dim), so that no key is copied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from labs.kernels.reference import Attended, Causal


class Partial(NamedTuple):
    """What is known of each query after some of its keys: all that the rest of them needs.

    With s the scores of the keys so far and m their maximum, row_max is m, row_sum is Σ exp(s - m)
    and acc is Σ exp(s - m) · v. Any set of keys has one, the empty set too: -∞, 0 and 0.
    """

    row_max: Tensor
    """(..., n_queries)."""
    row_sum: Tensor
    """(..., n_queries)."""
    acc: Tensor
    """(..., n_queries, head_dim): the sum of the weighted values, not yet divided by row_sum."""


def no_keys(q: Tensor) -> Partial:
    """The partial result of no key at all, for these queries: merging it changes nothing."""
    row_sum = q.new_zeros(q.shape[:-1])
    return Partial(torch.full_like(row_sum, -math.inf), row_sum, torch.zeros_like(q))


def attend_tile(q: Tensor, k: Tensor, v: Tensor, visible: Tensor, *, scale: float) -> Partial:
    """The partial result of one tile of keys; query i sees key j of it where visible[..., i, j].

    q is (..., block_q, head_dim), k and v are (..., block_k, head_dim).
    """
    scores = ((scale * q) @ k.transpose(-2, -1)).masked_fill(~visible, -math.inf)
    row_max = scores.amax(dim=-1)
    weights = (scores - finite(row_max)[..., None]).exp()  # (..., block_q, block_k), at most 1
    return Partial(row_max, weights.sum(dim=-1), weights @ v)


def merge(a: Partial, b: Partial) -> Partial:
    """The partial result of the keys of both, which have none in common.

    Both sums are brought to the common maximum before they are added. The operation is associative
    and commutative up to rounding, so the tiles of a row may come in any order and grouping. A
    loop over tiles, as in the kernel, subtracts the new maximum from the tile's scores at once:
    then b's factor is 1 and only a is rescaled.
    """
    row_max = torch.maximum(a.row_max, b.row_max)
    scale_a, scale_b = rescale(a.row_max, row_max), rescale(b.row_max, row_max)
    return Partial(
        row_max,
        scale_a * a.row_sum + scale_b * b.row_sum,
        scale_a[..., None] * a.acc + scale_b[..., None] * b.acc,
    )


def rescale(old_max: Tensor, new_max: Tensor) -> Tensor:
    """The factor that brings sums taken relative to the old maximum to the new one, in [0, 1]."""
    return (old_max - finite(new_max)).exp()


def finite(row_max: Tensor) -> Tensor:
    """The maximum, or 0 where no key was seen: exp(-∞ - (-∞)) is NaN, exp(-∞ - 0) is 0."""
    return row_max.masked_fill(row_max == -math.inf, 0)


def finish(partial: Partial) -> Attended:
    """The one division of a row, when all its keys are in; a row without keys is 0 and -∞."""
    row_max, row_sum, acc = partial
    divisor = row_sum.masked_fill(row_max == -math.inf, 1)
    return Attended(acc / divisor[..., None], row_max + row_sum.log())


def reopen(attended: Attended) -> Partial:
    """A finished result as a partial one, so that those of two sets of keys can be merged.

    The lse takes the place of the maximum, and relative to it the weights sum to 1.
    """
    out, lse = attended
    return Partial(lse, torch.ones_like(lse).masked_fill(lse == -math.inf, 0), out)


@dataclass(frozen=True, slots=True)
class TileMask:
    """Which query sees which key, one tile at a time; `visible_keys` has the rules."""

    n_queries: int
    n_keys: int
    block_q: int
    block_k: int
    causal: Causal
    window: int | None
    key_lengths: Tensor | None
    device: torch.device

    @property
    def query_tiles(self) -> list[slice]:
        """All queries, in tiles of which the last may be shorter."""
        return tiles(self.n_queries, self.block_q)

    @property
    def key_tiles(self) -> list[slice]:
        """All keys, in tiles of which the last may be shorter."""
        return tiles(self.n_keys, self.block_k)

    def seen_by(
        self, queries: slice, order: Sequence[int] | None = None
    ) -> Iterator[tuple[slice, Tensor]]:
        """The tiles of keys that any of these queries sees, from the first or in this order."""
        key_tiles = self.key_tiles
        for number in range(len(key_tiles)) if order is None else order:
            visible = self.visible(queries, key_tiles[number])
            if visible.any():
                yield key_tiles[number], visible

    def seeing(self, keys: slice) -> Iterator[tuple[slice, Tensor]]:
        """The tiles of queries of which any sees one of these keys."""
        for queries in self.query_tiles:
            visible = self.visible(queries, keys)
            if visible.any():
                yield queries, visible

    def visible(self, queries: slice, keys: slice) -> Tensor:
        """Which query of a tile sees which key: booleans, (batch or 1, 1, 1, block_q, block_k)."""
        lengths = torch.tensor([self.n_keys]) if self.key_lengths is None else self.key_lengths
        lengths = lengths.to(self.device).view(-1, 1, 1, 1, 1)
        key = torch.arange(keys.start, keys.stop, device=self.device)
        place = torch.arange(queries.start, queries.stop, device=self.device)[:, None]
        if self.causal == "bottom-right":
            place = place + lengths - self.n_queries
        visible = (key < lengths) & torch.ones_like(place, dtype=torch.bool)
        if self.causal != "none":
            visible = visible & (key <= place)
        if self.window is not None:
            visible = visible & (key > place - self.window)
            if self.causal == "none":
                visible = visible & (key < place + self.window)
        return visible


def tiles(length: int, block: int) -> list[slice]:
    """0 to length in pieces of one block, the last of which may be shorter."""
    return [slice(start, min(start + block, length)) for start in range(0, length, block)]


def read_tile(x: Tensor, keys: slice, visible: Tensor) -> Tensor:
    """A tile of keys or values, 0 where no query of the tile sees it: 0 · NaN would be NaN."""
    return x[..., keys, :].masked_fill(~visible.any(dim=-2)[..., None], 0)


def by_group(x: Tensor, k: Tensor) -> Tensor:
    """(batch, n_heads, ...) -> (batch, n_kv_heads, group, ...), with the key-value heads of k."""
    n_kv_heads = k.shape[1]
    return x.reshape(x.shape[0], n_kv_heads, x.shape[1] // n_kv_heads, *x.shape[2:])


def online_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    causal: Causal = "none",
    window: int | None = None,
    scale: float | None = None,
    key_lengths: Tensor | None = None,
    block_q: int = 64,
    block_k: int = 64,
    order: Sequence[int] | None = None,
) -> Attended:
    """What `reference_attention` returns, from tiles of block_q queries and block_k keys.

    Tiles of keys are taken from the first to the last unless `order` lists their numbers
    otherwise; a tile that no query of the tile sees is skipped.
    """
    mask = TileMask(
        q.shape[-2], k.shape[-2], block_q, block_k, causal, window, key_lengths, q.device
    )
    if order is not None and sorted(order) != list(range(len(mask.key_tiles))):
        raise ValueError(f"order has to list each of the {len(mask.key_tiles)} key tiles once")
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    q, k, v = by_group(q, k), k[:, :, None], v[:, :, None]
    out, lse = torch.empty_like(q), torch.empty_like(q[..., 0])
    for queries in mask.query_tiles:
        q_tile = q[..., queries, :]
        partial = no_keys(q_tile)
        for keys, visible in mask.seen_by(queries, order):
            k_tile, v_tile = read_tile(k, keys, visible), read_tile(v, keys, visible)
            partial = merge(partial, attend_tile(q_tile, k_tile, v_tile, visible, scale=scale))
        out[..., queries, :], lse[..., queries] = finish(partial)
    return Attended(out.flatten(1, 2), lse.flatten(1, 2))


class Gradients(NamedTuple):
    """How a loss changes with the queries, the keys and the values, each of its input's shape."""

    dq: Tensor
    dk: Tensor
    dv: Tensor


def online_attention_backward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attended: Attended,
    dout: Tensor,
    *,
    causal: Causal = "none",
    window: int | None = None,
    scale: float | None = None,
    key_lengths: Tensor | None = None,
    block_q: int = 64,
    block_k: int = 64,
) -> Gradients:
    """The gradients of `online_attention`, given what it returned and the gradient of its out.

    Two passes over the tiles, each the sole writer of its results: one collects dk and dv of a
    tile of keys over the queries, the other dq of a tile of queries over the keys. The weights are
    computed in both. One pass would do with less arithmetic, but programs that run side by side
    would then add to the same dq, in an order that changes from run to run.
    """
    mask = TileMask(
        q.shape[-2], k.shape[-2], block_q, block_k, causal, window, key_lengths, q.device
    )
    rows = BackwardRows(
        by_group(q, k),
        by_group(dout, k),
        by_group(attended.lse, k),
        by_group(row_delta(attended.out, dout), k),
        1 / math.sqrt(q.shape[-1]) if scale is None else scale,
    )
    k, v = k[:, :, None], v[:, :, None]
    dk, dv = key_value_gradients(rows, k, v, mask)
    dq = query_gradients(rows, k, v, mask)
    return Gradients(dq.flatten(1, 2), dk.squeeze(2), dv.squeeze(2))


def row_delta(out: Tensor, dout: Tensor) -> Tensor:
    """Σ out · dout of each query, which is also Σ weight · dweight over its keys.

    The softmax needs the latter: dscore = weight · (dweight - Σ weight · dweight). As out and dout
    give it, no pass over the keys has to come first.
    """
    return (out * dout).sum(dim=-1)


@dataclass(frozen=True, slots=True)
class BackwardRows:
    """What the backward pass reads of the queries, (batch, n_kv_heads, group, n_queries, ...)."""

    q: Tensor
    dout: Tensor
    lse: Tensor
    delta: Tensor
    scale: float

    def tile(self, queries: slice) -> BackwardRows:
        """The same of one tile of queries."""
        return BackwardRows(
            self.q[..., queries, :],
            self.dout[..., queries, :],
            self.lse[..., queries],
            self.delta[..., queries],
            self.scale,
        )


def recompute_tile(
    rows: BackwardRows, k: Tensor, v: Tensor, visible: Tensor
) -> tuple[Tensor, Tensor]:
    """The weights of one tile and the gradients of its scores, both (..., block_q, block_k).

    With the lse of the whole row, exp(score - lse) is the final weight: no maximum is tracked and
    nothing is rescaled here.
    """
    scores = ((rows.scale * rows.q) @ k.transpose(-2, -1)).masked_fill(~visible, -math.inf)
    weights = (scores - finite(rows.lse)[..., None]).exp()
    dweights = rows.dout @ v.transpose(-2, -1)
    return weights, weights * (dweights - rows.delta[..., None])


def key_value_gradients(
    rows: BackwardRows, k: Tensor, v: Tensor, mask: TileMask
) -> tuple[Tensor, Tensor]:
    """dk and dv: for each tile of keys, the sum over the queries that see it."""
    dk, dv = torch.zeros_like(k), torch.zeros_like(v)
    for keys in mask.key_tiles:
        for queries, visible in mask.seeing(keys):
            tile = rows.tile(queries)
            k_tile, v_tile = read_tile(k, keys, visible), read_tile(v, keys, visible)
            weights, dscores = recompute_tile(tile, k_tile, v_tile, visible)
            dv_tile = weights.transpose(-2, -1) @ tile.dout
            dk_tile = dscores.transpose(-2, -1) @ (tile.scale * tile.q)
            # Summed over the query heads that share a key-value head.
            dv[..., keys, :] += dv_tile.sum(dim=2, keepdim=True)
            dk[..., keys, :] += dk_tile.sum(dim=2, keepdim=True)
    return dk, dv


def query_gradients(rows: BackwardRows, k: Tensor, v: Tensor, mask: TileMask) -> Tensor:
    """dq: for each tile of queries, the sum over the keys that it sees."""
    dq = torch.zeros_like(rows.q)
    for queries in mask.query_tiles:
        tile = rows.tile(queries)
        for keys, visible in mask.seen_by(queries):
            k_tile, v_tile = read_tile(k, keys, visible), read_tile(v, keys, visible)
            _, dscores = recompute_tile(tile, k_tile, v_tile, visible)
            dq[..., queries, :] += tile.scale * (dscores @ k_tile)
    return dq
