"""Counts what a kernel does while Triton's interpreter runs it, operation by operation.

The interpreter is chosen by TRITON_INTERPRET=1, which has to be set before the first kernel is
imported: ask for counts in a process of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy
from triton.runtime.interpreter import interpreter_builder


@dataclass(slots=True)
class Counts:
    """What the programs of all kernels did together."""

    tile_products: int = 0
    """Multiplications of one tile by another (``tl.dot``)."""
    multiplications: int = 0
    """Of a number by a number, inside these products."""
    loaded_bytes: int = 0
    """Read from the tensors; what lies beyond a tensor's edge is not read."""


@contextmanager
def counting() -> Iterator[Counts]:
    """Counts of all kernels that are started inside the block."""
    counts, builder = Counts(), interpreter_builder
    dot, load = builder.create_dot, builder.create_masked_load

    def counted_dot(a: Any, b: Any, *rest: Any, **options: Any) -> Any:
        counts.tile_products += 1
        counts.multiplications += a.data.size * b.data.shape[-1]
        return dot(a, b, *rest, **options)

    def counted_load(pointers: Any, mask: Any, *rest: Any, **options: Any) -> Any:
        element_bytes = pointers.get_element_ty().primitive_bitwidth // 8
        counts.loaded_bytes += int(numpy.asarray(mask.data).sum()) * element_bytes
        return load(pointers, mask, *rest, **options)

    # Shadows the methods of the one builder that there is; every load ends in the masked one.
    builder.create_dot, builder.create_masked_load = counted_dot, counted_load
    try:
        yield counts
    finally:
        del builder.create_dot, builder.create_masked_load
