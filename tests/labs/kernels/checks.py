"""All checks of the kernel, by name."""

from __future__ import annotations

from tests.labs.kernels import check_gradients, check_memory, check_numbers, check_torch, refusals
from tests.labs.kernels.registry import REGISTERED, attend

__all__ = ["CHECKS", "attend"]

# To import a module is to register its checks.
MODULES = check_numbers, check_memory, check_gradients, check_torch, refusals
CHECKS = REGISTERED
