"""Tensors as they lie in memory, and the same bits from the same numbers."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from labs.kernels.flash_attention import flash_attention
from labs.kernels.flash_tiles import Tiles
from labs.kernels.reference import Attended, reference_attention
from labs.kernels.tile_facts import count_requests
from tests.labs.kernels.accuracy import results_of
from tests.labs.kernels.cases import Case, Mask
from tests.labs.kernels.registry import SMALL, attend, check, inputs, unequal


def transposed(x: Tensor) -> Tensor:
    """As a projection leaves it: (batch, seq_len, n_heads, head_dim), with its axes turned."""
    return x.transpose(1, 2).contiguous().transpose(1, 2)


def sliced(x: Tensor) -> Tensor:
    """Part of something larger along every axis, beginning at an odd place."""
    larger = torch.full([size + 3 for size in x.shape], math.nan).to(x)
    part = larger[tuple(slice(1, size + 1) for size in x.shape)]
    return part.copy_(x)


def columns_first(x: Tensor) -> Tensor:
    """Neighbours in a row are far apart in memory."""
    return x.transpose(2, 3).contiguous().transpose(2, 3)


@check
def results_do_not_depend_on_strides(device: str) -> list[str]:
    problems = []
    for case in (SMALL, Case("float16", 40, 1, 600, 4, 2, Mask("full"))):
        q, k, v, d_out = inputs(case, device)
        expected = results_of(attend, q, k, v, d_out, **case.options(device))
        for layout in (transposed, sliced, columns_first):
            moved = (layout(x) for x in (q, k, v, d_out))
            found = results_of(attend, *moved, **case.options(device))
            problems += [f"{layout.__name__} {name}" for name in unequal(found, expected)]
    return problems


@check
def one_tensor_may_stand_for_many(device: str) -> list[str]:
    """Strides of 0: keys and values shared by the batch, and the gradient of a sum."""
    q, k, v, _ = inputs(SMALL, device)
    k, v = k[:1].expand_as(k), v[:1].expand_as(v)
    ones = torch.ones((), device=device).expand_as(q)
    found = results_of(attend, q, k, v, ones)
    expected = results_of(attend, q, k.contiguous(), v.contiguous(), ones.contiguous())
    return unequal(found, expected)


@check
def key_lengths_come_as_they_are(device: str) -> list[str]:
    """Of either integer type, with any stride, and beyond what there is."""
    q, k, v, d_out = inputs(SMALL, device)
    expected = results_of(attend, q, k, v, d_out, key_lengths=torch.tensor([0, 90], device=device))
    problems = []
    for dtype in (torch.int32, torch.int64):
        for lengths in ([0, 90], [-7, 2**31 - 1]):
            spread = torch.tensor(lengths, dtype=dtype, device=device).repeat_interleave(2)[::2]
            found = results_of(attend, q, k, v, d_out, key_lengths=spread)
            problems += [f"{dtype} {lengths}: {name}" for name in unequal(found, expected)]
    return problems


@check
def nothing_to_do_is_no_error(device: str) -> list[str]:
    """No sequence, no query or no key, as an empty batch or an empty cache has them."""
    problems = []
    for batch, n_queries, n_keys in ((0, 3, 5), (2, 0, 5), (2, 3, 0)):
        q = torch.ones(batch, 2, n_queries, 16, device=device)
        k = torch.ones(batch, 2, n_keys, 16, device=device)
        found = results_of(attend, q, k, k, q)
        for name in ("out", "dq", "dk", "dv"):
            if found[name].count_nonzero():
                problems.append(f"{name} of {n_queries} queries and {n_keys} keys")
        if not (found["lse"] == -math.inf).all():
            problems.append("lse")
    return problems


@check
def q_k_and_v_may_be_the_same_tensor(device: str) -> list[str]:
    q = inputs(replace(SMALL, dtype="float32"), device)[0].requires_grad_()
    ours, theirs = (
        torch.autograd.grad(attention(q, q, q).out.square().sum(), q)
        for attention in (attend, reference_attention)
    )
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    return []


@check
def inputs_and_upstream_gradients_stay_as_they_are(device: str) -> list[str]:
    given = inputs(SMALL, device)
    before = [x.clone() for x in given]
    results_of(attend, *given, **SMALL.options(device))
    return [
        name
        for name, x, kept in zip(["q", "k", "v", "d_out"], given, before, strict=True)
        if not torch.equal(x, kept)
    ]


@check
def the_same_call_gives_the_same_bits(device: str) -> list[str]:
    given, options = inputs(SMALL, device), SMALL.options(device)
    return unequal(results_of(attend, *given, **options), results_of(attend, *given, **options))


@check
def the_order_of_a_batch_changes_nothing(device: str) -> list[str]:
    case = Case("float16", 64, 113, 203, 4, 2, Mask("padded", "bottom-right", 70, (0.9, 0.4)))
    q, k, v, d_out = inputs(case, device)
    options = case.options(device)
    expected = results_of(attend, q, k, v, d_out, **options)
    options["key_lengths"] = options["key_lengths"].flip(0)
    turned = results_of(attend, q.flip(0), k.flip(0), v.flip(0), d_out.flip(0), **options)
    return unequal({name: x.flip(0) for name, x in turned.items()}, expected)


@check
def lse_changes_neither_out_nor_gradients(device: str) -> list[str]:
    given, options = inputs(SMALL, device), SMALL.options(device)

    expected = results_of(attend, *given, **options)

    def without_lse(q: Tensor, k: Tensor, v: Tensor, **rest: Any) -> Attended:
        out = flash_attention(q, k, v, **rest)
        assert isinstance(out, Tensor)
        return Attended(out, expected["lse"])

    return unequal(results_of(without_lse, *given, **options), expected)


@check
def requests_are_those_of_the_tiles(device: str) -> list[str]:
    """Queries once, keys and values once for each tile of queries; counted in the interpreter."""
    if device != "cpu":
        return []
    half, whole = Tiles(16, 32, 4, 2), Tiles(32, 16, 4, 2)
    found = count_requests([half, whole], 32)
    return [] if found == {half: 5 / 3, whole: 1.0} else [f"{found}"]
