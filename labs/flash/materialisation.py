"""Attention written as separate operations stores a matrix that FlashAttention never has.

One head of attention over N tokens compares N queries with N keys: N² scores, then as many
weights. Three ways compute the same numbers here. *Separate operations* are three lines of
PyTorch, each of which writes its whole result. *Tiles* are the specification of FlashAttention, a
loop in Python over squares of queries and keys that adds each tile's part to an accumulator and
forgets the tile. The *fused kernel* is PyTorch's own, pinned to its FlashAttention backend, since
PyTorch is otherwise free to fall back to separate operations. For each length, memory and time
are measured in a process of its own: of the forward pass, and of forward and backward together.

How to read it. Memory is the peak that comes on top of queries, keys and values: resident memory
on a CPU, the allocator's count on a GPU. One score matrix is the yardstick: 4 · n_heads · N² bytes
in fp32, half of it in fp16. A slope is fitted to the logarithms of length and peak: 1 means
proportional to N, 2 to N²; below 1, a part that does not depend on N is still large, such as the
tile itself. *Kept* is what autograd holds from the forward pass to the backward, inputs included.
Times on a CPU are of one core, and contain the first touch of new memory, which large matrices
pay for anew each time.

What the literature reports. See the notes beside the claims.

Out of scope: masks and dropout, which separate operations store as matrices, too; compilers that
fuse some of these operations. The seed decides the numbers in q, k and v, on which memory does not
depend: seeds repeat the measurement. Resident memory can be measured on Linux only; elsewhere a
CPU's claims about it stay open.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from labs.kernels.three_ways import LABELS, attention, fused_backend, random_inputs
from labs.machine import malloc
from labs.machine.forked import run_apart
from labs.machine.growth import log_slope
from labs.machine.peak_memory import peak_bytes, saved_bytes
from labs.machine.stopwatch import fastest
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "What does it cost to store the attention matrix, and what to do without it?"
POINTS = ("4.2.1", "4.2.2", "4.2.3", "4.2.4")
CLAIMS = {
    "quadratic": "The peak of separate operations grows with the square of the sequence: its slope "
    "is between 1.8 and 2.2.",
    "at_most_linear": "The peaks of tiles and of the fused kernel grow at most in proportion to "
    "the sequence: their slopes are below 1.3.",
    "one_matrix": "At its peak, the forward pass of separate operations holds one matrix: 0.5 to "
    "1.5 times the bytes of the scores.",
    "two_matrices": "At its peak, the forward pass of separate operations holds two matrices: 1.5 "
    "to 2.5 times the bytes of the scores.",
    "three_matrices": "At its peak, the forward pass of separate operations holds three matrices: "
    "2.5 to 3.5 times the bytes of the scores.",
    "temporary": "The matrices are only temporary: after the forward pass, separate operations "
    "keep less than half of one for the backward pass.",
    "keeps_one": "After the forward pass, separate operations keep one matrix for the backward "
    "pass: between 0.5 and 1.5.",
    "keeps_both": "After the forward pass, separate operations keep both matrices for the backward "
    "pass: more than 1.5.",
    "backward_higher": "With the backward pass, the peak of separate operations is at least 1.3 "
    "times that of the forward pass.",
    "keeps_rows": "Tiles and the fused kernel keep queries, keys, values, outputs and at most a "
    "twentieth more for the backward pass.",
    "backward_linear": "With the backward pass, too, the peaks of tiles and of the fused kernel "
    "grow at most in proportion to the sequence: their slopes are below 1.3.",
    "always_less": "However short the sequence, tiles take less memory than separate operations.",
    "loop_slower": "A loop over tiles in Python takes at least twice as long as separate "
    "operations.",
    "recomputing_slower": "Computing the weights again costs more time than storing them: with the "
    "backward pass, the fused kernel takes longer than separate operations.",
}
KNOBS = {"block": (256, 128, 512), "n_heads": (2, 1, 4)}
SEEDS = 3
SECONDS = {"cpu": 20}
LITERATURE = {
    "at_most_linear": "FlashAttention's authors report 10 times less memory at 2,048 tokens and 20 "
    "times less at 4,096 (official README; up to 20 times in Dao et al. 2022).",
    "recomputing_slower": "13 % more arithmetic, 75.2 instead of 66.6 GFLOPs, took 5.7 times less "
    "time, as 9 times fewer bytes were moved (Dao et al. 2022, Fig. 2; forward and backward).",
}

WAYS = tuple(LABELS)
MIB = 2**20
TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Budget:
    """Lengths and repetitions: what a run costs, apart from the knobs."""

    short_len: int = 256
    """Too short for the slopes: a tile is as large as the matrix."""
    forward_lens: tuple[int, ...] = (1024, 2048, 4096)
    backward_lens: tuple[int, ...] = (512, 1024, 2048)
    head_dim: int = 64
    n_rounds: int = 1


class Point(NamedTuple):
    """One attention that is measured in a process of its own."""

    way: str
    n_tokens: int
    with_backward: bool
    n_heads: int
    head_dim: int
    block: int
    n_rounds: int
    seed: int
    device: str


class Cost(NamedTuple):
    """What one `Point` takes."""

    peak_mib: float
    time_ms: float
    kept_mib: float
    """0 without a backward pass."""


def run(*, block: int, n_heads: int, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which decides the numbers in queries, keys and values."""
    return measure(Budget(), block=block, n_heads=n_heads, seed=seed, device=device)


