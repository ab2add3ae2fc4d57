from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch import Generator

from labs.flash import running_maximum as lab
from labs.kernels.online_softmax import Partial
from studykit.lab.events import Curve, Event, Measurement


@cache
def run() -> tuple[Event, ...]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lab, "SPREADS", (1, 5))
        return tuple(lab.run(n_keys=150, block_k=64, seed=0, device="cpu"))


def measured() -> dict[str, float]:
    return {event.name: event.value for event in run() if isinstance(event, Measurement)}


def test_the_factor_matters_unless_the_largest_scores_come_first() -> None:
    found = measured()
    assert 0.01 < found["error_no_factor"] < 1
    assert found["error_largest_first"] < 1e-13


def test_a_missing_factor_leaves_old_sums_as_they_are() -> None:
    """By hand: scores 1 and 3, values 10 and 20."""
    first, second = (
        Partial(torch.tensor([score]), torch.tensor([1.0]), torch.tensor([[value]]))
        for score, value in ((1.0, 10.0), (3.0, 20.0))
    )
    assert lab.add_unscaled(first, second) == Partial(*map(torch.tensor, ([3.0], [2.0], [[30.0]])))
    falling = lab.add_unscaled(second, first)
    assert falling.row_sum.item() == pytest.approx(1 + math.exp(-2))


def test_the_maximum_rises_as_often_as_chance_says() -> None:
    found = measured()
    assert found["rises_expected"] == pytest.approx(64 / 128 + 22 / 150)  # a ragged tile
    assert found["rises_counted"] == pytest.approx(found["rises_expected"], rel=0.2)


def test_rises_are_counted_row_by_row() -> None:
    """Two rows: the scores rise with each of four tiles, or fall."""
    q = torch.tensor([[[[1.0], [-1.0]]]]).expand(1, 1, 2, lab.HEAD_DIM)
    k = torch.arange(4.0)[None, None, :, None].expand(1, 1, 4, lab.HEAD_DIM)
    counted, expected = lab.rises(q, k, k, 1)
    assert isinstance(counted, Measurement)
    assert isinstance(expected, Measurement)
    assert counted.value == (3 + 0) / 2
    assert expected.value == pytest.approx(1 / 2 + 1 / 3 + 1 / 4)


def test_without_a_maximum_rows_are_lost_where_exp_ends() -> None:
    found = measured()
    assert found["finite_no_maximum"] < 0.5
    assert found["finite_maximum"] == 1
    assert found["largest_score_float16"] == pytest.approx(math.log(65504))
    assert not torch.tensor(found["largest_score_float16"] + 0.01).half().exp().isfinite()
    for name in ("maximum", "no_maximum"):
        assert 5e-8 < found[f"error_{name}"] < 1e-6


def test_the_chart_has_both_formats_with_and_without_a_maximum() -> None:
    lines = {event.name: event.ys for event in run() if isinstance(event, Curve)}
    assert len(lines) == 4
    assert lines["float16, running maximum"] == [1, 1]
    assert lines["float32, no maximum"] == [1, 1]
    assert lines["float16, no maximum"][1] < 0.5


def test_a_row_with_one_infinity_is_lost() -> None:
    out = torch.randn(1, 2, 4, 3, generator=Generator().manual_seed(0))
    out[0, 0, 1, 2] = math.inf
    assert lab.finite_rows(out) == 7 / 8
