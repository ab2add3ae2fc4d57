"""Sources to be written backwards, in a case that depends on the whole source."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor


@dataclass(frozen=True, slots=True)
class MirrorWriting:
    """Rows of random letters, written backwards, in capitals if they occur more than once.

    `cabbage` becomes `egABBAc`. Small letters are the tokens 0 … n_symbols - 1, their capitals
    follow, and the last token starts a text.
    """

    n_letters: int
    n_symbols: int

    @property
    def vocab_size(self) -> int:
        """Small letters, capitals and the start."""
        return 2 * self.n_symbols + 1

    def draw(self, n_sources: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Sources, what has been written before each symbol, and the symbol to write.

        (n_sources, n_letters) each. Every letter of a source is equally likely everywhere.
        """
        source = torch.randint(self.n_symbols, (n_sources, self.n_letters), generator=generator)
        occurrences = (source[:, :, None] == source[:, None, :]).sum(dim=-1)
        answers = (source + self.n_symbols * (occurrences > 1)).flip(1)
        start = torch.full((n_sources, 1), self.vocab_size - 1)
        return source, torch.cat((start, answers[:, :-1]), dim=1), answers

    def spell(self, tokens: Tensor) -> list[str]:
        """The tokens of one row as letters, a b c … and A B C …"""
        small = [chr(ord("a") + letter) for letter in range(self.n_symbols)]
        symbols = [*small, *map(str.upper, small)]
        return [symbols[token] for token in tokens.tolist()]