def measure(budget: Budget, *, block: int, n_heads: int, seed: int, device: str) -> Iterator[Event]:
    """All points from the shortest to the longest, forward before backward, then the fits."""
    if device != "cpu":
        # Times on a GPU mean little before it is full.
        budget = replace(budget, forward_lens=(1024, 2048, 4096, 8192))
        n_heads *= 8
    lengths = (
        (False, (budget.short_len, *budget.forward_lens)),
        (True, budget.backward_lens),
    )
    points = [
        Point(way, n, back, n_heads, budget.head_dim, block, budget.n_rounds, seed, device)
        for back, lens in lengths
        for n in lens
        for way in WAYS
    ]
    costs: dict[Point, Cost] = {}
    for number, point in enumerate(points):
        yield Progress(number, len(points), f"{LABELS[point.way]}, {point.n_tokens:,} tokens")
        costs[point] = run_apart(attend, point, device=device, timeout_s=TIMEOUT_S)
        yield from curves(point, costs[point])
    yield Progress(len(points), len(points), "fitting slopes")

    for back in (False, True):
        of_passes = {p: cost for p, cost in costs.items() if p.with_backward == back}
        yield from summary(of_passes, budget.short_len)
    yield table(costs, device)


def attend(point: Point) -> Cost:
    """The cost of a point, measured in this process."""
    if point.device == "cpu":
        torch.set_num_threads(1)
        malloc.keep_no_large_block()
    way = attention(point.way, block=point.block)

    def compute(inputs: Sequence[Tensor]) -> Tensor:
        q, k, v = inputs
        out = way(q, k, v)
        if point.with_backward:
            torch.autograd.backward(out, torch.ones_like(out))
            q.grad = k.grad = v.grad = None
        return out

    # The first call loads code and makes buffers, which are nobody's scores.
    compute(inputs_of(point, n_tokens=point.block + 1))
    inputs = inputs_of(point, n_tokens=point.n_tokens)
    peak = peak_bytes(lambda: compute(inputs), point.device)
    kept = saved_bytes(lambda: way(*inputs)) if point.with_backward else 0
    # Memory was exact, and slow to get. Times are of a process that uses its blocks again.
    malloc.keep_large_blocks()
    (time_s,) = fastest([lambda: compute(inputs)], point.device, n_rounds=point.n_rounds)
    return Cost(peak / MIB, 1000 * time_s, kept / MIB)


def inputs_of(point: Point, *, n_tokens: int) -> list[Tensor]:
    """Queries, keys and values of this many tokens."""
    return random_inputs(
        point.n_heads,
        n_tokens,
        point.head_dim,
        seed=point.seed,
        device=point.device,
        trained=point.with_backward,
    )


def matrix_mib(point: Point) -> float:
    """One matrix of scores: every head, every query, every key."""
    return number_bytes(point) * point.n_heads * point.n_tokens**2 / MIB


def rows_mib(point: Point) -> float:
    """Queries, keys, values and outputs together."""
    return number_bytes(point) * 4 * point.n_heads * point.n_tokens * point.head_dim / MIB


def number_bytes(point: Point) -> int:
    """fp32 on the CPU, fp16 on a GPU."""
    return 4 if point.device == "cpu" else 2


def curves(point: Point, cost: Cost) -> Iterator[Event]:
    """One more point of the lines of its way; the yardstick grows beside separate operations."""
    passes = "forward and backward" if point.with_backward else "forward"
    memory, x = f"Peak memory, {passes}", [point.n_tokens]
    label = LABELS[point.way]
    yield Curve(memory, label, x, [cost.peak_mib], "tokens", "MiB", log_y=True)
    if point.way == "separate":
        yield Curve(memory, "one matrix", x, [matrix_mib(point)], "tokens", "MiB", log_y=True)
    yield Curve(f"Time, {passes}", label, x, [cost.time_ms], "tokens", "ms", log_y=True)


