"""Computing the attention weights twice need not be slower than storing them once.

For its backward pass naive attention stores the weights, a matrix of N² numbers for each head;
FlashAttention computes them again from queries and keys, seven products of matrices instead of six.
The lab times both on one core (or a GPU), forward and backward, and looks at two things that are
easily mistaken for the answer. First, where the memory comes from: malloc returns large freed
blocks to the system, which has to clear new pages for the next ones. So both are timed twice,
with malloc set to reuse every freed block, and to return every large one. Only that changes.
Second, the tiles: the same algorithm is timed as PyTorch operations, forward, once in tiles and
once in a single tile as large as the matrix, which leaves no loop.

How to read it. Times are processor times, user and system, each the least of a few rounds; the
work of clearing new pages is in them. Compare the two ways with memory reused. With new pages they
show what a careless benchmark measures: by default glibc reuses a freed block of up to 32 MiB and
returns a larger one, so that the benchmark jumps where a matrix exceeds that size.

What the literature reports. See the note beside the claims.

Out of scope: why the fused kernel gains where it does; flash/memory_hierarchy compares bytes with
arithmetic. Only glibc's malloc can be told what to do; elsewhere, and on a GPU, whose allocator
reuses its blocks, the claim about pages stays open.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from labs.kernels.three_ways import attention, random_inputs
from labs.machine import malloc
from labs.machine.forked import run_apart
from labs.machine.stopwatch import fastest, one_core
from studykit.lab.events import Event, Measurement, Progress, Table

QUESTION = "Is it slower to compute the weights again than to store them?"
POINTS = ("4.2.1", "4.2.3", "4.2.4", "4.4.3")
CLAIMS = {
    "recomputing_slower": "Forward and backward, with memory reused, the fused kernel takes longer "
    "than naive attention: at least 1.15 times as long.",
    "recomputing_no_slower": "Forward and backward, with memory reused, the fused kernel takes at "
    "most 1.05 times as long as naive attention.",
    "pages_cost": "New pages for its matrices make naive attention take at least 1.25 times as "
    "long, forward and backward.",
    "tiling_alone": "Forward, tiles in PyTorch operations take at least 1.5 times as long as naive "
    "attention, and so does one tile as large as the matrix, which leaves no loop.",
}
HOLDS_IF = {
    "recomputing_slower": "recomputing >= 1.15 if not 1.05 < recomputing < 1.15 else unknown",
    "recomputing_no_slower": "recomputing <= 1.05 if not 1.05 < recomputing < 1.15 else unknown",
    "pages_cost": "new_pages >= 1.25 if not 1.15 < new_pages < 1.25 else unknown",
    "tiling_alone": "min(tiles, one_tile) >= 1.5 "
    "if not 1.3 < min(tiles, one_tile) < 1.5 else unknown",
}
KNOBS = {"n_tokens": (1280, 2560), "block": (256, 128)}
KNOB_HELP = {
    "n_tokens": "queries, and as many keys",
    "block": "queries and keys on a side of a tile",
}
SEEDS = 3
SECONDS = {"cpu": 6}
ALONE = True
LITERATURE = {
    "recomputing_no_slower": "13 % more arithmetic, 75.2 instead of 66.6 GFLOPs, took 5.7 times "
    "less time, as 9 times fewer bytes were moved (Dao et al. 2022, Fig. 2; forward and backward, "
    "attention of GPT-2 medium, A100).",
}

N_HEADS, HEAD_DIM = 2, 64
TIMEOUT_S = 300


class Arm(NamedTuple):
    """One computation that is timed."""

    way: str
    with_backward: bool
    block: int


def run(*, n_tokens: int, block: int, seed: int, device: str) -> Iterator[Event]:
    """Times with memory reused, then with new pages, each in a process of its own."""
    n_heads = N_HEADS if device == "cpu" else 16 * N_HEADS
    naive, fused = Arm("naive", True, block), Arm("fused", True, block)
    forward, tiled = Arm("naive", False, block), Arm("tiled", False, block)
    one_tile = Arm("tiled", False, n_tokens)
    arms = (naive, fused, forward, tiled, one_tile)
    shape = n_heads, n_tokens, HEAD_DIM
    yield Progress(0, 2, "with memory reused")
    times = partial(run_apart, seconds_of, device=device, timeout_s=TIMEOUT_S)
    reused = dict(zip(arms, times(arms, shape, "reuse", seed, device), strict=True))
    yield Progress(1, 2, "with new pages")
    new_naive, new_fused = times((naive, fused), shape, "return", seed, device)
    for name, value, meaning in (
        ("recomputing", reused[fused] / reused[naive], "forward and backward, fused / naive"),
        ("new_pages", new_naive / reused[naive], "naive attention, new pages / memory reused"),
        ("tiles", reused[tiled] / reused[forward], "forward, tiles / naive"),
        ("one_tile", reused[one_tile] / reused[forward], "forward, one tile / naive"),
    ):
        yield Measurement(name, value, "", f"time, {meaning}")
    rows = [
        ("naive attention, forward and backward", reused[naive]),
        ("fused kernel, forward and backward", reused[fused]),
        ("naive attention, forward and backward, new pages", new_naive),
        ("fused kernel, forward and backward, new pages", new_fused),
        ("naive attention, forward", reused[forward]),
        (f"tiles of {block} × {block}, forward", reused[tiled]),
        (f"one tile of {n_tokens} × {n_tokens}, forward", reused[one_tile]),
    ]
    title = f"Processor time, n_heads {n_heads}, {n_tokens:,} tokens"
    yield Table(title, ("what", "ms"), [(what, 1000 * seconds) for what, seconds in rows])
    yield Progress(2, 2)


def seconds_of(
    arms: tuple[Arm, ...], shape: tuple[int, int, int], freed: str, seed: int, device: str
) -> list[float]:
    """The time of each arm in this process, which is to "reuse" or "return" freed memory.

    NaN where malloc cannot be told to return it. Inputs are of `shape`, (n_heads, n_tokens,
    head_dim).
    """
    if freed == "return" and (device != "cpu" or not malloc.return_freed_blocks()):
        return [math.nan] * len(arms)
    if freed == "reuse":
        malloc.reuse_freed_blocks()
    with one_core():
        actions = [partial(compute, arm, inputs(arm, shape, seed, device)) for arm in arms]
        return fastest(actions, device, n_rounds=4)


def inputs(arm: Arm, shape: tuple[int, int, int], seed: int, device: str) -> list[Tensor]:
    """Queries, keys and values."""
    return random_inputs(*shape, seed=seed, device=device, trained=arm.with_backward)


def compute(arm: Arm, qkv: list[Tensor]) -> None:
    """The attention of an arm, and its gradients if it has a backward pass."""
    out = attention(arm.way, block=arm.block)(*qkv)
    if arm.with_backward:
        torch.autograd.backward(out, torch.ones_like(out))
        for x in qkv:
            x.grad = None
