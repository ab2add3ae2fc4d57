"""How a tile comes from memory and goes back: by the tensor memory accelerator, or by the threads.

From compute capability 9.0 on, a unit of its own copies whole tiles: it is told once where the
tensor lies and how long its axes are (a tensor descriptor), and the threads keep their registers
for the matrices. Older GPUs get the address of each element worked out instead. Either way, what a
tile holds beyond the tensor's edge reads as 0 and is not written.
"""

from __future__ import annotations

from typing import TypeAlias

import triton
import triton.language as tl
from torch import Tensor
from triton.tools.tensor_descriptor import TensorDescriptor

Tiled: TypeAlias = TensorDescriptor | tuple[Tensor, int, int, int, int, int]
"""What a kernel is given for a tensor: a descriptor, or the tensor, its first three strides, its
rows and its columns."""


def block_d(head_dim: int) -> int:
    """The columns of a tile: a power of two, and at least what a matrix instruction takes."""
    return max(16, int(triton.next_power_of_2(head_dim)))


def in_tiles(tensor: Tensor, rows: int, *, tma: bool) -> Tiled:
    """(batch, heads, length, head_dim) as a kernel reads and writes it: so many rows at a time.

    The accelerator asks for rows that begin at multiples of 16 bytes and whose elements lie side by
    side.
    """
    columns = block_d(tensor.shape[3])
    # Along an axis of length 1 nothing ever steps, so its stride may be anything in torch.
    strides = [
        columns if size == 1 else stride
        for size, stride in zip(tensor.shape[:3], tensor.stride(), strict=False)
    ]
    if tma:
        return TensorDescriptor(tensor, [*tensor.shape], [*strides, 1], [1, 1, rows, columns])
    return (tensor, strides[0], strides[1], strides[2], tensor.shape[2], tensor.shape[3])


@triton.jit
def locate(n_tiles, n_heads):
    """This program's tile, head and sequence: tiles of one head are neighbours."""
    program = tl.program_id(0)
    return program % n_tiles, program // n_tiles % n_heads, program // n_tiles // n_heads


@triton.jit
def load_tile(source, batch, head, start, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """The rows of one head from start on, (ROWS, COLUMNS)."""
    if isinstance(source, tl.tensor_descriptor):
        return source.load([batch, head, start, 0]).reshape(ROWS, COLUMNS)
    else:
        places, inside = _places(source, batch, head, start, ROWS, COLUMNS)
        return tl.load(places, mask=inside, other=0.0)


@triton.jit
def store_tile(target, batch, head, start, tile):
    """Write the tile, in the target's number format, over the rows of one head from start on."""
    if isinstance(target, tl.tensor_descriptor):
        tile = tile.to(target.dtype).reshape(1, 1, tile.shape[0], tile.shape[1])
        target.store([batch, head, start, 0], tile)
    else:
        places, inside = _places(target, batch, head, start, tile.shape[0], tile.shape[1])
        tl.store(places, tile.to(target[0].dtype.element_ty), mask=inside)


@triton.jit
def _places(tensor, batch, head, start, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Where the elements of a tile lie, and which of them the tensor has."""
    base, batch_stride, head_stride, row_stride, n_rows, n_columns = tensor
    # 64 bits: a tensor may well have more than 2³¹ elements.
    base += batch.to(tl.int64) * batch_stride + head.to(tl.int64) * head_stride
    row, column = start + tl.arange(0, ROWS), tl.arange(0, COLUMNS)
    places = base + row.to(tl.int64)[:, None] * row_stride + column[None, :]
    return places, (row < n_rows)[:, None] & (column < n_columns)[None, :]
