from __future__ import annotations

import pytest
import torch
from torch import Generator

from labs.core import scaling as lab
from labs.tasks.recall import RecallTask
from studykit.lab.events import Table

TASK = RecallTask(n_names=6, n_values=8, n_cells=4)
QUESTIONS = TASK.draw(16, Generator().manual_seed(0))
BATCH = QUESTIONS[:2]


def test_arms_start_from_the_same_weights_apart_from_what_they_are_about() -> None:
    scaled, unscaled, small, argmax = (lab.build(arm, TASK, 16, 3, "cpu") for arm in lab.LABELS)
    assert [float(head.scale) for head in (scaled, unscaled, small)] == [0.25, 1, 1]
    for head in (unscaled, argmax):
        for parameter, first in zip(head.parameters(), scaled.parameters(), strict=True):
            assert torch.equal(parameter, first)
    torch.testing.assert_close(2 * small.query.weight, scaled.query.weight)  # 16 ** 0.25 is 2
    torch.testing.assert_close(2 * small.key.weight, scaled.key.weight)


def test_small_weights_start_with_the_scores_that_the_scale_gives() -> None:
    scaled, small = (lab.build(arm, TASK, 64, 3, "cpu") for arm in ("scaled", "small"))
    torch.testing.assert_close(small(QUESTIONS.tokens), scaled(QUESTIONS.tokens))


def test_an_argmax_reads_one_cell_and_gives_its_query_no_gradient() -> None:
    scaled, argmax = (lab.build(arm, TASK, 8, 0, "cpu") for arm in ("scaled", "argmax"))
    weights = argmax.weights(QUESTIONS.tokens[:, -1:], QUESTIONS.tokens[:, :-1])
    assert weights.amax(dim=-1).min() == 1
    assert lab.query_gradient(argmax, BATCH) == 0
    assert lab.query_gradient(scaled, BATCH) > 0


def test_a_query_without_the_scale_has_a_gradient_that_finite_differences_confirm() -> None:
    q, k, v, direction = (torch.randn(3, n, 4, dtype=torch.float64) for n in (1, 5, 5, 1))

    def read(query: torch.Tensor) -> torch.Tensor:
        return ((query @ k.mT).softmax(dim=-1) @ v * direction).sum(dim=(1, 2))

    _, norms = lab.probe(1.0, q, k, v, direction)
    steps = 1e-6 * torch.eye(4, dtype=torch.float64)
    slopes = [(read(q + step) - read(q - step)) / 2e-6 for step in steps]
    torch.testing.assert_close(torch.stack(slopes, dim=-1).norm(dim=-1), norms[:, 0])


def test_the_scale_keeps_heads_of_all_widths_alike_before_training() -> None:
    (table,) = (event for event in lab.before_training(0, "cpu") if isinstance(event, Table))
    scaled, unscaled = ([float(row[i]) for row in table.rows] for i in (1, 2))
    assert max(scaled) < 1.2 * min(scaled)
    assert unscaled == sorted(unscaled, reverse=True)
    assert unscaled[0] > 3 * unscaled[-1]


def test_one_equal_weights_head_reads_all_cells() -> None:
    zeros = torch.zeros(2, 1, 4)
    read, _ = lab.probe(1.0, zeros, torch.randn(2, 7, 4), torch.randn(2, 7, 4), zeros)
    assert read == pytest.approx(7, abs=1e-4)
