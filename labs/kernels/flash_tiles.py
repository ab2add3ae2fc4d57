"""The sizes of the kernels' tiles.

A tile is a trade. Larger ones read each key less often, but what a thread holds of them has to fit
into its 255 registers, and the tiles in shared memory decide how many programs a multiprocessor
runs side by side. The sizes below were chosen by what the compiler says of them: little or nothing
of a thread's registers spills to slow memory, and matrix instructions need not wait for one
another. They have not been timed on a GPU; `flash_tuning.tune` times some on the one at hand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Direction: TypeAlias = Literal[
    "forward", "delta", "key_value", "query", "fused", "split", "combine"
]
"""Which kernel: the forward pass, the backward pass's four, and the two of decoding."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """How much one program takes in at once, and with how many threads."""

    block_q: int
    """Queries of one tile, a power of two from 16."""
    block_k: int
    """Keys of one tile, a power of two from 16."""
    num_warps: int
    """Warps of 32 threads that share a tile."""
    num_stages: int
    """Tiles in shared memory at once: while one is used, the next ones are on their way."""
    tma: bool = True
    """Whether the GPU's tensor memory accelerator copies them (see `flash_copies`)."""

    def options(self) -> dict[str, int | bool]:
        """How the compiler is asked to build a kernel for these tiles.

        A product and a sum become one instruction, which some versions of Triton do unasked and
        others do not.
        """
        return {
            "num_warps": self.num_warps,
            "num_stages": self.num_stages,
            "enable_fp_fusion": True,
        }


HEAD_DIMS = (32, 64, 128, 256)
"""Up to which head_dim the columns of the table below reach."""

FUSED_HEAD_DIM = 128
"""Up to where the fused kernel has tiles: beyond, too much of them would spill."""

_TABLE: dict[tuple[int, Direction], tuple[Tiles, ...]] = {
    # From compute capability 8.0, in no more shared memory than an 8.6, 8.9 or 12.0 has (99 KiB).
    (80, "forward"): (
        Tiles(128, 64, 4, 3), Tiles(128, 64, 4, 3), Tiles(128, 64, 8, 2), Tiles(64, 32, 8, 2),
    ),
    (80, "key_value"): (
        Tiles(32, 64, 4, 2), Tiles(32, 64, 4, 2), Tiles(64, 64, 8, 2), Tiles(32, 32, 8, 2),
    ),
    (80, "query"): (
        Tiles(64, 32, 4, 2), Tiles(64, 32, 4, 2), Tiles(64, 32, 4, 2), Tiles(32, 32, 8, 2),
    ),
    (80, "fused"): (Tiles(32, 64, 4, 2), Tiles(32, 64, 4, 2), Tiles(32, 64, 8, 2)),
    (80, "split"): (
        Tiles(16, 64, 4, 3), Tiles(16, 64, 4, 3), Tiles(16, 64, 4, 2), Tiles(16, 32, 4, 2),
    ),
    # H100 and H200.
    (90, "forward"): (
        Tiles(128, 64, 4, 3), Tiles(128, 64, 4, 3), Tiles(128, 64, 4, 2), Tiles(128, 64, 8, 2),
    ),
    (90, "key_value"): (
        Tiles(64, 128, 8, 2), Tiles(64, 128, 8, 2), Tiles(64, 128, 8, 2), Tiles(32, 64, 8, 2),
    ),
    (90, "query"): (
        Tiles(128, 64, 4, 3), Tiles(128, 64, 8, 3), Tiles(128, 64, 8, 2), Tiles(64, 64, 8, 2),
    ),
    (90, "fused"): (Tiles(64, 128, 8, 2), Tiles(64, 128, 8, 2), Tiles(64, 128, 8, 2)),
    (90, "split"): (
        Tiles(16, 64, 4, 3), Tiles(16, 64, 4, 3), Tiles(16, 64, 4, 3), Tiles(16, 64, 4, 2),
    ),
    # B200.
    (100, "forward"): (
        Tiles(128, 64, 4, 3), Tiles(128, 64, 4, 3), Tiles(128, 128, 8, 2), Tiles(128, 64, 8, 2),
    ),
    (100, "key_value"): (
        Tiles(64, 128, 8, 2), Tiles(64, 128, 8, 2), Tiles(64, 64, 8, 2), Tiles(64, 64, 8, 1),
    ),
    (100, "query"): (
        Tiles(128, 64, 4, 3), Tiles(128, 64, 8, 3), Tiles(128, 64, 8, 2), Tiles(64, 64, 8, 2),
    ),
    (100, "fused"): (Tiles(64, 64, 8, 2), Tiles(64, 64, 8, 2), Tiles(64, 64, 8, 2)),
    (100, "split"): (
        Tiles(16, 64, 4, 3), Tiles(16, 64, 4, 3), Tiles(16, 64, 4, 3), Tiles(16, 64, 4, 2),
    ),
}  # fmt: skip
"""By compute capability times ten."""

