"""What `flash_attention` doesn't do, refused in one line that says what to do instead."""

from __future__ import annotations

import math
from typing import get_args

import torch
import triton
from torch import Tensor

from labs.kernels.reference import Causal

INTERPRETED: bool = triton.knobs.runtime.interpret
"""Whether the kernels of this process run in Triton's interpreter: settled as they are imported."""

DTYPES = (torch.float16, torch.bfloat16, torch.float32)


def check_tensors(q: Tensor, k: Tensor, v: Tensor) -> None:
    """Raise a `ValueError` unless the three can be attended with, where they lie."""
    if not q.ndim == k.ndim == v.ndim == 4:
        raise ValueError(
            "q, k and v have to be (batch, heads, length, head_dim), "
            f"not of {q.ndim}, {k.ndim} and {v.ndim} axes: use unsqueeze or unflatten"
        )
    if k.shape != v.shape:
        raise ValueError(
            f"k and v have to have one shape, not {_shape(k)} and {_shape(v)}: "
            "give both the same heads, keys and head_dim"
        )
    if q.shape[0] != k.shape[0] or q.shape[3] != k.shape[3]:
        raise ValueError(
            f"q {_shape(q)} and k {_shape(k)} have to agree in batch and head_dim: "
            "expand the batch, project to the same head_dim"
        )
    if k.shape[1] == 0 or q.shape[1] % k.shape[1] != 0:
        raise ValueError(
            f"{q.shape[1]} query heads cannot share {k.shape[1]} key-value heads evenly: "
            "make the number of query heads a multiple"
        )
    if not 16 <= q.shape[3] <= 256:
        raise ValueError(
            f"head_dim has to be 16 to 256, not {q.shape[3]}: "
            "pad a smaller one with zeros and give scale; use labs.kernels.reference for a larger"
        )
    _check_dtypes(q, k, v)
    _check_devices(q, k, v)


def _check_dtypes(q: Tensor, k: Tensor, v: Tensor) -> None:
    if not q.dtype == k.dtype == v.dtype:
        raise ValueError(
            f"q, k and v have to have one dtype, not {q.dtype}, {k.dtype} and {v.dtype}: "
            "convert them with .to(q.dtype)"
        )
    if q.dtype not in DTYPES:
        raise ValueError(
            f"q has to be float16, bfloat16 or float32, not {q.dtype}: convert it, "
            "or use labs.kernels.reference, which takes float64"
        )
    if INTERPRETED and q.dtype == torch.bfloat16:
        raise ValueError(
            "Triton's interpreter multiplies bfloat16 wrongly: use float16 or float32 there, "
            "or a GPU"
        )


def _check_devices(q: Tensor, k: Tensor, v: Tensor) -> None:
    if not q.device == k.device == v.device:
        raise ValueError(
            f"q, k and v have to lie on one device, not {q.device}, {k.device} and {v.device}: "
            "move them with .to(q.device)"
        )
    if q.device.type != "cuda" and not INTERPRETED:
        raise ValueError(
            f"the kernel needs a CUDA GPU, and q lies on {q.device}: move it there, or set "
            "TRITON_INTERPRET=1 before Python starts to run the kernel slowly on the CPU"
        )


def check_options(
    q: Tensor, causal: Causal, window: int | None, scale: float, key_lengths: Tensor | None
) -> None:
    """Raise a `ValueError` unless the mask and the scale mean something for these queries."""
    if causal not in get_args(Causal):
        raise ValueError(
            f"causal has to be one of {', '.join(get_args(Causal))}, not {causal!r}: "
            "bottom-right if the last query is the newest token"
        )
    if window is not None and window < 1:
        raise ValueError(f"window has to be at least 1, not {window}: leave it out for no window")
    if not (scale > 0 and math.isfinite(scale)):
        raise ValueError(
            f"scale has to be positive and finite, not {scale}: leave it out for 1/√head_dim"
        )
    if key_lengths is None:
        return
    if key_lengths.shape != q.shape[:1] or key_lengths.device != q.device:
        raise ValueError(
            f"key_lengths has to hold {q.shape[0]} numbers on {q.device}, one for each sequence, "
            f"not {_shape(key_lengths)} on {key_lengths.device}: reshape or move it"
        )
    if key_lengths.dtype not in (torch.int32, torch.int64):
        raise ValueError(
            f"key_lengths has to be int32 or int64, not {key_lengths.dtype}: convert it"
        )


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)
