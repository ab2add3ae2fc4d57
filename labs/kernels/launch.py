"""A Triton kernel with everything that it is started with: to be run, or only compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of one kernel. What is compiled for inspection is exactly what would run."""

    kernel: Any
    """The function under ``@triton.jit``."""
    grid: tuple[int, ...]
    """How many programs run, along up to three axes."""
    arguments: Mapping[str, Any]
    """Tensors, sizes, tile sizes, num_warps and num_stages, by name."""

    def run(self) -> None:
        """Start the kernel; its results lie in the tensors that it was given."""
        self.kernel[self.grid](**self.arguments)

    def compile(self) -> Any:
        """The compiled kernel for the active target, without starting it."""
        return self.kernel.warmup(**self.arguments, grid=self.grid)
