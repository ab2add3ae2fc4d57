"""How a model learns where a token stands; attention alone cannot tell.

Learned and sinusoidal positions are added to the token embeddings, once. Rotary positions
(RoPE) leave the embeddings alone and turn queries and keys inside every attention layer;
linear biases (ALiBi) leave those alone too and lower the scores of distant tokens; biases by
bucket (T5) are learned instead.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor, nn

from labs.transformer.config import TransformerConfig

SINUSOID_BASE = 10_000.0


def angles(places: Tensor, n_pairs: int, base: float) -> Tensor:
    """Angle of each pair of dimensions at each of the places, from fast to slow pairs.

    Places may be any numbers, (n,); the result is (n, n_pairs). The slowest pair turns once in
    about 2π · base places.
    """
    frequencies = base ** -(torch.arange(n_pairs, device="cpu") / n_pairs)  # (n_pairs,)
    return torch.outer(places, frequencies)


def in_order(n_places: int) -> Tensor:
    """0, 1, 2 … On the CPU, also when a model is built `blank`: tables are computed, not loaded."""
    return torch.arange(n_places, device="cpu")


class NoPositions(nn.Identity):
    """Stands where a model has no positions: what comes in goes out."""

    def forward(self, x: Tensor, start: int = 0, places: Tensor | None = None) -> Tensor:
        return x


class LearnedPositions(nn.Module):
    """One trained vector for each position.

    The first token stands at place `start`, or each token of each sequence at its own of
    `places`, (batch, seq_len).
    """

    def __init__(self, seq_len: int, d_model: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(seq_len, d_model))

    def forward(self, x: Tensor, start: int = 0, places: Tensor | None = None) -> Tensor:
        # x: (batch, seq_len, d_model)
        if places is not None:
            return x + self.table[..., places, :]
        # None: the same for all sequences
        return x + self.table[..., None, start : start + x.shape[-2], :]


class SinusoidalPositions(nn.Module):
    """A fixed vector for each position: sines in even, cosines in odd dimensions."""

    table: Tensor

    def __init__(self, seq_len: int, d_model: int) -> None:
        super().__init__()
        theta = angles(in_order(seq_len), d_model // 2, SINUSOID_BASE)  # (seq_len, d_model / 2)
        table = torch.stack((theta.sin(), theta.cos()), dim=-1).flatten(1)  # (seq_len, d_model)
        self.register_buffer("table", table, persistent=False)

    def forward(self, x: Tensor, start: int = 0, places: Tensor | None = None) -> Tensor:
        # x: (batch, seq_len, d_model)
        return x + self.table[slice(start, start + x.shape[-2]) if places is None else places]


@cache
def turns(seq_len: int, n_pairs: int, base: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine of every angle, (seq_len, n_pairs), kept once for all layers of a model."""
    theta = angles(in_order(seq_len), n_pairs, base)
    return theta.cos(), theta.sin()


class RotaryPositions(nn.Module):
    """Turns queries and keys by angles that grow with the position.

    Dimension i and dimension i + head_dim / 2 are the two coordinates of a point in a plane,
    turned by ``position · frequency_i``. The score of a query at place m and a key at place n
    then depends on m - n only: turning both by the same angle changes no inner product.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, seq_len: int, head_dim: int, base: float = 10_000.0) -> None:
        super().__init__()
        self.base = base
        cos, sin = turns(seq_len, head_dim // 2, base)  # (seq_len, head_dim / 2) each
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        # x: queries or keys, (batch, n_heads, seq_len, head_dim), the first token at place `start`
        places = slice(start, start + x.shape[-2])
        cos, sin = self.cos[places], self.sin[places]
        first, second = x.chunk(2, dim=-1)  # (batch, n_heads, seq_len, head_dim / 2) each
        return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def alibi_slopes(n_heads: int) -> Tensor:
    """How much each head minds a distance: from 2^(-8 / n_heads) down to 2^-8, geometrically."""
    return 2.0 ** (-8.0 / n_heads * (1 + in_order(n_heads)))  # (n_heads,)


class LinearBiases(nn.Module):
    """Attention with linear biases (ALiBi): every score loses slope · |query place - key place|.

    Each head has a slope of its own, so that some look near and some look far. An encoder's
    heads lose as much to the right as to the left.
    """

    bias: Tensor

    def __init__(self, seq_len: int, n_heads: int) -> None:
        super().__init__()
        places = in_order(seq_len)
        distances = (places[:, None] - places).abs()  # (seq_len, seq_len)
        bias = -alibi_slopes(n_heads)[:, None, None] * distances  # (n_heads, seq_len, seq_len)
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, scores: Tensor) -> Tensor:
        # scores: (batch, n_heads, n_queries, n_keys), a row for each query: the last of the tokens
        n_queries, n_keys = scores.shape[-2:]
        return scores + self.bias[:, n_keys - n_queries : n_keys, :n_keys]


class BucketBiases(nn.Module):
    """A learned number for each head and each kind of distance, added to the score.

    T5's positions (Raffel et al. 2020, section 2.1). Near distances are kinds of their own, far
    ones share buckets that widen logarithmically up to `farthest`. An encoder has half of the
    buckets for keys to the left and half for those to the right; a decoder's all look left.
    """

    def __init__(self, n_buckets: int, farthest: int, n_heads: int, *, is_causal: bool) -> None:
        super().__init__()
        self.farthest = farthest
        self.is_causal = is_causal
        self.table = nn.Parameter(torch.empty(n_buckets, n_heads))

    def forward(self, scores: Tensor) -> Tensor:
        # scores: (batch, n_heads, n_queries, n_keys), a row for each query: the last of the tokens
        n_queries, n_keys = scores.shape[-2:]
        places = torch.arange(n_keys, device=scores.device)
        distances = places - places[n_keys - n_queries :, None]  # (n_queries, n_keys)
        return scores + self.table[self.buckets(distances)].permute(2, 0, 1)

    def buckets(self, distances: Tensor) -> Tensor:
        """The bucket of each distance, key place - query place; the same shape."""
        n = len(self.table) if self.is_causal else len(self.table) // 2
        far = distances.neg().clamp(min=0) if self.is_causal else distances.abs()
        n_near = n // 2
        widening = (far.clamp(min=1) / n_near).log() / math.log(self.farthest / n_near)
        wide = (n_near + (widening * (n - n_near)).long()).clamp(max=n - 1)
        bucket = torch.where(far < n_near, far, wide)
        return bucket if self.is_causal else bucket + n * (distances > 0)


def build_embedding_positions(config: TransformerConfig) -> nn.Module:
    """What is added to the token embeddings: a table of positions, or nothing."""
    if config.positions == "learned":
        return LearnedPositions(config.seq_len, config.d_model)
    if config.positions == "sinusoidal":
        return SinusoidalPositions(config.seq_len, config.d_model)
    return NoPositions()


def build_rotation(config: TransformerConfig) -> nn.Module:
    """What turns the queries and keys of one attention layer: RoPE, or nothing."""
    if config.positions == "rope":
        return RotaryPositions(config.seq_len, config.head_dim, config.rope_base)
    return NoPositions()


def build_score_bias(config: TransformerConfig) -> nn.Module:
    """What is added to the scores of one attention layer: ALiBi, T5's buckets, or nothing."""
    if config.positions == "alibi":
        return LinearBiases(config.seq_len, config.n_heads)
    if config.positions == "buckets":
        is_causal = config.kind != "encoder"
        sizes = config.n_buckets, config.farthest_bucket, config.n_heads
        return BucketBiases(*sizes, is_causal=is_causal)
    return nn.Identity()
