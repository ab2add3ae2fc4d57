from __future__ import annotations

import pytest

from labs.flash import materialisation as lab
from labs.kernels.three_ways import LABELS
from studykit.lab.events import Curve, Event, Measurement, Table

HEADS = 2
ROW = 4 * HEADS * 128 * 64  # bytes of queries, keys, values or outputs of 128 tokens
MATRIX = 4 * HEADS * 128**2


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    monkeypatch.setattr(lab, "LENGTHS", (32, 64, 128))
    return list(lab.run(block=16, n_heads=HEADS, seed=0, device="cpu"))


def test_memory_is_what_can_be_counted_by_hand(events: list[Event]) -> None:
    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    # Scaled queries are gone before the weights are there; outputs come after the scores.
    assert measured["peak_matrices"] == 2 + ROW / MATRIX
    # Naive attention keeps the weights, and scaled queries, keys and values beside them.
    assert measured["kept_matrices"] == (MATRIX + 3 * ROW) / MATRIX
    # One number for each query more than q, k, v and out: the lse.
    assert measured["kept_rows_tiled"] == 1 + 1 / (4 * 64)
    assert measured["kept_rows_fused"] == pytest.approx(1 + 1 / (4 * 64), abs=1e-3)
    assert measured["tiled_growth"] < 2.1 < measured["naive_growth"]


def test_every_way_and_length_is_drawn_and_tabled(events: list[Event]) -> None:
    drawn = [event for event in events if isinstance(event, Curve)]
    for passes in lab.PASSES:
        for label in (*LABELS.values(), "one matrix"):
            lines = [c for c in drawn if c.chart == f"Peak memory, {passes}" and c.name == label]
            assert [x for curve in lines for x in curve.xs] == [32, 64, 128]
    (table,) = (event for event in events if isinstance(event, Table))
    assert "FLASH_ATTENTION" in table.title
    assert len(table.rows) == 9
