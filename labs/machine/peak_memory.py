"""The most memory that a computation held at once, and what it leaves for the backward pass."""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from labs.machine import malloc

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""Written to `CLEAR_REFS`: the peak (VmHWM) falls to what is resident now."""


def peak_bytes(function: Callable[[], object], device: str = "cpu") -> float:
    """How far memory rose above where it stood, at most, while `function()` ran.

    On the CPU this is resident memory as Linux counts it, good to a few hundred KiB if asked in a
    process of its own, once the code is warm, and if malloc keeps no large blocks that are free.
    On CUDA it is what torch's allocator handed out, exactly. NaN where neither can be asked.
    """
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        function()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    if not _reset_peak():
        return math.nan
    resident = _status_bytes("VmRSS")
    function()
    return _status_bytes("VmHWM") - resident


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


def _reset_peak() -> bool:
    """Let the peak fall to what is in use now; False where the system cannot do that."""
    if sys.platform != "linux":
        return False
    # What malloc has kept of freed blocks would be filled again without any rise.
    malloc.give_back()
    try:
        CLEAR_REFS.write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def _status_bytes(field: str) -> int:
    """A size that the kernel reports of this process, such as VmRSS."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024  # reported in KiB
    raise ValueError(f"{STATUS} has no {field}")
