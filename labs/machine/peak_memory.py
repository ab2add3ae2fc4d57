"""The most memory that a computation held at once, and what it keeps for its backward pass."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.autograd.profiler import profile


def peak_allocated(function: Callable[[], object], device: str = "cpu") -> float:
    """The most bytes that tensors created by `function()` took up at once.

    On the CPU it is the sum over torch's own record of every allocation and release, in this
    process and the same on every run; temporary tensors inside an operation are in it, memory that
    libraries take for themselves is not. On CUDA the allocator keeps this count itself.
    """
    if device.startswith("cuda"):
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        torch.cuda.synchronize()
        return float(torch.cuda.max_memory_allocated() - before)
    with profile(profile_memory=True) as recorded:
        function()
    assert recorded.kineto_results is not None
    changes = [e.nbytes() for e in recorded.kineto_results.events() if e.name() == "[memory]"]
    return float(max(accumulate(changes, initial=0)))


def saved_bytes(function: Callable[[], Tensor]) -> int:
    """Bytes that autograd keeps for the backward pass of `function()`: each storage counted once.

    Inputs that it keeps are counted, too, though they would be there anyway.
    """
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        # Detached, since an output that is saved for its own backward would keep itself alive.
        return tensor.detach()

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        # Kept until all is counted: the address of a storage that is gone may be used again.
        result = function()
    total = sum(storages.values())
    del result
    return total
