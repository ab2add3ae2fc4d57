"""Without the matrix of scores, the same memory holds a context many times longer.

A process is given a fixed amount of memory on top of what it has, and not a byte more. What is
the longest context whose attention it can compute? Queries, keys, values and outputs count, too:
they grow with the context in any case. The lab asks this of attention as separate operations, in
tiles (the specification of FlashAttention, a loop in Python) and of PyTorch's fused kernel, for
the forward pass and for forward and backward together, and asks again under twice the cap. Then it
times the fused kernel on ever longer contexts, since what fits still has to be computed.

How to read it. The longest context is found by trial: a length is tried, and it fits or the system
refuses the memory; the search ends when the two are within 3 %, and a trial is good to a few
hundred KiB. N² numbers fill a memory when N is the root of its size: twice the cap buys √2 times
the context. What grows with N itself doubles. The slope of the time is fitted to logarithms: 1
means proportional to the context, 2 to its square.

What the literature reports. See the notes beside the claims.

Out of scope: everything of a model but its attention; there are weights, activations of other
layers and a cache of keys and values to be stored as well, which grow with the context, too, and
often decide. What a model makes of a longer context is another question. The seed decides the
numbers in q, k and v, on which memory does not depend: seeds repeat the measurement. Only Linux
and CUDA refuse memory in time; on other systems the claims about it stay open.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, TypeAlias

import torch

from labs.kernels.three_ways import LABELS, attention, fused, random_inputs
from labs.machine import malloc
from labs.machine.forked import run_apart
from labs.machine.growth import log_slope
from labs.machine.memory_cap import can_cap, fits
from labs.machine.stopwatch import fastest
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "How much longer a context fits into the same memory without the matrix of scores?"
POINTS = ("4.4.1", "4.2.2")
CLAIMS = {
    "longer": "Under the same cap, tiles and the fused kernel take at least 4 times the context of "
    "separate operations, and at least 3 times with the backward pass.",
    "root_two": "Twice the memory gives separate operations about √2 times the context: 1.25 to "
    "1.6 times.",
    "twice": "Twice the memory gives the fused kernel about twice the context: at least 1.8 times.",
    "no_more": "Twice the memory gives separate operations hardly any more context: less than 1.25 "
    "times.",
    "separate_twice": "Twice the memory gives separate operations twice the context, too: at least "
    "1.8 times.",
    "fixed_factor": "The fused kernel's advantage is a fixed factor: under twice the memory it is "
    "the same, within 15 %.",
    "growing_factor": "The fused kernel's advantage grows with the memory: under twice as much it "
    "is at least 1.15 times as large.",
    "shrinking_factor": "The fused kernel's advantage shrinks with more memory: under twice as "
    "much it is less than 0.85 times as large.",
    "linear_time": "With memory linear in the context, time is linear, too: the fused kernel's "
    "slope is below 1.4.",
    "quadratic_time": "Time still grows with the square of the context: the fused kernel's slope "
    "is between 1.6 and 2.4.",
    "steeper_time": "Time grows faster than the square of the context: the fused kernel's slope is "
    "2.4 or more.",
}
KNOBS = {"head_dim": (64, 128), "cap_mib": (6, 12)}
SEEDS = 3
SECONDS = {"cpu": 17}
LITERATURE = {
    "longer": "With FlashAttention a transformer reached 61.4 % on Path-X, sequences of 16 K "
    "tokens, where guessing gives 50 % (Dao et al. 2022, Table 6).",
    "growing_factor": "FlashAttention's authors report 10 times less memory at 2,048 tokens and 20 "
    "times less at 4,096 (official README).",
}

Search: TypeAlias = tuple[str, bool, int]
"""Name of the attention, whether with its backward pass, cap in bytes."""

MIB = 2**20
TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run costs, apart from the knobs."""

    n_heads: int = 1
    block: int = 128
    cap_factor: int = 1
    """Of the knob's cap: a GPU has more memory, and takes it in larger pieces."""
    precision: float = 1.03
    """The search ends when the longest that fits and the shortest that does not are this close."""
    timed_lens: tuple[int, ...] = (1024, 2048, 4096, 8192)
    n_rounds: int = 2


