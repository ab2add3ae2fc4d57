from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from labs.transformer.norms import LayerNorm, RMSNorm

Randomise = Callable[[nn.Module], None]


def test_layer_norm_equals_torch(randomise: Randomise) -> None:
    ours, theirs = LayerNorm(12), nn.LayerNorm(12)
    randomise(ours)
    with torch.no_grad():
        theirs.weight.copy_(ours.gain)
        theirs.bias.copy_(ours.bias)
    x = 3 + 5 * torch.randn(2, 4, 12, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)


def test_rms_norm_divides_by_the_root_mean_square(randomise: Randomise) -> None:
    norm = RMSNorm(12, eps=0.5)
    randomise(norm)
    x = 3 + torch.randn(2, 4, 12, generator=torch.Generator().manual_seed(0))
    expected = norm.gain * x / (x.square().mean(dim=-1, keepdim=True) + 0.5).sqrt()
    torch.testing.assert_close(norm(x), expected)


def test_a_token_is_normalised_without_looking_at_the_others() -> None:
    norm = LayerNorm(12)
    x = torch.randn(1, 4, 12, generator=torch.Generator().manual_seed(0))
    changed = x.clone()
    changed[0, 1:] *= 100
    torch.testing.assert_close(norm(x)[0, 0], norm(changed)[0, 0], atol=0, rtol=0)
