from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from torch import Generator

from labs.core import distance as lab
from labs.tasks.recall import RecallTask
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

TINY = lab.Budget(
    n_steps=8, evaluate_every=2, batch_size=4, d_model=8, n_held_out=256, preview=16, n_probes=8
)
TASK = RecallTask(n_names=2, n_values=lab.N_VALUES, n_cells=2, n_fillers=29)

DEFAULT_RUN = {
    "uniform_entropy": 1.386,
    "chance": 0.25,
    "random_cell": 0.625,
    "far_gradient_attention": 0.85,
    "far_gradient_gru": 1.3e-8,
    "far_gradient_biased": 0.064,
    "far_gradient_convolution": 0.0,
    "shared": 0.249,
    "early_worst_attention": 1.0,
    "early_worst_gru": 0.66,
    "early_worst_biased": 0.58,
    "early_worst_convolution": 0.24,
    "final_worst_attention": 1.0,
    "final_near_attention": 1.0,
    "final_far_attention": 1.0,
    "final_worst_gru": 1.0,
    "final_near_gru": 1.0,
    "final_far_gru": 1.0,
    "final_worst_biased": 1.0,
    "final_near_biased": 1.0,
    "final_far_biased": 1.0,
    "final_worst_convolution": 0.21,
    "final_near_convolution": 0.92,
    "final_far_convolution": 0.26,
}
"""What a run with default knobs measures, rounded."""

nan = math.nan


@cache
def tiny_run(seed: int = 0, n_cells: int = 2) -> tuple[Event, ...]:
    """All events of a run that is far too short to learn anything."""
    return tuple(lab.measure(TINY, n_cells=n_cells, seq_len=32, seed=seed, device="cpu"))


