from __future__ import annotations

import math
from functools import cache

import pytest
import torch

from labs.flash import memory_hierarchy as lab
from labs.kernels.counted_attention import Ledger
from labs.machine.speeds import MIB
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

TINY = lab.Budget(
    counted_len=512,
    copy_powers=(14, 17),
    matrix_size=32,
    vector_mib=1,
    attention_len=32,
    n_rounds=1,
)

DEFAULT_RUN = {
    "ledger_error": 0,
    "kernel_error": 0,
    "output_error": 2e-7,
    "flop_ratio": 0.998,
    "requested_ratio": 3.48,
    "crossed_ratio": 129,
    "held_ratio": 65,
    "wide_queries_ratio": 1.985,
    "wide_keys_ratio": 1.0,
    "slow_bandwidth": 42.0,
    "fast_bandwidth": 197.0,
    "product_rate": 110.0,
    "addition_rate": 3.6,
    "sixteenfold_time": 3.5,
    "vector_ratio": 2.4,
    "ridge": 2.6,
    "intensity": 30.1,
    "bytes_share": 0.087,
    "fused_ratio": 1.09,
    "fresh_ratio": 1.5,
}
"""What a run with default knobs measures on one core of a CPU, rounded."""

TIMED = {
    "slow_bandwidth", "fast_bandwidth", "product_rate", "addition_rate", "sixteenfold_time",
    "vector_ratio", "ridge", "bytes_share", "fused_ratio", "fresh_ratio",
}  # fmt: skip

nan = math.nan


@pytest.fixture(autouse=True, scope="module")
def no_kernel() -> object:
    """The kernel's own count takes seconds: `kernels/test_requested_bytes.py` asks for it."""
    patch = pytest.MonkeyPatch()
    patch.setattr(lab, "kernel_loads", lambda ledger: ledger.tiles.requested - ledger.rows)
    yield
    patch.undo()


@cache
def tiny_run(seed: int = 0, head_dim: int = 16, block_q: int = 32) -> tuple[Event, ...]:
    """All events of a run that is far too small for its times to mean anything."""
    return tuple(lab.measure(TINY, head_dim=head_dim, block_q=block_q, seed=seed, device="cpu"))


