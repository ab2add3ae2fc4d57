"""What must hold of the kernel beside its accuracy: the list of checks, and what they share.

A check takes the device ("cpu", in the interpreter, or "cuda") and returns what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Generator, Tensor

from labs.kernels.flash_attention import flash_attention
from labs.kernels.reference import Attended
from tests.labs.kernels.cases import Case, Mask

Check: TypeAlias = Callable[[str], list[str]]
REGISTERED: dict[str, Check] = {}


def attend(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Attended:
    """The kernel, as the reference returns what it finds."""
    attended = flash_attention(q, k, v, return_lse=True, **options)
    assert isinstance(attended, Attended)
    return attended


SMALL = Case("float16", 32, 70, 90, 4, 2, Mask("bottom-right", "bottom-right"))


def check(function: Check) -> Check:
    """Registers the function under its name."""
    REGISTERED[function.__name__.replace("_", "-")] = function
    return function


def inputs(case: Case, device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """q, k, v and the gradient of out."""
    q, k, v = case.tensors(device)
    return q, k, v, torch.randn(q.shape, generator=Generator().manual_seed(6)).to(q)


def unequal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> list[str]:
    """The results that do not have the same bits."""
    return [name for name in expected if not torch.equal(found[name], expected[name])]
