"""What glibc's malloc does with freed memory: keep it for the next request, or return it.

By default malloc returns a block larger than a threshold, at most 32 MiB, and keeps a smaller one.
A block that was returned comes back as new pages, which the system clears one by one. Each function
says whether there is a glibc to listen; call it before memory worth counting is requested.
"""

from __future__ import annotations

import ctypes
import sys

LARGE_BLOCK_BYTES = 2**16
"""More than Python's small objects, less than any tensor whose memory is worth counting."""

# Of glibc's ``mallopt``.
M_TRIM_THRESHOLD = -1
"""How much free memory is kept at the end of the heap."""
M_MMAP_THRESHOLD = -3
"""From this size on a block is mapped by itself, and unmapped when it is freed."""
M_MMAP_MAX = -4
"""How many blocks may be mapped by themselves."""


def reuse_freed_blocks() -> bool:
    """Keep every freed block, whatever its size: after some calls, no pages are new."""
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    return True


def return_freed_blocks() -> bool:
    """Return blocks of `LARGE_BLOCK_BYTES` or more as soon as they are freed.

    What a program needs is then what it holds, not what malloc has kept; every large block is made
    of new pages.
    """
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
    return True


def _function(name: str) -> ctypes._NamedFuncPointer | None:
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), name, None)
