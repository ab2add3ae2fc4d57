"""Associative recall: cells that each hold a value under a name, and a question for one name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor


class Questions(NamedTuple):
    """Sequences, each of which ends with a question that one of its cells answers."""

    tokens: Tensor
    """(n, seq_len, 2): what each token is called, and what it holds."""
    answers: Tensor
    """(n,): the value, counted from 0, in the cell that is asked for."""
    distances: Tensor
    """(n,): how many tokens that cell stands before the question."""

    def to(self, device: str) -> Questions:
        """The same questions on `device`."""
        return Questions(*(tensor.to(device) for tensor in self))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecallTask:
    """What the questions are made of.

    A token is a pair of symbols. A cell is called by its name and holds a value, a filler is
    called by one of its own names and holds nothing, and the last token asks for a name. The
    names of a sequence's cells differ, so that the answer is never in doubt.
    """

    n_names: int
    n_values: int
    n_cells: int
    n_fillers: int = 0
    n_filler_names: int = 8
    nearest: int = 1
    """How many tokens before the question a cell stands at least."""

    def __post_init__(self) -> None:
        if self.n_cells > self.n_names:
            raise ValueError(
                f"n_cells is {self.n_cells} and n_names is {self.n_names}: "
                "give as many names as cells, since no two cells share one"
            )
        if self.nearest > self.n_fillers + 1:
            raise ValueError(
                f"nearest is {self.nearest} and n_fillers is {self.n_fillers}: "
                "give fillers for all the places that no cell may take"
            )

    @property
    def seq_len(self) -> int:
        """Cells, fillers and the question."""
        return self.n_cells + self.n_fillers + 1

    @property
    def asked(self) -> int:
        """Symbol that asks for the first name; the other names follow in order."""
        return self.n_names

    @property
    def first_value(self) -> int:
        """Symbol of the first value; the other values follow in order."""
        return 2 * self.n_names + self.n_filler_names

    @property
    def nothing(self) -> int:
        """Symbol of what fillers and questions hold."""
        return self.first_value + self.n_values

    @property
    def vocab_size(self) -> int:
        """Symbols in all."""
        return self.nothing + 1

    def draw(self, n: int, generator: Generator) -> Questions:
        """Random sequences. Short distances are as frequent as long ones, octave by octave.

        A distance d, `nearest` or more, is drawn with a probability in proportion to 1/d, without
        replacement.
        """
        row = torch.arange(n)
        closeness = 1 / torch.arange(1, self.seq_len)  # (seq_len - 1,), by distance - 1
        closeness[: self.nearest - 1] = 0
        distances = 1 + torch.multinomial(
            closeness.expand(n, -1), self.n_cells, generator=generator
        )  # (n, n_cells)
        names = torch.rand(n, self.n_names, generator=generator).argsort(dim=1)[:, : self.n_cells]
        values = torch.randint(self.n_values, (n, self.n_cells), generator=generator)
        chosen = torch.randint(self.n_cells, (n,), generator=generator)

        fillers = torch.randint(self.n_filler_names, (n, self.seq_len), generator=generator)
        called = 2 * self.n_names + fillers
        held = torch.full_like(called, self.nothing)
        places = self.seq_len - 1 - distances
        called[row[:, None], places] = names
        held[row[:, None], places] = self.first_value + values
        called[:, -1] = self.asked + names[row, chosen]
        tokens = torch.stack((called, held), dim=-1)
        return Questions(tokens, values[row, chosen], distances[row, chosen])

    def batches(self, batch_size: int, generator: Generator) -> Iterator[Questions]:
        """Batches without end."""
        while True:
            yield self.draw(batch_size, generator)