_FLOAT32: dict[Direction, tuple[Tiles, ...]] = {
    "forward": (Tiles(64, 32, 4, 2), Tiles(32, 32, 4, 2), Tiles(32, 16, 4, 2), Tiles(16, 16, 4, 2)),
    "key_value": (
        Tiles(32, 32, 4, 2), Tiles(32, 32, 4, 2), Tiles(32, 32, 8, 1), Tiles(16, 16, 8, 1),
    ),
    "query": (Tiles(32, 32, 4, 2), Tiles(32, 32, 4, 2), Tiles(32, 32, 8, 1), Tiles(16, 16, 8, 1)),
    "fused": (Tiles(32, 32, 4, 2), Tiles(16, 32, 4, 2), Tiles(16, 16, 8, 1)),
    "split": (Tiles(16, 32, 4, 2), Tiles(16, 32, 4, 2), Tiles(16, 32, 4, 2), Tiles(16, 16, 4, 2)),
}  # fmt: skip
"""For float32, which matrix instructions do not multiply: every thread needs its part of a tile in
registers, and the accelerator's order of the elements makes that more of them."""

_ROWS = (Tiles(64, 16, 4, 1), Tiles(64, 16, 4, 1), Tiles(32, 16, 4, 1), Tiles(16, 16, 4, 1))
"""For the kernels that meet no keys."""

_preferred: dict[tuple[int, int, Direction, int], Tiles] = {}


def tiles_for(capability: int, head_dim: int, direction: Direction, item_size: int = 2) -> Tiles:
    """The tiles for a GPU of this compute capability (times ten), for numbers of so many bytes."""
    architecture = _architecture(capability)
    column = next(i for i, most in enumerate(HEAD_DIMS) if head_dim <= most)
    preferred = _preferred.get((architecture, column, direction, item_size))
    if preferred is not None:
        return preferred
    if direction in ("delta", "combine"):
        tiles = _ROWS[column]
    elif item_size == 4:
        tiles = _FLOAT32[direction][column]
    else:
        tiles = _TABLE[architecture, direction][column]
    return replace(tiles, tma=architecture >= 90 and item_size == 2)


def prefer(
    capability: int, head_dim: int, direction: Direction, tiles: Tiles, item_size: int = 2
) -> None:
    """Let `tiles_for` return these tiles from now on, in this process."""
    column = next(i for i, most in enumerate(HEAD_DIMS) if head_dim <= most)
    _preferred[_architecture(capability), column, direction, item_size] = tiles


def capability_of(tensor: Tensor) -> int:
    """Ten times the compute capability of the GPU on which a tensor lies; on a CPU an H100's."""
    if not tensor.is_cuda:
        return 90
    major, minor = torch.cuda.get_device_capability(tensor.device)
    return 10 * major + minor


def _architecture(capability: int) -> int:
    if capability < 80:
        raise ValueError(
            f"the kernel needs compute capability 8.0, and this GPU has {capability / 10}: "
            "use torch's scaled_dot_product_attention"
        )
    if 90 <= capability < 110:
        return capability // 10 * 10
    return 80


SHIPPED: tuple[tuple[int, int, Direction, Tiles], ...] = tuple(
    (capability, head_dim, direction, tiles_for(capability, head_dim, direction))
    for capability, direction in _TABLE
    for head_dim, _ in zip(HEAD_DIMS, _TABLE[capability, direction], strict=False)
)
"""All of the table, for two-byte numbers: (capability, head_dim, direction, tiles)."""
