"""FlashAttention as a function of PyTorch: out = softmax(scale · q kᵀ) v without storing a score.

Shapes (n_heads = group · n_kv_heads; query head h reads key-value head h // group)::

    q, out, dq          (batch, n_heads,    n_queries, head_dim)   as the caller's dtype
    k, v, dk, dv        (batch, n_kv_heads, n_keys,    head_dim)   the same dtype
    lse, delta          (batch, n_heads,    n_queries)             float32
    a tile of queries   (block_q, block_d)         a tile of keys (block_k, block_d)
    scores, weights     (block_q, block_k)         in registers only

block_d is head_dim rounded up to a power of two; what lies beyond an edge reads as 0.

What holds while a kernel walks over the tiles of keys of a tile of queries, for each row::

    row_max = max of the scores so far          in units of log2, so that weights are exp2(...)
    row_sum = Σ exp2(score - row_max)           in float32, summed before weights are rounded
    acc     = Σ exp2(score - row_max) · value   in float32
    out = acc / row_sum                         lse = ln 2 · (row_max + log2 row_sum)

The modules, in the order in which to read them: `flash_masks` (which keys a query sees),
`flash_forward` (the walk), `flash_backward` (its gradients), `flash_decode` (a long walk cut into
pieces), `flash_copies` (how a tile is read and written), `flash_tiles` (how large it is),
`flash_call` (what the kernels are called with) and `flash_tuning`. `online_softmax` does the same
in plain PyTorch, `reference` without tiles.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any, Literal, cast, overload

import torch
import torch.nn.functional as F
from torch import Tensor

from labs.kernels.flash_backward import (
    BackwardCall,
    delta_launch,
    key_value_launch,
    query_launch,
)
from labs.kernels.flash_call import Call
from labs.kernels.flash_checks import check_options, check_tensors
from labs.kernels.flash_decode import decode_launches, split_length
from labs.kernels.flash_forward import forward_launch
from labs.kernels.flash_masks import Masking
from labs.kernels.flash_tiles import FUSED_HEAD_DIM, Direction, Tiles, capability_of, tiles_for
from labs.kernels.launch import Launch
from labs.kernels.reference import Attended, Causal


@overload
def flash_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    causal: Causal = ...,
    window: int | None = ...,
    scale: float | None = ...,
    key_lengths: Tensor | None = ...,
    deterministic: bool = ...,
    return_lse: Literal[False] = ...,
) -> Tensor: ...
@overload
def flash_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    causal: Causal = ...,
    window: int | None = ...,
    scale: float | None = ...,
    key_lengths: Tensor | None = ...,
    deterministic: bool = ...,
    return_lse: Literal[True],
) -> Attended: ...
def flash_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    causal: Causal = "none",
    window: int | None = None,
    scale: float | None = None,
    key_lengths: Tensor | None = None,
    deterministic: bool = True,
    return_lse: bool = False,
) -> Tensor | Attended:
    """What `reference_attention` returns, for float16, bfloat16 or float32: out, or out and lse.

    Differentiable in q, k and v, once, through out and through lse. Products are summed in float32;
    float32 inputs are multiplied as such, not as TF32. With `deterministic` the gradients are the
    same in every bit from run to run; without, dq may be added up in any order, with less work.

    Any strides will do, but a tensor is copied once if its rows do not lie side by side in memory
    or do not begin at multiples of 16 bytes. key_lengths are int32 or int64, taken as 0 or n_keys
    where they lie beyond. Runs on a CUDA GPU from compute capability 8.0, or on a CPU in Triton's
    interpreter. Raises a `ValueError` that says what to do for what is not supported.
    """
    check_tensors(q, k, v)
    head_dim = q.shape[3]
    scale = 1 / math.sqrt(head_dim) if scale is None else scale
    check_options(q, causal, window, scale, key_lengths)
    if window is not None:
        window = min(window, q.shape[2] + k.shape[2])  # beyond that it hides nothing
    missing = -head_dim % (16 // q.dtype.itemsize)  # columns of zeros that align the rows
    if missing:
        q, k, v = (F.pad(x, (0, missing)) for x in (q, k, v))
    out, lse = attention_op(q, k, v, causal, window, scale, key_lengths, deterministic)
    if missing:
        out = out[..., :head_dim]
    return Attended(out, lse) if return_lse else out


@torch.library.custom_op("studykit::flash_attention", mutates_args=())
def attention_op(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    causal: str,
    window: int | None,
    scale: float,
    key_lengths: Tensor | None,
    deterministic: bool,
) -> tuple[Tensor, Tensor]:
    """The forward pass as an operator of PyTorch: out, contiguous, and lse."""
    out = torch.empty_like(q, memory_format=torch.contiguous_format)
    lse = q.new_empty(q.shape[:3], dtype=torch.float32)
    if out.numel() == 0 or k.shape[2] == 0:
        return out.zero_(), lse.fill_(-math.inf)
    call = call_of(q, k, v, causal, window, scale, key_lengths)
    tiles = tiles_of(q, "split")
    length = split_length(k.shape[0] * k.shape[1], q.shape[2], k.shape[2], block_k=tiles.block_k)
    if length is None:
        launches = [forward_launch(call, out, lse, tiles_of(q, "forward"))]
    else:
        launches = decode_launches(call, out, lse, keys_of_a_split=length, tiles=tiles)
    start(launches, q)
    return out, lse


def call_of(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    causal: str,
    window: int | None,
    scale: float,
    key_lengths: Tensor | None,
) -> Call:
    """The arguments of an operator as the kernels take them: in memory that they can read."""
    lengths = None if key_lengths is None else key_lengths.contiguous()
    masking = Masking(cast("Causal", causal), window, lengths)
    return Call(aligned(q), aligned(k), aligned(v), masking, scale)


@attention_op.register_fake
def _(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    causal: str,
    window: int | None,
    scale: float,
    key_lengths: Tensor | None,
    deterministic: bool,
) -> tuple[Tensor, Tensor]:
    out = torch.empty_like(q, memory_format=torch.contiguous_format)
    return out, q.new_empty(q.shape[:3], dtype=torch.float32)


@torch.library.custom_op("studykit::flash_attention_backward", mutates_args=())
def backward_op(
    dout: Tensor,
    dlse: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    lse: Tensor,
    causal: str,
    window: int | None,
    scale: float,
    key_lengths: Tensor | None,
    deterministic: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The backward pass as an operator of PyTorch: dq, dk and dv, contiguous."""
    dq, dk, dv = (torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, k, v))
    if q.numel() == 0 or k.numel() == 0:
        return dq.zero_(), dk.zero_(), dv.zero_()
    call = call_of(q, k, v, causal, window, scale, key_lengths)
    out, dout, delta = aligned(out), aligned(dout), torch.empty_like(lse.contiguous())
    backward = BackwardCall(call, dout, lse.contiguous(), delta)
    launches = [delta_launch(out, dout, dlse.contiguous(), delta, tiles_of(q, "delta"))]
    if deterministic or call.hides_keys() or q.shape[3] > FUSED_HEAD_DIM:
        launches.append(key_value_launch(backward, dk, dv, tiles_of(q, "key_value")))
        launches.append(query_launch(backward, dq, tiles_of(q, "query")))
        start(launches, q)
        return dq, dk, dv
    dq_sum = torch.zeros_like(dq, dtype=torch.float32)
    launches.append(key_value_launch(backward, dk, dv, tiles_of(q, "fused"), dq=dq_sum))
    start(launches, q)
    return dq_sum.to(dq.dtype), dk, dv


