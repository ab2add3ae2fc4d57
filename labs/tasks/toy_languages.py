"""Languages made by a rule, whose entropy is known exactly."""

from __future__ import annotations

from collections.abc import Sequence
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

    def beliefs(self, tokens: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """What is known of each token from those to its left, and from those on both sides.

        Exact, by the forward-backward algorithm: no predictor does better. `tokens` and `hidden`
        are (n_sequences, seq_len), and tokens are used where they are not hidden; both results
        are probabilities, (n_sequences, seq_len, vocab_size).
        """
        vocab_size = len(self.transitions)
        shown = torch.nn.functional.one_hot(tokens, vocab_size).double()
        evidence = torch.where(hidden[..., None], 1.0, shown)
        left, right = torch.empty_like(evidence), torch.ones_like(evidence)
        left[:, 0] = self.stationary
        for place in range(1, tokens.shape[1]):
            left[:, place] = _shares(left[:, place - 1] * evidence[:, place - 1]) @ self.transitions
        for place in range(tokens.shape[1] - 2, -1, -1):
            after = right[:, place + 1] * evidence[:, place + 1]
            right[:, place] = _shares(after @ self.transitions.T)
        return left, _shares(left * right)


def _shares(weights: Tensor) -> Tensor:
    """Non-negative weights, scaled so that the last axis adds up to 1."""
    return weights / weights.sum(dim=-1, keepdim=True)


def build_markov_language(
    vocab_size: int, *, spread: float, generator: Generator
) -> MarkovLanguage:
    """A random language; a larger `spread` makes tokens more alike in what follows them.

    Each row is a softmax of normal numbers divided by `spread`.
    """
    logits = torch.randn(vocab_size, vocab_size, generator=generator, dtype=torch.double)
    return MarkovLanguage(torch.softmax(logits / spread, dim=1))


def build_successor_language(
    vocab_size: int, shares: Sequence[float], generator: Generator
) -> MarkovLanguage:
    """A random language in which each token has a few successors, with these probabilities.

    Which tokens they are is drawn anew for each token; `shares` add up to 1.
    """
    successors = torch.rand(vocab_size, vocab_size, generator=generator).argsort(dim=1)
    transitions = torch.zeros(vocab_size, vocab_size, dtype=torch.double)
    shares_of_each = torch.tensor(shares, dtype=torch.double).expand(vocab_size, -1)
    transitions.scatter_(1, successors[:, : len(shares)], shares_of_each)
    return MarkovLanguage(transitions)
