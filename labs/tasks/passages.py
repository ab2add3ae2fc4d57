"""Passages of ordinary English for a trained model to read: docstrings, another set for each seed.

They differ between versions of Python, and a model may have seen them in training. Compare what a
model does to the same passages with and without an intervention, not losses of two machines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from labs.tasks.docstrings import different_docstrings, source_files

SOURCE = "docstrings of Python's standard library"
PER_FILE = 2
"""Passages taken from one module, so that a handful of them has as many subjects."""


def passages(seed: int, *, min_characters: int = 0, folder: Path | None = None) -> Iterator[str]:
    """Docstrings of at least `min_characters`, in an order that `seed` decides.

    A module is parsed when its turn comes: take as many passages as are needed. `folder` holds
    the source files; without it, the running Python's standard library does. Raises
    FileNotFoundError where an installation carries none.
    """
    shuffle = Random(seed)
    paths = source_files(folder)
    if not paths:
        raise FileNotFoundError(
            "this Python came without the source files of its standard library, which are the text "
            "that is read here: install a Python that has them"
        )
    shuffle.shuffle(paths)
    for path in paths:
        long_enough = [text for text in different_docstrings([path]) if len(text) >= min_characters]
        yield from shuffle.sample(long_enough, min(PER_FILE, len(long_enough)))


def token_rows(
    encode: Callable[[str], Sequence[int]],
    n_sequences: int,
    seq_len: int,
    *,
    seed: int,
    begin: Sequence[int] = (),
    folder: Path | None = None,
) -> Tensor:
    """The beginnings of passages as tokens, all of one length: (n_sequences, seq_len).

    `encode` is the model's tokenizer, and `begin` the tokens that it wants in front of a text.
    Raises ValueError if there are not as many passages of that length.
    """
    encoded = ([*begin, *encode(text)] for text in passages(seed, folder=folder))
    long_enough = (tokens[:seq_len] for tokens in encoded if len(tokens) >= seq_len)
    rows = list(islice(long_enough, n_sequences))
    if len(rows) < n_sequences:
        raise ValueError(f"passages of {seq_len} tokens: {len(rows)}, and {n_sequences} are needed")
    return torch.tensor(rows)
