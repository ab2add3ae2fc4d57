"""Attention as its definition says it, every score written down: what the others are tested by.

Shapes, here and in all modules of this package: queries are (batch, n_heads, n_queries,
head_dim), keys and values (batch, n_kv_heads, n_keys, head_dim). n_kv_heads divides n_heads, and
query head h reads key-value head ``h // (n_heads // n_kv_heads)``: multi-head attention when the
two are equal, grouped-query attention when not, multi-query attention when n_kv_heads is 1.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

Causal: TypeAlias = Literal["none", "top-left", "bottom-right"]
"""Which keys come too late for query i to see them.

``none``: no key. ``top-left``: the keys after i, as if both sequences began together.
``bottom-right``: as if both ended together, so that the last query sees every key; this is how
the newest tokens meet a longer cache. With as many keys as queries the two are the same.
"""


class Attended(NamedTuple):
    """What attention returns."""

    out: Tensor
    """(batch, n_heads, n_queries, head_dim): the mean of the values that each query weighs."""
    lse: Tensor
    """(batch, n_heads, n_queries): ln Σ exp(score) of the keys that each query sees."""


def visible_keys(
    n_queries: int,
    n_keys: int,
    *,
    causal: Causal = "none",
    window: int | None = None,
    key_lengths: Tensor | None = None,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Which query may see which key: booleans, (batch or 1, 1, n_queries, n_keys).

    Query i stands at place p = i among the keys, or, with ``bottom-right``, at
    p = i + length - n_queries. It sees key j

    - if j < length: `key_lengths` (batch,) says how many keys of each sequence are real, the rest
      is padding; without it all n_keys are;
    - and, if causal, j <= p;
    - and, with a window, j > p - window; without causality also j < p + window. A causal window of
      w is the query's own place and the w - 1 before it.
    """
    lengths = torch.tensor([n_keys]) if key_lengths is None else key_lengths
    lengths = lengths.to(device).view(-1, 1, 1, 1)
    key = torch.arange(n_keys, device=device).view(1, 1, 1, -1)
    place = torch.arange(n_queries, device=device).view(1, 1, -1, 1)
    if causal == "bottom-right":
        place = place + lengths - n_queries
    visible = (key < lengths).expand(-1, 1, n_queries, n_keys)
    if causal != "none":
        visible = visible & (key <= place)
    if window is not None:
        visible = visible & (key > place - window)
        if causal == "none":
            visible = visible & (key < place + window)
    return visible


def reference_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    causal: Causal = "none",
    window: int | None = None,
    scale: float | None = None,
    key_lengths: Tensor | None = None,
) -> Attended:
    """out = softmax(scale · q kᵀ) v over the visible keys, in the precision of the inputs.

    The scale is 1/√head_dim unless given. A query that sees no key reads nothing: its out is 0 and
    its lse -∞. A key that no query sees has no part in the result, even where its numbers are NaN.
    """
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
    visible = visible_keys(
        q.shape[-2],
        k.shape[-2],
        causal=causal,
        window=window,
        key_lengths=key_lengths,
        device=q.device,
    )
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    scores = ((scale * q) @ k.transpose(-2, -1)).masked_fill(~visible, -math.inf)
    lse = scores.logsumexp(dim=-1)  # (batch, n_heads, n_queries)
    # exp(-∞ - -∞) would be NaN in the rows that see nothing.
    weights = (scores - lse.masked_fill(lse == -math.inf, 0)[..., None]).exp()
    # 0 · NaN is NaN: a value that nobody may see must not be multiplied at all.
    seen = visible.any(dim=-2).unsqueeze(-1)  # (batch or 1, 1, n_keys, 1)
    return Attended(weights @ v.masked_fill(~seen, 0), lse)


def relative_error(found: Tensor, exact: Tensor) -> float:
    """Root mean square of the difference, relative to that of the exact numbers."""
    difference = found.double() - exact.double()
    return float(difference.square().mean().sqrt() / exact.double().square().mean().sqrt())
