"""The original transformer: one stack reads a source, a second one writes a target."""

from __future__ import annotations

from dataclasses import replace

from torch import Generator, Tensor, nn

from labs.transformer.config import TransformerConfig
from labs.transformer.init import initialise
from labs.transformer.model import Stack, Transformer


class EncoderDecoder(nn.Module):
    """Source tokens and target tokens in, a score for every next target token out.

    ::

        source ── encoder ── encoded ──┐
                                       │  cross-attention, in every decoder layer
        target ─────────── decoder ────┴── unembed ── logits

    One config builds both stacks, and they may share one table of embeddings. The encoder's
    tokens see each other; a target token sees the target up to itself and, through `encoded`, the
    whole source.
    """

    def __init__(self, config: TransformerConfig, generator: Generator) -> None:
        super().__init__()
        if config.kind != "encoder-decoder":
            raise ValueError(f"kind is {config.kind!r}: an EncoderDecoder needs 'encoder-decoder'")
        self.config = config
        n_layers = config.n_encoder_layers or config.n_layers
        self.encoder = Stack(replace(config, kind="encoder", n_layers=n_layers))
        initialise(self.encoder, config.init, generator)
        self.decoder = Transformer(config, generator)
        if config.source_embedding == "tied":
            self.encoder.embed = self.decoder.embed

    def forward(
        self, source: Tensor, target: Tensor, *, source_visible: Tensor | None = None
    ) -> Tensor:
        # source, source_visible: (batch, source_len), target: (batch, seq_len)
        encoded = self.encoder(source, visible=source_visible)  # (batch, source_len, d_model)
        # (batch, seq_len, vocab_size)
        logits: Tensor = self.decoder(target, encoded, encoded_visible=source_visible)
        return logits
