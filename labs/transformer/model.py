"""The transformer that the labs take apart."""

from __future__ import annotations

from typing import TypedDict, Unpack

import torch
from torch import Generator, Tensor, nn

from labs.transformer.attention import MultiHeadAttention
from labs.transformer.cache import Cache, LayerCache
from labs.transformer.config import TransformerConfig
from labs.transformer.feedforward import FeedForward
from labs.transformer.init import initialise
from labs.transformer.layers import Embedding, Linear
from labs.transformer.norms import build_norm
from labs.transformer.output import build_output_transform
from labs.transformer.positions import build_embedding_positions


class Block(nn.Module):
    """One layer: attention, then a feed-forward network, each writing to the residual stream.

    ::

        norm="pre"               norm="post"              norm="none"

        resid_pre ──┐            resid_pre ──┐            resid_pre ──┐
           │      norm              │    attention           │    attention
           │    attention           + ───────┘               + ───────┘
           + ───────┘              norm                      │
           │                        │                        │
        resid_mid ──┐            resid_mid ──┐            resid_mid ──┐
           │      norm              │   feedforward          │   feedforward
           │   feedforward          + ───────┘               + ───────┘
           + ───────┘              norm                      │
           │                        │                        │
        resid_post               resid_post               resid_post

    The line on the left is the residual connection; ``residual="off"`` cuts it, and what leaves
    a sublayer is all that is left. With "pre" the line runs through the whole model untouched;
    with "post" every layer rescales it.

    In the decoder of an encoder-decoder, a third sublayer of the same form stands between the
    two. It is the one place where the encoder's output comes in::

        norm="pre"                            norm="post"

        attended ──┐                          attended ──┐
           │     norm                            │  cross-attention ◄── encoded
           │  cross-attention ◄── encoded        + ──────┘
           + ──────┘                            norm
           │                                     │
        resid_mid                             resid_mid
    """

    attention_skip: Tensor
    cross_skip: Tensor
    feedforward_skip: Tensor

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        pre, post = config.norm == "pre", config.norm == "post"
        self.attention_pre_norm = build_norm(config, wanted=pre)
        self.attention = MultiHeadAttention(config)
        self.attention_post_norm = build_norm(config, wanted=post)
        self.cross_attention: MultiHeadAttention | None = None
        if config.kind == "encoder-decoder":
            self.cross_pre_norm = build_norm(config, wanted=pre)
            self.cross_attention = MultiHeadAttention(config, cross=True)
            self.cross_post_norm = build_norm(config, wanted=post)
        self.feedforward_pre_norm = build_norm(config, wanted=pre)
        self.feedforward = FeedForward(config)
        self.feedforward_post_norm = build_norm(config, wanted=post)
        # Numbers, so that models with and without residuals can share a stack, which puts its
        # axis in front: one axis here for each of (batch, seq_len, d_model). On the CPU, also when
        # parameters are laid out blank.
        for sublayer in ("attention", "cross", "feedforward"):
            skip = torch.full((1, 1, 1), float(config.residual == "on"), device="cpu")
            self.register_buffer(f"{sublayer}_skip", skip, persistent=False)

    def forward(
        self,
        resid_pre: Tensor,
        encoded: Tensor | None = None,
        *,
        visible: Tensor | None = None,
        encoded_visible: Tensor | None = None,
        cache: LayerCache | None = None,
    ) -> Tensor:
        # resid_pre, attended, resid_mid, resid_post: (batch, seq_len, d_model)
        # encoded: (batch, source_len, d_model)
        # visible: (batch, seq_len); encoded_visible: (batch, source_len)
        normed = self.attention_pre_norm(resid_pre)
        attention_out = self.attention(normed, visible=visible, cache=cache)
        attended = self.attention_post_norm(self.attention_skip * resid_pre + attention_out)
        resid_mid = self.cross(attended, encoded, encoded_visible, cache)
        feedforward_out = self.feedforward(self.feedforward_pre_norm(resid_mid))
        resid_post: Tensor = self.feedforward_post_norm(
            self.feedforward_skip * resid_mid + feedforward_out
        )
        return resid_post

    def cross(
        self,
        attended: Tensor,
        encoded: Tensor | None,
        visible: Tensor | None,
        cache: LayerCache | None,
    ) -> Tensor:
        """The stream after cross-attention; in a layer without one, the stream as it is."""
        if self.cross_attention is None:
            return attended
        if encoded is None:
            raise ValueError("this layer reads the output of an encoder, and none was given")
        normed = self.cross_pre_norm(attended)
        cross_out = self.cross_attention(normed, encoded, visible=visible, cache=cache)
        resid_mid: Tensor = self.cross_post_norm(self.cross_skip * attended + cross_out)
        return resid_mid


class Padding(TypedDict, total=False):
    """Which tokens are there, and which only pad their batch; by default all are there."""

    visible: Tensor | None
    """(batch, seq_len): False where one of the stack's own tokens only pads. No one looks there.

    Learned or sinusoidal positions count from the first visible token.
    """
    encoded_visible: Tensor | None
    """(batch, source_len): the same for `encoded`."""


