"""What PyTorch asks of an operator: that it can be traced, compiled and told apart from a copy."""

from __future__ import annotations

import torch
from torch._subclasses import FakeTensorMode

from labs.kernels.flash_attention import attention_op
from tests.labs.kernels.accuracy import results_of
from tests.labs.kernels.cases import Case, Mask
from tests.labs.kernels.registry import SMALL, attend, check, inputs, unequal


@check
def a_traced_call_has_the_forms_of_a_real_one(device: str) -> list[str]:
    """Shapes, strides and dtypes without numbers, as torch.compile and torch.export ask for."""
    problems = []
    for case in (SMALL, Case("float16", 40, 1, 600, 4, 2, Mask("full"))):
        q, k, v, _ = inputs(case, device)
        transposed = q.transpose(1, 2).contiguous().transpose(1, 2)
        for queries in (q, transposed):
            real = attend(queries, k, v)
            with FakeTensorMode() as mode:
                traced = attend(*(mode.from_tensor(x) for x in (queries, k, v)))
            problems += [
                f"{name} of {case.id}: {x.shape}, {x.stride()} instead of {y.stride()}"
                for name, x, y in zip(("out", "lse"), traced, real, strict=True)
                if (x.shape, x.stride(), x.dtype) != (y.shape, y.stride(), y.dtype)
            ]
    return problems


@check
def a_compiled_call_is_the_same_call(device: str) -> list[str]:
    """As one graph, forward and backward, for which the compiler looks at no number."""
    torch.compiler.reset()
    given, options = inputs(SMALL, device), SMALL.options(device)
    compiled = torch.compile(attend, backend="aot_eager", fullgraph=True)
    return unequal(results_of(compiled, *given, **options), results_of(attend, *given, **options))


@check
def torch_finds_the_operator_in_order(device: str) -> list[str]:
    """Schema, registration of its gradient, tracing, and tracing with changing sizes."""
    case = Case("float16", 16, 20, 30, 2, 1, Mask("full"))
    leaves = [x.requires_grad_() for x in inputs(case, device)[:3]]
    lengths = torch.tensor([20, 30], device=device)
    for options in (("none", None, 0.2, None, True), ("bottom-right", 10, 0.2, lengths, False)):
        torch.library.opcheck(attention_op, (*leaves, *options))
    return []
