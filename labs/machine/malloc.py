"""What glibc's malloc does with memory that is free again; elsewhere these functions do nothing."""

from __future__ import annotations

import ctypes
import sys

LARGE_BLOCK_BYTES = 2**16
"""More than Python's small objects, less than any tensor whose memory is worth counting."""

MOST_LEARNT_BYTES = 2**25
"""Up to this size glibc learns to keep free blocks, on 64-bit systems."""

M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
"""Of glibc's ``mallopt``: how much free memory is kept at the end of the heap, and the size from
which on a block is mapped by itself, to be unmapped when it is free."""


def give_back() -> None:
    """Return the free blocks that malloc has kept to the system."""
    trim = _function("malloc_trim")
    if trim is not None:
        trim(0)


def keep_no_large_block() -> None:
    """Let blocks of `LARGE_BLOCK_BYTES` or more go back to the system as soon as they are free.

    By default malloc learns to keep ever larger ones, and need not use them for the next request:
    a program becomes faster, and what it needs is hard to say. Call it before any large request,
    since what has been kept is still used.
    """
    mallopt = _function("mallopt")
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)


def keep_large_blocks() -> None:
    """Let free blocks be kept as malloc does by default, when it has learnt all that it can."""
    mallopt = _function("mallopt")
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, MOST_LEARNT_BYTES)
        mallopt(M_TRIM_THRESHOLD, 2 * MOST_LEARNT_BYTES)


def _function(name: str) -> ctypes._NamedFuncPointer | None:
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), name, None)
