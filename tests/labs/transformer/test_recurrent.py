from __future__ import annotations

import torch
from torch import Generator, nn

from labs.transformer.recurrent import Gru


def test_it_is_pytorchs_gru() -> None:
    ours = Gru(6, Generator().manual_seed(0))
    theirs = nn.GRU(6, 6, batch_first=True)

    def as_theirs(rows: torch.Tensor) -> torch.Tensor:
        keep, reset, candidate = rows.chunk(3)
        return torch.cat((reset, keep, candidate))  # PyTorch's order

    with torch.no_grad():
        for layer, suffix in ((ours.read, "ih_l0"), (ours.recur, "hh_l0")):
            theirs.get_parameter(f"weight_{suffix}").copy_(as_theirs(layer.weight))
            theirs.get_parameter(f"bias_{suffix}").copy_(as_theirs(layer.bias))
    x = torch.randn(2, 5, 6, generator=Generator().manual_seed(1))
    torch.testing.assert_close(ours(x), theirs(x)[0])
