"""Docstrings of Python's standard library: plain English to learn from, alike with every Python.

They change with its versions, and a claim near its limit turns with them. So those of one version
travel with the course: all read the same text, with which the results were recorded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain
from pathlib import Path

import torch
from torch import Tensor

VOCABULARY = "\n" + "".join(chr(code) for code in range(32, 127))
"""Printable ASCII and the line break; the token of a character is its place here."""
_TOKENS = {character: token for token, character in enumerate(VOCABULARY)}
SOURCE = "docstrings of Python 3.11"
"""For people: what the text is."""
N_CHARACTERS = 240_000
HELD_OUT_EVERY = 6
"""One docstring in so many is held out."""
_PATH = Path(__file__).resolve().parents[2] / "data" / "docstrings.json"
_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True)
class Text:
    """Tokens to train on and tokens to be judged on; no docstring gives to both."""

    train: Tensor
    """(n_tokens,)"""
    held_out: Tensor
    """(n_tokens,)"""

    @property
    def vocab_size(self) -> int:
        """Number of different tokens that may occur."""
        return len(VOCABULARY)


@lru_cache(maxsize=1)
def docstrings_by_module() -> Mapping[str, Sequence[str]]:
    """Module -> its docstrings, each once; the public modules in alphabetical order."""
    found: dict[str, list[str]] = json.loads(_PATH.read_text(encoding="utf-8"))
    return found


@lru_cache(maxsize=1)
def load() -> Text:
    """The first `N_CHARACTERS` of the docstrings; one that several modules have counts once."""
    texts = list(dict.fromkeys(chain.from_iterable(docstrings_by_module().values())))
    ends = accumulate(len(text) + len(_BETWEEN) for text in texts)
    n_texts = 1 + next(n for n, end in enumerate(ends) if end >= N_CHARACTERS)
    parts: tuple[list[str], list[str]] = ([], [])
    for number, text in enumerate(texts[:n_texts]):
        parts[number % HELD_OUT_EVERY == 0].append(text)
    return Text(*(encode(_BETWEEN.join(part)) for part in parts))


def encode(text: str) -> Tensor:
    """The tokens of a text; characters outside the vocabulary are left out."""
    return torch.tensor([_TOKENS[character] for character in text if character in _TOKENS])


def decode(tokens: Tensor) -> str:
    """The text of some tokens."""
    return "".join(VOCABULARY[token] for token in tokens.tolist())
