"""Yardsticks of a text: the loss that a predictor of known strength reaches."""

from __future__ import annotations

import torch
from torch import Tensor


def unigram_entropy(tokens: Tensor) -> float:
    """Nats a token for a predictor that knows how frequent each token is and nothing else."""
    return _entropy(torch.bincount(tokens))


def bigram_entropy(tokens: Tensor) -> float:
    """Nats a token for a predictor that knows the frequencies after each preceding token.

    Counted on the text itself, so a little too low: rare pairs look more certain than they are.
    """
    before, after = tokens[:-1], tokens[1:]
    pairs = torch.bincount(before * (int(tokens.max()) + 1) + after)
    return _entropy(pairs) - _entropy(torch.bincount(before))


def _entropy(counts: Tensor) -> float:
    shares = counts[counts > 0].double() / counts.sum()
    return float(-(shares * shares.log()).sum())
