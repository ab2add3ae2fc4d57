"""What a model is made of: every choice is a field, and an ablation replaces one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args, get_type_hints

Kind: TypeAlias = Literal["decoder", "encoder", "encoder-decoder"]
Residual: TypeAlias = Literal["on", "off"]
Norm: TypeAlias = Literal["pre", "post", "none"]
NormKind: TypeAlias = Literal["layernorm"]
AttentionBackend: TypeAlias = Literal["reference", "sdpa", "flash"]
Positions: TypeAlias = Literal["learned", "sinusoidal", "rope", "alibi", "none"]
Activation: TypeAlias = Literal["relu", "gelu"]
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
    n_heads: int = 4
    d_ff: int = 128
    """Width of the hidden layer of a feed-forward network."""

    kind: Kind = "decoder"
    """A decoder sees no later token (causal attention); an encoder sees every token.

    An encoder-decoder has n_layers of each, and its decoder reads the encoder's output.
    """
    residual: Residual = "on"
    norm: Norm = "pre"
    """Before each sublayer, after the sum of sublayer and residual, or nowhere."""
    norm_kind: NormKind = "layernorm"
    attention: AttentionBackend = "reference"
    """How attention is computed: written out, by PyTorch's fused kernels, or by the course's own.

    The results are the same up to rounding. Only "reference" has weights that can be looked at.
    """
    positions: Positions = "learned"
    activation: Activation = "relu"
    init: Init = "xavier"

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for name, hint in hints.items():
            value = getattr(self, name)
            if hint is int:
                if value < 1:
                    raise ValueError(f"{name} is {value}: give a whole number of at least 1")
            elif value not in get_args(hint):
                choices = ", ".join(repr(choice) for choice in get_args(hint))
                raise ValueError(f"{name} is {value!r}: give one of {choices}")
        if self.d_model % self.n_heads:
            raise ValueError(
                f"d_model is {self.d_model} and n_heads is {self.n_heads}: "
                "give a d_model that is a multiple of n_heads"
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
        if self.attention == "flash" and not 16 <= self.head_dim <= 256:
            raise ValueError(
                f"attention is 'flash' and head_dim (d_model / n_heads) is {self.head_dim}: "
                "its kernel takes 16 to 256, give fewer or more heads"
            )
        if self.attention == "flash" and self.positions == "alibi":
            raise ValueError(
                "attention is 'flash' and positions is 'alibi': "
                "its kernel adds no biases to scores, give attention 'sdpa' or 'reference'"
            )

    @property
    def head_dim(self) -> int:
        """Width of the queries, keys and values of one head."""
        return self.d_model // self.n_heads