def summary(costs: Mapping[Point, Cost], short_len: int) -> Iterator[Event]:
    """The fitted slopes, and what the longest sequence takes, of one kind of passes."""
    longest = max(point.n_tokens for point in costs)
    back = any(point.with_backward for point in costs)
    suffix, passes = ("_backward", "forward and backward") if back else ("", "forward")
    end = f"{passes}, {longest:,} tokens"
    for way in WAYS:
        line = {p: cost for p, cost in costs.items() if p.way == way}
        point = max(line, key=lambda p: p.n_tokens)
        cost, label = line[point], LABELS[way]
        fitted = {p.n_tokens: c.peak_mib for p, c in line.items() if p.n_tokens > short_len}
        slope = log_slope([*fitted], [*fitted.values()])
        yield Measurement(f"slope_{way}{suffix}", slope, "", f"slope of {label}, {passes}")
        yield Measurement(f"peak_{way}{suffix}", cost.peak_mib, "MiB", f"peak of {label}, {end}")
        yield Measurement(f"time_{way}{suffix}", cost.time_ms, "ms", f"time of {label}, {end}")
        if back:
            kept = f"kept by {label}, {longest:,} tokens"
            yield Measurement(f"kept_{way}", cost.kept_mib, "MiB", kept)
    yield Measurement(
        f"matrix{suffix}", matrix_mib(point), "MiB", f"one matrix, {longest:,} tokens", True
    )
    if back:
        yield Measurement("rows", rows_mib(point), "MiB", "q, k, v and out", True)
    else:
        short = {p.way: cost.peak_mib for p, cost in costs.items() if p.n_tokens == short_len}
        label = f"peak of tiles / separate operations, {short_len:,} tokens"
        yield Measurement("short_ratio", divide(short["tiled"], short["separate"]), "", label)


def divide(part: float, whole: float) -> float:
    """Their ratio; NaN if there is none."""
    return part / whole if whole > 0 else math.nan


def table(costs: Mapping[Point, Cost], device: str) -> Table:
    """All points: a row for each length and kind of passes."""
    first = next(iter(costs))
    backend = fused_backend(*inputs_of(first, n_tokens=64))
    rows: list[tuple[str | float, ...]] = []
    for point in costs:
        if point.way == WAYS[0]:
            same = [costs[point._replace(way=way)] for way in WAYS]
            passes = "both" if point.with_backward else "forward"
            peaks, times = [c.peak_mib for c in same], [c.time_ms for c in same]
            rows.append((f"{point.n_tokens:,}", passes, matrix_mib(point), *peaks, *times))
    costs_of = [f"{way}, {unit}" for unit in ("MiB", "ms") for way in WAYS]
    return Table(
        f"Peak in MiB and time in ms ({device}, fused kernel: {backend})",
        ("tokens", "passes", "one matrix", *costs_of),
        rows,
    )


def verdict(m: Mapping[str, float]) -> dict[str, bool | None]:
    """Which claims the measurements of one seed bear out; None where memory was not measured."""

    def between(low: float, value: float, high: float) -> bool | None:
        return None if math.isnan(value) else low <= value < high

    matrices = divide(m["peak_separate"], m["matrix"])
    kept = divide(m["kept_separate"], m["matrix_backward"])
    # The two peaks are of different lengths: counted in matrices of their length they compare.
    backward = divide(divide(m["peak_separate_backward"], m["matrix_backward"]), matrices)
    flattest = greatest(m["slope_tiled"], m["slope_fused"])
    flattest_backward = greatest(m["slope_tiled_backward"], m["slope_fused_backward"])
    loop = divide(m["time_tiled"], m["time_separate"])
    recomputing = divide(m["time_fused_backward"], m["time_separate_backward"])
    rows = divide(greatest(m["kept_tiled"], m["kept_fused"]), m["rows"])
    return {
        "quadratic": between(1.8, m["slope_separate"], 2.2),
        "at_most_linear": between(-math.inf, flattest, 1.3),
        "one_matrix": between(0.5, matrices, 1.5),
        "two_matrices": between(1.5, matrices, 2.5),
        "three_matrices": between(2.5, matrices, 3.5),
        "temporary": between(-math.inf, kept, 0.5),
        "keeps_one": between(0.5, kept, 1.5),
        "keeps_both": between(1.5, kept, math.inf),
        "backward_higher": between(1.3, backward, math.inf),
        "keeps_rows": between(-math.inf, rows, 1.05),
        "backward_linear": between(-math.inf, flattest_backward, 1.3),
        "always_less": between(-math.inf, m["short_ratio"], 1),
        "loop_slower": between(2, loop, math.inf),
        "recomputing_slower": between(1, recomputing, math.inf),
    }


def greatest(a: float, b: float) -> float:
    """The larger of two; NaN if either is."""
    return math.nan if math.isnan(a + b) else max(a, b)
