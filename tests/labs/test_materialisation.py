from __future__ import annotations

import math
import sys
from functools import cache

import pytest

from labs.flash import materialisation
from labs.flash.materialisation import MIB, Point, matrix_mib, rows_mib
from labs.kernels.three_ways import LABELS
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

TINY = materialisation.Budget(
    short_len=64, forward_lens=(128, 256, 512), backward_lens=(64, 128), head_dim=16, n_rounds=1
)

DEFAULT_RUN = {
    "slope_separate": 2.0,
    "peak_separate": 259.8,
    "time_separate": 200.0,
    "slope_tiled": 0.17,
    "peak_tiled": 5.5,
    "time_tiled": 183.0,
    "slope_fused": 0.83,
    "peak_fused": 2.36,
    "time_fused": 85.0,
    "matrix": 128.0,
    "short_ratio": 1.7,
    "slope_separate_backward": 1.75,
    "peak_separate_backward": 99.8,
    "time_separate_backward": 125.0,
    "kept_separate": 35.0,
    "slope_tiled_backward": 0.39,
    "peak_tiled_backward": 10.7,
    "time_tiled_backward": 210.0,
    "kept_tiled": 4.016,
    "slope_fused_backward": 0.92,
    "peak_fused_backward": 8.58,
    "time_fused_backward": 77.0,
    "kept_fused": 4.016,
    "matrix_backward": 32.0,
    "rows": 4.0,
}
"""What a run with default knobs measures, rounded."""

nan = math.nan


@cache
def tiny_run() -> tuple[Event, ...]:
    """All events of a run on matrices that would fit into a cache."""
    return tuple(materialisation.measure(TINY, block=32, n_heads=2, seed=0, device="cpu"))


def measurements(events: tuple[Event, ...]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def test_a_run_measures_what_the_verdict_asks_for() -> None:
    measured = measurements(tiny_run())
    assert set(measured) == set(DEFAULT_RUN)
    assert set(materialisation.verdict(measured)) == set(materialisation.CLAIMS)
    assert all(value > 0 for name, value in measured.items() if name.startswith("time"))


def test_yardsticks_are_known_in_advance() -> None:
    marked = {
        e.name: e.value * MIB for e in tiny_run() if isinstance(e, Measurement) and e.yardstick
    }
    assert marked == {
        "matrix": 4 * 2 * 512**2,
        "matrix_backward": 4 * 2 * 128**2,
        "rows": 4 * 4 * 2 * 128 * 16,
    }  # fmt: skip


def test_what_is_kept_is_known_in_advance() -> None:
    measured = measurements(tiny_run())
    matrix, row = 4 * 2 * 128**2, 4 * 2 * 128 * 16
    # Separate operations keep the weights, and scaled queries, keys and values beside them.
    assert measured["kept_separate"] * MIB == matrix + 3 * row
    # One number for each query more than q, k, v and out: the lse.
    assert measured["kept_tiled"] * MIB == 4 * row + 4 * 2 * 128
    assert measured["kept_fused"] * MIB == pytest.approx(4 * row + 4 * 2 * 128, abs=64)


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read on Linux")
def test_the_peak_follows_the_matrix() -> None:
    measured = measurements(tiny_run())
    assert measured["peak_separate"] == pytest.approx(2 * measured["matrix"], abs=0.6)
    assert measured["peak_tiled"] < measured["matrix"]


def test_every_point_is_drawn_and_tabled() -> None:
    events = tiny_run()
    drawn = [event for event in events if isinstance(event, Curve)]
    for passes, lens in (("forward", [64, 128, 256, 512]), ("forward and backward", [64, 128])):
        for label in (*LABELS.values(), "one matrix"):
            lines = [c for c in drawn if c.chart == f"Peak memory, {passes}" and c.name == label]
            assert [x for curve in lines for x in curve.xs] == lens
    (table,) = (event for event in events if isinstance(event, Table))
    assert "FLASH_ATTENTION" in table.title
    assert [row[:2] for row in table.rows] == [
        ("64", "forward"), ("128", "forward"), ("256", "forward"), ("512", "forward"),
        ("64", "both"), ("128", "both"),
    ]  # fmt: skip
    assert all(len(row) == len(table.columns) for row in table.rows)
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.done for event in progress] == list(range(19))
    assert progress[-1].total == 18


