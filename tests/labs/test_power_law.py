from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from labs.gpt import power_law
from labs.gpt.power_law import Outcome
from studykit.lab.events import Event, Measurement


def measurements(events: Iterator[Event]) -> dict[str, float]:
    return {e.name: e.value for e in events if isinstance(e, Measurement)}


def test_a_power_law_is_found_again_and_foretells_the_sixth_size() -> None:
    sizes = [100 * 2**place for place in range(6)]
    outcomes = [Outcome(size, 30 * size**-0.5, torch.ones(1)) for size in sizes]
    m = measurements(power_law.fit("zipf", outcomes))
    assert m["exponent_zipf"] == pytest.approx(-0.5)
    assert m["correlation_zipf"] == pytest.approx(-1)
    assert m["predicted_zipf"] == pytest.approx(m["loss_zipf_6"])
    assert m["bend_zipf"] == pytest.approx(1)


def test_a_loss_that_falls_off_a_cliff_bends() -> None:
    losses = (2.7, 2.6, 2.4, 2.0, 1.2, 0.3)
    outcomes = [Outcome(100 * 2**place, loss, torch.ones(1)) for place, loss in enumerate(losses)]
    m = measurements(power_law.fit("uniform", outcomes))
    assert m["bend_uniform"] > 10
    assert m["predicted_uniform"] > 3 * m["loss_uniform_6"]


def test_eight_in_a_row_are_as_rare_as_independent_answers_are() -> None:
    right = (torch.arange(1000) % 10 > 0).double()  # nine of ten
    outcomes = [Outcome(100 + place, 1.0, right) for place in range(6)]
    m = measurements(power_law.in_a_row(outcomes, seed=0))
    assert m["right_1"] == pytest.approx(0.9)
    assert m["eight_1"] == pytest.approx(0.9**8, abs=0.04)
    assert m["foretold_gap"] < 0.04


def test_frequent_facts_are_the_first_ones() -> None:
    right = (torch.arange(40) < 10).double()
    m = measurements(power_law.by_frequency([Outcome(100, 1.0, right)] * 6))
    assert (m["frequent_4"], m["rare_4"]) == (1, 0)


def test_a_run_trains_six_sizes_in_both_worlds() -> None:
    m = measurements(power_law.run(n_facts=100, seed=0, device="cpu", budget=0.02))
    for frequency in ("zipf", "uniform"):
        losses = [m[f"loss_{frequency}_{number}"] for number in range(1, 7)]
        assert len(set(losses)) == 6
        assert all(loss < 2 * m["uniform_guess"] for loss in losses)
