from __future__ import annotations

import pytest

from labs.flash.memory_hierarchy import kernel_loads
from labs.kernels.counted_attention import Ledger

pytest.importorskip("triton")


def test_the_triton_kernel_loads_what_the_ledger_says() -> None:
    """A length that no tile divides: what lies beyond the end is not read."""
    ledger = Ledger(seq_len=100, head_dim=16, block_q=32, block_k=64, n_bytes=4)
    assert kernel_loads(ledger) == ledger.tiles.requested - ledger.rows
