from __future__ import annotations

import pytest
import torch

from labs.machine.instrumented_memory import InstrumentedMemory, Request, hbm_bytes


def read(name: str, n_bytes: int = 8) -> Request:
    return Request((name, 0, 0), n_bytes, is_write=False)


def write(name: str, n_bytes: int = 8) -> Request:
    return Request((name, 0, 0), n_bytes, is_write=True)


def test_loads_and_stores_are_counted_and_carried_out() -> None:
    memory = InstrumentedMemory({"a": torch.arange(12.0).view(3, 4)})
    memory.allocate("b", 3, 4)
    tile = memory.load("a", slice(1, 3), slice(2, 4))
    memory.store("b", tile, slice(0, 2), slice(0, 2))
    assert memory.arrays["b"][:2, :2].tolist() == [[6, 7], [10, 11]]
    assert memory.log == [Request(("a", 1, 2), 16, False), Request(("b", 0, 0), 16, True)]
    assert memory.requested_bytes == 32
    assert memory.held_bytes == 96


@pytest.mark.parametrize(
    ("log", "cache_bytes", "crossed"),
    [
        ([read("a"), read("a")], 0, 16),  # no cache: every request crosses
        ([read("a"), read("a")], 8, 8),
        ([read("a"), read("b"), read("a")], 8, 24),
        ([read("a"), read("b"), read("a")], 16, 16),
        # The tile that goes is the one unused for longest, not the one that came first.
        ([read("a"), read("b"), read("a"), read("c"), read("a")], 16, 24),
        ([read("a"), read("b"), read("a"), read("c"), read("b")], 16, 32),
        ([write("a"), write("a"), write("a")], 0, 24),
        ([write("a"), write("a"), write("a")], 8, 8),  # once, at the end
        ([write("a"), read("a")], 8, 8),  # what was just written is still there
        ([write("a"), read("b"), read("a")], 8, 24),
        ([read("a"), write("a")], 8, 16),  # it came in and has to go back
    ],
)
def test_what_crosses_behind_a_cache(log: list[Request], cache_bytes: int, crossed: int) -> None:
    assert hbm_bytes(log, cache_bytes) == crossed
