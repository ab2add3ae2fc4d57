"""Texts of different length as the rows of one tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def padded(
    rows: Sequence[Sequence[int]], padding: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Ids with `padding` behind the shorter rows, and where they are not padding.

    Both are (n_rows, longest row); the second is of bool.
    """
    width = max(map(len, rows))
    ids = [[*row, *[padding] * (width - len(row))] for row in rows]
    visible = [[place < len(row) for place in range(width)] for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(visible, device=device)
