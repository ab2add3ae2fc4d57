from __future__ import annotations

import gc
import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from labs.machine import malloc, peak_memory
from labs.machine.forked import run_forked
from labs.machine.peak_memory import peak_bytes, saved_bytes

MIB = 2**20
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read on Linux")


def peak_mib_of(name: str) -> float:
    """In a process of its own: the peak of one of the functions below, in MiB."""
    torch.set_num_threads(1)
    malloc.keep_no_large_block()
    functions: dict[str, Callable[[], object]] = {
        "both": both,
        "in_turn": in_turn,
        "empty": empty,
        "nothing": gc.collect,
    }
    function = functions[name]
    function()
    return peak_bytes(function) / MIB


def both() -> tuple[Tensor, Tensor]:
    return torch.ones(16 * MIB // 4), torch.ones(16 * MIB // 4)


def in_turn() -> None:
    for _ in range(3):
        torch.ones(16 * MIB // 4)


def empty() -> Tensor:
    return torch.empty(64 * MIB // 4)


@on_linux
@pytest.mark.parametrize(("name", "mib"), [("both", 32), ("in_turn", 16), ("nothing", 0)])
def test_the_peak_is_what_was_in_memory_at_once(name: str, mib: float) -> None:
    assert run_forked(peak_mib_of, name, timeout_s=60) == pytest.approx(mib, abs=0.6)


@on_linux
def test_memory_that_nobody_touches_takes_no_room() -> None:
    assert run_forked(peak_mib_of, "empty", timeout_s=60) < 1


def test_where_the_peak_cannot_be_reset_it_is_unknown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(peak_memory, "CLEAR_REFS", tmp_path / "no folder" / "clear_refs")
    assert math.isnan(peak_bytes(lambda: None))


def test_other_systems_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert math.isnan(peak_bytes(lambda: None))


def test_a_storage_that_is_saved_twice_counts_once() -> None:
    x = torch.ones(100, requires_grad=True)
    assert saved_bytes(lambda: x * x) == 400
    assert saved_bytes(lambda: x.exp()) == 400
    assert saved_bytes(lambda: x + 1) == 0
    # exp saves its result, the product its two factors: of three numbers two are the same.
    assert saved_bytes(lambda: x.exp() * x) == 800


def test_a_view_counts_with_all_that_it_keeps_alive() -> None:
    x = torch.ones(100, requires_grad=True)
    assert saved_bytes(lambda: x[:10] * x[:10]) == 400


def test_counting_leaves_the_gradient_right() -> None:
    x = torch.full((3,), 2.0, requires_grad=True)
    kept: list[Tensor] = []

    def cube() -> Tensor:
        kept.append(x**3)
        return kept[0]

    assert saved_bytes(cube) == 12
    kept[0].sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.tolist() == [12, 12, 12]
