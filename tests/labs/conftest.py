"""What the tests of the labs share: one thread, and models whose every parameter is random."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Generator, nn

Randomise = Callable[[nn.Module], None]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from threads, and the tests share a small machine."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.fixture
def randomise() -> Randomise:
    """A function that gives every parameter, biases and gains too, a random value.

    Zero biases and unit gains would hide a term that is missing.
    """
    generator = Generator().manual_seed(7)

    def randomise(module: nn.Module) -> None:
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.normal_(std=0.5, generator=generator)

    return randomise
