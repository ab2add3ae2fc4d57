from __future__ import annotations

import time
from functools import partial

import pytest
import torch

from labs.machine.stopwatch import fastest, one_core


def test_the_least_of_the_rounds_counts() -> None:
    naps = iter([0, 0, 0.05, 0.002, 0.05])
    (seconds,) = fastest([lambda: time.sleep(next(naps))], "cpu", n_rounds=3)
    assert 0.002 <= seconds < 0.04


def test_actions_take_turns() -> None:
    calls: list[str] = []
    fastest([partial(calls.append, name) for name in "ab"], "cpu", n_rounds=2)
    assert calls == [*"aabb", *"abab"]  # first each is warmed up and timed once


def test_a_short_action_is_repeated_and_its_time_is_that_of_one_call() -> None:
    calls: list[None] = []

    def nap() -> None:
        calls.append(None)
        time.sleep(0.001)

    (seconds,) = fastest([nap], "cpu", n_rounds=1, at_least_s=0.01)
    assert len(calls) > 3
    assert 0.001 <= seconds < 0.01


def test_one_core_ends_with_its_block() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with pytest.raises(LookupError), one_core():
        assert torch.get_num_threads() == 1
        raise LookupError
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