def measurements(events: tuple[Event, ...]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def test_a_run_measures_what_the_verdict_asks_for() -> None:
    measured = measurements(tiny_run())
    assert set(measured) == set(DEFAULT_RUN)
    assert set(lab.verdict(measured)) == set(lab.CLAIMS)
    assert all(measured[name] > 0 for name in TIMED)


def test_the_ledger_is_right_to_the_byte_for_other_knobs_too() -> None:
    for head_dim, block_q in ((16, 32), (8, 16), (16, 64)):
        measured = measurements(tiny_run(0, head_dim, block_q))
        assert measured["ledger_error"] == 0
        assert measured["output_error"] < 1e-5


def test_what_is_counted_does_not_depend_on_the_seed() -> None:
    first, second = measurements(tiny_run()), measurements(tiny_run(seed=1))
    unchanged = {name for name in first if first[name] == second[name]}
    assert unchanged >= set(DEFAULT_RUN) - TIMED - {"output_error"}


def test_the_table_of_the_ledgers_is_that_of_the_arithmetic() -> None:
    """One head of 16,384 tokens in fp16 with head_dim 128, by hand."""
    ledger = Ledger(16_384, 128, 128, 128, n_bytes=2)
    (table,) = (event for event in lab.ledgers(ledger) if isinstance(event, Table))
    rows = {row[0]: row[1:3] for row in table.rows}
    assert rows == {"requested": (3588, 1032), "crossed": (2064, 16), "held": (1040, 16)}


def test_crossed_bytes_fall_when_keys_and_values_fit_in_the_cache() -> None:
    curves = {c.name: c for c in tiny_run() if isinstance(c, Curve) and "cross" in c.chart}
    tiles, separate = curves["tiles"], curves["separate operations"]
    rows, scores = 512 * 16 * 4, 512 * 512 * 4  # bytes: keys and values are 64 KiB together
    crossed = {power: round(y * MIB) for power, y in zip(tiles.xs, tiles.ys, strict=True)}
    assert crossed[16] == Ledger(512, 16, 32, 128, n_bytes=4).tiles.requested
    assert crossed[17] == 4 * rows
    # The separate operations profit again when a cache holds all their scores and weights.
    assert separate.ys[-3] * MIB > 4 * rows + 2 * scores
    assert separate.ys[-1] * MIB == 4 * rows + 2 * scores


def test_the_progress_reaches_its_total_and_begins_at_once() -> None:
    assert isinstance(tiny_run()[0], Progress)
    progress = [event for event in tiny_run() if isinstance(event, Progress)]
    assert [event.done for event in progress] == [0, 1, 2, 3, 4, 5]
    assert progress[-1].done == progress[-1].total


def test_the_number_of_threads_is_given_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    tuple(lab.measure(TINY, head_dim=8, block_q=16, seed=0, device="cpu"))
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_the_verdict_of_a_default_run() -> None:
    verdict = lab.verdict(DEFAULT_RUN)
    assert {claim for claim, holds in verdict.items() if holds} == {
        "severalfold", "cached_hundredfold", "held", "wider_queries", "caches_faster",
        "elementwise_slow", "free_arithmetic", "tiles_in_cache", "arithmetic_limits",
    }  # fmt: skip
    assert None not in verdict.values()


@pytest.mark.parametrize(
    ("claim", "change", "expected"),
    [
        ("fewer_flops", {"flop_ratio": 0.89}, True),
        ("fewer_flops", {"flop_ratio": 0.91}, False),
        ("hundredfold", {"requested_ratio": 51}, True),
        ("hundredfold", {"requested_ratio": 49}, False),
        ("severalfold", {"requested_ratio": 2.1}, True),
        ("severalfold", {"requested_ratio": 1.9}, False),
        ("severalfold", {"requested_ratio": 10.1}, False),
        ("no_fewer", {"requested_ratio": 1.1}, True),
        ("no_fewer", {"requested_ratio": 1.2}, False),
        ("cached_hundredfold", {"crossed_ratio": 101}, True),
        ("cached_hundredfold", {"crossed_ratio": 99}, False),
        ("held", {"held_ratio": 51}, True),
        ("held", {"held_ratio": 49}, False),
        ("wider_queries", {"wide_queries_ratio": 1.5}, False),
        ("wider_queries", {"wide_queries_ratio": 2.2}, False),
        ("wider_keys", {"wide_keys_ratio": 2.0}, True),
        ("wider_keys", {"wide_keys_ratio": 1.5}, False),
        ("any_tile", {"wide_queries_ratio": 1.05}, True),
        ("any_tile", {"wide_queries_ratio": 1.05, "wide_keys_ratio": 1.2}, False),
        ("caches_faster", {"fast_bandwidth": 85.0}, True),
        ("caches_faster", {"fast_bandwidth": 80.0}, None),
        ("caches_faster", {"fast_bandwidth": 60.0}, False),
        ("elementwise_slow", {"addition_rate": 21.0}, True),
        ("elementwise_slow", {"addition_rate": 24.0}, None),
        ("elementwise_slow", {"addition_rate": 30.0}, False),
        ("free_arithmetic", {"sixteenfold_time": 7.9}, True),
        ("free_arithmetic", {"sixteenfold_time": 9.0}, None),
        ("free_arithmetic", {"sixteenfold_time": 11.0}, False),
        ("tiles_in_cache", {"vector_ratio": 1.6}, True),
        ("tiles_in_cache", {"vector_ratio": 1.4}, None),
        ("tiles_in_cache", {"vector_ratio": 1.1}, False),
        ("tiles_in_cache", {"vector_ratio": nan}, None),
        ("bytes_limit", {"bytes_share": 1.6}, True),
        ("bytes_limit", {"bytes_share": 1.4}, False),
        ("bytes_limit", {"bytes_share": nan}, None),
        ("arithmetic_limits", {"bytes_share": 0.6}, True),
        ("arithmetic_limits", {"bytes_share": 0.7}, False),
        ("arithmetic_limits", {"bytes_share": nan}, None),
        ("balanced", {"bytes_share": 1.0}, True),
        ("balanced", {"bytes_share": 0.6}, False),
        ("balanced", {"bytes_share": nan}, None),
        ("fused_twice", {"fused_ratio": 2.1}, True),
        ("fused_twice", {"fused_ratio": 1.8}, None),
        ("fused_twice", {"fused_ratio": 1.5}, False),
    ],
)
def test_every_claim_can_hold_and_can_fail(
    claim: str, change: dict[str, float], expected: bool | None
) -> None:
    assert lab.verdict(DEFAULT_RUN | change)[claim] is expected


@pytest.mark.parametrize("wrong", [{"ledger_error": 4}, {"kernel_error": -4}])
def test_a_ledger_that_the_counts_contradict_says_nothing(wrong: dict[str, float]) -> None:
    verdict = lab.verdict(DEFAULT_RUN | wrong)
    undecided = {claim for claim, holds in verdict.items() if holds is None}
    assert undecided == {
        "fewer_flops", "hundredfold", "severalfold", "no_fewer", "cached_hundredfold", "held",
        "wider_queries", "wider_keys", "any_tile",
    }  # fmt: skip


def test_a_machine_without_triton_still_has_its_ledger() -> None:
    assert lab.verdict(DEFAULT_RUN | {"kernel_error": nan}) == lab.verdict(DEFAULT_RUN)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.15, 2.0, 5.0, 10.0, 49.0, 60.0])
def test_a_prediction_has_one_right_option_at_most(ratio: float) -> None:
    """The claims that a learner chooses between exclude one another."""
    for names, change in (
        (("hundredfold", "severalfold", "no_fewer"), {"requested_ratio": ratio}),
        (("bytes_limit", "arithmetic_limits", "balanced"), {"bytes_share": ratio}),
        (("wider_keys", "wider_queries", "any_tile"), {"wide_queries_ratio": ratio}),
    ):
        verdict = lab.verdict(DEFAULT_RUN | change)
        assert sum(verdict[name] is True for name in names) <= 1
