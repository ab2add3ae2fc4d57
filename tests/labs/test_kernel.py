from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch.testing import assert_close

from labs.flash import kernel
from labs.kernels import five_levels
from labs.kernels.reference import Causal, reference_attention
from studykit.lab.events import Event, Measurement, Progress, Table

TINY = kernel.Budget(n_heads=2, n_tokens=64, head_dim=16)

DEFAULT_RUN = {
    "tiles_of_row": 8,
    "tiles_ordinary": 64,
    "tiles_loop": 36,
    "tiles_tiles": 36,
    "tiles_kernel": 36,
    "products_ordinary": 6,
    "products_tiles": 9,
    "products_kernel": 9,
    "out_error_ordinary": 4e-8,
    "out_error_loop": 3e-8,
    "out_error_tiles": 4e-8,
    "out_error_kernel": 3e-8,
    "gradient_error_ordinary": 5e-8,
    "gradient_error_tiles": 5e-8,
    "gradient_error_kernel": 5e-8,
    "half_out_error_ordinary": 1.1e-4,
    "half_out_error_tiles": 1.3e-4,
    "half_out_error_kernel": 5e-5,
    "half_gradient_error_ordinary": 1.1e-4,
    "half_gradient_error_tiles": 2.8e-4,
    "half_gradient_error_kernel": 5.7e-5,
    "order_changed": 0.38,
    "order_error_forwards": 5e-8,
    "order_error_backwards": 5e-8,
}
"""What a run with default knobs measures, rounded."""

nan = math.nan


@cache
def tiny_run() -> tuple[Event, ...]:
    """All events of a small run in which the compiler is not asked."""
    pytest.importorskip("triton")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "ask_compiler", lambda: [("forward", *[0] * 8)])
        return tuple(kernel.measure(TINY, causal="top-left", block=16, seed=0, device="cpu"))


def measurements() -> dict[str, float]:
    return {event.name: event.value for event in tiny_run() if isinstance(event, Measurement)}


def test_a_run_measures_what_the_verdict_asks_for() -> None:
    measured = measurements()
    assert set(measured) == set(DEFAULT_RUN)
    assert set(kernel.verdict(measured)) == set(kernel.CLAIMS)
    assert [e.done for e in tiny_run() if isinstance(e, Progress)] == [0, 1, 2, 3, 4]


def test_what_is_counted_is_known_from_theory() -> None:
    measured = measurements()
    assert measured["tiles_of_row"] == 4
    assert measured["tiles_ordinary"] == 16
    assert {measured[f"tiles_{level}"] for level in ("loop", "tiles", "kernel")} == {10}
    assert measured["products_ordinary"] == 2 + 4
    assert measured["products_tiles"] == measured["products_kernel"] == 2 + 4 + 3


def test_the_interpreted_kernel_is_as_close_as_float32_can_be() -> None:
    measured = measurements()
    for name in ("out_error", "gradient_error"):
        assert 0 < measured[f"{name}_kernel"] < 1e-6
        assert measured[f"half_{name}_kernel"] > 100 * measured[f"{name}_kernel"]


def test_every_table_is_complete() -> None:
    tables = [event for event in tiny_run() if isinstance(event, Table)]
    assert [len(table.rows) for table in tables] == [4, 3, 4, 1, 1]
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.columns)}
    assert "not measured on a GPU" in str(tables[-1].rows)


def test_the_compiler_is_asked_about_every_kernel() -> None:
    pytest.importorskip("triton")
    rows = five_levels.compile_kernels((90,), 16)
    assert [row[:2] for row in rows] == [("forward", 90), ("dk and dv", 90), ("dq", 90)]
    assert {len(row) for row in rows} == {len(kernel.COMPILED)}
    wgmma, mma_sync = zip(*(row[6:8] for row in rows), strict=True)
    assert min(wgmma) > 0 == max(mma_sync)


