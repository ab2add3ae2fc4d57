"""The transformer that the labs take apart."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from labs.transformer.attention import MultiHeadAttention
from labs.transformer.config import TransformerConfig
from labs.transformer.feedforward import FeedForward
from labs.transformer.init import initialise
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
    """

    skip: Tensor

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        pre, post = config.norm == "pre", config.norm == "post"
        self.attention_pre_norm = build_norm(config, wanted=pre)
        self.attention = MultiHeadAttention(config)
        self.attention_post_norm = build_norm(config, wanted=post)
        self.feedforward_pre_norm = build_norm(config, wanted=pre)
        self.feedforward = FeedForward(config)
        self.feedforward_post_norm = build_norm(config, wanted=post)
        # A number, so that models with and without residuals can train side by side.
        skip = torch.tensor(1.0 if config.residual == "on" else 0.0)
        self.register_buffer("skip", skip, persistent=False)

    def forward(self, resid_pre: Tensor) -> Tensor:
        # resid_pre, resid_mid, resid_post: (batch, seq_len, d_model)
        attention_out = self.attention(self.attention_pre_norm(resid_pre))
        resid_mid = self.attention_post_norm(self.skip * resid_pre + attention_out)
        feedforward_out = self.feedforward(self.feedforward_pre_norm(resid_mid))
        resid_post: Tensor = self.feedforward_post_norm(self.skip * resid_mid + feedforward_out)
        return resid_post


class Transformer(nn.Module):
    """Tokens in, a score for every token of the vocabulary out, at every position."""

    def __init__(self, config: TransformerConfig, generator: Generator) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.d_model)
        self.positions = build_embedding_positions(config)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        # A pre-norm stream is never normalised on its way, so it is before it is read.
        self.final_norm = build_norm(config, wanted=config.norm == "pre")
        self.unembed = nn.Linear(config.d_model, config.vocab_size)
        initialise(self, config.init, generator)

    def forward(self, tokens: Tensor) -> Tensor:
        # tokens: (batch, seq_len) -> logits: (batch, seq_len, vocab_size)
        logits: Tensor = self.read(self.residual_stream(tokens)[-1])
        return logits

    def residual_stream(self, tokens: Tensor) -> list[Tensor]:
        """The stream before the first layer and after each layer: n_layers + 1 tensors."""
        if tokens.shape[-1] > self.config.seq_len:
            raise ValueError(
                f"{tokens.shape[-1]} tokens, and the model was built for {self.config.seq_len}"
            )
        stream = [self.positions(self.embed(tokens))]  # (batch, seq_len, d_model)
        for block in self.blocks:
            stream.append(block(stream[-1]))
        return stream

    def read(self, resid: Tensor) -> Tensor:
        """Logits that the output layer reads from a stream of any depth."""
        # (batch, seq_len, d_model) -> (batch, seq_len, vocab_size)
        logits: Tensor = self.unembed(self.final_norm(resid))
        return logits
