"""Numbers at the edge: huge ones, none, NaN where nobody looks, and those next to 0."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from labs.kernels.reference import reference_attention
from tests.labs.kernels.accuracy import allowed_error, largest_difference, results_of
from tests.labs.kernels.cases import Case, DType, Mask
from tests.labs.kernels.registry import SMALL, attend, check, inputs, unequal


def huge_scores(dtype: DType, device: str) -> list[str]:
    """Scores in the tens of thousands, more than float16 holds: all but one weight are 0."""
    q, k, v, d_out = inputs(Case(dtype, 64, 70, 90, 2, 1, Mask("full")), device)
    q, k = 100 * q, 100 * k
    found = results_of(attend, q, k, v, d_out)
    wide = q.float(), k.float(), v.float(), d_out.float()
    exact = results_of(reference_attention, *(x.double() for x in wide))
    rounded = results_of(reference_attention, *wide)
    problems = [name for name, x in found.items() if not x.isfinite().all()]
    for name in ("out", "lse"):
        near = rounded[name].to(found[name].dtype)  # float16 rounds the result, not the scores
        if not largest_difference(found[name], exact[name]) <= allowed_error(exact[name], near):
            problems.append(name)
    return problems


@check
def huge_scores_in_float32(device: str) -> list[str]:
    return huge_scores("float32", device)


@check
def huge_scores_in_float16(device: str) -> list[str]:
    return huge_scores("float16", device)


@check
def a_query_without_a_key_is_exactly_nothing(device: str) -> list[str]:
    case = Case("float32", 32, 90, 70, 2, 1, Mask("bottom-right", "bottom-right"))
    q, k, v, d_out = inputs(case, device)
    found = results_of(attend, q, k, v, d_out, **case.options(device))
    blind = slice(0, 20)
    problems = [name for name in ("out", "dq") if found[name][:, :, blind].count_nonzero()]
    if not (found["lse"][:, :, blind] == -math.inf).all():
        problems.append("lse")
    # Such a query may not disturb the keys either, whatever its numbers are.
    q[:, :, blind], d_out[:, :, blind] = 1e30, 1e30
    disturbed = results_of(attend, q, k, v, d_out, **case.options(device))
    return problems + unequal(disturbed, found)


def poisoned(hidden: slice, case: Case, device: str) -> list[str]:
    """NaN and ∞ in the keys that no query sees, against 0 there."""
    q, k, v, d_out = inputs(case, device)
    problems = []
    k[:, :, hidden], v[:, :, hidden] = 0, 0
    expected = results_of(attend, q, k, v, d_out, **case.options(device))
    for name in ("dk", "dv"):
        if expected[name][:, :, hidden].count_nonzero():
            problems.append(f"{name} of hidden keys")
    for poison in (math.nan, math.inf, -math.inf):
        k[:, :, hidden], v[:, :, hidden] = poison, poison
        found = results_of(attend, q, k, v, d_out, **case.options(device))
        problems += [f"{poison}: {name}" for name in unequal(found, expected)]
    return problems


@check
def numbers_in_padded_keys_have_no_part(device: str) -> list[str]:
    case = Case("float16", 32, 70, 90, 2, 1, Mask("padded", key_shares=(0.5, 0.5)))
    return poisoned(slice(45, None), case, device)


@check
def numbers_in_keys_after_all_queries_have_no_part(device: str) -> list[str]:
    case = Case("float16", 32, 70, 90, 2, 1, Mask("top-left", "top-left"))
    return poisoned(slice(70, None), case, device)


@check
def numbers_in_keys_before_all_windows_have_no_part(device: str) -> list[str]:
    case = Case("float16", 32, 70, 190, 2, 1, Mask("window", "bottom-right", window=30))
    return poisoned(slice(0, 190 - 70 - 29), case, device)


@check
def numbers_in_keys_that_one_late_token_does_not_see_have_no_part(device: str) -> list[str]:
    case = Case("float16", 32, 1, 1100, 2, 1, Mask("padded", "bottom-right", 300, (0.8, 0.8)))
    return poisoned(slice(880, None), case, device) + poisoned(slice(0, 580), case, device)


@check
def equal_keys_give_the_mean(device: str) -> list[str]:
    q, k, v, _ = inputs(replace(SMALL, dtype="float32"), device)
    out, lse = attend(q, k[:, :, :1].expand_as(k), v)
    mean = v.mean(dim=2, keepdim=True).repeat_interleave(2, dim=1).expand_as(out)
    score = (q * k[:, :, :1].repeat_interleave(2, dim=1)).sum(dim=-1) / math.sqrt(32)
    torch.testing.assert_close(out, mean, atol=1e-5, rtol=0)
    torch.testing.assert_close(lse, score + math.log(90), atol=1e-5, rtol=0)
    return []


@check
def negative_zeros_are_zeros(device: str) -> list[str]:
    q, k, v, d_out = (torch.full_like(x, -0.0) for x in inputs(SMALL, device))
    found = results_of(attend, q, k, v, d_out)
    problems = [name for name in ("out", "dq", "dk", "dv") if found[name].count_nonzero()]
    torch.testing.assert_close(found["lse"], torch.full_like(found["lse"], math.log(90)))
    return problems


@check
def numbers_below_the_normal_ones_survive(device: str) -> list[str]:
    """In float16 they are the multiples of 6e-8 below 6e-5, and gradients are often among them."""
    case = Case("float16", 32, 70, 90, 4, 2, Mask("full"))
    q, k, v, d_out = inputs(case, device)
    v, d_out = (x.float().mul(1e-6).half() for x in (v, d_out))
    found = results_of(attend, q, k, v, d_out)
    exact = results_of(reference_attention, q.double(), k.double(), v.double(), d_out.double())
    step = 2.0**-24  # the smallest float16
    return [
        f"{name}: off by {float(error):.3g}"
        for name in ("out", "dv")
        if (error := (found[name].double() - exact[name]).abs().max()) > step
    ]
