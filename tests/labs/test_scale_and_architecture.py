from __future__ import annotations

from itertools import pairwise

import pytest

from labs.patterns import scale_and_architecture
from labs.patterns.scale_and_architecture import WIDTHS, build
from labs.transformer.config import Positions
from studykit.lab.events import Measurement, Table


def parameters(width: int, positions: Positions = "learned") -> int:
    model = build(positions, width, 95, seed=0)
    return sum(parameter.numel() for parameter in model.parameters())


def test_each_size_is_twice_as_wide_and_the_change_adds_no_parameters() -> None:
    assert all(second == 2 * first for first, second in pairwise(WIDTHS))
    assert parameters(32, "rope") < parameters(32)
    assert parameters(8, "rope") < parameters(16)


def test_gains_and_leads_are_differences_of_the_losses_in_the_table() -> None:
    run = scale_and_architecture.run(change="rope", seed=0, device="cpu", budget=0.02)
    events = list(run)
    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    (table,) = (event for event in events if isinstance(event, Table))
    plain = [float(row[2]) for row in table.rows]
    changed = [float(row[3]) for row in table.rows]

    for number in range(4):
        assert measured[f"gain_{number + 1}"] == pytest.approx(plain[number] - changed[number])
        assert plain[number] != changed[number]
    for number in range(3):
        assert measured[f"lead_{number + 1}"] == pytest.approx(changed[number] - plain[number + 1])
