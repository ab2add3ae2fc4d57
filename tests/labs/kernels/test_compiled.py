from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

pytest.importorskip("triton")

import triton
import triton.language as tl

from labs.kernels.compiled import WARP_SIZE, CompiledFacts, ctas_per_sm, facts
from labs.kernels.launch import Launch


@triton.jit  # type: ignore[untyped-decorator]
def squares(x_ptr, out_ptr, n_rows, rows: tl.constexpr, width: tl.constexpr):  # type: ignore[no-untyped-def]
    """Sum of x xᵀ x over tiles of rows: two matrix multiplications and a pipelined load."""
    row = tl.arange(0, rows)[:, None]
    column = tl.arange(0, width)[None, :]
    total = tl.zeros((rows, width), tl.float32)
    for start in range(0, n_rows, rows):
        x = tl.load(x_ptr + (start + row) * width + column)
        total = tl.dot(tl.dot(x, x.T).to(x.dtype), x, total)
    tl.store(out_ptr + row * width + column, total.to(tl.float16))


def launch(rows: int = 64, **options: int) -> Launch:
    x = torch.zeros(256, 64, dtype=torch.float16)
    arguments = {"x_ptr": x, "out_ptr": x, "n_rows": 256, "rows": rows, "width": 64}
    # Said aloud, since Triton 3.9 warns when it is left open.
    return Launch(squares, (1,), arguments | {"num_warps": 4, "enable_fp_fusion": True} | options)


def compile_squares(capability: int, **options: int) -> CompiledFacts:
    return facts(launch(**options), capability)


def test_each_architecture_uses_its_own_matrix_instructions() -> None:
    ampere, hopper = compile_squares(80), compile_squares(90)
    blackwell, again = compile_squares(100), compile_squares(80)
    used = [(f.mma_sync > 0, f.wgmma > 0, f.tcgen05 > 0) for f in (ampere, hopper, blackwell)]
    assert used == [(True, False, False), (False, True, False), (False, False, True)]
    assert again == ampere


def test_the_facts_name_kernel_and_settings() -> None:
    found = compile_squares(90)
    assert (found.name, found.capability, found.num_warps) == ("squares", 90, 4)
    assert 24 <= found.registers <= 255
    assert found.stack_bytes == 0
    assert found.setmaxnreg == found.tma == 0


def test_stages_take_shared_memory_and_make_loads_asynchronous() -> None:
    one, three = (compile_squares(90, num_stages=n) for n in (1, 3))
    assert one.cp_async == 0 < three.cp_async
    assert three.shared_bytes >= one.shared_bytes + 64 * 64 * 2
    assert three.ctas_per_sm <= one.ctas_per_sm


def test_registers_that_do_not_suffice_spill() -> None:
    """64 registers cannot hold a thread's part of a 128x128 tile, which is 128 numbers."""
    assert compile_squares(80, rows=128, maxnreg=64).stack_bytes > 0


@pytest.mark.parametrize(
    ("capability", "num_warps", "registers", "shared_bytes", "expected"),
    [
        pytest.param(90, 4, 128, 0, 4, id="registers"),
        pytest.param(90, 4, 33, 0, 12, id="33 registers cost as much as 40"),
        pytest.param(90, 4, 255, 0, 2, id="all registers"),
        pytest.param(90, 16, 255, 0, 0, id="more registers than there are"),
        pytest.param(90, 4, 32, 113 * 1024, 2, id="shared memory"),
        pytest.param(90, 4, 32, 113 * 1024 + 1, 1, id="the system's kilobyte counts"),
        pytest.param(80, 4, 32, 113 * 1024, 1, id="shared memory of an A100"),
        pytest.param(90, 4, 32, 227 * 1024, 1, id="all shared memory"),
        pytest.param(90, 4, 32, 227 * 1024 + 4, 0, id="too much shared memory"),
        pytest.param(80, 4, 32, 163 * 1024 + 4, 0, id="too much for an A100"),
        pytest.param(90, 8, 24, 0, 8, id="64 warps"),
        pytest.param(90, 1, 24, 0, 32, id="32 blocks"),
    ],
)
def test_blocks_are_limited_by_what_runs_out_first(
    capability: int, num_warps: int, registers: int, shared_bytes: int, expected: int
) -> None:
    assert ctas_per_sm(capability, num_warps, registers, shared_bytes) == expected


def test_the_facts_count_their_own_blocks() -> None:
    found = compile_squares(90)
    by_registers = 65536 // (-(-found.registers * WARP_SIZE // 256) * 256 * 4)
    by_memory = 233472 // (found.shared_bytes + 1024)
    assert found.ctas_per_sm == min(by_registers, by_memory, 16)


def test_an_interpreted_kernel_has_no_facts() -> None:
    from triton.runtime.interpreter import InterpretedFunction

    interpreted = Launch(InterpretedFunction(squares.fn), (1,), launch().arguments)
    with pytest.raises(RuntimeError, match="TRITON_INTERPRET"):
        facts(interpreted, 90)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_HOME", str(tmp_path))
    monkeypatch.delenv("TRITON_CACHE_DIR", raising=False)
    before = driver()
    compile_squares(90, rows=16)
    assert driver() is before
    assert "TRITON_CACHE_DIR" not in os.environ
    assert not [*tmp_path.iterdir()]


def test_a_cache_that_was_asked_for_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    compile_squares(90, rows=32)
    assert [*tmp_path.rglob("*.cubin")]


def driver() -> object:
    """The GPU's driver, or None where there is no GPU."""
    try:
        return triton.runtime.driver.active
    except RuntimeError:
        return None
