from __future__ import annotations

from collections.abc import Iterator

import pytest

from labs.flash import memory_traffic as lab
from labs.kernels.counted_attention import CostModel
from studykit.lab.events import Curve, Event, Measurement


@pytest.fixture(scope="module")
def runs() -> Iterator[list[list[Event]]]:
    """Small runs with two seeds."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("SHORT_LEN", 250), ("LONG_LEN", 500), ("BLOCK_K", 32)):
            patch.setattr(lab, name, value)
        yield [list(lab.run(head_dim=32, block_q=32, seed=n, device="cpu")) for n in range(2)]


def test_seeds_change_nothing(runs: list[list[Event]]) -> None:
    assert runs[0] == runs[1]


def test_counts_are_those_of_the_formulas_and_so_are_savings(runs: list[list[Event]]) -> None:
    measured = {event.name: event.value for event in runs[0] if isinstance(event, Measurement)}
    assert measured["formula_error"] == 0
    # 1 + N/d with a cache; without one 250 tokens are 8 tiles and 500 are 16.
    assert measured["cached_growth"] == pytest.approx((1 + 500 / 32) / (1 + 250 / 32))
    requested = {n: (4 * n / 32 + 3 * t + 1) / (2 * t + 2) for n, t in ((250, 8), (500, 16))}
    assert measured["uncached_growth"] == pytest.approx(requested[500] / requested[250])
    assert measured["wider_queries_saving"] == (2 * 16 + 2) / (2 * 8 + 2)
    assert measured["wider_keys_saving"] == 1


def test_traffic_falls_when_keys_and_values_fit_in_the_cache(runs: list[list[Event]]) -> None:
    traffic = {
        curve.name: {x: round(y * lab.MIB) for x, y in zip(curve.xs, curve.ys, strict=True)}
        for curve in runs[0]
        if isinstance(curve, Curve)
    }
    tiled, naive = traffic["tiled attention"], traffic["naive attention"]
    rows, scores = 250 * 32 * 4, 250 * 250 * 4  # bytes: keys and values are 62.5 KiB together
    assert tiled[16] == 18 * rows  # 2 · 8 + 2: no room for a tile of queries beside them
    assert tiled[17] == 4 * rows
    # Naive attention profits again when a cache holds all its scores and weights.
    assert naive[17] > 4 * rows + 3 * scores
    assert naive[20] == 4 * rows + 2 * scores


def test_a_program_that_computes_something_else_counts_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(lab.PROGRAMS, "tiled", lambda *_: None)
    with pytest.raises(ArithmeticError, match="tiled program is not attention"):
        lab.count("tiled", CostModel(16, 8, 4, 4, number_bytes=4), seed=0)


def test_the_table_is_that_of_the_arithmetic() -> None:
    """One head of 16,384 tokens in fp16 with head_dim 128, by hand."""
    table = lab.table(CostModel(16_384, 128, 128, 128, number_bytes=2))
    assert [list(row[1:]) for row in table.rows] == [
        [3588, 1032, 3588 / 1032], [2064, 16, 129], [1040, 16, 65]
    ]  # fmt: skip
