from __future__ import annotations

import torch
from torch import Generator

from labs.tasks.hidden_tokens import choose_hidden, hide
from labs.transformer.train import UNCOUNTED


def test_a_hidden_token_is_a_target_and_no_other_is() -> None:
    tokens = torch.arange(12).view(3, 4)
    hidden = torch.tensor([[True, False, False, True], [False] * 4, [True] * 4])

    inputs, targets = hide(tokens, hidden, 99)

    assert inputs.tolist() == [[99, 1, 2, 99], [4, 5, 6, 7], [99] * 4]
    assert targets.tolist() == [
        [0, UNCOUNTED, UNCOUNTED, 3],
        [UNCOUNTED] * 4,
        [8, 9, 10, 11],
    ]


def test_each_token_is_hidden_with_the_given_share() -> None:
    hidden = choose_hidden((2000, 10), 0.2, Generator().manual_seed(0))

    assert hidden.shape == (2000, 10)
    assert 0.17 < float(hidden.float().mean(dim=0).min()) <= float(hidden.float().mean()) < 0.21
