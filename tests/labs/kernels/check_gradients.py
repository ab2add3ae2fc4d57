"""Gradients: which there are, and by which way."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labs.kernels.reference import reference_attention
from tests.labs.kernels.accuracy import Judge, allowed_error, largest_difference, results_of
from tests.labs.kernels.cases import Case, Mask
from tests.labs.kernels.registry import SMALL, attend, check, inputs


@check
def the_faster_backward_is_as_right(device: str) -> list[str]:
    problems = []
    for case in (
        SMALL,
        Case("float16", 64, 257, 130, 4, 1, Mask("bottom-right", "bottom-right")),
        Case("float16", 64, 130, 257, 4, 1, Mask("window", "bottom-right", window=60)),
        Case("float16", 80, 203, 113, 2, 2, Mask("padded", "none", None, (0.0, 0.8))),
    ):
        given, options = inputs(case, device), case.options(device)
        found = results_of(attend, *given, deterministic=False, **options)
        judge = Judge(*given, **options)
        problems += [f"{case.id} {problem}" for problem in judge.too_wrong(found)]
    return problems


@check
def gradients_are_only_those_that_are_asked_for(device: str) -> list[str]:
    q, k, v, d_out = inputs(SMALL, device)
    expected = results_of(attend, q, k, v, d_out)
    problems = []
    for wanted, name in enumerate(("dq", "dk", "dv")):
        leaves = [x.clone().requires_grad_(i == wanted) for i, x in enumerate((q, k, v))]
        torch.autograd.backward(attend(*leaves).out, d_out)
        for i, leaf in enumerate(leaves):
            right = leaf.grad is None
            if i == wanted:
                right = leaf.grad is not None and torch.equal(leaf.grad, expected[name])
            if not right:
                problems.append(f"{name} alone, gradient {i}")
    return problems


@check
def lse_has_its_gradient_too(device: str) -> list[str]:
    """d lse / d score is the weight: what ring attention and a z-loss need."""
    q, k, v, d_out = inputs(SMALL, device)

    def gradients(attention: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        leaves = [x.detach().requires_grad_() for x in tensors]
        out, lse = attention(*leaves, **SMALL.options(device))
        loss = (out * d_out.to(out)).sum() + lse.square().sum()
        return torch.autograd.grad(loss, leaves)

    found = gradients(attend, q, k, v)
    exact = gradients(reference_attention, q.double(), k.double(), v.double())
    rounded = gradients(reference_attention, q, k, v)
    return [
        name
        for name, x, right, near in zip(("dq", "dk", "dv"), found, exact, rounded, strict=True)
        if not largest_difference(x, right) <= allowed_error(right, near)
    ]


@check
def there_is_no_second_derivative(device: str) -> list[str]:
    """It is refused, and not taken for 0."""
    q, k, v, _ = (x.requires_grad_() for x in inputs(SMALL, device))
    (dq,) = torch.autograd.grad(attend(q, k, v).out.square().sum(), q, create_graph=True)
    try:
        torch.autograd.grad(dq.sum(), q)
    except RuntimeError:
        return []
    return ["computes something"]
