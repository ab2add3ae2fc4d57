"""Random words that a language model reads twice in succession."""

from __future__ import annotations

import re
from functools import lru_cache
from random import Random

import torch
from torch import Tensor

from labs.models import LanguageModel


def words_twice(language: LanguageModel, draw: Random, *, n_rows: int, n_words: int) -> Tensor:
    """Rows of different words, each row twice in succession: (n_rows, 1 + 2 · n_words)."""
    rows = [draw.sample(words_of(language), n_words) for _ in range(n_rows)]
    return torch.tensor([[language.begin, *row, *row] for row in rows])


@lru_cache(maxsize=1)
def words_of(language: LanguageModel) -> list[int]:
    """Tokens that are a word with the space before it, in small letters."""
    pieces = language.tokenizer.pieces(range(len(language.tokenizer)))
    return [token for token, piece in enumerate(pieces) if re.fullmatch("·[a-z]{4,}", piece)]
