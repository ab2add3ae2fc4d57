"""Languages made by a rule, whose entropy is known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor


@dataclass(frozen=True, slots=True)
class MarkovLanguage:
    """Each token is drawn from a distribution that only the token before it decides.

    ``transitions[before, after]`` is the probability of `after`; rows add up to 1.
    """

    transitions: Tensor
    """(vocab_size, vocab_size), double precision."""

    @property
    def stationary(self) -> Tensor:
        """Share of each token in an endless text: what a transition leaves as it is."""
        # The squared matrix takes two steps at once; forty squarings take 2⁴⁰ steps.
        steps = self.transitions
        for _ in range(40):
            steps = steps @ steps
            steps = steps / steps.sum(dim=1, keepdim=True)
        return steps.mean(dim=0)  # (vocab_size,)

    @property
    def entropy_rate(self) -> float:
        """Nats a token that no predictor can do without."""
        per_token = torch.special.entr(self.transitions).sum(dim=1)  # (vocab_size,)
        return float(self.stationary @ per_token)

    @property
    def unigram_entropy(self) -> float:
        """Nats a token for a predictor that knows the shares of the tokens only."""
        return float(torch.special.entr(self.stationary).sum())

    def sample(self, n_sequences: int, seq_len: int, generator: Generator) -> Tensor:
        """Independent texts that begin anywhere in the language: (n_sequences, seq_len)."""
        tokens = torch.empty(n_sequences, seq_len, dtype=torch.long)
        tokens[:, 0] = torch.multinomial(
            self.stationary, n_sequences, replacement=True, generator=generator
        )
        for place in range(1, seq_len):
            after = self.transitions[tokens[:, place - 1]]  # (n_sequences, vocab_size)
            tokens[:, place] = torch.multinomial(after, 1, generator=generator)[:, 0]
        return tokens


def build_markov_language(
    vocab_size: int, *, spread: float, generator: Generator
) -> MarkovLanguage:
    """A random language; a larger `spread` makes tokens more alike in what follows them.

    Each row is a softmax of normal numbers divided by `spread`.
    """
    logits = torch.randn(vocab_size, vocab_size, generator=generator, dtype=torch.double)
    return MarkovLanguage(torch.softmax(logits / spread, dim=1))