@backward_op.register_fake
def _(
    dout: Tensor,
    dlse: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    lse: Tensor,
    causal: str,
    window: int | None,
    scale: float,
    key_lengths: Tensor | None,
    deterministic: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    dq, dk, dv = (torch.empty_like(x, memory_format=torch.contiguous_format) for x in (q, k, v))
    return dq, dk, dv


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    q, k, v, causal, window, scale, key_lengths, deterministic = inputs
    ctx.save_for_backward(q, k, v, *output, key_lengths)
    ctx.options = (causal, window, scale)
    ctx.deterministic = deterministic


def _differentiate(ctx: Any, dout: Tensor, dlse: Tensor) -> tuple[Tensor | None, ...]:
    q, k, v, out, lse, key_lengths = ctx.saved_tensors
    gradients = backward_op(
        dout, dlse, q, k, v, out, lse, *ctx.options, key_lengths, ctx.deterministic
    )
    return (*gradients, None, None, None, None, None)


attention_op.register_autograd(_differentiate, setup_context=_keep)


def aligned(x: Tensor) -> Tensor:
    """x, or a contiguous copy if tiles of it cannot be read (see `flash_copies.in_tiles`)."""
    steps = [stride for size, stride in zip(x.shape[:3], x.stride(), strict=False) if size > 1]
    readable = all(step > 0 and step * x.itemsize % 16 == 0 for step in steps)
    if readable and x.stride(3) == 1 and x.data_ptr() % 16 == 0:
        return x
    return x.clone(memory_format=torch.contiguous_format)


def tiles_of(q: Tensor, direction: Direction) -> Tiles:
    """The tiles for the GPU on which q lies; in the interpreter, those for an H100."""
    return tiles_for(capability_of(q), q.shape[3], direction, q.dtype.itemsize)


def start(launches: Iterable[Launch], on: Tensor) -> None:
    """Start kernels one after the other, on the device of a tensor."""
    with torch.cuda.device(on.device) if on.is_cuda else nullcontext():
        for launch in launches:
            launch.run()
