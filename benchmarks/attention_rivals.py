"""The ways to compute attention that are timed, each a function of q, k and v, and their check.

FlexAttention is compiled anew for each shape, as a program that knows its shapes would have it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Generator, Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.attention_cases import OURS, OURS_IN_ANY_ORDER, Case
from labs.kernels.reference import Causal, reference_attention

Attend: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]

BACKENDS = {
    "cuDNN": SDPBackend.CUDNN_ATTENTION,
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}
ROW_LIMIT = 0.05
"""Largest error of a row that a kernel of 16-bit numbers may make; see `row_error`."""


@dataclass(frozen=True, slots=True)
class Rival:
    """One way to compute attention."""

    attend: Attend
    backend: SDPBackend | None = None

    def scope(self) -> AbstractContextManager[object]:
        """Where it is called: within, SDPA has one backend."""
        return nullcontext() if self.backend is None else sdpa_kernel(self.backend)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Normal random numbers: all zeros would let a GPU's clock rise."""

    q: Tensor
    k: Tensor
    v: Tensor
    grad: Tensor
    """Gradient of the loss with respect to the output."""


def make_inputs(case: Case, *, device: str, dtype: torch.dtype) -> Inputs:
    """The same for each rival and in each run."""
    generator = Generator(device).manual_seed(0)

    def draw(n_heads: int, length: int) -> Tensor:
        shape = (case.batch, n_heads, length, case.head_dim)
        return torch.randn(shape, generator=generator, device=device, dtype=dtype)

    q, grad = draw(case.n_heads, case.n_queries), draw(case.n_heads, case.n_queries)
    k, v = draw(case.n_kv_heads, case.n_keys), draw(case.n_kv_heads, case.n_keys)
    for tensor in (q, k, v):
        tensor.requires_grad_(case.direction == "backward")
    return Inputs(q, k, v, grad)


def build_rival(name: str, case: Case, device: str) -> Rival:
    """The rival of that name, ready for the case; raises whatever its libraries raise."""
    is_causal, is_grouped = case.is_causal, case.n_heads != case.n_kv_heads
    if name in (OURS, OURS_IN_ANY_ORDER):
        from labs.kernels.flash_attention import flash_attention

        causal: Causal = "top-left" if is_causal else "none"
        deterministic = name == OURS
        return Rival(
            lambda q, k, v: flash_attention(q, k, v, causal=causal, deterministic=deterministic)
        )
    if name in BACKENDS:
        return Rival(
            lambda q, k, v: F.scaled_dot_product_attention(
                q, k, v, is_causal=is_causal, enable_gqa=is_grouped
            ),
            BACKENDS[name],
        )
    if name == "FlexAttention":
        return Rival(_flex(case, device))
    return Rival(lambda q, k, v: naive(q, k, v, is_causal=is_causal))


def naive(q: Tensor, k: Tensor, v: Tensor, *, is_causal: bool) -> Tensor:
    """Three operations of PyTorch, every score and every weight in memory."""
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
    scores = (q / math.sqrt(q.shape[-1])) @ k.transpose(-2, -1)
    if is_causal:
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
        scores = scores.masked_fill(hidden, -math.inf)
    return scores.softmax(dim=-1) @ v


def _flex(case: Case, device: str) -> Attend:
    from torch._functorch import config
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    config.donated_buffer = False  # one graph is walked backward many times
    torch.compiler.reset()  # beyond a few shapes, the compiler would give up on the function

    def is_seen(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return query >= key

    mask = None
    if case.is_causal:
        mask = create_block_mask(is_seen, None, None, case.n_queries, case.n_keys, device)
    compiled: Callable[..., Tensor] = torch.compile(flex_attention, dynamic=False)
    is_grouped = case.n_heads != case.n_kv_heads
    return lambda q, k, v: compiled(q, k, v, block_mask=mask, enable_gqa=is_grouped)


def chosen_backend(case: Case, inputs: Inputs) -> str:
    """What SDPA takes for these tensors when it may choose."""
    number = torch._fused_sdp_choice(
        inputs.q,
        inputs.k,
        inputs.v,
        is_causal=case.is_causal,
        enable_gqa=case.n_heads != case.n_kv_heads,
    )
    chosen = SDPBackend(number)
    return next((name for name, backend in BACKENDS.items() if backend == chosen), chosen.name)


def results(attend: Attend, case: Case, inputs: Inputs) -> list[Tensor]:
    """The output; backward, the gradients of q, k and v after it."""
    q, k, v = inputs.q, inputs.k, inputs.v
    with torch.set_grad_enabled(case.direction == "backward"):
        out = attend(q, k, v)
    if case.direction != "backward":
        return [out]
    return [out.detach(), *torch.autograd.grad(out, (q, k, v), inputs.grad)]


def action(attend: Attend, case: Case, inputs: Inputs) -> Callable[[], Any]:
    """What is timed: the forward pass, or the backward pass of a forward pass that was made."""
    q, k, v = inputs.q, inputs.k, inputs.v
    if case.direction != "backward":
        return lambda: attend(q, k, v)
    out = attend(q, k, v)
    return lambda: torch.autograd.grad(out, (q, k, v), inputs.grad, retain_graph=True)


def expected_results(case: Case, inputs: Inputs) -> list[list[Tensor]]:
    """`results` in 32 bits of `corners`, each corner from attention as its definition says it.

    One query head at a time: all scores of all heads would not fit.
    """
    causal: Causal = "top-left" if case.is_causal else "none"
    expected = []
    for q, grad, k, v in zip(
        *(corners(tensor, case) for tensor in (inputs.q, inputs.grad)),
        *(corners(tensor, case) for tensor in (inputs.k, inputs.v)),
        strict=True,
    ):
        q, k, v = (x.detach().float().requires_grad_(q.requires_grad) for x in (q, k, v))
        outs = []
        for head in range(q.shape[1]):
            one = slice(head, head + 1)
            out = reference_attention(q[:, one], k, v, causal=causal).out
            if case.direction == "backward":
                torch.autograd.backward(out, grad[:, one].float())
            outs.append(out.detach())
        gradients = [x.grad for x in (q, k, v) if x.grad is not None]
        expected.append([torch.cat(outs, dim=1), *gradients])
    return expected


def corners(tensor: Tensor, case: Case) -> list[Tensor]:
    """The part of the first and of the last key-value head: (1, heads, length, head_dim) each."""
    n_heads = tensor.shape[1] // case.n_kv_heads
    return [tensor[:1, :n_heads], tensor[-1:, -n_heads:]]


def largest_error(case: Case, actual: list[Tensor], expected: list[list[Tensor]]) -> float:
    """The worst `row_error` of the output and, backward, of the gradients."""
    parts = zip(*(corners(tensor, case) for tensor in actual), strict=True)
    return max(
        row_error(ours, theirs)
        for corner, truth in zip(parts, expected, strict=True)
        for ours, theirs in zip(corner, truth, strict=True)
    )


def row_error(actual: Tensor, expected: Tensor) -> float:
    """Length of the worst row's error, over the length of that row plus that of a typical one.

    By rows, since one wrong tile would vanish in a mean. NaN counts as infinite.
    """
    errors = (actual.float() - expected).norm(dim=-1)
    lengths = expected.norm(dim=-1)
    typical = lengths.square().mean().sqrt()
    worst = float((errors / (lengths + typical).clamp(min=1e-30)).max())
    return math.inf if math.isnan(worst) else worst
