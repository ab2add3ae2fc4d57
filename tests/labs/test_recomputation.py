from __future__ import annotations

import math
import resource
import sys

import pytest
import torch

from labs.flash import recomputation as lab
from labs.machine import malloc
from labs.machine.forked import run_forked
from studykit.lab.events import Measurement, Table


def test_ratios_are_those_of_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    reused, new = [4.0, 2.0, 3.0, 6.0, 9.0], [8.0, 2.0]

    def apart(function: object, arms: tuple[lab.Arm, ...], shape: object, freed: str, *_: object,
              **__: object) -> list[float]:  # fmt: skip
        assert len(arms) == len(reused if freed == "reuse" else new)
        return reused if freed == "reuse" else new

    monkeypatch.setattr(lab, "run_apart", apart)
    events = list(lab.run(n_tokens=64, block=16, seed=0, device="cpu"))
    assert {e.name: e.value for e in events if isinstance(e, Measurement)} == {
        "recomputing": 0.5, "new_pages": 2, "tiles": 2, "one_tile": 3,
    }  # fmt: skip
    (table,) = (event for event in events if isinstance(event, Table))
    assert [row[1] for row in table.rows] == [4000, 2000, 8000, 2000, 3000, 6000, 9000]


def test_every_arm_is_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(malloc, "reuse_freed_blocks", lambda: True)
    arms = (lab.Arm("naive", True, 0), lab.Arm("fused", True, 0), lab.Arm("tiled", False, 16))
    times = lab.seconds_of(arms, (1, 32, 16), "reuse", 0, "cpu")
    assert len(times) == 3
    assert all(0 < seconds < 1 for seconds in times)


def test_where_memory_cannot_be_returned_it_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(malloc, "return_freed_blocks", lambda: False)
    (seconds,) = lab.seconds_of((lab.Arm("naive", True, 0),), (1, 8, 8), "return", 0, "cpu")
    assert math.isnan(seconds)


def new_pages(policy: str) -> int:
    """In a process of its own: pages that 10 tensors of 4 MiB take, one after the other."""
    assert getattr(malloc, policy)()
    torch.set_num_threads(1)
    for _ in range(3):  # until the heap has found room for all
        torch.ones(2**20)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's malloc is told what to do")
def test_malloc_reuses_or_returns_what_is_freed() -> None:
    reused, returned = (
        run_forked(new_pages, policy, timeout_s=60)
        for policy in ("reuse_freed_blocks", "return_freed_blocks")
    )
    assert reused < 10 <= returned  # in a system with huge pages each tensor takes two
