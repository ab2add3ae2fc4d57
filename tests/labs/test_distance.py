from __future__ import annotations

import pytest
import torch
from torch import Generator

from labs.core import distance as lab
from labs.transformer.recurrent import Gru
from studykit.lab.events import Measurement


def random_kernels() -> torch.Tensor:
    shape = (lab.N_CONVOLUTIONS, 8, 8, lab.KERNEL_SIZE)
    return 0.2 * torch.randn(shape, generator=Generator().manual_seed(1))


def test_a_gradient_stands_at_the_distance_of_its_token() -> None:
    """Change one token: the last output changes where the gradient is not 0, and only there."""
    kernels = random_kernels()
    x = torch.randn(1, 16, 8, generator=Generator().manual_seed(0))
    norms = lab.gradients(lambda x: lab.convolve(x, kernels), x)
    assert len(norms) == 15
    field = lab.N_CONVOLUTIONS * (lab.KERNEL_SIZE - 1)
    last = lab.convolve(x, kernels)[:, -1]
    for distance in (1, field, field + 1, 15):
        changed = x.clone()
        changed[:, -1 - distance] += 1
        differs = not torch.equal(lab.convolve(changed, kernels)[:, -1], last)
        assert differs == bool(norms[distance - 1] > 0) == (distance <= field)


def test_a_gru_loses_what_is_far_before_it_is_trained() -> None:
    gru = Gru(8, Generator().manual_seed(0))
    norms = lab.gradients(gru, torch.randn(4, 32, 8, generator=Generator().manual_seed(1)))
    assert norms[-1] < 1e-3 * norms[0]


def test_models_of_both_tasks_are_measured_until_they_reach_the_target() -> None:
    events = list(lab.run(n_cells=2, seq_len=36, seed=0, device="cpu", budget=0.05))
    steps = {e.name: e.value for e in events if isinstance(e, Measurement) and "steps" in e.name}
    assert steps == dict.fromkeys(
        ("steps_far_attention", "steps_far_gru", "steps_near_attention", "steps_near_gru"),
        pytest.approx(float("inf")),  # 3 and 6 steps are not enough
    )
