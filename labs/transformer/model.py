"""The transformer that the labs take apart."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from labs.transformer.attention import MultiHeadAttention
from labs.transformer.config import TransformerConfig
from labs.transformer.feedforward import FeedForward
from labs.transformer.init import initialise
from labs.transformer.layers import Embedding, Linear
from labs.transformer.norms import build_norm
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

    skip: Tensor

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
        # A number, so that models with and without residuals can share a stack, which puts its
        # axis in front: one axis here for each of (batch, seq_len, d_model).
        skip = torch.full((1, 1, 1), 1.0 if config.residual == "on" else 0.0)
        self.register_buffer("skip", skip, persistent=False)

    def forward(self, resid_pre: Tensor, encoded: Tensor | None = None) -> Tensor:
        # resid_pre, attended, resid_mid, resid_post: (batch, seq_len, d_model)
        # encoded: (batch, source_len, d_model)
        attention_out = self.attention(self.attention_pre_norm(resid_pre))
        attended = self.attention_post_norm(self.skip * resid_pre + attention_out)
        resid_mid = self.cross(attended, encoded)
        feedforward_out = self.feedforward(self.feedforward_pre_norm(resid_mid))
        resid_post: Tensor = self.feedforward_post_norm(self.skip * resid_mid + feedforward_out)
        return resid_post

    def cross(self, attended: Tensor, encoded: Tensor | None) -> Tensor:
        """The stream after cross-attention; in a layer without one, the stream as it is."""
        if self.cross_attention is None:
            return attended
        if encoded is None:
            raise ValueError("this layer reads the output of an encoder, and none was given")
        cross_out = self.cross_attention(self.cross_pre_norm(attended), encoded)
        resid_mid: Tensor = self.cross_post_norm(self.skip * attended + cross_out)
        return resid_mid


class Stack(nn.Module):
    """Embeddings, then layer upon layer: tokens in, one vector for each of them out."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = Embedding(config.vocab_size, config.d_model)
        self.positions = build_embedding_positions(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        # A pre-norm stream is never normalised on its way, so it is before it is read.
        self.final_norm = build_norm(config, wanted=config.norm == "pre")

    def forward(self, tokens: Tensor, encoded: Tensor | None = None) -> Tensor:
        # tokens: (batch, seq_len); encoded: (batch, source_len, d_model)
        out: Tensor = self.final_norm(self.residual_stream(tokens, encoded)[-1])
        return out  # (batch, seq_len, d_model)

    def residual_stream(self, tokens: Tensor, encoded: Tensor | None = None) -> list[Tensor]:
        """The stream before the first layer and after each layer: n_layers + 1 tensors.

        The decoder of an encoder-decoder needs `encoded`, the encoder's output.
        """
        if tokens.shape[-1] > self.config.seq_len:
            raise ValueError(
                f"{tokens.shape[-1]} tokens, and the model was built for {self.config.seq_len}"
            )
        stream = [self.positions(self.embed(tokens))]  # (batch, seq_len, d_model)
        for block in self.blocks:
            stream.append(block(stream[-1], encoded))
        return stream


class Transformer(Stack):
    """Tokens in, a score for every token of the vocabulary out, at every position.

    Of kind "encoder-decoder" it is the decoder only, and has to be given an encoder's output;
    `EncoderDecoder` is the model with both.
    """

    def __init__(self, config: TransformerConfig, generator: Generator) -> None:
        super().__init__(config)
        self.unembed = Linear(config.d_model, config.vocab_size)
        initialise(self, config.init, generator)

    def forward(self, tokens: Tensor, encoded: Tensor | None = None) -> Tensor:
        # tokens: (batch, seq_len) -> logits: (batch, seq_len, vocab_size)
        logits: Tensor = self.read(self.residual_stream(tokens, encoded)[-1])
        return logits

    def read(self, resid: Tensor) -> Tensor:
        """Logits that the output layer reads from a stream of any depth."""
        # (batch, seq_len, d_model) -> (batch, seq_len, vocab_size)
        logits: Tensor = self.unembed(self.final_norm(resid))
        return logits
