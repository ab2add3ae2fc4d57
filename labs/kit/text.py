"""Predicting the next letter of the standard library's docstrings."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from labs.kit.budget import Budget, generator
from labs.tasks import docstrings
from labs.tasks.entropy import bigram_entropy, unigram_entropy
from labs.tasks.windows import all_windows, random_windows
from labs.transformer.train import Batch
from studykit.lab.events import Measurement


class Letters:
    """Text to train on, text to be judged on, and what simple predictors lose on the latter."""

    def __init__(self, budget: Budget, *, seq_len: int, seed: int, device: str) -> None:
        text = docstrings.load()
        self.source = docstrings.SOURCE
        self.vocab_size = text.vocab_size
        self._train, self._held_out = text.train.to(device), text.held_out
        self._budget, self._seq_len, self._seed = budget, seq_len, seed
        inputs, targets = all_windows(text.held_out, seq_len=seq_len)
        # The same sequences for every seed, from all over the text: what the yardsticks count.
        chosen = torch.randperm(len(inputs), generator=generator(0, "held out"))
        chosen = chosen[: budget.n_held_out]
        self.held_out: Batch = (inputs[chosen].to(device), targets[chosen].to(device))
        """Letters and the letters after them, (n_held_out, seq_len) each."""
        self.probe: Batch = (self.held_out[0][:64], self.held_out[1][:64])
        """The first 64 of the held-out sequences, to look inside a model with."""

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches without end, (batch_size, seq_len) each; the same ones at every call."""
        return random_windows(
            self._train,
            batch_size=self._budget.batch_size,
            seq_len=self._seq_len,
            generator=generator(self._seed, "batches"),
        )

    def yardsticks(self) -> Iterator[Measurement]:
        """Losses of predictors of known strength on the whole held-out text, in nats a letter."""
        for name, value, label in (
            ("uniform_entropy", math.log(self.vocab_size), "uniform guess"),
            ("unigram_entropy", unigram_entropy(self._held_out), "letter frequencies"),
            ("bigram_entropy", bigram_entropy(self._held_out), "letter pairs"),
        ):
            yield Measurement(name, value, "nats", label, yardstick=True)
