from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch import Generator, Tensor

from labs.core import attention_lookup as lab
from labs.tasks.recall import RecallTask
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress, Table

TINY = lab.Budget(
    n_steps=8, evaluate_every=2, batch_size=4, d_model=8, n_names=6, n_held_out=32, n_fresh=64
)

DEFAULT_RUN = {
    "cells_read_scaled": 10.6,
    "cells_read_unscaled": 1.51,
    "gradient_ratio_64": 1.73,
    "gradient_ratio_1024": 0.0007,
    "chance": 0.125,
    "commonest": 0.34,
    "early_scaled": 1.0,
    "early_unscaled": 0.42,
    "early_hard": 0.21,
    "final_scaled": 1.0,
    "final_unscaled": 0.95,
    "final_hard": 0.22,
    "weight": 0.94,
    "keys_moved_new": 1.0,
    "keys_moved_old": 0.13,
    "value_changed": 1.0,
    "two_together": 0.97,
    "two_lesser": 0.41,
    "weight_crowd": 0.22,
}
"""What a run with default knobs measures, rounded."""

nan = math.nan


@cache
def tiny_run(seed: int = 0, head_dim: int = 8) -> tuple[Event, ...]:
    """All events of a run that is far too short to learn anything."""
    return tuple(lab.measure(TINY, head_dim=head_dim, n_cells=4, seed=seed, device="cpu"))


