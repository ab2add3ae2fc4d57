"""A trained encoder that makes one vector of a sentence, near to those of like meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from labs.models.checkpoints import build
from labs.models.errors import ModelError
from labs.models.folders import read_config, store
from labs.models.safetensors_file import SafetensorsFile
from labs.models.shelf import locate
from labs.models.word_piece import WordPieceTokenizer
from labs.transformer.model import Stack

LONGEST = 256
"""Tokens of a sentence that are read; the model card names this bound."""


@dataclass(frozen=True, slots=True)
class SentenceEncoder:
    """An encoder and its tokenizer (Reimers and Gurevych 2019).

    Its parameters ask for no gradients. Whoever trains it, or changes it for longer than a `with`
    block, does so with a copy.
    """

    name: str
    """As it was asked for: a name of the shelf or a path."""
    model: Stack
    tokenizer: WordPieceTokenizer

    def batch(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Ids with [CLS] and [SEP] around each sentence, and where they are not padding.

        Both are (n, longest sentence), on the model's device; the second is of bool.
        """
        cut = LONGEST - 2
        rows = [
            [self.tokenizer.cls, *self.tokenizer.encode(text)[:cut], self.tokenizer.sep]
            for text in sentences
        ]
        width = max(map(len, rows))
        tokens = torch.tensor([row + [self.tokenizer.pad] * (width - len(row)) for row in rows])
        visible = torch.arange(width) < torch.tensor([[len(row)] for row in rows])
        device = self.model.embed.weight.device
        return tokens.to(device), visible.to(device)

    @torch.no_grad()
    def embed(self, sentences: Sequence[str]) -> Tensor:
        """The mean of each sentence's vectors, scaled to length 1: (n, d_model)."""
        tokens, visible = self.batch(sentences)
        return pool(self.model(tokens, visible=visible), visible)


def pool(vectors: Tensor, visible: Tensor) -> Tensor:
    """The mean over the visible tokens, scaled to length 1.

    (batch, seq_len, d_model) and (batch, seq_len) give (batch, d_model).
    """
    weights = visible[..., None].to(vectors.dtype)
    return F.normalize((vectors * weights).sum(dim=-2) / weights.sum(dim=-2), dim=-1)


def load_encoder(name: str = "minilm", device: str = "cpu") -> SentenceEncoder:
    """The sentence encoder of this name; the last one is kept for the next call.

    Raises `ModelError` if it is not installed, damaged, or of a kind that is not offered.
    """
    return _load(name, device)


@lru_cache(maxsize=1)
def _load(name: str, device: str) -> SentenceEncoder:
    paths = locate(name)
    model = build(read_config(paths["config"]), store(SafetensorsFile(paths["weights"])))
    tokens = paths["vocabulary"].read_text(encoding="utf-8").splitlines()
    if len(tokens) != model.config.vocab_size:
        raise ModelError(f"{paths['vocabulary']}: has not the tokens that the model embeds")
    return SentenceEncoder(name, model.to(device), WordPieceTokenizer(tokens))