class Stack(nn.Module):
    """Embeddings, then layer upon layer: tokens in, one vector for each of them out.

    What a call may know besides its `tokens`, (batch, seq_len):

    - `segments`, (batch, seq_len): the kind of text of each token, below n_segments; else all 0
    - `encoded`, (batch, source_len, d_model), the output of an encoder, which the decoder of an
      encoder-decoder needs
    - `visible` and `encoded_visible`, the `Padding` of the two
    - `cache`, which holds what a decoder has read before and keeps what it reads now
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = Embedding(config.vocab_size, config.d_model)
        self.segments: Embedding | None = None
        if config.n_segments:
            self.segments = Embedding(config.n_segments, config.d_model)
        self.positions = build_embedding_positions(config)
        self.embedding_norm = build_norm(config, wanted=config.embedding_norm == "on")
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        if config.positions == "buckets":  # one table for all layers
            shared = self.blocks[0].get_submodule("attention.bias")
            for block in self.blocks:
                block.get_submodule("attention").add_module("bias", shared)
        # A pre-norm stream is never normalised on its way, so it is before it is read.
        self.final_norm = build_norm(config, wanted=config.norm == "pre")

    def forward(
        self,
        tokens: Tensor,
        encoded: Tensor | None = None,
        *,
        segments: Tensor | None = None,
        cache: Cache | None = None,
        **padding: Unpack[Padding],
    ) -> Tensor:
        """What `read` makes of the stream after the last layer."""
        return self.read(
            self.last_stream(tokens, encoded, segments=segments, cache=cache, **padding)
        )

    def last_stream(
        self,
        tokens: Tensor,
        encoded: Tensor | None = None,
        *,
        segments: Tensor | None = None,
        cache: Cache | None = None,
        **padding: Unpack[Padding],
    ) -> Tensor:
        """The stream after the last layer, (batch, seq_len, d_model), not yet normed.

        Whoever needs the logits of some tokens only reads these, and saves the rest.
        """
        start = 0 if cache is None else cache.length
        resid = self.embedded(
            tokens, segments=segments, visible=padding.get("visible"), start=start
        )
        for number, block in enumerate(self.blocks):
            layer_cache = None if cache is None else cache.layers[number]
            resid = block(resid, encoded, cache=layer_cache, **padding)
        if cache is not None:
            cache.length += tokens.shape[-1]
        return resid

    def embedded(
        self,
        tokens: Tensor,
        *,
        segments: Tensor | None = None,
        visible: Tensor | None = None,
        start: int = 0,
    ) -> Tensor:
        """The stream before the first layer, (batch, seq_len, d_model).

        The first token stands at place `start`. Raises ValueError for more tokens than the model
        was built for.
        """
        end = start + tokens.shape[-1]
        if end > self.config.seq_len:
            raise ValueError(f"{end} tokens, and the model was built for {self.config.seq_len}")
        resid = self.embed(tokens)
        if self.config.embedding_scale != 1:
            resid = self.config.embedding_scale * resid
        if self.segments is not None:
            resid = resid + self.segments(
                torch.zeros_like(tokens) if segments is None else segments
            )
        elif segments is not None:
            raise ValueError(
                "segments were given, and the model has none: build it with n_segments"
            )
        places = None
        if visible is not None:
            places = (visible.cumsum(-1) - 1).clamp(min=0)[..., start:end]
        out: Tensor = self.embedding_norm(self.positions(resid, start, places))
        return out

    def resume(
        self,
        resid: Tensor,
        layer: int,
        encoded: Tensor | None = None,
        **padding: Unpack[Padding],
    ) -> Tensor:
        """Run on from the stream before `layer` to the end: what the whole model would give.

        Layers are counted from 0. An experiment on one layer need not repeat those below it.
        """
        for block in self.blocks[layer:]:
            resid = block(resid, encoded, **padding)
        return self.read(resid)

    def residual_stream(
        self,
        tokens: Tensor,
        encoded: Tensor | None = None,
        *,
        segments: Tensor | None = None,
        **padding: Unpack[Padding],
    ) -> list[Tensor]:
        """The stream before the first layer and after each layer: n_layers + 1 tensors."""
        stream = [self.embedded(tokens, segments=segments, visible=padding.get("visible"))]
        for block in self.blocks:
            stream.append(block(stream[-1], encoded, **padding))
        return stream

    def read(self, resid: Tensor) -> Tensor:
        """The vectors that a stream of any depth comes to: (batch, seq_len, d_model), normed."""
        out: Tensor = self.final_norm(resid)
        return out


class Transformer(Stack):
    """Tokens in, a score for every token of the vocabulary out, at every position.

    Of kind "encoder-decoder" it is the decoder only, and has to be given an encoder's output;
    `EncoderDecoder` is the model with both.
    """

    def __init__(self, config: TransformerConfig, generator: Generator) -> None:
        super().__init__(config)
        self.transform = build_output_transform(config)
        self.unembed = Linear(
            config.d_model, config.vocab_size, bias=config.unembedding_bias == "on"
        )
        if config.unembedding == "tied":
            self.unembed.weight = self.embed.weight
        initialise(self, config.init, generator)

    def read(self, resid: Tensor) -> Tensor:
        """Logits that the output layer reads from a stream of any depth."""
        # (batch, seq_len, d_model) -> (batch, seq_len, vocab_size)
        logits: Tensor = self.unembed(self.transform(super().read(resid)))
        return logits
