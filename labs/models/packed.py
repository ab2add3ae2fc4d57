"""Layers whose matrices stay as their file packs them, and are unpacked whenever they are used.

A matrix of 4-bit numbers takes 5 bits a number so, and 32 once it is unpacked. Unpacking takes
the same time for one token as for a thousand: it costs little beside a long batch, and far more
than all else where tokens come one by one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labs.models.blocks import BLOCKS, unpack

MOST_NUMBERS = 1 << 22
"""That are unpacked at a time: 16 MiB."""


class Packed(nn.Module):
    """A matrix in blocks of one kind.

    `rows` are its bytes, (n_rows, bytes of a row), which may be the file's own memory; `kind` is
    a key of `blocks.BLOCKS`.
    """

    rows: Tensor

    def __init__(self, rows: Tensor, kind: int) -> None:
        super().__init__()
        self.register_buffer("rows", rows, persistent=False)
        self.kind = kind

    @property
    def shape(self) -> tuple[int, int]:
        """Of the matrix, (n_rows, n_columns)."""
        n_numbers, n_bytes = BLOCKS[self.kind]
        return len(self.rows), self.rows.shape[1] // n_bytes * n_numbers

    @property
    def weight(self) -> Tensor:
        """The whole matrix, unpacked anew each time it is asked for."""
        return self.unpacked(self.rows)

    def unpacked(self, rows: Tensor) -> Tensor:
        """Some of the rows, (n, bytes of a row), as numbers: (n, n_columns)."""
        return unpack(rows.flatten(), self.kind).view(len(rows), -1)


class PackedLinear(Packed):
    """``x Wᵀ``, a few rows of W at a time."""

    def forward(self, x: Tensor) -> Tensor:
        # (…, n_in) -> (…, n_out)
        at_a_time = max(1, MOST_NUMBERS // x.shape[-1])
        parts = [F.linear(x, self.unpacked(rows)) for rows in torch.split(self.rows, at_a_time)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


class PackedEmbedding(Packed):
    """A row for each token; only these rows are unpacked."""

    def forward(self, tokens: Tensor) -> Tensor:
        # (…) -> (…, d_model)
        return self.unpacked(self.rows[tokens.flatten()]).view(*tokens.shape, -1)


def pack(model: nn.Module, name: str, rows: Tensor, kind: int) -> None:
    """Let a packed matrix take the place of a linear layer without a bias, or of an embedding.

    Raises ValueError if it has another shape than the layer's own.
    """
    layer = model.get_submodule(name)
    packed = (PackedEmbedding if isinstance(layer, nn.Embedding) else PackedLinear)(rows, kind)
    wanted = tuple(layer.get_parameter("weight").shape)
    if packed.shape != wanted:
        raise ValueError(f"{name} has the shape {packed.shape}, and the model's has {wanted}")
    parent, _, own = name.rpartition(".")
    setattr(model.get_submodule(parent), own, packed)
