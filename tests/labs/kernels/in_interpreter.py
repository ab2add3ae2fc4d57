"""Tries the kernel in Triton's interpreter. A process chooses it before it imports Triton."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from functools import partial

import torch

from tests.labs.kernels.accuracy import faults
from tests.labs.kernels.cases import INTERPRETED
from tests.labs.kernels.checks import CHECKS, attend


def faults_of(names: list[str]) -> dict[str, list[str]]:
    """What is wrong in each of these cases and checks; an exception is one such thing."""
    assert os.environ["TRITON_INTERPRET"] == "1"
    torch.set_num_threads(1)
    look: dict[str, Callable[[], list[str]]] = {
        case.id: partial(faults, attend, case) for case in INTERPRETED
    }
    look |= {name: partial(check, "cpu") for name, check in CHECKS.items()}
    found = {}
    for name in names:
        try:
            found[name] = look[name]()
        except Exception:
            found[name] = [traceback.format_exc()]
    return found
