"""Attention: each token collects from the tokens that it may see, in proportion to its interest."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labs.transformer.cache import LayerCache
from labs.transformer.config import TransformerConfig
from labs.transformer.layers import Linear
from labs.transformer.positions import NoPositions, build_rotation, build_score_bias

KEPT_MASK = 256
"""Tokens up to which a mask is kept: one made anew costs as much as attention to so few tokens.

For 8,192 tokens it would take 256 MiB in every layer.
"""


class CausalMask(nn.Module):
    """Forbids each token every later one: their scores become -∞ and their weights exactly 0."""

    mask: Tensor

    def __init__(self, seq_len: int) -> None:
        super().__init__()
        n_kept = min(seq_len, KEPT_MASK)
        # (1, 1, n_kept, n_kept): the same for all sequences and heads
        self.register_buffer("mask", later_tokens(n_kept, n_kept)[None, None], persistent=False)

    def forward(self, scores: Tensor) -> Tensor:
        # scores: (batch, n_heads, n_queries, n_keys), a row for each query: the last of the tokens
        n_queries, n_keys = scores.shape[-2:]
        if n_queries == 1:  # the last of the tokens: no key comes later
            return scores
        if n_keys > self.mask.shape[-1]:
            return scores + later_tokens(n_queries, n_keys).to(scores.device)
        return scores + self.mask[..., n_keys - n_queries : n_keys, :n_keys]


def later_tokens(n_queries: int, n_keys: int) -> Tensor:
    """-∞ where a key comes after the query, else 0; the queries are the last of the tokens."""
    hidden = torch.full((n_queries, n_keys), -math.inf, device="cpu")
    return hidden.triu(diagonal=1 + n_keys - n_queries)


class MultiHeadAttention(nn.Module):
    """n_heads attentions side by side, each on its own head_dim dimensions.

    ::

        weights = softmax(q kᵀ / √head_dim)     who collects from whom: rows add up to 1
        out     = weights v                     the weighted mean of the values

    Queries come from `x`. So do keys and values in self-attention; in cross-attention they come
    from `source`, a stream of any length, none of which comes too late. Rotations and biases
    compare the places of two tokens of one sequence. Between two sequences there is no such
    distance, so cross-attention has neither: it finds places by what the embeddings say about them.

    With fewer heads of keys and values than of queries, each of them serves a group of queries
    (grouped-query attention, Ainslie et al. 2023; multi-query with one, Shazeer 2019).

    `visible` says which keys are tokens and which only pad a batch: False gets a weight of 0.
    A query that sees no key at all collects nothing. `cache` is the layer's: `x` then follows the
    tokens in it, and sees them too.

    The two lines above are ``attention="reference"``. "sdpa" and "flash" give the same `out`
    without ever having all weights at once, in one fused step.
    """

    def __init__(self, config: TransformerConfig, *, cross: bool = False) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.backend = config.attention
        self.is_cross = cross
        self.is_causal = config.kind != "encoder" and not cross
        self.n_groups = config.kv_heads
        self.head_dim = config.head_dim
        width, kv_width = config.n_heads * config.head_dim, config.kv_heads * config.head_dim
        qkv_bias, out_bias = config.biases != "off", config.biases == "on"
        self.query = Linear(config.d_model, width, bias=qkv_bias)
        self.key = Linear(config.d_model, kv_width, bias=qkv_bias)
        self.value = Linear(config.d_model, kv_width, bias=qkv_bias)
        self.out = Linear(width, config.d_model, bias=out_bias)
        self.rotation = NoPositions() if cross else build_rotation(config)
        self.bias = nn.Identity() if cross else build_score_bias(config)
        self.mask: nn.Module = nn.Identity()
        if self.is_causal:
            # Without a bias, a fused kernel is told by one word which keys come too late.
            keeps_mask = self.backend == "reference" or self.has_bias
            self.mask = CausalMask(config.seq_len if keeps_mask else 0)

    def forward(
        self,
        x: Tensor,
        source: Tensor | None = None,
        *,
        visible: Tensor | None = None,
        cache: LayerCache | None = None,
    ) -> Tensor:
        # x: (batch, seq_len, d_model); source: (batch, source_len, d_model), else x itself
        # visible: (batch, source_len), with a cache (batch, length + seq_len)
        start = 0 if cache is None or self.is_cross else cache.own.length
        q = self.rotation(self.split_heads(self.query(x)), start)
        if cache is None:
            k, v = self.keys_values(x if source is None else source, start)
        elif self.is_cross:
            if cache.crossing is None:
                cache.crossing = self.keys_values(x if source is None else source, start)
            k, v = cache.crossing
        else:
            cache.own.append(*self.keys_values(x, start))
            k, v = cache.own.keys, cache.own.values
        out = self.attend(q, k, v, visible)  # (batch, n_heads, seq_len, head_dim)
        merged: Tensor = self.out(out.transpose(-3, -2).flatten(-2))  # (batch, seq_len, d_model)
        return merged

    def keys_values(self, source: Tensor, start: int) -> tuple[Tensor, Tensor]:
        """What tokens from place `start` on offer: (batch, n_kv_heads, n_tokens, head_dim) each."""
        # source: (batch, n_tokens, d_model)
        k = self.rotation(self.split_heads(self.key(source)), start)
        return k, self.split_heads(self.value(source))

    @property
    def has_bias(self) -> bool:
        """Whether something is added to the scores."""
        return not isinstance(self.bias, nn.Identity)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None = None) -> Tensor:
        """The mean of the values, weighted for each query: (batch, n_heads, seq_len, head_dim)."""
        # q: (batch, n_heads, seq_len, head_dim); k, v: (batch, n_kv_heads, source_len, head_dim)
        if self.backend == "reference":
            return self.by_group(self.weights(q, k, visible), v)
        plain = visible is None and not self.has_bias
        if self.backend == "sdpa" and q.shape[-2] == 1 and plain and self.n_groups < self.n_heads:
            # A new token sees all keys. With the queries of a group as rows of one head, its keys
            # and values are read once; repeated for each query, they would be copied first.
            rows = q.reshape(*k.shape[:-2], -1, self.head_dim)
            return F.scaled_dot_product_attention(rows, k, v).view(q.shape)
        if self.n_groups < self.n_heads:
            k, v = (x.repeat_interleave(self.n_heads // self.n_groups, dim=-3) for x in (k, v))
        n_queries, n_keys = q.shape[-2], k.shape[-2]
        if self.backend == "sdpa":
            continued = self.is_causal and n_queries < n_keys  # PyTorch's causal mask starts at 0
            if not plain or continued:
                mask = self.masked(q.new_zeros(self.n_heads, n_queries, n_keys), visible)
                return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            return F.scaled_dot_product_attention(q, k, v, is_causal=self.is_causal)
        if visible is not None:
            raise ValueError("the 'flash' kernel knows no padding: give attention 'sdpa'")
        # Loaded late: Triton exists on Linux only, and chooses its interpreter when imported.
        from labs.kernels.flash_attention import flash_attention

        flat = (tensor.flatten(0, -4) for tensor in (q, k, v))  # the kernel knows no stacks
        out: Tensor = flash_attention(*flat, causal="bottom-right" if self.is_causal else "none")
        return out.view(q.shape)

    def weights(self, q: Tensor, k: Tensor, visible: Tensor | None = None) -> Tensor:
        """How much each query token collects from each key token; raises where none are kept."""
        self.require_weights()
        # q: (batch, n_heads, seq_len, head_dim); k: (batch, n_kv_heads, source_len, head_dim)
        # Without the scale, scores grow with head_dim and the softmax saturates. Scaling q
        # instead of the scores is the same and touches fewer numbers.
        scale = 1 / math.sqrt(q.shape[-1])
        scores = self.masked(self.by_group(scale * q, k.transpose(-2, -1)), visible)
        if visible is None:
            return scores.softmax(dim=-1)  # (batch, n_heads, seq_len, source_len)
        # A row of -∞ has no softmax: its weights are 0.
        hidden = scores == -math.inf
        sighted = scores.masked_fill(hidden.all(dim=-1, keepdim=True), 0.0)
        return sighted.softmax(dim=-1).masked_fill(hidden, 0.0)

    def require_weights(self) -> None:
        """Raises ValueError if this attention is computed without weights to look at."""
        if self.backend != "reference":
            raise ValueError(
                f"attention is {self.backend!r}, which keeps no weights: "
                "load the parameters into a model with attention 'reference'"
            )

    def masked(self, scores: Tensor, visible: Tensor | None) -> Tensor:
        """Scores with their bias, and -∞ wherever a query must not look."""
        # scores: (…, n_heads, seq_len, source_len); visible: (batch, source_len)
        scores = self.mask(self.bias(scores))
        return scores if visible is None else scores.masked_fill(~visible[:, None, None], -math.inf)

    def by_group(self, rows: Tensor, shared: Tensor) -> Tensor:
        """``rows @ shared``, where one matrix of keys or values serves a group of heads."""
        # rows: (batch, n_heads, n_rows, n); shared: (batch, n_kv_heads, n, m)
        if self.n_groups == self.n_heads:
            return rows @ shared
        # The rows of all heads of a group, one below the other, meet its matrix without a copy.
        together = rows.reshape(*shared.shape[:-2], -1, rows.shape[-1])
        return (together @ shared).view(*rows.shape[:-1], shared.shape[-1])

    def split_heads(self, x: Tensor) -> Tensor:
        """Give each head its own dimensions: an axis for the heads before the tokens."""
        # (batch, seq_len, n · head_dim) -> (batch, n, seq_len, head_dim), n: n_heads or n_kv_heads
        return x.view(*x.shape[:-1], -1, self.head_dim).transpose(-3, -2)
