"""Models put together from named parts: what the settings ``norm=post, residual=off`` stand for.

Starting weights are drawn by the name of the layer that they belong to. So two models that differ
in one part start from the same weights wherever they have the same layers.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from labs.transformer import EncoderDecoder, Transformer, TransformerConfig
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.config import Kind
from labs.transformer.init import initialise
from labs.transformer.layers import Embedding, Linear
from labs.transformer.model import Block

NO_TOKENS = Generator()
"""Given to models whose weights are all drawn again afterwards."""


def two_models(
    families: Mapping[str, str], family: str, base: str, change: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Part -> value of the base and of the changed model that three knobs ask for.

    All of them hold settings, ``part=value`` with a comma between two, and so do `families`.

    Raises ValueError for a part that the family does not have.
    """
    start, of_base, of_changed = (settings(text) for text in (families[family], base, change))
    if unknown := [part for part in (*of_base, *of_changed) if part not in start]:
        raise ValueError(f"{family} has no {unknown[0]}: change one of {', '.join(start)}")
    return start | of_base, start | of_base | of_changed


def settings(text: str) -> dict[str, str]:
    """Part -> value."""
    pairs = (setting.partition("=") for setting in text.split(", ") if setting)
    return {part: value for part, _, value in pairs}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What two models that are compared have in common, whatever their parts."""

    kind: Kind
    vocab_size: int
    seq_len: int
    n_layers: int
    d_model: int


class Nothing(nn.Module):
    """Stands where a sublayer was and adds nothing to the stream."""

    def forward(self, x: Tensor, *others: Tensor | None, **known: object) -> Tensor:
        return x.new_zeros(x.shape)


class Scaled(Linear):
    """A linear layer whose result is multiplied by `factor`."""

    def __init__(self, layer: Linear, factor: float) -> None:
        super().__init__(layer.in_features, layer.out_features, bias=layer.bias is not None)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * super().forward(x)


class HalvesEmbedding(Embedding):
    """Segments of a text of two halves: the first is 0 and the second 1, whatever is asked for."""

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[-1], device=tokens.device)
        return super().forward((places >= tokens.shape[-1] // 2).long().expand_as(tokens))


class Unread(nn.Module):
    """A decoder that is handed a source and has no way to read it."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.decoder = Transformer(config, NO_TOKENS)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        # source: (batch, source_len), target: (batch, seq_len) -> (batch, seq_len, vocab_size)
        logits: Tensor = self.decoder(target)
        return logits


def assemble(parts: Mapping[str, str], sizes: Sizes, seed: int) -> nn.Module:
    """The model of these parts with its starting weights.

    A `Transformer` takes tokens, (batch, seq_len); of kind "encoder-decoder" it is an
    `EncoderDecoder`, or `Unread` without cross-attention, and takes a source and a target.
    """
    config = configure(parts, sizes)
    model: nn.Module
    if sizes.kind != "encoder-decoder":
        model = Transformer(config, NO_TOKENS)
    elif config.kind == "encoder-decoder":
        model = EncoderDecoder(config, NO_TOKENS)
    else:
        model = Unread(config)
    for module in [*model.modules()]:
        if isinstance(module, Block):
            _take_out(module, parts)
        elif isinstance(module, MultiHeadAttention):
            _change_attention(module, parts, config)
        elif isinstance(module, Transformer) and config.n_segments:
            module.segments = HalvesEmbedding(config.n_segments, config.d_model)
    for name, module in model.named_modules():
        if not any(module.children()):
            # Of a seed a generator of the CPU takes 32 bits only.
            number = zlib.crc32(f"{seed} {name}".encode())
            initialise(module, config.init, Generator().manual_seed(number))
    return model


def configure(parts: Mapping[str, str], sizes: Sizes) -> TransformerConfig:
    """The configuration of these parts, for all that is a field of it.

    Gated networks are a third narrower, as they have three matrices instead of two.
    """
    kind = sizes.kind
    if kind == "encoder-decoder":
        kind = "decoder" if parts["cross_attention"] == "off" else kind
    else:
        kind = "decoder" if parts["mask"] == "causal" else "encoder"
    gated = parts["feedforward"] == "gated"
    n_heads = int(parts["heads"])
    values: dict[str, Any] = {
        name: parts[name]
        for name in ("residual", "norm", "norm_kind", "positions", "activation", "biases", "init")
    }
    return TransformerConfig(
        vocab_size=sizes.vocab_size,
        seq_len=sizes.seq_len,
        n_layers=sizes.n_layers,
        d_model=sizes.d_model,
        d_ff=round(4 * sizes.d_model * (2 / 3 if gated else 1)),
        kind=kind,
        n_heads=n_heads,
        n_kv_heads={"all": 0, "half": max(1, n_heads // 2), "one": 1}[parts["kv_heads"]],
        rope_base=float(parts.get("rope_theta", 10_000)),
        feedforward="gated" if gated else "plain",
        n_segments=2 if parts.get("segments") == "two" else 0,
        embedding_norm="on" if parts["embedding_norm"] == "on" else "off",
        unembedding="tied" if parts["unembedding"] == "tied" else "own",
        source_embedding="tied",
        output_transform="on" if parts["output_layer"] == "on" else "off",
        **values,
    )


def _take_out(block: Block, parts: Mapping[str, str]) -> None:
    """Take sublayers out of a layer, with their norms, so that the stream passes by."""
    for name in ("attention", "feedforward"):
        if parts[name] == "off":
            setattr(block, name, Nothing())
            setattr(block, f"{name}_skip", torch.ones(1, 1, 1))
            setattr(block, f"{name}_pre_norm", nn.Identity())
            setattr(block, f"{name}_post_norm", nn.Identity())


def _change_attention(
    attention: MultiHeadAttention, parts: Mapping[str, str], config: TransformerConfig
) -> None:
    """Another scale, no interest of a token in any other, or no mask in a decoder that has one."""
    if parts["attention"] == "uniform":
        attention.query = Scaled(attention.query, 0.0)
        attention.bias = nn.Identity()
    elif parts["scale"] == "off":
        attention.query = Scaled(attention.query, math.sqrt(config.head_dim))
    if parts["mask"] == "none" and attention.is_causal:
        attention.is_causal = False
        attention.mask = nn.Identity()
