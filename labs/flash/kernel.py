"""One computation at five levels, from a loop in NumPy to a kernel on a GPU.

FlashAttention is an algorithm before it is a kernel. This lab computes the same attention five
times. (1) A loop over tiles in NumPy. (2) The specification in PyTorch, tile by tile, forward and
backward. (3) The Triton kernel, run by Triton's interpreter: the real source, program after
program, on the CPU. (4) The same source compiled for a GPU that need not be here, and what the
compiler reports. (5) The kernel on this machine's GPU, if it has one. Beside them stands naive
attention, which computes and keeps all scores, in the same precision. The levels' code is in
`labs/kernels/five_levels.py`.

How to read it. "Error" is the root of the mean square of the difference to naive attention in
float64, on the same inputs. In float16 naive attention rounds scores and weights, and the tiles
in PyTorch round their accumulators, too; the kernel has scores and accumulators in float32. A "tile
product" is a multiplication of one tile by another, counted while it happens: forward there are two
for each tile of scores, q kᵀ and weights · v. For the backward pass naive attention reads the
weights that it kept. The kernel kept none and computes q kᵀ again: once if it makes one pass over
the tiles, in which all programs add to the same dq, or twice in two passes, of which one sums up dk
and dv and the other dq. How much the order of an addition matters is measured by adding up the same
parts of dq from the first tile of keys to the last, and backwards.

What the literature reports. Dao et al. (2022) count 75.2 GFLOPs for FlashAttention and 66.6 for
naive attention, forward and backward, and 4.4 against 40.3 GB of memory traffic, in 7.3 against
41.7 ms (Fig. 2, left: GPT-2 medium, sequence length 1024, an A100).

Out of scope: bfloat16, which the interpreter does not compute; races between programs, which it
cannot have; and speed, which only a GPU shows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeAlias

import torch
from torch import Generator

from labs.kernels.five_levels import (
    COMPILED,
    Inputs,
    Level,
    by_hand,
    compile_kernels,
    interpret_all,
    naive,
    on_gpu,
    query_gradient_parts,
    rms,
    tiled,
)
from labs.kernels.reference import Causal
from labs.machine.fresh_process import run_fresh
from studykit.lab.events import Event, Measurement, Progress, Table

QUESTION = "What does a GPU kernel compute differently from the formula?"
POINTS = ("4.2.4", "4.3.4", "4.4.3", "4.4.4")
CLAIMS = {
    "agree": "In float32 the loop, the tiles and the interpreted kernel err at most twice as much "
    "as naive attention does, in the output and in the gradients.",
    "approximates": "In float16 the kernel's output is less exact than that of naive attention: "
    "its error is more than 1.5 times as large.",
    "as_exact": "In float16 the kernel's output is about as exact as that of naive attention: "
    "its error is between 1 / 1.5 and 1.5 times as large.",
    "more_exact": "In float16 the kernel's output is more exact than that of naive attention: "
    "its error is less than 1 / 1.5 times as large.",
    "skips": "With causality the loop, the tiles and the kernel each visit (T² + T) / 2 of the T² "
    "tiles.",
    "recomputes": "Forward and backward, the kernel multiplies 7 tiles for each tile of scores in "
    "one pass and 9 in two, where naive attention multiplies 6.",
    "order_changes": "Adding the same parts of dq in the reverse order changes the bits of more "
    "than a tenth of its numbers, and its error by at most a factor of 1.5.",
}
HOLDS_IF = {
    "agree": "worst_error_ratio <= 2",
    "approximates": "half_error_kernel / half_error_naive > 1.5",
    "as_exact": "1 / 1.5 <= half_error_kernel / half_error_naive <= 1.5",
    "more_exact": "half_error_kernel / half_error_naive < 1 / 1.5",
    "skips": "tiles_loop == tiles_pytorch == tiles_kernel == (tiles_of_row**2 + tiles_of_row) / 2",
    "recomputes": "products_naive == 6 and products_one_pass == 7 and products_two_passes == 9",
    "order_changes": "order_changed > 0.1"
    " and 1 / 1.5 <= order_error_backwards / order_error_forwards <= 1.5",
}
KNOBS = {"causal": ("top-left", "none"), "block": (32, 16, 64)}
KNOB_HELP = {
    "causal": "whether a query sees only the keys up to its own place",
    "block": "queries and keys on a side of a tile",
}
SEEDS = 3
SECONDS = {"cpu": 9}
NEEDS = ("triton",)
LITERATURE = {
    "recomputes": "75.2 GFLOPs against 66.6 for naive attention, 1.13 times as many, forward "
    "and backward (Dao et al. 2022, Fig. 2 left; GPT-2 medium, sequence length 1024, an A100).",
}

N_TOKENS, HEAD_DIM = 256, 32
TIMEOUT_S = 300
LABELS = {
    "naive": "naive attention",
    "loop": "1 loop in NumPy",
    "pytorch": "2 tiles in PyTorch",
    "kernel": "3 Triton kernel, interpreted",
}


def run(*, causal: Causal, block: int, seed: int, device: str) -> Iterator[Event]:
    """All levels on the same inputs, which the seed draws, then what was counted on the way."""
    yield Progress(0, 4, "naive attention, and tile by tile")
    generator = Generator().manual_seed(seed)
    shape = (1, 1, N_TOKENS, HEAD_DIM)
    single = Inputs(*(torch.randn(shape, generator=generator) for _ in Inputs._fields))
    half = single.to(torch.float16)
    with ThreadPoolExecutor(max_workers=2) as pool:
        interpreting = pool.submit(
            run_fresh,
            interpret_all,
            [single, half],
            causal,
            block,
            env={"TRITON_INTERPRET": "1"},
            timeout_s=TIMEOUT_S,
        )
        compiling = pool.submit(ask_compiler)
        yield from rounding(single, causal, block)
        in_single = {
            "naive": naive(single, causal, block),
            "loop": by_hand(single, causal, block),
            "pytorch": tiled(single, causal, block),
        }
        in_half = {"naive": naive(half, causal, block), "pytorch": tiled(half, causal, block)}
        yield Progress(1, 4, "interpreting the kernel")
        in_single["kernel"], in_half["kernel"] = interpreting.result()
        yield from accuracy(errors(single, causal, in_single), errors(half, causal, in_half))
        yield from work(N_TOKENS // block, in_single)
        yield Progress(2, 4, "compiling the kernels")
        title = "4 The same kernels, compiled for an H100 and head_dim 64"
        yield Table(title, COMPILED, compiling.result())
    yield Progress(3, 4, "on a GPU")
    yield Table("5 The kernel on a GPU", ("what", "result"), on_gpu(device))
    yield Progress(4, 4, "done")


@cache
def ask_compiler() -> list[tuple[str | float, ...]]:
    """Level 4, which knows no seed and is asked for once."""
    return run_fresh(compile_kernels, 90, 64, env={"TRITON_INTERPRET": None}, timeout_s=TIMEOUT_S)


Errors: TypeAlias = Mapping[str, Mapping[str, float]]
"""Level -> "output" and, if it has any, "gradients" -> how far these are from the exact ones."""


def errors(inputs: Inputs, causal: Causal, levels: Mapping[str, Level]) -> Errors:
    """Root mean squares of the differences to naive attention in float64."""
    exact = naive(inputs.to(torch.float64), causal, 1)
    found = {name: {"output": rms(level.out - exact.out)} for name, level in levels.items()}
    for name, level in levels.items():
        if level.gradients:
            pairs = zip(level.gradients, exact.gradients, strict=True)
            found[name]["gradients"] = rms(torch.stack([a - b for a, b in pairs]))
    return found


def accuracy(single: Errors, half: Errors) -> Iterator[Event]:
    """The errors in float32 and in float16, level by level, and the numbers that decide."""
    for precision, found in (("float32", single), ("float16", half)):
        rows = [(LABELS[name], e["output"], e.get("gradients", "")) for name, e in found.items()]
        yield Table(f"Error in {precision} (RMS)", ("level", "output", "gradients"), rows)
    worst = max(
        error / single["naive"][what]
        for name in ("loop", "pytorch", "kernel")
        for what, error in single[name].items()
    )
    label = "largest error of a level in float32, as a multiple of naive attention's"
    yield Measurement("worst_error_ratio", worst, "", label)
    for name in ("naive", "kernel"):
        label = f"error of the output in float16, {LABELS[name]}"
        yield Measurement(f"half_error_{name}", half[name]["output"], "", label)


def work(tiles_of_row: int, levels: Mapping[str, Level]) -> Iterator[Event]:
    """What each level multiplied."""
    yield Measurement("tiles_of_row", tiles_of_row, "", "T, tiles of a row", yardstick=True)
    rows: list[tuple[str | float, ...]] = []
    products = {}
    for name, level in levels.items():
        visited = level.forward / 2
        yield Measurement(f"tiles_{name}", visited, "", f"tiles of scores, {LABELS[name]}")
        both = [2 + backward / visited for backward in (level.one_pass, level.backward)]
        rows.append((LABELS[name], visited, *("" if math.isnan(x) else x for x in both)))
        products[name] = both
    for name, value in (
        ("naive", products["naive"][1]),
        ("one_pass", products["kernel"][0]),
        ("two_passes", products["kernel"][1]),
    ):
        label = f"tile products for each tile of scores, {name.replace('_', ' ')}"
        yield Measurement(f"products_{name}", value, "", label)
    yield Table(
        f"Counted, of {tiles_of_row} × {tiles_of_row} tiles",
        ("level", "tiles of scores", "products for each, backward in one pass", "in two"),
        rows,
    )


def rounding(inputs: Inputs, causal: Causal, block: int) -> Iterator[Event]:
    """The same parts of dq added up from the first tile of keys to the last, and backwards."""
    exact = naive(inputs.to(torch.float64), causal, block).gradients[0]
    parts = query_gradient_parts(inputs, causal, block)
    forwards, backwards = (sum(order, torch.zeros_like(inputs.q)) for order in (parts, parts[::-1]))
    changed = float((forwards != backwards).double().mean())
    yield Measurement("order_changed", changed, "share", "numbers of dq that the order changes")
    for name, dq in (("forwards", forwards), ("backwards", backwards)):
        yield Measurement(f"order_error_{name}", rms(dq - exact), "", f"error of dq, added {name}")
