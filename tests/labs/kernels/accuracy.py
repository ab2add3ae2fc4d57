"""Is a result as right as it can be in its precision? The rule of FlashAttention's own tests.

The measure is the reference in float64. The error allowed is twice that of PyTorch in the precision
of the inputs, plus twice what rounding the right answer costs. So the tolerance follows from the
inputs, and a case of large or cancelling numbers needs no exception.

PyTorch computes it in two ways, and the worse counts: the reference, and, in float32, the
specification. Only the latter takes the gradient of a score from the difference of two sums, as
the kernel does; where there is one key the reference is exactly right, and neither of them can be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Generator, Tensor

from labs.kernels.online_softmax import online_attention, online_attention_backward
from labs.kernels.reference import Attended, reference_attention
from tests.labs.kernels.cases import Case

Attention: TypeAlias = Callable[..., Attended]
Results: TypeAlias = Mapping[str, Tensor]


def results_of(
    attention: Attention, q: Tensor, k: Tensor, v: Tensor, d_out: Tensor, **options: Any
) -> dict[str, Tensor]:
    """What the call returns, and the gradients of Σ out · d_out."""
    q, k, v = (x.detach().requires_grad_() for x in (q, k, v))
    out, lse = attention(q, k, v, **options)
    dq, dk, dv = torch.autograd.grad(out, (q, k, v), d_out.to(out.dtype))
    return {"out": out.detach(), "lse": lse.detach(), "dq": dq, "dk": dk, "dv": dv}


def specified(q: Tensor, k: Tensor, v: Tensor, d_out: Tensor, **options: Any) -> dict[str, Tensor]:
    """The same from the specification, in float32."""
    q, k, v, d_out = (x.float() for x in (q, k, v, d_out))
    attended = online_attention(q, k, v, **options)
    gradients = online_attention_backward(q, k, v, attended, d_out, **options)
    return {**attended._asdict(), **gradients._asdict()}


def faults(attention: Attention, case: Case, device: str = "cpu") -> list[str]:
    """What is wrong with `attention` in this case."""
    q, k, v = case.tensors(device)
    options = case.options(device)
    d_out = torch.randn(q.shape, generator=Generator().manual_seed(6)).to(q)
    found = results_of(attention, q, k, v, d_out, **options)
    return Judge(q, k, v, d_out, **options).too_wrong(found) + wrong_forms(found, q, k, v)


class Judge:
    """Knows what is right for these inputs, and how far from it a result may be."""

    def __init__(self, q: Tensor, k: Tensor, v: Tensor, d_out: Tensor, **options: Any) -> None:
        given = q, k, v, d_out
        self._exact = results_of(reference_attention, *(x.double() for x in given), **options)
        rounded = results_of(reference_attention, *given, **options)
        # The scores are kept in float32 whatever the inputs are.
        rounded["lse"] = reference_attention(q.float(), k.float(), v.float(), **options).lse
        in_tiles = specified(*given, **options)
        self._allowed = {
            name: allowed_error(exact, rounded[name], in_tiles[name])
            for name, exact in self._exact.items()
        }
        assert all(map(math.isfinite, self._allowed.values())), self._allowed

    def too_wrong(self, found: Results) -> list[str]:
        """Those results that are further from the exact ones than their precision excuses."""
        problems = []
        for name, result in found.items():
            error = largest_difference(result, self._exact[name])
            if not error <= self._allowed[name]:
                problems.append(f"{name}: off by {error:.3g}, not {self._allowed[name]:.3g}")
        return problems


def wrong_forms(found: Results, q: Tensor, k: Tensor, v: Tensor) -> list[str]:
    """Results whose shape or dtype is not that of what they belong to."""
    like = {"out": q, "dq": q, "dk": k, "dv": v, "lse": q[..., 0].float()}
    return [
        f"{name}: {tuple(found[name].shape)} {found[name].dtype}"
        for name, x in like.items()
        if found[name].shape != x.shape or found[name].dtype != x.dtype
    ]


def allowed_error(exact: Tensor, rounded: Tensor, *in_float32: Tensor) -> float:
    """Twice the largest error of the rounded result, and twice that of writing `exact` as it.

    Four times in float32: there all of it comes from the order of sums and the last bit of the
    scale, and either side may be lucky; in 16 bits it comes from rounding the same tiles. Where
    these cancel to 0, as with a single key, only the order of sums in float32 is left: eight times.
    """
    finite = exact[exact.isfinite()]
    largest = float(finite.abs().max()) if finite.numel() else 0.0
    single = rounded.dtype == torch.float32
    computing = (4 if single else 2) * largest_difference(rounded, exact)
    for other in in_float32:
        computing = max(computing, (4 if single else 8) * largest_difference(other, exact))
    return computing + 2 * torch.finfo(rounded.dtype).eps * largest


def largest_difference(a: Tensor, b: Tensor) -> float:
    """max |a - b|, where equal infinities differ by 0 and NaN differs from all by ∞."""
    difference = (a.double() - b.double()).abs().masked_fill(a.double() == b.double(), 0)
    return float(difference.nan_to_num(nan=math.inf).max()) if difference.numel() else 0.0
