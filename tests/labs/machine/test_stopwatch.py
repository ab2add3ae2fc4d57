from __future__ import annotations

import time
from functools import partial

import pytest
import torch

from labs.machine.stopwatch import fastest, one_core


class Clock:
    """A processor clock that goes on only when something is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def work(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "process_time", lambda: clock.now)
    return clock


def test_the_least_of_the_rounds_counts(clock: Clock) -> None:
    works = iter([100, 5, 2, 5])  # the first is the call that does not count
    assert fastest([lambda: clock.work(next(works))], "cpu", n_rounds=3) == [2]


def test_actions_take_turns() -> None:
    calls: list[str] = []
    fastest([partial(calls.append, name) for name in "ab"], "cpu", n_rounds=2)
    assert calls == [*"ab", *"abab"]  # first each is called once


def test_a_short_action_is_repeated_and_its_time_is_that_of_one_call(clock: Clock) -> None:
    calls: list[None] = []

    def work() -> None:
        calls.append(None)
        clock.work(0.001)

    assert fastest([work], "cpu", n_rounds=1, at_least_s=0.01) == [pytest.approx(0.001)]
    assert len(calls) == 12  # once, once more to see how long it takes, then ten times


def test_waiting_is_not_counted() -> None:
    (seconds,) = fastest([partial(time.sleep, 0.02)], "cpu", n_rounds=1)
    assert seconds < 0.01


def test_one_core_ends_with_its_block() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with pytest.raises(LookupError), one_core():
        assert torch.get_num_threads() == 1
        raise LookupError
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
