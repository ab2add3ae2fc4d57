"""A lookup with a direction: every token wants another one, and must report what that one holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Generator, Tensor

from labs.transformer.train import UNCOUNTED

Direction: TypeAlias = Literal["ring", "earlier"]


class Wants(NamedTuple):
    """Sequences of tokens, each of which wants another one."""

    tokens: Tensor
    """(n, n_tokens, 3): a token's name, the name of the token that it wants, and its value."""
    answers: Tensor
    """(n, n_tokens): the value, counted from 0, of the token that each wants; or UNCOUNTED."""
    wanted: Tensor
    """(n, n_tokens): the place of the token that each wants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedTask:
    """What the sequences are made of; all names in one sequence differ.

    In a "ring" the first wants a second, that one a third, and so on in random order, until the
    last wants the first: no two of three tokens or more want each other. With "earlier" each wants
    one that stands before it, and the first token, which has nobody to want, is not asked.
    """

    n_names: int
    n_values: int
    n_tokens: int
    direction: Direction = "ring"

    @property
    def vocab_size(self) -> int:
        """Names, names as they are wanted, and values."""
        return 2 * self.n_names + self.n_values

    def draw(self, n: int, generator: Generator) -> Wants:
        """Random sequences."""
        names = torch.rand(n, self.n_names, generator=generator).argsort(dim=1)[:, : self.n_tokens]
        values = torch.randint(self.n_values, (n, self.n_tokens), generator=generator)
        chance = torch.rand(n, self.n_tokens, generator=generator)
        if self.direction == "ring":
            ring = chance.argsort(dim=1)
            wanted = torch.empty_like(ring).scatter_(1, ring, ring.roll(-1, dims=1))
        else:
            wanted = (chance * torch.arange(self.n_tokens)).long()
        answers = values.gather(1, wanted)
        if self.direction == "earlier":
            answers[:, 0] = UNCOUNTED
        symbols = (names, self.n_names + names.gather(1, wanted), 2 * self.n_names + values)
        return Wants(torch.stack(symbols, dim=-1), answers, wanted)

    def batches(self, batch_size: int, generator: Generator) -> Iterator[Wants]:
        """Batches without end."""
        while True:
            yield self.draw(batch_size, generator)
