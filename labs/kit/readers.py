"""Models that report the bits in four places, and which of the places they have learned to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy

import torch
from torch import Generator, Tensor, nn

from labs.kit.budget import Budget, generator
from labs.tasks.four_places import FIRST_ASKED, N_PLACES, VOCAB_SIZE, FourPlaces, Places
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.probes import attention_weights
from labs.transformer.train import UNCOUNTED, Batch

SEQ_LEN = 32
READ = 0.95
"""Share of right answers above which a place is read; half of them are right by guessing."""


class Reader(nn.Module):
    """One transformer layer that answers, at every position, with a bit for each place."""

    def __init__(self, n_heads: int, weights: Generator) -> None:
        super().__init__()
        config = TransformerConfig(
            vocab_size=VOCAB_SIZE,
            seq_len=SEQ_LEN,
            n_layers=1,
            n_heads=n_heads,
            d_ff=32,
            positions="rope",
        )
        self.transformer = Transformer(config, weights)

    def forward(self, tokens: Tensor) -> Tensor:
        # (batch, seq_len) -> (batch, seq_len, N_PLACES, 2); the vocabulary has two logits to spare
        logits = self.transformer(tokens)[..., : 2 * N_PLACES]
        answers: Tensor = logits.unflatten(-1, (N_PLACES, 2))
        return answers

    @property
    def attention(self) -> MultiHeadAttention:
        """The layer's attention."""
        attention = self.transformer.blocks[0].attention
        assert isinstance(attention, MultiHeadAttention)
        return attention

    def without(self, head: int) -> Reader:
        """A copy in which this head puts out nothing."""
        other = deepcopy(self)
        out = other.attention.out.weight
        with torch.no_grad():
            # The output matrix reads each head from columns of its own.
            out.view(len(out), self.attention.n_heads, -1)[:, head] = 0.0
        return other


class Question:
    """One seed's sequences: to train on, and to be judged on."""

    def __init__(self, places: Places, budget: Budget, *, seed: int, device: str) -> None:
        self._task, self._budget = FourPlaces(places, SEQ_LEN), budget
        self._seed, self._device = seed, device
        self.names = self._task.names
        """The four places, for a legend."""
        tokens, targets, sources = self._draw(budget.n_held_out, generator(seed, "held out"))
        self.held_out: Batch = (tokens, targets)
        """Tokens, and the four bits to answer with at each position."""
        self._sources = sources

    def _draw(self, n_rows: int, bits: Generator) -> tuple[Tensor, Tensor, Tensor]:
        tokens, targets, sources = self._task.draw(n_rows, bits)
        targets[:, :FIRST_ASKED] = UNCOUNTED  # not every place exists yet
        return tokens.to(self._device), targets.to(self._device), sources.to(self._device)

    def batches(self) -> Iterator[Batch]:
        """Batches without end, each drawn anew; the same ones at every call."""
        bits = generator(self._seed, "batches")
        while True:
            yield self._draw(self._budget.batch_size, bits)[:2]

    def attention_to_places(self, reader: Reader) -> list[list[float]]:
        """How much of its attention each head gives to each place, and to all else."""
        weights = attention_weights(reader, reader.attention, self.held_out[0])[:, :, FIRST_ASKED:]
        # weights: (batch, n_heads, asked, seq_len); sources: (batch, seq_len, N_PLACES)
        index = self._sources[:, None, FIRST_ASKED:].expand(-1, weights.shape[1], -1, -1)
        at_places = weights.gather(-1, index).mean(dim=(0, 2))  # (n_heads, N_PLACES)
        shares: list[list[float]] = torch.cat(
            (at_places, 1 - at_places.sum(dim=1, keepdim=True)), dim=1
        ).tolist()
        return shares


@torch.no_grad()
def right_answers(reader: Reader, batch: Batch) -> list[float]:
    """Share of right answers for each place."""
    tokens, targets = batch
    right = (reader(tokens).argmax(dim=-1) == targets)[:, FIRST_ASKED:]
    shares: list[float] = right.float().mean(dim=(0, 1)).tolist()  # (N_PLACES,)
    return shares


def n_read(shares: Sequence[float]) -> int:
    """How many places are read."""
    return sum(share > READ for share in shares)
