"""An instrumented memory: it logs the tiles that a program loads and stores.

The program computes on tiles in fast memory and asks the slow memory for each of them. The log
says how many bytes it requested; `hbm_bytes`, replaying the log against a cache, how many of
them the slow memory had to move.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor


class Request(NamedTuple):
    """One tile loaded or stored."""

    tile: tuple[str, int, int]
    """The array, and the first row and column of the tile."""
    n_bytes: int
    is_write: bool


class InstrumentedMemory:
    """Matrices by name, and a log of the tiles that were requested."""

    def __init__(self, arrays: Mapping[str, Tensor]) -> None:
        self.arrays = dict(arrays)
        self.log: list[Request] = []

    def allocate(self, name: str, n_rows: int, n_columns: int) -> None:
        """A further matrix, of the type and on the device of those that are there."""
        like = next(iter(self.arrays.values()))
        self.arrays[name] = torch.empty(n_rows, n_columns, dtype=like.dtype, device=like.device)

    def load(self, name: str, rows: slice, columns: slice = slice(0, None)) -> Tensor:
        """A tile, brought to fast memory."""
        tile = self.arrays[name][rows, columns]
        self._count(name, rows, columns, tile, is_write=False)
        return tile

    def store(self, name: str, tile: Tensor, rows: slice, columns: slice = slice(0, None)) -> None:
        """Write a tile back."""
        self.arrays[name][rows, columns] = tile
        self._count(name, rows, columns, tile, is_write=True)

    @property
    def requested_bytes(self) -> int:
        """What has been asked for so far, in both directions."""
        return sum(request.n_bytes for request in self.log)

    @property
    def held_bytes(self) -> int:
        """What lies in slow memory."""
        return sum(_n_bytes(array) for array in self.arrays.values())

    def _count(
        self, name: str, rows: slice, columns: slice, tile: Tensor, *, is_write: bool
    ) -> None:
        self.log.append(Request((name, rows.start, columns.start), _n_bytes(tile), is_write))


def _n_bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def hbm_bytes(log: Iterable[Request], cache_bytes: int) -> int:
    """What crosses between slow memory and a cache that evicts the least recently used tile.

    A tile that is written stays in the cache and crosses when it is evicted, or at the end.
    """
    cache: OrderedDict[tuple[str, int, int], tuple[int, bool]] = OrderedDict()
    used = crossed = 0
    for tile, n_bytes, is_write in log:
        if tile in cache:
            _, was_written = cache.pop(tile)
            is_write = is_write or was_written
        else:
            used += n_bytes
            crossed += 0 if is_write else n_bytes
        cache[tile] = n_bytes, is_write
        while used > cache_bytes:
            _, (old_bytes, old_written) = cache.popitem(last=False)
            used -= old_bytes
            crossed += old_bytes if old_written else 0
    return crossed + sum(n_bytes for n_bytes, was_written in cache.values() if was_written)
