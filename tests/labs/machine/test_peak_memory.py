from __future__ import annotations

import torch
from torch import Tensor

from labs.machine.peak_memory import peak_allocated, saved_bytes


def test_the_peak_is_what_lived_at_once() -> None:
    def one_after_the_other() -> None:
        for _ in range(3):
            torch.zeros(1000)  # 4,000 bytes, gone before the next

    def side_by_side() -> list[Tensor]:
        return [torch.zeros(1000) for _ in range(3)]

    assert peak_allocated(one_after_the_other) == 4_000
    assert peak_allocated(side_by_side) == 12_000


def test_temporary_tensors_inside_an_operation_count() -> None:
    x = torch.zeros(50, 1000)

    def logsumexp() -> Tensor:
        return x.logsumexp(dim=-1)

    assert peak_allocated(logsumexp) > 50 * 1000 * 4 > 50 * 4


def test_what_was_there_before_does_not_count() -> None:
    x = torch.zeros(100_000)
    assert peak_allocated(lambda: x.add_(1)) < 1000
    assert peak_allocated(lambda: None) == 0


def test_a_storage_that_is_saved_twice_counts_once() -> None:
    x = torch.ones(100, requires_grad=True)
    assert saved_bytes(lambda: x * x) == 400
    assert saved_bytes(lambda: x.exp()) == 400
    assert saved_bytes(lambda: x + 1) == 0
    # exp saves its result, the product its two factors: of three numbers two are the same.
    assert saved_bytes(lambda: x.exp() * x) == 800


def test_a_view_counts_with_all_that_it_keeps_alive() -> None:
    x = torch.ones(100, requires_grad=True)
    assert saved_bytes(lambda: x[:10] * x[:10]) == 400


def test_counting_leaves_the_gradient_right() -> None:
    x = torch.full((3,), 2.0, requires_grad=True)
    kept: list[Tensor] = []

    def cube() -> Tensor:
        kept.append(x**3)
        return kept[0]

    assert saved_bytes(cube) == 12
    kept[0].sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.tolist() == [12, 12, 12]
