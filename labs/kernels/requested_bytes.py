"""What the Triton kernel itself asks memory for, as Triton's interpreter sees it."""

from __future__ import annotations

import torch

from labs.kernels.flash_forward import forward_launch
from labs.kernels.flash_tiles import Tiles
from labs.kernels.interpreted import counting


def loaded_bytes(seq_len: int, head_dim: int, block_q: int, block_k: int) -> int:
    """Bytes of queries, keys and values that the forward kernel loads for one head, in float32.

    To be called where TRITON_INTERPRET was 1 before the first import of a kernel.
    """
    q, k, v = (torch.zeros(1, 1, seq_len, head_dim) for _ in "qkv")
    launch = forward_launch(
        q,
        k,
        v,
        torch.empty_like(q),
        torch.empty_like(q[..., 0]),
        causal="none",
        window=None,
        scale=1.0,
        key_lengths=None,
        tiles=Tiles(block_q, block_k, num_warps=4, num_stages=1),
    )
    with counting() as counts:
        launch.run()
    return counts.loaded_bytes
