"""Masked language modelling: some tokens of a sequence are hidden, and they are the targets."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from labs.transformer.train import UNCOUNTED


def choose_hidden(shape: tuple[int, int], share: float, generator: Generator) -> Tensor:
    """Which tokens of each sequence are hidden, (n_sequences, seq_len) bool: each with `share`."""
    return torch.rand(shape, generator=generator) < share


def hide(tokens: Tensor, hidden: Tensor, mask_token: int) -> tuple[Tensor, Tensor]:
    """The sequences with `mask_token` in the hidden places, and the tokens to be found there.

    All are (n_sequences, seq_len); a target that is not hidden is UNCOUNTED.
    """
    return tokens.masked_fill(hidden, mask_token), tokens.masked_fill(~hidden, UNCOUNTED)
