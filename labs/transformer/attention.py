"""Attention: each token collects from the tokens that it may see, in proportion to its interest."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labs.transformer.config import TransformerConfig
from labs.transformer.layers import Linear
from labs.transformer.positions import build_rotation, build_score_bias


class CausalMask(nn.Module):
    """Forbids each token every later one: their scores become -∞ and their weights exactly 0."""

    mask: Tensor

    def __init__(self, seq_len: int) -> None:
        super().__init__()
        mask = torch.full((seq_len, seq_len), -math.inf).triu(diagonal=1)
        # (1, 1, seq_len, seq_len): the same for all sequences and heads
        self.register_buffer("mask", mask[None, None], persistent=False)

    def forward(self, scores: Tensor) -> Tensor:
        # scores: (batch, n_heads, seq_len, seq_len), a row for each query
        return scores + self.mask[..., : scores.shape[-2], : scores.shape[-1]]


class MultiHeadAttention(nn.Module):
    """n_heads attentions side by side, each on its own head_dim dimensions.

    ::

        weights = softmax(q kᵀ / √head_dim)     who collects from whom: rows add up to 1
        out     = weights v                     the weighted mean of the values

    Queries come from `x`. So do keys and values in self-attention; in cross-attention they come
    from `source`, a stream of any length, all of which is visible. Rotations and biases compare
    the places of two tokens of one sequence. Between two sequences there is no such distance, so
    cross-attention has neither: it finds places by what the embeddings say about them.

    The two lines above are ``attention="reference"``. "sdpa" and "flash" give the same `out`
    without ever having all weights at once, in one fused step.
    """

    def __init__(self, config: TransformerConfig, *, cross: bool = False) -> None:
        super().__init__()
        self.n_heads = config.n_heads
        self.backend = config.attention
        self.is_causal = config.kind != "encoder" and not cross
        self.query = Linear(config.d_model, config.d_model)
        self.key = Linear(config.d_model, config.d_model)
        self.value = Linear(config.d_model, config.d_model)
        self.out = Linear(config.d_model, config.d_model)
        self.rotation = nn.Identity() if cross else build_rotation(config)
        self.bias = nn.Identity() if cross else build_score_bias(config)
        # Without a bias, a fused kernel is told by one word which keys come too late.
        needs_mask = self.is_causal and (self.backend == "reference" or self.has_bias)
        self.mask = CausalMask(config.seq_len) if needs_mask else nn.Identity()

    def forward(self, x: Tensor, source: Tensor | None = None) -> Tensor:
        # x: (batch, seq_len, d_model); source: (batch, source_len, d_model), else x itself
        source = x if source is None else source
        q = self.rotation(self.split_heads(self.query(x)))
        k = self.rotation(self.split_heads(self.key(source)))
        v = self.split_heads(self.value(source))
        out = self.attend(q, k, v)  # (batch, n_heads, seq_len, head_dim)
        merged: Tensor = self.out(out.transpose(-3, -2).flatten(-2))  # (batch, seq_len, d_model)
        return merged

    @property
    def has_bias(self) -> bool:
        """Whether something is added to the scores."""
        return not isinstance(self.bias, nn.Identity)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The mean of the values, weighted for each query."""
        # q, k, v: (batch, n_heads, seq_len or source_len, head_dim)
        if self.backend == "reference":
            return self.weights(q, k) @ v
        if self.backend == "sdpa" and self.has_bias:
            scores = q.new_zeros(self.n_heads, q.shape[-2], k.shape[-2])
            return F.scaled_dot_product_attention(q, k, v, attn_mask=self.mask(self.bias(scores)))
        if self.backend == "sdpa":
            return F.scaled_dot_product_attention(q, k, v, is_causal=self.is_causal)
        # Loaded late: Triton exists on Linux only, and chooses its interpreter when imported.
        from labs.kernels.flash_attention import flash_attention

        flat = (tensor.flatten(0, -4) for tensor in (q, k, v))  # the kernel knows no stacks
        out: Tensor = flash_attention(*flat, causal="top-left" if self.is_causal else "none")
        return out.view(q.shape)

    def weights(self, q: Tensor, k: Tensor) -> Tensor:
        """How much each query token collects from each key token; raises where none are kept."""
        if self.backend != "reference":
            raise ValueError(
                f"attention is {self.backend!r}, which keeps no weights: "
                "load the parameters into a model with attention 'reference'"
            )
        # q: (batch, n_heads, seq_len, head_dim); k: (batch, n_heads, source_len, head_dim)
        # Without the scale, scores grow with head_dim and the softmax saturates. Scaling q
        # instead of the scores is the same and touches fewer numbers.
        scale = 1 / math.sqrt(q.shape[-1])
        scores = self.mask(self.bias((scale * q) @ k.transpose(-2, -1)))
        weights: Tensor = scores.softmax(dim=-1)  # (batch, n_heads, seq_len, source_len)
        return weights

    def split_heads(self, x: Tensor) -> Tensor:
        """Give each head its own dimensions: an axis for the heads before the tokens."""
        # (batch, seq_len, d_model) -> (batch, n_heads, seq_len, head_dim)
        return x.view(*x.shape[:-1], self.n_heads, -1).transpose(-3, -2)
