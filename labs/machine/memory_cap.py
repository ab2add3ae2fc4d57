"""Asks whether a computation fits into a given amount of memory, by giving it no more."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from labs.machine import malloc

OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "could not create a memory")
"""Parts of the messages of torch and oneDNN, whose errors for it have no type of their own."""


def can_cap(device: str) -> bool:
    """Whether the system limits a process' memory: Linux does, and torch's allocator on CUDA."""
    return device.startswith("cuda") or sys.platform == "linux"


def fits(function: Callable[[], object], n_bytes: int, device: str = "cpu") -> bool:
    """Whether `function()` gets by with `n_bytes` more memory than there is in use now.

    Ask where `can_cap`, in a process of its own, once the code is warm; on the CPU good to a few
    hundred KiB if malloc keeps no large blocks. Any error but a lack of memory is raised.
    """
    with _at_most(n_bytes, device):
        try:
            function()
        except MemoryError:
            return False
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                return False
            if any(part in str(error) for part in OUT_OF_MEMORY):
                return False
            raise
    return True


@contextmanager
def _at_most(n_bytes: int, device: str) -> Iterator[None]:
    """Let this process have `n_bytes` more than it has now, and not one more."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
        share = (torch.cuda.memory_reserved() + n_bytes) / torch.cuda.mem_get_info()[1]
        torch.cuda.set_per_process_memory_fraction(share)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        return
    import resource  # not on Windows

    # Free blocks that malloc has kept would come on top of the limit.
    malloc.give_back()
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (_data_bytes() + n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _data_bytes() -> int:
    """What RLIMIT_DATA counts of this process: its private, writable memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmData:")[2].split()[0]) * 1024  # reported in KiB
