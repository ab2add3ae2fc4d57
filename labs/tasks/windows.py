"""Sequences cut from a long text: the next token is the target at every position."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor


def random_windows(
    tokens: Tensor, *, batch_size: int, seq_len: int, generator: Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches without end, each of windows that begin anywhere: (batch_size, seq_len) each."""
    offsets = torch.arange(seq_len + 1)
    while True:
        starts = torch.randint(len(tokens) - seq_len, (batch_size, 1), generator=generator)
        windows = tokens[(starts + offsets).to(tokens.device)]  # (batch_size, seq_len + 1)
        yield windows[:, :-1], windows[:, 1:]


def all_windows(tokens: Tensor, *, seq_len: int) -> tuple[Tensor, Tensor]:
    """The whole text as one batch: windows side by side, each token a target once."""
    n_windows = (len(tokens) - 1) // seq_len
    inputs = tokens[: n_windows * seq_len].view(n_windows, seq_len)
    targets = tokens[1 : n_windows * seq_len + 1].view(n_windows, seq_len)
    return inputs, targets
