from __future__ import annotations

import pytest
import torch

from labs.core import parallel as lab


def test_the_longest_chain_takes_the_longer_way() -> None:
    x = torch.ones(2, requires_grad=True)
    assert lab.longest_chain(x.exp()) == 2  # the gradient arrives at x after exp
    short, long = x.exp(), x.exp().exp().exp()
    assert lab.longest_chain(short + long) == 5
    assert lab.longest_chain(long + short) == 5
    shared = x.exp()
    assert lab.longest_chain(shared * shared) == 3  # not one after the other


def test_a_long_chain_is_followed_without_recursion() -> None:
    out = torch.ones(1, requires_grad=True)
    for _ in range(3000):
        out = out * 2
    assert lab.longest_chain(out) == 3001


@pytest.mark.parametrize("n_tokens", [1, 5])
def test_what_is_written_is_read_before_the_next_token(n_tokens: int) -> None:
    """A layer that sums up what it reads doubles the sum with every token."""
    written = lab.write(lambda x: x.cumsum(dim=1), torch.ones(1, n_tokens, 1))
    assert written.flatten().tolist() == [2**n for n in range(n_tokens)]