def measurements(events: tuple[Event, ...]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def reader(arm: str, seed: int = 0) -> lab.Reader:
    return lab.Reader(TASK, 8, arm, Generator().manual_seed(seed))


def test_a_run_measures_what_the_verdict_asks_for() -> None:
    measured = measurements(tiny_run())
    assert set(measured) == set(DEFAULT_RUN)
    assert set(lab.verdict(measured)) == set(lab.CLAIMS)


def test_yardsticks_are_marked_as_such() -> None:
    marked = {e.name: e.value for e in tiny_run() if isinstance(e, Measurement) and e.yardstick}
    assert marked == {"uniform_entropy": math.log(4), "chance": 0.25, "random_cell": 0.625}
    assert measurements(tiny_run(n_cells=6))["random_cell"] == pytest.approx(1 / 6 + 5 / 24)


def test_curves_grow_in_step_with_the_progress() -> None:
    losses = [e for e in tiny_run() if isinstance(e, Curve) and e.chart == "Loss"]
    for name in lab.LABELS.values():
        assert [x for curve in losses if curve.name == name for x in curve.xs] == [0, 2, 4, 6, 8]
    progress = [event for event in tiny_run() if isinstance(event, Progress)]
    assert [event.done for event in progress] == [0, 0, 2, 4, 6, 8]
    assert progress[-1].done == progress[-1].total


def test_the_tables_show_every_range_of_distances_early_and_at_the_end() -> None:
    tables = [event for event in tiny_run() if isinstance(event, Table)]
    assert [table.title.split(",")[0] for table in tables] == [
        "Right answers after 2 steps",
        "Right answers after 8 steps",
    ]
    columns = ("model", "1 to 4", "5 to 8", "9 to 16", "17 to 31")
    measured = measurements(tiny_run())
    for phase, table in zip(("early", "final"), tables, strict=True):
        assert table.columns == columns
        for arm, (label, *shares) in zip(lab.LABELS, table.rows, strict=True):
            assert label == lab.LABELS[arm]
            assert measured[f"{phase}_worst_{arm}"] == min(shares)
            if phase == "final":
                assert (measured[f"final_near_{arm}"], measured[f"final_far_{arm}"]) == (
                    shares[0],
                    shares[-1],
                )


@pytest.mark.parametrize("arm", list(lab.LABELS))
def test_a_gradient_stands_at_the_distance_of_its_token(arm: str) -> None:
    """Change the token at a distance: the state changes where the gradient is not 0."""
    model = reader(arm)
    tokens = TASK.draw(1, Generator().manual_seed(0)).tokens
    by_distance = lab.gradients(model, tokens)
    assert len(by_distance) == TASK.seq_len - 1
    state = model.model(model.vectors(tokens))
    for distance in (1, lab.RECEPTIVE_FIELD, lab.RECEPTIVE_FIELD + 1, TASK.seq_len - 1):
        changed = tokens.clone()
        changed[0, -1 - distance, 0] = (changed[0, -1 - distance, 0] + 1) % TASK.vocab_size
        differs = not torch.equal(model.model(model.vectors(changed)), state)
        assert differs == bool(by_distance[distance - 1] > 0)


def test_the_convolution_sees_its_receptive_field_and_no_more() -> None:
    tokens = TASK.draw(4, Generator().manual_seed(0)).tokens
    by_distance = lab.gradients(reader("convolution"), tokens)
    assert (by_distance[: lab.RECEPTIVE_FIELD] > 0).all()
    assert not by_distance[lab.RECEPTIVE_FIELD :].any()


def test_the_bias_of_the_gate_keeps_the_state() -> None:
    tokens = TASK.draw(4, Generator().manual_seed(0)).tokens
    plain, biased = (lab.gradients(reader(arm), tokens) for arm in ("gru", "biased"))
    assert biased[-1] / biased[0] > 100 * plain[-1] / plain[0]


def test_the_arms_are_of_similar_size_as_the_lab_says() -> None:
    """Beside the embeddings and output layer that all have; the docstring gives the range."""
    n_fillers = 64 - 2 - 1
    task = RecallTask(n_names=2, n_values=lab.N_VALUES, n_cells=2, n_fillers=n_fillers)
    readers = [lab.Reader(task, lab.Budget().d_model, arm, Generator()) for arm in lab.LABELS]
    sizes = [sum(parameter.numel() for parameter in each.model.parameters()) for each in readers]
    assert (round(min(sizes), -2), round(max(sizes), -2)) == (6300, 10300)
    assert "6,300 to 10,300 parameters" in " ".join((lab.__doc__ or "").split())


def test_all_arms_start_from_the_same_embeddings() -> None:
    first, *others = (reader(arm) for arm in lab.LABELS)
    for other in others:
        assert torch.equal(other.embed.weight, first.embed.weight)
        assert torch.equal(other.unembed.weight, first.unembed.weight)


def test_the_seed_decides_everything() -> None:
    again = tuple(lab.measure(TINY, n_cells=2, seq_len=32, seed=0, device="cpu"))
    assert measurements(again) == measurements(tiny_run())
    other = measurements(tiny_run(seed=1))
    assert other["far_gradient_gru"] != measurements(tiny_run())["far_gradient_gru"]
    assert other["final_worst_gru"] != measurements(tiny_run())["final_worst_gru"]


def test_the_verdict_of_a_default_run() -> None:
    holds = {claim for claim, verdict in lab.verdict(DEFAULT_RUN).items() if verdict}
    assert holds == {"direct", "blind", "shared", "catches_up", "not_the_gradient"}


@pytest.mark.parametrize(
    ("claim", "change", "expected"),
    [
        ("direct", {"far_gradient_attention": 0.32}, False),
        ("direct", {"far_gradient_attention": 3.1}, False),
        ("direct", {"far_gradient_attention": nan}, None),
        ("direct", {"far_gradient_gru": 0.0011}, False),
        ("direct", {"far_gradient_gru": nan}, None),
        ("blind", {"far_gradient_convolution": 1e-30}, False),
        ("blind", {"final_far_convolution": 0.36}, False),
        ("blind", {"final_near_convolution": 0.44}, False),
        ("blind", {"final_near_convolution": nan}, None),
        ("shared", {"shared": 0.16}, False),
        ("shared", {"shared": 0.34}, False),
        ("shared", {"shared": nan}, None),
        ("catches_up", {"early_worst_gru": 0.91}, False),
        ("catches_up", {"final_worst_gru": 0.89}, False),
        ("catches_up", {"final_worst_gru": 0.91}, True),
        ("catches_up", {"early_worst_attention": nan}, None),
        ("forgets", {"final_far_gru": 0.69}, True),
        ("forgets", {"final_far_gru": 0.71}, False),
        ("forgets", {"final_far_gru": nan}, None),
        ("falls_short", {"final_worst_gru": 0.79}, True),
        ("falls_short", {"final_worst_gru": 0.81}, False),
        ("falls_short", {"final_worst_gru": 0.69, "final_far_gru": 0.69}, False),
        ("falls_short", {"final_worst_gru": nan}, None),
        ("not_the_gradient", {"far_gradient_biased": 1.2e-6}, False),
        ("not_the_gradient", {"early_worst_biased": 0.81}, False),
        ("not_the_gradient", {"early_worst_biased": nan}, None),
    ],
)
def test_every_claim_can_hold_and_can_fail(
    claim: str, change: dict[str, float], expected: bool | None
) -> None:
    assert lab.verdict(DEFAULT_RUN | change)[claim] is expected


@pytest.mark.parametrize("near", [0.3, 0.5, 0.7, 0.89, 0.91, 1.0])
@pytest.mark.parametrize("drop", [0.0, 0.05, 0.29, 0.31, 0.5])
def test_a_prediction_has_one_right_option_at_most(near: float, drop: float) -> None:
    """The claims that a learner chooses between exclude one another."""
    far = near - drop
    measured = {"final_near_gru": near, "final_far_gru": far, "final_worst_gru": far}
    verdict = lab.verdict(DEFAULT_RUN | measured)
    assert sum(verdict[claim] is True for claim in ("catches_up", "forgets", "falls_short")) <= 1
