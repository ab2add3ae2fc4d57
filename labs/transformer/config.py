"""What a model is made of: every choice is a field, and an ablation replaces one of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, get_args, get_type_hints

Kind: TypeAlias = Literal["decoder", "encoder", "encoder-decoder"]
Norm: TypeAlias = Literal["pre", "post", "none"]
NormKind: TypeAlias = Literal["layernorm", "rmsnorm"]
Biases: TypeAlias = Literal["on", "qkv", "off"]
AttentionBackend: TypeAlias = Literal["reference", "sdpa", "flash"]
Positions: TypeAlias = Literal["learned", "sinusoidal", "rope", "alibi", "buckets", "none"]
Activation: TypeAlias = Literal["relu", "gelu", "gelu_tanh", "silu"]
FeedForwardKind: TypeAlias = Literal["plain", "gated"]
Matrix: TypeAlias = Literal["own", "tied"]
Switch: TypeAlias = Literal["on", "off"]
Init: TypeAlias = Literal["xavier", "small"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformerConfig:
    """The sizes and switches of one model.

    The baseline of an experiment is a config; its ablation is ``replace(base, norm="none")``.
    """

    vocab_size: int
    seq_len: int
    """The longest sequence that the model accepts."""
    d_model: int = 32
    """Width of the residual stream."""
    n_layers: int = 2
    n_encoder_layers: int = 0
    """Layers of an encoder-decoder's encoder; 0: as many as n_layers, which its decoder has."""
    n_heads: int = 4
    d_ff: int = 128
    """Width of the hidden layer of a feed-forward network."""

    kind: Kind = "decoder"
    """A decoder sees no later token (causal attention); an encoder sees every token.

    An encoder-decoder has both, and its decoder reads the encoder's output.
    """
    residual: Switch = "on"
    norm: Norm = "pre"
    """Before each sublayer, after the sum of sublayer and residual, or nowhere."""
    norm_kind: NormKind = "layernorm"
    norm_eps: float = 1e-5
    """Added to the variance, so that a vector of zeros can be divided by its size."""
    biases: Biases = "on"
    """Of the linear layers: all have one, only queries, keys and values do, or none has."""

    n_kv_heads: int = 0
    """Heads of keys and values, each of which serves n_heads / n_kv_heads queries; 0: n_heads."""
    d_head: int = 0
    """Width of a query, key or value; 0: d_model / n_heads."""
    attention: AttentionBackend = "reference"
    """How attention is computed: written out, by PyTorch's fused kernels, or by the course's own.

    The results are the same up to rounding. Only "reference" has weights that can be looked at.
    """
    positions: Positions = "learned"
    rope_base: float = 10_000.0
    """RoPE's slowest pair of dimensions turns once in about 2π times this many tokens."""
    n_buckets: int = 32
    """Kinds of distance that position "buckets" tell apart, in both directions together."""
    farthest_bucket: int = 128
    """The distance from which on all are of one kind."""
    feedforward: FeedForwardKind = "plain"
    activation: Activation = "relu"

    n_segments: int = 0
    """Kinds of text that an embedding tells apart, as BERT does two sentences; 0: none."""
    source_embedding: Matrix = "own"
    """Of an encoder-decoder: the encoder embeds tokens by a table of its own, or the decoder's."""
    embedding_scale: float = 1.0
    """What the token embeddings are multiplied by."""
    embedding_norm: Switch = "off"
    """A norm on the sum of the embeddings, before the first layer."""
    unembedding: Matrix = "own"
    """A matrix of its own, or the token embeddings once more."""
    unembedding_bias: Switch = "on"
    output_transform: Switch = "off"
    """One more dense layer, activation and norm before the unembedding, as BERT has it."""
    init: Init = "xavier"

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in fields(self):
            name, hint, value = field.name, hints[field.name], getattr(self, field.name)
            if hint is int:
                least = 0 if field.default == 0 else 1
                if value < least:
                    raise ValueError(f"{name} is {value}: give a whole number of at least {least}")
            elif hint is float:
                if not 0 < value < math.inf:
                    raise ValueError(f"{name} is {value}: give a number above 0")
            elif value not in get_args(hint):
                choices = ", ".join(repr(choice) for choice in get_args(hint))
                raise ValueError(f"{name} is {value!r}: give one of {choices}")
        if self.d_model % self.n_heads and not self.d_head:
            raise ValueError(
                f"d_model is {self.d_model} and n_heads is {self.n_heads}: "
                "give a d_model that is a multiple of n_heads"
            )
        if self.n_kv_heads and self.n_heads % self.n_kv_heads:
            raise ValueError(
                f"n_heads is {self.n_heads} and n_kv_heads is {self.n_kv_heads}: "
                "give a number of heads that is a multiple of the number of key and value heads"
            )
        if self.positions == "sinusoidal" and self.d_model % 2:
            raise ValueError(
                f"d_model is {self.d_model}: sinusoidal positions pair dimensions, give an even one"
            )
        if self.positions == "rope" and self.head_dim % 2:
            raise ValueError(
                f"head_dim (d_model / n_heads) is {self.head_dim}: "
                "RoPE rotates pairs of dimensions, give an even one"
            )
        if self.positions == "alibi" and self.n_heads.bit_count() != 1:
            raise ValueError(
                f"n_heads is {self.n_heads}: ALiBi's slopes are defined for powers of two, give one"
            )
        if self.positions == "buckets" and not 4 <= self.n_buckets < self.farthest_bucket:
            raise ValueError(
                f"n_buckets is {self.n_buckets} and farthest_bucket is {self.farthest_bucket}: "
                "give at least 4 buckets, and a farther distance than there are buckets"
            )
        if self.attention == "flash" and not 16 <= self.head_dim <= 256:
            raise ValueError(
                f"attention is 'flash' and head_dim (d_model / n_heads) is {self.head_dim}: "
                "its kernel takes 16 to 256, give fewer or more heads"
            )
        if self.attention == "flash" and self.positions in ("alibi", "buckets"):
            raise ValueError(
                f"attention is 'flash' and positions is {self.positions!r}: "
                "its kernel adds no biases to scores, give attention 'sdpa' or 'reference'"
            )

    @property
    def head_dim(self) -> int:
        """Width of the queries, keys and values of one head."""
        return self.d_head or self.d_model // self.n_heads

    @property
    def kv_heads(self) -> int:
        """How many heads of keys and values there are."""
        return self.n_kv_heads or self.n_heads
