from __future__ import annotations

import sys

import pytest
import torch

from labs.machine import malloc
from labs.machine.forked import run_forked
from labs.machine.memory_cap import can_cap, fits

MIB = 2**20

if sys.platform != "linux":
    pytest.skip("the CPU's memory is capped on Linux only", allow_module_level=True)


def fits_mib(needed: float, cap: int) -> bool:
    """In a process of its own: whether a tensor of `needed` MiB fits under a cap."""
    torch.set_num_threads(1)
    malloc.keep_no_large_block()
    torch.ones(MIB)
    return fits(lambda: torch.ones(int(needed * MIB / 4)), cap * MIB)


def fits_again() -> list[bool]:
    """In a process of its own: trials after one another, without any cap in the end."""
    trials = [fits_mib(needed, 8) for needed in (9, 7, 9, 7)]
    return [*trials, torch.ones(64 * MIB // 4).numel() == 16 * MIB]


def fails_otherwise() -> bool:
    return fits(lambda: torch.ones(2) @ torch.ones(3), 8 * MIB)


@pytest.mark.parametrize(("needed", "expected"), [(7.7, True), (8.3, False), (1000, False)])
def test_a_tensor_fits_up_to_the_cap(needed: float, expected: bool) -> None:
    assert run_forked(fits_mib, needed, 8, timeout_s=60) is expected


def test_a_trial_leaves_neither_memory_nor_a_cap_behind() -> None:
    assert run_forked(fits_again, timeout_s=60) == [False, True, False, True, True]


def test_an_error_of_another_kind_is_no_lack_of_memory() -> None:
    with pytest.raises(RuntimeError, match="RuntimeError"):
        run_forked(fails_otherwise, timeout_s=60)


def test_where_memory_can_be_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_cap("cpu")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not can_cap("cpu")
    assert can_cap("cuda")
