"""What models of each kind can be trained on, so that two of them can be compared.

A decoder predicts the next symbol, an encoder finds symbols that are hidden, and an encoder-decoder
writes a row backwards that its encoder reads.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from string import ascii_lowercase
from typing import Literal, TypeAlias

import torch
from torch import Generator, Tensor, nn

from labs.kit.budget import Budget, generator
from labs.tasks import docstrings
from labs.tasks.entropy import bigram_entropy, unigram_entropy
from labs.tasks.hidden_tokens import choose_hidden, hide
from labs.tasks.windows import random_windows
from labs.transformer.config import Kind
from labs.transformer.train import UNCOUNTED, Batch
from studykit.lab.events import Measurement

Material: TypeAlias = Literal["letters", "copying"]
HIDDEN_SHARE = 0.2
"""Of the symbols that an encoder reads; 0.15 in BERT, whose texts are longer."""
N_SYMBOLS = 16
"""Different symbols of the rows to be copied."""
PROMPT = 9
"""Symbols of a row that a decoder continues to show what it writes: in copying, the first copy."""


class Drill:
    """Rows of symbols made into what a model of one kind reads and what it has to answer."""

    def __init__(
        self,
        kind: Kind,
        material: Material,
        budget: Budget,
        *,
        seq_len: int,
        seed: int,
        device: str,
    ) -> None:
        self.kind, self.material = kind, material
        self._budget, self._seed, self._device = budget, seed, device
        self._text = docstrings.load()
        self.n_symbols = self._text.vocab_size if material == "letters" else N_SYMBOLS
        self.seq_len = seq_len
        self.vocab_size = self.n_symbols + (kind != "decoder")
        """One more token starts a text, or hides a symbol."""
        held_out = self._batches(generator(0, "held out"), budget.n_held_out, held_out=True)
        self.held_out: Batch = next(held_out)
        """What the models read, and the answers, (n_held_out, seq_len) each; the same for every
        seed."""

    def batches(self) -> Iterator[Batch]:
        """Batches without end; the same ones at every call."""
        return self._batches(generator(self._seed, "batches"), self._budget.batch_size)

    def yardsticks(self) -> Iterator[Measurement]:
        """Losses of predictors of known strength, in nats a symbol."""
        uniform = math.log(self.n_symbols)
        yield Measurement("uniform_entropy", uniform, "nats", "uniform guess", yardstick=True)
        text = self._text.held_out
        is_text = self.material == "letters"
        no_context = unigram_entropy(text) if is_text else uniform
        label = "no use of the context"
        yield Measurement("no_context", no_context, "nats", label, yardstick=True)
        if is_text and self.kind == "decoder":
            bigram = bigram_entropy(text)
            yield Measurement("bigram_entropy", bigram, "nats", "letter pairs", yardstick=True)

    def spell(self, tokens: Tensor) -> str:
        """Symbols on one line, ``▁`` for the one more."""
        alphabet = docstrings.VOCABULARY if self.material == "letters" else ascii_lowercase
        symbols = [*alphabet.replace("\n", "↵")[: self.n_symbols], "▁"]
        return "".join(symbols[token] for token in tokens.tolist())

    @torch.no_grad()
    def sample(self, model: nn.Module, row: int) -> tuple[str, str]:
        """What a model reads of a held-out row, and what it makes of that, always the likeliest.

        A decoder continues the beginning of the row, an encoder finds what is hidden, and an
        encoder-decoder writes all of it.
        """
        *inputs, _ = (tokens[row : row + 1] for tokens in self.held_out)
        if self.kind == "encoder":
            hidden = inputs[0] == self.n_symbols
            found = torch.where(hidden, likeliest(model(*inputs), self.n_symbols), inputs[0])
            return self.spell(inputs[0][0]), self.spell(found[0])
        read, n_given = (inputs[0], 1) if self.kind == "encoder-decoder" else (None, PROMPT)
        written = inputs[-1][:, :n_given]
        # Without a cache: a model without a mask reads all that is there anew for each symbol.
        while written.shape[1] < self.seq_len:
            logits = model(written) if read is None else model(read, written)
            written = torch.cat((written, likeliest(logits[:, -1:], self.n_symbols)), dim=1)
        if read is None:
            return self.spell(written[0, :n_given]), self.spell(written[0, n_given:])
        return self.spell(read[0]), self.spell(written[0, 1:])

    def _batches(
        self, symbols: Generator, n_rows: int, *, held_out: bool = False
    ) -> Iterator[Batch]:
        for rows in self._rows(symbols, n_rows, held_out=held_out):
            batch = self._as_asked(rows, symbols)
            yield tuple(tokens.to(self._device) for tokens in batch)

    def _rows(self, symbols: Generator, n_rows: int, *, held_out: bool) -> Iterator[Tensor]:
        """Rows of symbols, (n_rows, seq_len), for a decoder one symbol longer."""
        length = self.seq_len + (self.kind == "decoder")
        if self.material == "copying":
            n_first = length if self.kind == "encoder-decoder" else -(-length // 2)
            while True:
                first = torch.randint(N_SYMBOLS, (n_rows, n_first), generator=symbols)
                yield first.repeat(1, 2)[:, :length]
        text = self._text.held_out if held_out else self._text.train
        # An encoder reads two pieces of text, as BERT does.
        n_pieces = 2 if self.kind == "encoder" else 1
        windows = random_windows(
            text, batch_size=n_pieces * n_rows, seq_len=length // n_pieces, generator=symbols
        )
        for inputs, _ in windows:
            yield inputs.reshape(n_rows, length)

    def _as_asked(self, rows: Tensor, symbols: Generator) -> Batch:
        if self.kind == "decoder":
            inputs, targets = rows[:, :-1], rows[:, 1:].clone()
            if self.material == "copying":  # the first copy cannot be known
                targets[:, : -(-rows.shape[1] // 2) - 1] = UNCOUNTED
            return inputs, targets
        if self.kind == "encoder":
            shape = (rows.shape[0], rows.shape[1])
            return hide(rows, choose_hidden(shape, HIDDEN_SHARE, symbols), self.n_symbols)
        answers = rows.flip(1)
        start = torch.full_like(rows[:, :1], self.n_symbols)
        return rows, torch.cat((start, answers[:, :-1]), dim=1), answers


def likeliest(logits: Tensor, n_symbols: int) -> Tensor:
    """The likeliest symbol, never the one more: (batch, n, vocab_size) -> (batch, n)."""
    return logits[..., :n_symbols].argmax(dim=-1)
