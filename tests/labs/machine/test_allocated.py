from __future__ import annotations

import torch

from labs.machine.allocated import peak_allocated


def test_the_peak_is_what_lived_at_once() -> None:
    def one_after_the_other() -> None:
        for _ in range(3):
            torch.zeros(1000)  # 4,000 bytes, gone before the next

    def side_by_side() -> list[torch.Tensor]:
        return [torch.zeros(1000) for _ in range(3)]

    assert peak_allocated(one_after_the_other) == 4_000
    assert peak_allocated(side_by_side) == 12_000


def test_temporary_tensors_inside_an_operation_count() -> None:
    x = torch.zeros(50, 1000)

    def logsumexp() -> torch.Tensor:
        return x.logsumexp(dim=-1)

    assert peak_allocated(logsumexp) > 50 * 1000 * 4 > 50 * 4


def test_what_was_there_before_does_not_count() -> None:
    x = torch.zeros(100_000)
    assert peak_allocated(lambda: x.add_(1)) < 1000
    assert peak_allocated(lambda: None) == 0
