"""How long things take on this machine: the fastest of several rounds, on one core or on a GPU."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch


@contextmanager
def one_core() -> Iterator[None]:
    """torch computes on one core meanwhile: what is timed depends on no other core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def fastest(
    actions: Sequence[Callable[[], object]], device: str, *, n_rounds: int, at_least_s: float = 0
) -> list[float]:
    """Seconds that a call of each action takes, the least of all rounds.

    On the CPU it is the processor time of this process, user and system: waiting for a busy
    machine is not in it. What a neighbour does to the caches still is, and only ever adds, so the
    least is nearest to what the action itself takes. The actions take turns, so that a slow moment
    meets all of them. An action is called as often in a round as fills `at_least_s`, after a first
    call that does not count.
    """
    least = [math.inf] * len(actions)
    n_calls = [1] * len(actions)
    for number, action in enumerate(actions):
        action()
        if at_least_s:
            n_calls[number] = math.ceil(at_least_s / max(_time(action, 1, device), 1e-7))
    for _ in range(n_rounds):
        for number, action in enumerate(actions):
            taken = _time(action, n_calls[number], device) / n_calls[number]
            least[number] = min(least[number], taken)
    return least


def _time(action: Callable[[], object], n_calls: int, device: str) -> float:
    if device == "cpu":
        began = time.process_time()
        for _ in range(n_calls):
            action()
        return time.process_time() - began
    # A GPU works through a queue: only marks in that queue say when it began and ended.
    first, last = (
        torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        for _ in range(2)
    )
    first.record()
    for _ in range(n_calls):
        action()
    last.record()
    last.synchronize()
    return float(first.elapsed_time(last)) / 1000