def measurements(events: tuple[Event, ...]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def perfect_head(task: RecallTask) -> lab.Lookup:
    """A head set by hand: a name is its own query and its own key, a value its own value."""
    n = task.vocab_size
    head = lab.Lookup(task, d_model=n, head_dim=n, scale=20.0, generator=Generator())
    names, asked = slice(0, task.n_names), slice(task.asked, task.asked + task.n_names)
    values = slice(task.first_value, task.first_value + task.n_values)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.zero_()
        head.embed.weight.copy_(torch.eye(n))
        head.query.weight[names, asked] = torch.eye(task.n_names)
        head.key.weight[names, names] = torch.eye(task.n_names)
        head.value.weight[values, values] = torch.eye(task.n_values)
        head.unembed.weight[:, values] = torch.eye(task.n_values)
    return head


def test_a_run_measures_what_the_verdict_asks_for() -> None:
    measured = measurements(tiny_run())
    assert set(measured) == set(DEFAULT_RUN)
    assert set(lab.verdict(measured)) == set(lab.CLAIMS)


def test_yardsticks_are_marked_as_such() -> None:
    marked = {e.name for e in tiny_run() if isinstance(e, Measurement) and e.yardstick}
    assert marked == {"chance", "commonest"}
    assert measurements(tiny_run())["commonest"] > measurements(tiny_run())["chance"]


def test_curves_grow_in_step_with_the_progress() -> None:
    curves = [event for event in tiny_run() if isinstance(event, Curve)]
    for name in lab.LABELS.values():
        assert [x for curve in curves if curve.name == name for x in curve.xs] == [0, 2, 4, 6, 8]
    progress = [event for event in tiny_run() if isinstance(event, Progress)]
    assert [event.done for event in progress] == [0, 0, 2, 4, 6, 8]
    assert progress[-1].done == progress[-1].total


def test_every_row_of_a_map_of_weights_adds_up_to_one() -> None:
    maps = [event for event in tiny_run() if isinstance(event, HeatMap)]
    assert len(maps) == 2
    for heat_map in maps:
        assert [row[:1] for row in heat_map.rows] == [column[:1] for column in heat_map.columns]
        for row in heat_map.values:
            assert sum(cell or 0.0 for cell in row) == pytest.approx(1, abs=1e-5)
    assert len(set(maps[0].rows)) == 4
    assert len(set(maps[1].rows)) == 3  # one name stands twice


def test_the_scale_keeps_heads_of_all_widths_alike_before_training() -> None:
    (table,) = (event for event in tiny_run() if isinstance(event, Table))
    scaled, unscaled = ([float(row[i]) for row in table.rows] for i in (1, 2))
    assert max(scaled) < 1.2 * min(scaled)
    assert unscaled == sorted(unscaled, reverse=True)
    assert unscaled[0] > 3 * unscaled[-1]


def test_all_arms_start_from_the_same_weights() -> None:
    task = RecallTask(n_names=6, n_values=8, n_cells=4)
    groups = lab.build_heads(task, d_model=8, head_dim=16, seed=3)
    heads = [head for group in groups.values() for head in group]
    assert [round(float(head.scale), 3) for head in heads] == [0.25] * 3 + [1.0] * 3 + [
        lab.HARD
    ] * 3
    for head in heads:
        for parameter, first in zip(head.parameters(), heads[0].parameters(), strict=True):
            assert torch.equal(parameter, first)


def test_a_hard_head_reads_one_cell_and_gives_its_keys_no_gradient() -> None:
    task = RecallTask(n_names=6, n_values=8, n_cells=4)
    questions = task.draw(16, Generator().manual_seed(0))
    scaled, _, hard = (group[0] for group in lab.build_heads(task, 8, 8, seed=0).values())
    assert hard.weights(questions.tokens[:, -1:], questions.tokens[:, :-1]).amax(-1).min() == 1.0

    def key_gradient(head: lab.Lookup) -> Tensor:
        loss = torch.nn.functional.cross_entropy(head(questions.tokens), questions.answers)
        (gradient,) = torch.autograd.grad(loss, head.key.weight)
        return gradient

    assert not key_gradient(hard).any()
    assert key_gradient(scaled).any()


def test_a_perfect_head_passes_every_probe() -> None:
    """Known in advance: it follows keys and values, halves two matches, and drowns in a crowd."""
    task = RecallTask(n_names=8, n_values=8, n_cells=8)
    questions = task.draw(256, Generator().manual_seed(0))
    head = perfect_head(task)
    found = measurements(
        (
            *lab.move_keys_and_values(task, head, questions),
            *lab.match_twice(task, head, questions),
            *lab.call_a_crowd(task, head, questions),
        )
    )
    assert found["weight"] == pytest.approx(1, abs=1e-6)
    assert found["keys_moved_new"] == found["value_changed"] == 1
    assert found["keys_moved_old"] < 0.3  # neighbours that happen to hold the same value
    assert found["two_together"] == pytest.approx(1, abs=1e-6)
    assert found["two_lesser"] == pytest.approx(0.5, abs=1e-6)
    head.scale.fill_(math.log(7 * lab.CROWD))  # the match counts as much as all others together
    (crowd,) = lab.call_a_crowd(task, head, questions)
    assert isinstance(crowd, Measurement)
    assert crowd.value == pytest.approx(0.5, abs=1e-4)


def test_the_seed_decides_everything() -> None:
    again = tuple(lab.measure(TINY, head_dim=8, n_cells=4, seed=0, device="cpu"))
    assert measurements(again) == measurements(tiny_run())
    other = measurements(tiny_run(seed=1))
    assert other["weight"] != measurements(tiny_run())["weight"]
    assert other["gradient_ratio_64"] != measurements(tiny_run())["gradient_ratio_64"]


def test_the_width_of_the_head_reaches_the_model() -> None:
    assert measurements(tiny_run(head_dim=32))["weight"] != measurements(tiny_run())["weight"]


def test_the_verdict_of_a_default_run() -> None:
    holds = {claim for claim, verdict in lab.verdict(DEFAULT_RUN).items() if verdict}
    assert holds == {
        "finds", "follows_keys", "follows_values", "shares", "dilutes", "saturates", "starves",
        "late",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("claim", "change", "expected"),
    [
        ("finds", {"weight": 0.79}, False),
        ("finds", {"final_scaled": 0.94}, False),
        ("finds", {"weight": nan}, None),
        ("follows_keys", {"keys_moved_new": 0.94}, False),
        ("follows_keys", {"keys_moved_new": nan}, None),
        ("stays", {"keys_moved_old": 0.51}, True),
        ("stays", {"keys_moved_old": 0.49}, False),
        ("stays", {"keys_moved_old": nan}, None),
        ("lost", {"keys_moved_new": 0.49}, True),
        ("lost", {"keys_moved_new": 0.49, "keys_moved_old": 0.51}, False),
        ("lost", {"keys_moved_new": nan}, None),
        ("follows_values", {"value_changed": 0.94}, False),
        ("follows_values", {"value_changed": nan}, None),
        ("shares", {"two_together": 0.89}, False),
        ("shares", {"two_lesser": 0.19}, False),
        ("shares", {"two_lesser": nan}, None),
        ("picks", {"two_lesser": 0.09}, True),
        ("picks", {"two_lesser": 0.11}, False),
        ("picks", {"two_lesser": 0.01, "two_together": 0.4}, False),
        ("picks", {"two_lesser": nan}, None),
        ("spreads", {"two_together": 0.49}, True),
        ("spreads", {"two_together": 0.51}, False),
        ("spreads", {"two_together": nan}, None),
        ("dilutes", {"weight_crowd": 0.59}, True),
        ("dilutes", {"weight_crowd": 0.61}, False),
        ("dilutes", {"weight_crowd": nan}, None),
        ("saturates", {"cells_read_unscaled": 3.1}, False),
        ("saturates", {"cells_read_scaled": 7.9}, False),
        ("saturates", {"cells_read_scaled": nan}, None),
        ("starves", {"gradient_ratio_1024": 0.011}, False),
        ("starves", {"gradient_ratio_64": 0.99}, False),
        ("starves", {"gradient_ratio_64": nan}, None),
        ("late", {"early_unscaled": 0.79}, True),
        ("late", {"early_unscaled": 0.81}, False),
        ("late", {"final_unscaled": 0.5}, False),
        ("late", {"final_unscaled": nan}, None),
        ("useless", {"final_unscaled": 0.5}, True),
        ("useless", {"final_unscaled": 0.51}, False),
        ("useless", {"final_unscaled": nan}, None),
        ("indifferent", {"early_unscaled": 0.91}, True),
        ("indifferent", {"early_unscaled": 0.89}, False),
        ("indifferent", {"early_unscaled": 0.91, "final_unscaled": 0.4}, False),
        ("indifferent", {"early_unscaled": nan}, None),
        ("hard_learns", {"final_hard": 0.91}, True),
        ("hard_learns", {"final_hard": 0.89}, False),
        ("hard_learns", {"final_hard": nan}, None),
    ],
)
def test_every_claim_can_hold_and_can_fail(
    claim: str, change: dict[str, float], expected: bool | None
) -> None:
    assert lab.verdict(DEFAULT_RUN | change)[claim] is expected


@pytest.mark.parametrize("first", [0.0, 0.3, 0.49, 0.51, 0.9, 1.0])
@pytest.mark.parametrize("second", [0.0, 0.04, 0.1, 0.3, 0.49])
def test_a_prediction_has_one_right_option_at_most(first: float, second: float) -> None:
    """The claims that a learner chooses between exclude one another."""
    verdict = lab.verdict(DEFAULT_RUN | {"keys_moved_new": first, "keys_moved_old": second})
    assert sum(verdict[claim] is True for claim in ("follows_keys", "stays", "lost")) <= 1
    verdict = lab.verdict(DEFAULT_RUN | {"two_together": first, "two_lesser": first * second})
    assert sum(verdict[claim] is True for claim in ("shares", "picks", "spreads")) <= 1
    verdict = lab.verdict(DEFAULT_RUN | {"early_unscaled": second, "final_unscaled": first})
    assert sum(verdict[claim] is True for claim in ("late", "useless", "indifferent")) <= 1