@pytest.mark.parametrize("causal", ["top-left", "none"])
def test_the_first_levels_agree_with_the_reference(causal: Causal) -> None:
    inputs = kernel.draw(TINY, seed=1).to(torch.float64)
    expected = reference_attention(*inputs[:3], causal=causal).out
    levels = {
        "ordinary": five_levels.ordinary(inputs, causal, 16),
        "loop": five_levels.by_hand(inputs, causal, 16),
        "tiles": five_levels.tiled(inputs, causal, 16),
    }
    for (out, _), _ in levels.values():
        # The loop's scale is a float32.
        assert_close(out, expected, atol=1e-7, rtol=0)
    gradients = [levels[name][0].gradients for name in ("ordinary", "tiles")]
    assert gradients[0] is not None
    assert gradients[1] is not None
    for ours, theirs in zip(*gradients, strict=True):
        assert_close(ours, theirs)


def test_parts_of_the_gradient_add_up_to_it() -> None:
    inputs = kernel.draw(TINY, seed=1).to(torch.float64)
    parts = kernel.query_gradient_parts(inputs, "top-left", 16)
    (_, gradients), _ = five_levels.ordinary(inputs, "top-left", 16)
    assert gradients is not None
    assert len(parts) == 4
    assert_close(torch.stack(parts).sum(dim=0), gradients.dq)


def test_seeds_draw_different_inputs() -> None:
    first, again, other = (kernel.draw(TINY, seed) for seed in (0, 0, 1))
    for a, b, c in zip(first, again, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_the_verdict_of_a_default_run() -> None:
    holds = {claim for claim, verdict in kernel.verdict(DEFAULT_RUN).items() if verdict}
    assert holds == {"agree", "more_exact", "skips", "more_work", "order_changes"}


@pytest.mark.parametrize(
    ("claim", "change", "expected"),
    [
        ("agree", {"out_error_loop": 8.1e-8}, False),
        ("agree", {"out_error_kernel": 7.9e-8}, True),
        ("agree", {"gradient_error_kernel": 1.1e-7}, False),
        ("agree", {"gradient_error_tiles": nan}, None),
        ("approximates", {"half_out_error_kernel": 1.7e-4}, True),
        ("approximates", {"half_out_error_kernel": 1.6e-4}, False),
        ("approximates", {"half_out_error_kernel": nan}, None),
        ("as_exact", {"half_out_error_kernel": 1.6e-4}, True),
        ("as_exact", {"half_out_error_kernel": 7.4e-5}, True),
        ("as_exact", {"half_out_error_kernel": 7.3e-5}, False),
        ("more_exact", {"half_out_error_kernel": 7.3e-5}, True),
        ("more_exact", {"half_out_error_kernel": 7.4e-5}, False),
        ("skips", {"tiles_kernel": 37}, False),
        ("skips", {"tiles_loop": 64}, False),
        ("skips", {"tiles_kernel": nan}, None),
        ("more_work", {"products_kernel": 7.3}, True),
        ("more_work", {"products_kernel": 7.1}, False),
        ("same_work", {"products_kernel": 7.1}, True),
        ("same_work", {"products_kernel": 7.3}, False),
        ("less_work", {"products_kernel": 4.9}, True),
        ("less_work", {"products_kernel": 5.1}, False),
        ("less_work", {"products_ordinary": nan}, None),
        ("order_free", {"order_changed": 0}, True),
        ("order_free", {"order_changed": 0.01}, False),
        ("order_changes", {"order_changed": 0.09}, False),
        ("order_changes", {"order_error_backwards": 8e-8}, False),
        ("order_changes", {"order_changed": nan}, None),
        ("order_breaks", {"order_error_backwards": 8e-8}, True),
        ("order_breaks", {"order_error_backwards": 7e-8}, False),
    ],
)
def test_every_claim_can_hold_and_can_fail(
    claim: str, change: dict[str, float], expected: bool | None
) -> None:
    assert kernel.verdict(DEFAULT_RUN | change)[claim] is expected


@pytest.mark.parametrize("factor", [0.1, 0.5, 0.9, 1.0, 1.3, 1.6, 5.0])
def test_a_prediction_has_one_right_option(factor: float) -> None:
    """The claims that a learner chooses between exclude one another."""
    names = ("half_out_error_kernel", "products_kernel", "order_error_backwards")
    verdict = kernel.verdict(DEFAULT_RUN | {name: DEFAULT_RUN[name] * factor for name in names})
    for options in (
        ("approximates", "as_exact", "more_exact"),
        ("more_work", "same_work", "less_work"),
        ("order_free", "order_changes", "order_breaks"),
    ):
        assert sum(verdict[claim] is True for claim in options) == 1
