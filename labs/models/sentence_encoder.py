"""A trained encoder that makes one vector of a sentence, near to those of like meaning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from labs.models.byte_pair import BytePairTokenizer
from labs.models.checkpoints import build, read_config
from labs.models.errors import ModelError
from labs.models.folders import find_folder, open_files, open_weights
from labs.models.padding import padded
from labs.models.shelf import catalogue, locate
from labs.models.tokenizer_files import read_byte_pair, read_tokens, read_word_piece
from labs.models.word_piece import WordPieceTokenizer
from labs.transformer.model import Stack

LONGEST = 256
"""Tokens of a sentence that are read; the model card of MiniLM names this bound."""
ENCODE = ("bert", "roberta")
"""The families that encode a sentence, by the `model_type` of their config.json."""


@dataclass(frozen=True, slots=True)
class SentenceEncoder:
    """An encoder and its tokenizer (Reimers and Gurevych 2019).

    Its parameters ask for no gradients. Whoever trains it, or changes it for longer than a `with`
    block, does so with a copy.
    """

    name: str
    """As it was asked for: a name of the shelf or a path."""
    model: Stack
    tokenizer: WordPieceTokenizer | BytePairTokenizer
    begin: int
    """The id before a sentence: [CLS], or <s>."""
    end: int
    """The id behind it: [SEP], or </s>."""
    pad: int
    """The id that fills up a row."""

    def batch(self, sentences: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Ids with [CLS] and [SEP] around each sentence, and where they are not padding.

        Both are (n, longest sentence), on the model's device; the second is of bool.
        """
        cut = min(LONGEST, self.model.config.seq_len) - 2
        rows = [[self.begin, *self.tokenizer.encode(text)[:cut], self.end] for text in sentences]
        return padded(rows, self.pad, self.model.embed.weight.device)

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


def load_encoder(name_or_path: str = "minilm", device: str = "cpu") -> SentenceEncoder:
    """A sentence encoder; the one that was asked for last is kept for the next call.

    Its name on the shelf, a folder with config.json, safetensors and tokenizer files of BERT or
    RoBERTa, or such a model's name in the cache of the Hugging Face hub. An output for masked
    words is left out.

    Raises `ModelError` if it is not installed, damaged, or of a kind that is not offered.
    """
    return _load(name_or_path, device)


@lru_cache(maxsize=1)
def _load(name_or_path: str, device: str) -> SentenceEncoder:
    if name_or_path in catalogue():
        paths = locate(name_or_path)
        if "config" not in paths:
            raise ModelError(f"model {name_or_path!r} is no encoder: give 'minilm', or a path")
        model = build(read_config(paths["config"]), open_files(paths["weights"]))
        words = WordPieceTokenizer(read_tokens(paths["vocabulary"]))
        return _of_words(name_or_path, model.to(device), words)
    folder = find_folder(name_or_path)
    facts = read_config(folder / "config.json")
    facts.require("model_type", *ENCODE)
    model = build(facts, open_weights(folder), with_output=False).to(device)
    vocab_size = model.config.vocab_size
    if facts.fields["model_type"] == "bert":
        return _of_words(name_or_path, model, read_word_piece(folder, vocab_size))
    pairs = read_byte_pair(folder, vocab_size)
    try:
        begin, end, pad = (pairs.special[token] for token in ("<s>", "</s>", "<pad>"))
    except KeyError as error:
        raise ModelError(f"{folder}: its tokenizer lacks {error}; give a whole model") from None
    return SentenceEncoder(name_or_path, model, pairs, begin, end, pad)


def _of_words(name: str, model: Stack, words: WordPieceTokenizer) -> SentenceEncoder:
    return SentenceEncoder(name, model, words, words.cls, words.sep, words.pad)