class Trial(NamedTuple):
    """A search for the longest context, in a process of its own."""

    way: str
    with_backward: bool
    cap_bytes: int
    n_heads: int
    head_dim: int
    block: int
    precision: float
    seed: int
    device: str


def run(*, head_dim: int, cap_mib: int, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which decides the numbers in queries, keys and values."""
    return measure(Budget(), head_dim=head_dim, cap_mib=cap_mib, seed=seed, device=device)


def measure(
    budget: Budget, *, head_dim: int, cap_mib: int, seed: int, device: str
) -> Iterator[Event]:
    """The searches under one cap, those under twice the cap, and the times."""
    if device != "cpu":
        # Caps of 384 and 768 MiB by default: 12 and 24 for each of 32 heads, in fp16.
        budget = replace(budget, n_heads=32, cap_factor=64, block=256)
    single, double = (n * cap_mib * budget.cap_factor * MIB for n in (1, 2))
    # Tiles under twice the cap would only take more time to say what the fused kernel says.
    searches: list[Search] = [(way, back, single) for back in (False, True) for way in LABELS]
    searches += [("separate", False, double), ("fused", False, double)]
    longest: dict[Search, float] = {}
    n_steps = len(searches) + 1
    for number, (way, back, cap) in enumerate(searches):
        yield Progress(number, n_steps, f"{LABELS[way]} under {cap // MIB} MiB")
        trial = Trial(
            way, back, cap, budget.n_heads, head_dim, budget.block, budget.precision, seed, device
        )
        found = math.nan
        if can_cap(device):
            found = run_apart(longest_context, trial, device=device, timeout_s=TIMEOUT_S)
        longest[way, back, cap] = found
        if not back:
            title = "Longest context, forward"
            yield Curve(title, LABELS[way], [cap / MIB], [found], "MiB", "tokens")

    yield Progress(len(searches), n_steps, "timing the fused kernel")
    lens, sizes = budget.timed_lens, (budget.n_heads, head_dim, budget.n_rounds)
    times_s = run_apart(
        times_of_fused, lens, *sizes, seed, device, device=device, timeout_s=TIMEOUT_S
    )
    milliseconds = [1000 * time_s for time_s in times_s]
    yield Curve("Time, forward", LABELS["fused"], lens, milliseconds, "tokens", "ms", log_y=True)
    yield Measurement(
        "slope_time", log_slope(lens, times_s), "", "slope of the fused kernel's time"
    )
    yield from summary(longest, single, double)
    alone = single / row_bytes(budget.n_heads, head_dim, device, with_backward=False)
    label = "where q, k, v and out alone fill the memory"
    yield Measurement("rows_alone", alone, "tokens", label, yardstick=True)
    yield Progress(n_steps, n_steps, "done")


def longest_context(trial: Trial) -> float:
    """The most tokens whose attention fits under the cap; NaN if none does that was tried.

    Run it in a process of its own, since it changes how the process takes memory.
    """
    if trial.device == "cpu":
        torch.set_num_threads(1)
        malloc.keep_no_large_block()
    way = attention(trial.way, block=trial.block)

    def compute(n_tokens: int) -> None:
        q, k, v = random_inputs(
            trial.n_heads,
            n_tokens,
            trial.head_dim,
            seed=trial.seed,
            device=trial.device,
            trained=trial.with_backward,
        )
        out = way(q, k, v)
        if trial.with_backward:
            torch.autograd.backward(out, torch.ones_like(out))

    # The first call loads code and makes buffers that stay.
    compute(3 * trial.block)
    most = most_tokens(trial)
    low, high = most / 2, 1.1 * most
    found = math.nan
    while high / low > trial.precision:
        middle = math.sqrt(low * high)
        if fits(partial(compute, int(middle)), trial.cap_bytes, trial.device):
            low, found = middle, int(middle)
        else:
            high = middle
    return found


def most_tokens(trial: Trial) -> float:
    """The longest context by the ledger: as many tokens as if nothing else took memory.

    Separate operations hold two matrices at their peak and three with the backward pass.
    """
    per_token = row_bytes(
        trial.n_heads, trial.head_dim, trial.device, with_backward=trial.with_backward
    )
    if trial.way != "separate":
        return trial.cap_bytes / per_token
    n_matrices = 3 if trial.with_backward else 2
    square = n_matrices * trial.n_heads * number_bytes(trial.device)
    # square · N² + per_token · N = cap
    return (math.sqrt(per_token**2 + 4 * square * trial.cap_bytes) - per_token) / (2 * square)


def row_bytes(n_heads: int, head_dim: int, device: str, *, with_backward: bool) -> int:
    """What a token takes in any case: q, k, v and out, with the backward pass their gradients."""
    return (8 if with_backward else 4) * n_heads * head_dim * number_bytes(device)


def number_bytes(device: str) -> int:
    """fp32 on the CPU, fp16 on a GPU."""
    return 4 if device == "cpu" else 2


def times_of_fused(
    lens: Sequence[int], n_heads: int, head_dim: int, n_rounds: int, seed: int, device: str
) -> list[float]:
    """Seconds of a forward pass for each length."""
    if device == "cpu":
        torch.set_num_threads(1)
    inputs = [
        random_inputs(n_heads, n_tokens, head_dim, seed=seed, device=device, trained=False)
        for n_tokens in lens
    ]
    return fastest([partial(fused, *qkv) for qkv in inputs], device, n_rounds=n_rounds)


def summary(longest: Mapping[Search, float], single: int, double: int) -> Iterator[Event]:
    """The longest contexts, and how much longer than that of separate operations they are."""
    for (way, back, cap), n_tokens in longest.items():
        name = f"longest_{way}{'_backward' if back else ''}{'_double' if cap == double else ''}"
        passes = "forward and backward" if back else "forward"
        yield Measurement(name, n_tokens, "tokens", f"{LABELS[way]}, {passes}, {cap // MIB} MiB")
    rows: list[tuple[str | float, ...]] = []
    for back, cap in ((False, single), (True, single), (False, double)):
        base = longest["separate", back, cap]
        for way in LABELS:
            if (way, back, cap) in longest:
                n_tokens, passes = longest[way, back, cap], "both" if back else "forward"
                rows.append((LABELS[way], passes, f"{cap // MIB}", n_tokens, n_tokens / base))
    columns = ("attention", "passes", "MiB", "tokens", "times separate operations")
    yield Table("The longest context that fits", columns, rows)


def verdict(m: Mapping[str, float]) -> dict[str, bool | None]:
    """Which claims the measurements of one seed bear out; None where memory was not capped."""

    def between(low: float, value: float, high: float) -> bool | None:
        return None if math.isnan(value) else low <= value < high

    separate, fused = m["longest_separate"], m["longest_fused"]
    factor = smaller(m["longest_tiled"], fused) / separate
    factor_backward = (
        smaller(m["longest_tiled_backward"], m["longest_fused_backward"])
        / m["longest_separate_backward"]
    )
    more_separate = m["longest_separate_double"] / separate
    more_fused = m["longest_fused_double"] / fused
    growth = more_fused / more_separate
    return {
        "longer": between(1, smaller(factor / 4, factor_backward / 3), math.inf),
        "root_two": between(1.25, more_separate, 1.6),
        "twice": between(1.8, more_fused, math.inf),
        "no_more": between(0, more_separate, 1.25),
        "separate_twice": between(1.8, more_separate, math.inf),
        "fixed_factor": between(0.85, growth, 1.15),
        "growing_factor": between(1.15, growth, math.inf),
        "shrinking_factor": between(0, growth, 0.85),
        "linear_time": between(-math.inf, m["slope_time"], 1.4),
        "quadratic_time": between(1.6, m["slope_time"], 2.4),
        "steeper_time": between(2.4, m["slope_time"], math.inf),
    }


def smaller(a: float, b: float) -> float:
    """The smaller of two; NaN if either is."""
    return math.nan if math.isnan(a + b) else min(a, b)
