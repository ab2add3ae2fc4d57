from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.testing import assert_close

from labs.kernels.cross_entropy import chunked_cross_entropy


def inputs(spread: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Seven tokens and a vocabulary of 30, in float64."""
    generator = Generator().manual_seed(0)
    hidden = spread * torch.randn(7, 5, dtype=torch.float64, generator=generator)
    unembedding = torch.randn(30, 5, dtype=torch.float64, generator=generator)
    targets = torch.tensor([0, 29, 4, 4, 11, 28, 7])
    return hidden.requires_grad_(), unembedding.requires_grad_(), targets


@pytest.mark.parametrize("chunk", [1, 7, 16, 29, 30, 100])
@pytest.mark.parametrize("spread", [1.0, 1000.0])
def test_loss_and_gradients_are_those_of_all_logits(chunk: int, spread: float) -> None:
    """At the larger spread, exp of a logit is far beyond any number format."""
    hidden, unembedding, targets = inputs(spread)
    full = F.cross_entropy(hidden @ unembedding.T, targets)
    chunked = chunked_cross_entropy(hidden, unembedding, targets, chunk=chunk)
    assert_close(chunked, full, rtol=1e-12, atol=1e-12)
    expected = torch.autograd.grad(3 * full, (hidden, unembedding))
    found = torch.autograd.grad(3 * chunked, (hidden, unembedding))
    assert_close(found, expected, rtol=1e-9, atol=1e-10)


def test_a_second_derivative_is_refused() -> None:
    hidden, unembedding, targets = inputs()
    loss = chunked_cross_entropy(hidden, unembedding, targets, chunk=8)
    (gradient,) = torch.autograd.grad(loss, hidden, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(gradient.sum(), hidden)
