from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from labs.transformer.norms import LayerNorm

Randomise = Callable[[nn.Module], None]


def test_layer_norm_equals_torch(randomise: Randomise) -> None:
    ours, theirs = LayerNorm(12), nn.LayerNorm(12)
    randomise(ours)
    with torch.no_grad():
        theirs.weight.copy_(ours.gain)
        theirs.bias.copy_(ours.bias)
    x = 3 + 5 * torch.randn(2, 4, 12, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)


def test_a_token_is_normalised_without_looking_at_the_others() -> None:
    norm = LayerNorm(12)
    x = torch.randn(1, 4, 12, generator=torch.Generator().manual_seed(0))
    changed = x.clone()
    changed[0, 1:] *= 100
    torch.testing.assert_close(norm(x)[0, 0], norm(changed)[0, 0], atol=0, rtol=0)
