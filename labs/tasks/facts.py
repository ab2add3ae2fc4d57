"""Facts to learn by heart: a subject and a relation, and what they go with.

The answers are drawn at random, so nothing but the fact itself tells them: a model that knows
none of them is left with a uniform guess. What differs is how often a fact is met. "Zipf": the
fact of rank r in proportion to r^-1.2, as words of a language are; "uniform": each as often as any
other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import torch
from torch import Generator, Tensor

from labs.transformer.train import UNCOUNTED, Batch

Frequency: TypeAlias = Literal["zipf", "uniform"]
ZIPF_EXPONENT = 1.2
N_NAMES = 64
"""Subjects, and relations, that there are; a fact has one of each."""
N_ANSWERS = 16
"""Different answers: a guess is right once in sixteen."""


class Facts:
    """`n_facts` facts in the order of their rank, and how often each is met."""

    def __init__(self, n_facts: int, frequency: Frequency, generator: Generator) -> None:
        """Raises ValueError if there are fewer pairs of a subject and a relation than facts."""
        if n_facts > N_NAMES**2:
            raise ValueError(f"{n_facts} facts: there are {N_NAMES**2} pairs of names")
        self.n_facts = n_facts
        pairs = torch.randperm(N_NAMES**2, generator=generator)[:n_facts]
        self.questions = torch.stack((pairs // N_NAMES, pairs % N_NAMES), dim=1)
        """Subject and relation of each fact, (n_facts, 2)."""
        self.answers = torch.randint(N_ANSWERS, (n_facts,), generator=generator)
        """(n_facts,)"""
        ranks = torch.arange(1, n_facts + 1, dtype=torch.double)
        weights = ranks**-ZIPF_EXPONENT if frequency == "zipf" else torch.ones_like(ranks)
        self.frequencies = weights / weights.sum()
        """(n_facts,), adding up to 1."""

    def ask(self, chosen: Tensor) -> Batch:
        """The facts of these ranks as a batch: the answer is asked for after the relation."""
        # chosen: (n_rows,) -> questions, targets: (n_rows, 2)
        answers = self.answers[chosen]
        return self.questions[chosen], torch.stack(
            (torch.full_like(answers, UNCOUNTED), answers), dim=1
        )

    def batches(self, batch_size: int, generator: Generator) -> Iterator[Batch]:
        """Batches without end, facts drawn by their frequencies."""
        while True:
            yield self.ask(
                torch.multinomial(
                    self.frequencies, batch_size, replacement=True, generator=generator
                )
            )
