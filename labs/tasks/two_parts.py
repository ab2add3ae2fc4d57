"""Inputs of two parts, and one marked token: in which part does it stand?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor

N_WORDS = 8
"""Ordinary tokens, 0 … 7, which tell nothing."""
CLS, MARK, SEP = N_WORDS, N_WORDS + 1, N_WORDS + 2
VOCAB_SIZE = N_WORDS + 3
SHORTEST = 2
"""Tokens of the shortest part."""


class Inputs(NamedTuple):
    """Inputs that begin with [CLS], each with an ordinary token or with [SEP] at its boundary."""

    unmarked: Tensor
    """(n, seq_len): the boundary is an ordinary token."""
    separated: Tensor
    """(n, seq_len): the same with [SEP] there."""
    segments: Tensor
    """(n, seq_len): 0 up to the boundary, 1 after it."""
    answers: Tensor
    """(n,): 1 if the marked token stands after the boundary."""


@dataclass(frozen=True, slots=True)
class TwoParts:
    """Two parts of at least SHORTEST tokens each, with one token as the boundary between them.

    Each boundary is as likely as any other, and so is each place of the marked token.
    """

    n_tokens: int
    """Tokens of both parts and the boundary, without [CLS]."""

    @property
    def seq_len(self) -> int:
        """Tokens of an input, with [CLS]."""
        return self.n_tokens + 1

    def draw(self, n: int, generator: Generator) -> Inputs:
        """Random inputs."""
        row, shape = torch.arange(n), (n, self.n_tokens)
        tokens = torch.randint(N_WORDS, shape, generator=generator)
        boundary = torch.randint(
            SHORTEST, self.n_tokens - SHORTEST, (n,), generator=generator
        )  # place in the parts, from 0
        marked = torch.randint(self.n_tokens - 1, (n,), generator=generator)
        marked += marked >= boundary  # never on the boundary
        tokens[row, marked] = MARK
        separated = tokens.clone()
        separated[row, boundary] = SEP
        segments = (torch.arange(self.n_tokens) > boundary[:, None]).long()
        first = torch.full((n, 1), CLS)
        return Inputs(
            torch.cat((first, tokens), dim=1),
            torch.cat((first, separated), dim=1),
            torch.cat((torch.zeros_like(first), segments), dim=1),
            (marked > boundary).long(),
        )

    @property
    def best_unmarked(self) -> float:
        """Share of right answers of whoever sees the marked token's place and no boundary."""
        boundaries = torch.arange(SHORTEST, self.n_tokens - SHORTEST)
        places = torch.arange(self.n_tokens)[:, None]
        after, before = (places > boundaries).sum(dim=1), (places < boundaries).sum(dim=1)
        n_cases = len(boundaries) * (self.n_tokens - 1)
        return float(torch.maximum(after, before).sum() / n_cases)
