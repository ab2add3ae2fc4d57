from __future__ import annotations

import math

import pytest
import torch
from torch import Generator

from labs.core import attention_lookup as lab
from labs.kit.lookup import LookupHead
from labs.tasks.recall import RecallTask
from studykit.lab.events import HeatMap, Measurement

TASK = RecallTask(n_names=8, n_values=8, n_cells=8)
QUESTIONS = TASK.draw(256, Generator().manual_seed(0))


def perfect_head() -> LookupHead:
    """A head set by hand: a name is its own query and its own key, a value its own value."""
    n = TASK.vocab_size
    head = LookupHead(TASK, n, n, Generator(), scale=20.0)
    names, asked = slice(0, TASK.n_names), slice(TASK.asked, TASK.asked + TASK.n_names)
    values = slice(TASK.first_value, TASK.first_value + TASK.n_values)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.embed.weight.copy_(torch.eye(n))
        head.query.weight[names, asked] = torch.eye(TASK.n_names)
        head.key.weight[names, names] = torch.eye(TASK.n_names)
        head.value.weight[values, values] = torch.eye(TASK.n_values)
        head.unembed.weight[:, values] = torch.eye(TASK.n_values)
    return head


def found(head: LookupHead) -> dict[str, float]:
    parts = (lab.as_it_is, lab.move_keys_and_values, lab.match_twice, lab.call_a_crowd)
    with torch.no_grad():
        events = [event for part in parts for event in part(TASK, head, QUESTIONS)]
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def test_a_perfect_head_follows_keys_and_values_and_halves_two_matches() -> None:
    measured = found(perfect_head())
    assert measured["weight"] == pytest.approx(1, abs=1e-6)
    assert measured["right"] == measured["keys_moved_new"] == measured["value_changed"] == 1
    assert measured["keys_moved_old"] < 0.3  # neighbours that happen to hold the same value
    assert measured["two_together"] == pytest.approx(1, abs=1e-6)
    assert measured["two_lesser"] == pytest.approx(0.5, abs=1e-6)


def test_a_match_that_weighs_as_much_as_all_others_together_drowns_in_a_crowd() -> None:
    head = perfect_head()
    head.scale.fill_(math.log(7))
    measured = found(head)
    assert measured["weight"] == pytest.approx(1 / 2, abs=1e-4)
    assert measured["weight_crowd"] == pytest.approx(1 / (1 + lab.CROWD), abs=1e-4)
    assert measured["weight_raised"] == pytest.approx(1 / 2, abs=1e-4)


def test_the_maps_show_whose_weights_they_are() -> None:
    events = lab.run(head_dim=8, n_cells=4, seed=0, device="cpu", budget=0.02)
    alone, double = (event for event in events if isinstance(event, HeatMap))
    for heat_map in (alone, double):
        assert [row[:1] for row in heat_map.rows] == [column[:1] for column in heat_map.columns]
        for row in heat_map.values:
            assert sum(cell or 0.0 for cell in row) == pytest.approx(1, abs=1e-5)
    assert len(set(alone.rows)) == 4
    assert len(set(double.rows)) == 3  # one name stands twice
