"""Rows of fair bits, and four places in them that are found by distance or by a mark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Generator, Tensor

Places: TypeAlias = Literal["offsets", "marks"]

N_PLACES = 4
OFFSETS = (1, 4, 9, 14)
MARKS = ("▲", "●", "■", "◆")
FIRST_ASKED = max(OFFSETS)
"""From this position on every place exists."""
VOCAB_SIZE = 2 * (1 + len(MARKS))
"""A token is its bit, plus twice the number of its mark, counted from 1, if it has one."""


@dataclass(frozen=True, slots=True)
class FourPlaces:
    """The same question at every position: which bits stand in the four places?

    "offsets": the tokens 1, 4, 9 and 14 back; all tokens look alike. "marks": the four tokens
    that bear a mark, anywhere among the first 14 of the row.
    """

    places: Places
    seq_len: int

    @property
    def names(self) -> tuple[str, ...]:
        """The places, for a legend."""
        return MARKS if self.places == "marks" else tuple(f"{offset} back" for offset in OFFSETS)

    def draw(self, n_rows: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (n_rows, seq_len), the bits in the four places, and where these stand.

        The last two are (n_rows, seq_len, N_PLACES), an answer for each token, which means
        something from FIRST_ASKED on.
        """
        bits = torch.randint(2, (n_rows, self.seq_len), generator=generator)
        tokens, shape = bits, (n_rows, self.seq_len, N_PLACES)
        if self.places == "marks":
            order = torch.rand(n_rows, FIRST_ASKED, generator=generator).argsort(dim=1)
            marked = order[:, :N_PLACES]  # (n_rows, N_PLACES)
            tokens = bits.scatter_add(
                1, marked, 2 * torch.arange(1, N_PLACES + 1).expand_as(marked)
            )
            sources = marked[:, None].expand(shape)
        else:
            back = torch.arange(self.seq_len)[:, None] - torch.tensor(OFFSETS)
            sources = back.clamp(min=0).expand(shape)
        return tokens, bits[..., None].expand(shape).gather(1, sources), sources
