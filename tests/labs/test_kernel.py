from __future__ import annotations

from functools import cache

import pytest
import torch
from torch import Generator
from torch.testing import assert_close

from labs.flash import kernel as lab
from labs.kernels import five_levels
from labs.kernels.five_levels import Inputs
from labs.kernels.reference import Causal, reference_attention
from studykit.lab.events import Event, Measurement, Table


@cache
def run() -> tuple[Event, ...]:
    """All events of a small run in which the compiler is not asked."""
    pytest.importorskip("triton")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab, "N_TOKENS", 64)
        patch.setattr(lab, "HEAD_DIM", 16)
        patch.setattr(lab, "ask_compiler", lambda: [tuple(range(len(five_levels.COMPILED)))])
        return tuple(lab.run(causal="top-left", block=16, seed=0, device="cpu"))


def measured() -> dict[str, float]:
    return {event.name: event.value for event in run() if isinstance(event, Measurement)}


def test_what_is_counted_is_known_from_theory() -> None:
    found = measured()
    assert found["tiles_of_row"] == 4
    assert found["tiles_naive"] == 16
    assert {found[f"tiles_{level}"] for level in ("loop", "pytorch", "kernel")} == {10}
    products = [found[f"products_{name}"] for name in ("naive", "one_pass", "two_passes")]
    assert products == [2 + 4, 2 + 5, 2 + 7]


def test_errors_are_those_of_their_precision() -> None:
    found = measured()
    assert 0.1 < found["worst_error_ratio"] < 2
    for name in ("naive", "kernel"):
        assert 1e-5 < found[f"half_error_{name}"] < 1e-3
    for name in ("forwards", "backwards"):
        assert 1e-9 < found[f"order_error_{name}"] < 1e-6
    assert 0 < found["order_changed"] < 1


def test_every_table_is_complete() -> None:
    tables = [event for event in run() if isinstance(event, Table)]
    assert [len(table.rows) for table in tables] == [4, 3, 4, 1, 1]
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}
    assert "not measured on a GPU" in str(tables[-1].rows)


def test_the_compiler_is_asked_about_every_kernel() -> None:
    pytest.importorskip("triton")
    rows = five_levels.compile_kernels(90, 16)
    assert [row[0] for row in rows] == ["forward", "dk and dv", "dq"]
    assert {len(row) for row in rows} == {len(five_levels.COMPILED)}
    wgmma, mma_sync = zip(*(row[5:7] for row in rows), strict=True)
    assert min(wgmma) > 0 == max(mma_sync)


def draw(seed: int = 1) -> Inputs:
    generator = Generator().manual_seed(seed)
    return Inputs(
        *(torch.randn(1, 2, 64, 16, generator=generator).double() for _ in Inputs._fields)
    )


@pytest.mark.parametrize("causal", ["top-left", "none"])
def test_the_first_levels_agree_with_the_reference(causal: Causal) -> None:
    inputs = draw()
    expected = reference_attention(*inputs[:3], causal=causal).out
    levels = [
        level(inputs, causal, 16)
        for level in (five_levels.naive, five_levels.by_hand, five_levels.tiled)
    ]
    for level in levels:
        assert_close(level.out, expected, atol=1e-7, rtol=0)  # the loop's scale is a float32
    naive, _, tiled = (level.gradients for level in levels)
    assert_close(tuple(tiled), tuple(naive))


def test_parts_of_the_gradient_add_up_to_it() -> None:
    inputs = draw()
    parts = five_levels.query_gradient_parts(inputs, "top-left", 16)
    assert len(parts) == 4
    dq = five_levels.naive(inputs, "top-left", 16).gradients[0]
    assert_close(torch.stack(parts).sum(dim=0), dq)