def test_the_ledger_of_a_gpu_is_in_fp16() -> None:
    point = Point("separate", 16_384, False, 32, 128, 128, 1, 0, "cuda")
    assert matrix_mib(point) == 16 * 1024
    assert rows_mib(point) == 512
    assert matrix_mib(point._replace(device="cpu")) == 32 * 1024


def test_the_verdict_of_a_default_run() -> None:
    judged = materialisation.verdict(DEFAULT_RUN)
    assert {claim for claim, holds in judged.items() if holds} == {
        "quadratic", "at_most_linear", "two_matrices", "keeps_one", "backward_higher",
        "keeps_rows", "backward_linear",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "change", "expected"),
    [
        ("quadratic", {"slope_separate": 1.81}, True),
        ("quadratic", {"slope_separate": 1.79}, False),
        ("quadratic", {"slope_separate": 2.21}, False),
        ("quadratic", {"slope_separate": nan}, None),
        ("at_most_linear", {"slope_tiled": 1.29}, True),
        ("at_most_linear", {"slope_tiled": 1.31}, False),
        ("at_most_linear", {"slope_fused": 1.31}, False),
        ("at_most_linear", {"slope_fused": nan}, None),
        ("one_matrix", {"peak_separate": 150.0}, True),
        ("one_matrix", {"peak_separate": 193.0}, False),
        ("one_matrix", {"peak_separate": nan}, None),
        ("two_matrices", {"peak_separate": 193.0}, True),
        ("two_matrices", {"peak_separate": 191.0}, False),
        ("two_matrices", {"peak_separate": 321.0}, False),
        ("three_matrices", {"peak_separate": 321.0}, True),
        ("three_matrices", {"peak_separate": 450.0}, False),
        ("temporary", {"kept_separate": 15.0}, True),
        ("temporary", {"kept_separate": 17.0}, False),
        ("keeps_one", {"kept_separate": 17.0}, True),
        ("keeps_one", {"kept_separate": 49.0}, False),
        ("keeps_both", {"kept_separate": 49.0}, True),
        ("keeps_both", {"kept_separate": nan}, None),
        ("backward_higher", {"peak_separate_backward": 86.0}, True),
        ("backward_higher", {"peak_separate_backward": 83.0}, False),
        ("backward_higher", {"peak_separate_backward": nan}, None),
        ("backward_higher", {"peak_separate": nan}, None),
        ("keeps_rows", {"kept_tiled": 4.19}, True),
        ("keeps_rows", {"kept_tiled": 4.21}, False),
        ("keeps_rows", {"kept_fused": 36.0}, False),
        ("backward_linear", {"slope_tiled_backward": 1.29}, True),
        ("backward_linear", {"slope_tiled_backward": 1.31}, False),
        ("backward_linear", {"slope_fused_backward": 1.31}, False),
        ("backward_linear", {"slope_fused_backward": nan}, None),
        ("always_less", {"short_ratio": 0.99}, True),
        ("always_less", {"short_ratio": 1.01}, False),
        ("always_less", {"short_ratio": nan}, None),
        ("loop_slower", {"time_tiled": 401.0}, True),
        ("loop_slower", {"time_tiled": 399.0}, False),
        ("loop_slower", {"time_tiled": nan}, None),
        ("recomputing_slower", {"time_fused_backward": 126.0}, True),
        ("recomputing_slower", {"time_fused_backward": 124.0}, False),
        ("recomputing_slower", {"time_separate_backward": nan}, None),
    ],
)
def test_every_claim_can_hold_and_can_fail(
    claim: str, change: dict[str, float], expected: bool | None
) -> None:
    assert materialisation.verdict(DEFAULT_RUN | change)[claim] is expected


@pytest.mark.parametrize("matrices", [0.4, 0.6, 1.4, 1.6, 2.4, 2.6, 3.4, 3.6])
def test_a_prediction_has_one_right_option_at_most(matrices: float) -> None:
    """The claims that a learner chooses between exclude one another."""
    judged = materialisation.verdict(
        DEFAULT_RUN | {"peak_separate": 128 * matrices, "kept_separate": 32 * matrices}
    )
    peaks = [judged[claim] for claim in ("one_matrix", "two_matrices", "three_matrices")]
    assert sum(holds is True for holds in peaks) == (0.5 <= matrices < 3.5)
    kept = [judged[claim] for claim in ("temporary", "keeps_one", "keeps_both")]
    assert sum(holds is True for holds in kept) == 1
