"""Attention of one head on an instrumented memory: naive attention, and attention in tiles.

Both programs do what a GPU's kernels do, one tile after the other. `InstrumentedMemory` counts the
bytes that they load and store, `FlopCounter` their arithmetic; `CostModel` has the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from labs.kernels.online_softmax import tiles
from labs.machine.instrumented_memory import InstrumentedMemory


def memory_of(q: Tensor, k: Tensor, v: Tensor) -> InstrumentedMemory:
    """A memory with q, k and v, (seq_len, head_dim) each, and room for the output."""
    memory = InstrumentedMemory({"q": q, "k": k, "v": v})
    memory.allocate("out", *q.shape)
    return memory


def naive_attention(memory: InstrumentedMemory, block_q: int, block_k: int) -> None:
    """Three operations, each of which reads what the one before has written.

    The two matrix products work in tiles of block_q × block_k scores, as those of a library do.
    """
    seq_len, head_dim = memory.arrays["q"].shape
    row_tiles, column_tiles = tiles(seq_len, block_q), tiles(seq_len, block_k)
    memory.allocate("scores", seq_len, seq_len)
    memory.allocate("weights", seq_len, seq_len)
    for rows in row_tiles:
        for columns in column_tiles:
            q, k = memory.load("q", rows), memory.load("k", columns)
            memory.store("scores", q / math.sqrt(head_dim) @ k.T, rows, columns)
    for rows in row_tiles:
        row = [memory.load("scores", rows, columns) for columns in column_tiles]
        scores = torch.cat(row, dim=-1)  # (block_q, seq_len)
        weights = (scores - scores.amax(dim=-1, keepdim=True)).exp()
        weights = weights / weights.sum(dim=-1, keepdim=True)
        for columns in column_tiles:
            memory.store("weights", weights[:, columns], rows, columns)
    for rows in row_tiles:
        acc = torch.zeros_like(memory.arrays["out"][rows])
        for columns in column_tiles:
            acc = acc + memory.load("weights", rows, columns) @ memory.load("v", columns)
        memory.store("out", acc, rows)


def tiled_attention(memory: InstrumentedMemory, block_q: int, block_k: int) -> None:
    """One operation: a tile of queries stays, the keys and values pass by, no score is stored.

    `labs.kernels.online_softmax` explains the running maximum and sum.
    """
    seq_len, head_dim = memory.arrays["q"].shape
    for rows in tiles(seq_len, block_q):
        q = memory.load("q", rows) / math.sqrt(head_dim)
        acc = torch.zeros_like(q)
        row_max, row_sum = torch.full_like(q[:, :1], -math.inf), torch.zeros_like(q[:, :1])
        for columns in tiles(seq_len, block_k):
            scores = q @ memory.load("k", columns).T  # (block_q, block_k)
            new_max = torch.maximum(row_max, scores.amax(dim=-1, keepdim=True))
            weights, old = (scores - new_max).exp(), (row_max - new_max).exp()
            row_sum = row_sum * old + weights.sum(dim=-1, keepdim=True)
            acc = acc * old + weights @ memory.load("v", columns)
            row_max = new_max
        memory.store("out", acc / row_sum, rows)


class Bytes(NamedTuple):
    """What one program costs in bytes, for one head."""

    requested: int
    """What its tiles load and store, wherever it is found: the HBM traffic without a cache."""
    hbm: int
    """The HBM traffic behind a cache that holds the head's keys and values and not its scores: each
    operation reads its inputs once and writes its outputs once."""
    held: int
    """What lies in HBM."""


@dataclass(frozen=True, slots=True)
class CostModel:
    """The bytes of both programs as formulas."""

    seq_len: int
    head_dim: int
    block_q: int
    block_k: int
    number_bytes: int

    @property
    def rows(self) -> int:
        """Bytes of one matrix of queries, keys, values or outputs."""
        return self.seq_len * self.head_dim * self.number_bytes

    @property
    def naive(self) -> Bytes:
        """Scores and weights are each written once and read once. Each of their tiles also loads
        queries and keys to be made, and values to be used."""
        scores = self.seq_len**2 * self.number_bytes
        n_rows, n_columns = ceil(self.seq_len / self.block_q), ceil(self.seq_len / self.block_k)
        return Bytes(
            requested=4 * scores + (n_columns + 2 * n_rows + 1) * self.rows,
            hbm=4 * scores + 4 * self.rows,
            held=2 * scores + 4 * self.rows,
        )

    @property
    def tiled(self) -> Bytes:
        """Each tile of queries loads all keys and values."""
        n_rows = ceil(self.seq_len / self.block_q)
        return Bytes((2 * n_rows + 2) * self.rows, 4 * self.rows, 4 * self.rows)


class FlopCounter(TorchFunctionMode):
    """Counts the arithmetic of the two programs above while they run inside it.

    A matrix product of (m, k) and (k, n) is 2 m k n FLOPs; another operation of `ARITHMETIC` is one
    for each number of its largest operand.
    """

    ARITHMETIC = frozenset(("add", "sub", "mul", "div", "exp", "maximum", "amax", "sum"))

    def __init__(self) -> None:
        super().__init__()
        self.n_flops = 0

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the operation and count it."""
        result = func(*args, **(kwargs or {}))
        if func.__name__ == "matmul":
            self.n_flops += 2 * args[0].numel() * args[1].shape[1]
        elif func.__name__ in self.ARITHMETIC:
            operands = [x for x in (*args, result) if isinstance(x, Tensor)]
            self.n_flops += max(x.numel() for x in operands)
        return result
