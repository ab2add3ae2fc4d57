"""How a model learns where a token stands; attention alone cannot tell.

Learned and sinusoidal positions are added to the token embeddings, once. Rotary positions
(RoPE) leave the embeddings alone and turn queries and keys inside every attention layer;
linear biases (ALiBi) leave those alone too and lower the scores of distant tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from labs.transformer.config import TransformerConfig

ROPE_BASE = 10_000.0
"""The slowest pair of dimensions turns once in about 2π times this many tokens."""


def angles(seq_len: int, n_pairs: int) -> Tensor:
    """Angle of each pair of dimensions at each position, from fast to slow pairs."""
    frequencies = ROPE_BASE ** -(torch.arange(n_pairs) / n_pairs)  # (n_pairs,)
    return torch.outer(torch.arange(seq_len), frequencies)  # (seq_len, n_pairs)


class LearnedPositions(nn.Module):
    """One trained vector for each position."""

    def __init__(self, seq_len: int, d_model: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(seq_len, d_model))

    def forward(self, x: Tensor) -> Tensor:
        # x: (batch, seq_len, d_model)
        return x + self.table[..., None, : x.shape[-2], :]  # None: the same for all sequences


class SinusoidalPositions(nn.Module):
    """A fixed vector for each position: sines in even, cosines in odd dimensions."""

    table: Tensor

    def __init__(self, seq_len: int, d_model: int) -> None:
        super().__init__()
        theta = angles(seq_len, d_model // 2)  # (seq_len, d_model / 2)
        table = torch.stack((theta.sin(), theta.cos()), dim=-1).flatten(1)  # (seq_len, d_model)
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # x: (batch, seq_len, d_model)
        return x + self.table[: x.shape[-2]]


class RotaryPositions(nn.Module):
    """Turns queries and keys by angles that grow with the position.

    Dimension i and dimension i + head_dim / 2 are the two coordinates of a point in a plane,
    turned by ``position · frequency_i``. The score of a query at place m and a key at place n
    then depends on m - n only: turning both by the same angle changes no inner product.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, seq_len: int, head_dim: int) -> None:
        super().__init__()
        theta = angles(seq_len, head_dim // 2)  # (seq_len, head_dim / 2)
        self.register_buffer("cos", theta.cos(), persistent=False)
        self.register_buffer("sin", theta.sin(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        # x: queries or keys, (batch, n_heads, seq_len, head_dim)
        cos, sin = self.cos[: x.shape[-2]], self.sin[: x.shape[-2]]
        first, second = x.chunk(2, dim=-1)  # (batch, n_heads, seq_len, head_dim / 2) each
        return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def alibi_slopes(n_heads: int) -> Tensor:
    """How much each head minds a distance: from 2^(-8 / n_heads) down to 2^-8, geometrically."""
    return 2.0 ** (-8.0 / n_heads * torch.arange(1, n_heads + 1))  # (n_heads,)


class LinearBiases(nn.Module):
    """Attention with linear biases (ALiBi): every score loses slope · |query place - key place|.

    Each head has a slope of its own, so that some look near and some look far. An encoder's
    heads lose as much to the right as to the left.
    """

    bias: Tensor

    def __init__(self, seq_len: int, n_heads: int) -> None:
        super().__init__()
        places = torch.arange(seq_len)
        distances = (places[:, None] - places).abs()  # (seq_len, seq_len)
        bias = -alibi_slopes(n_heads)[:, None, None] * distances  # (n_heads, seq_len, seq_len)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, scores: Tensor) -> Tensor:
        # scores: (batch, n_heads, seq_len, seq_len), a row for each query
        return scores + self.bias[:, : scores.shape[-2], : scores.shape[-1]]


def build_embedding_positions(config: TransformerConfig) -> nn.Module:
    """What is added to the token embeddings: a table of positions, or nothing."""
    if config.positions == "learned":
        return LearnedPositions(config.seq_len, config.d_model)
    if config.positions == "sinusoidal":
        return SinusoidalPositions(config.seq_len, config.d_model)
    return nn.Identity()


def build_rotation(config: TransformerConfig) -> nn.Module:
    """What turns the queries and keys of one attention layer: RoPE, or nothing."""
    if config.positions == "rope":
        return RotaryPositions(config.seq_len, config.head_dim)
    return nn.Identity()


def build_score_bias(config: TransformerConfig) -> nn.Module:
    """What is added to the scores of one attention layer: ALiBi, or nothing."""
    if config.positions == "alibi":
        return LinearBiases(config.seq_len, config.n_heads)
    return nn.Identity()
