"""What torch's allocator hands out while a computation runs, to the byte."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate

from torch.profiler import ProfilerActivity, profile

from labs.machine.peak_memory import peak_bytes


def peak_allocated(function: Callable[[], object], device: str = "cpu") -> float:
    """The most bytes that tensors created by `function()` took up at once.

    On the CPU it is the sum over torch's own record of every allocation and release, in this
    process and the same on every run; temporary tensors inside an operation are in it, memory that
    libraries take for themselves is not. Recording slows a function of many small steps down.
    """
    if device.startswith("cuda"):
        return peak_bytes(function, device)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        function()
    recorder = recorded.profiler
    assert recorder is not None
    assert recorder.kineto_results is not None
    changes = [e.nbytes() for e in recorder.kineto_results.events() if e.name() == "[memory]"]
    return float(max(accumulate(changes, initial=0)))
