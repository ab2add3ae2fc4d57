from __future__ import annotations

import torch
from torch import Generator

from labs.tasks.windows import all_windows, random_windows


def test_every_target_is_the_token_after_its_input() -> None:
    windows = random_windows(
        torch.arange(100), batch_size=50, seq_len=8, generator=Generator().manual_seed(0)
    )
    inputs, targets = next(windows)
    assert inputs.shape == targets.shape == (50, 8)
    assert torch.equal(targets, inputs + 1)
    assert len(set(inputs[:, 0].tolist())) > 20


def test_windows_reach_both_ends_of_the_text() -> None:
    windows = random_windows(
        torch.arange(6), batch_size=200, seq_len=4, generator=Generator().manual_seed(0)
    )
    inputs, targets = next(windows)
    assert inputs.min() == 0
    assert targets.max() == 5


def test_the_generator_decides_the_order() -> None:
    first, again, other = (
        next(
            random_windows(
                torch.arange(100), batch_size=4, seq_len=8, generator=Generator().manual_seed(seed)
            )
        )[0]
        for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_all_windows_ask_for_every_token_once() -> None:
    inputs, targets = all_windows(torch.arange(21), seq_len=5)
    assert inputs.flatten().tolist() == list(range(20))
    assert targets.flatten().tolist() == list(range(1, 21))
    inputs, _ = all_windows(torch.arange(20), seq_len=5)  # the 20th has no window of its own
    assert len(inputs) == 3
