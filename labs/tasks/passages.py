"""Passages of ordinary English for a trained model to read: docstrings, another set for each seed.

A model may have seen them in training. Compare what it does to the same passages with and without
an intervention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from random import Random

import torch
from torch import Tensor

from labs.tasks.docstrings import docstrings_by_module

SOURCE = "docstrings of Python's standard library"
PER_MODULE = 2
"""Passages taken from one module, so that a handful of them has as many subjects."""


def passages(seed: int, *, min_characters: int = 0) -> Iterator[str]:
    """Docstrings of at least `min_characters`, in an order that `seed` decides."""
    shuffle = Random(seed)
    modules = list(docstrings_by_module().values())
    shuffle.shuffle(modules)
    for texts in modules:
        long_enough = [text for text in texts if len(text) >= min_characters]
        yield from shuffle.sample(long_enough, min(PER_MODULE, len(long_enough)))


def token_rows(
    encode: Callable[[str], Sequence[int]],
    n_sequences: int,
    seq_len: int,
    *,
    seed: int,
    begin: Sequence[int] = (),
) -> Tensor:
    """The beginnings of passages as tokens, all of one length: (n_sequences, seq_len).

    `encode` is the model's tokenizer, and `begin` the tokens that it wants in front of a text.
    Raises ValueError if there are not as many passages of that length.
    """
    encoded = ([*begin, *encode(text)] for text in passages(seed))
    long_enough = (tokens[:seq_len] for tokens in encoded if len(tokens) >= seq_len)
    rows = list(islice(long_enough, n_sequences))
    if len(rows) < n_sequences:
        raise ValueError(f"passages of {seq_len} tokens: {len(rows)}, and {n_sequences} are needed")
    return torch.tensor(rows)
