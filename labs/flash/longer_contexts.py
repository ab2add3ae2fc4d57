"""Without the matrix of scores the same memory holds a longer context, and time becomes the limit.

What is the longest context whose attention fits into a given amount of memory, forward, with
naive attention and with PyTorch's fused FlashAttention kernel? The lab asks under one cap and under
twice as much. Then it times the fused kernel on longer contexts, since what fits still has to be
computed.

How to read it. The longest context is found by trial: a length is computed, and the peak of what
torch's allocator handed out is below the cap or above it; the search ends when the longest that
fits and the shortest that does not are within 3 %. It can be predicted: naive attention holds two
matrices of N² numbers and, as the fused kernel does, queries, keys, values and outputs of
N · head_dim numbers each; a kernel also has buffers of its own. The *advantage* is the ratio of the
two longest contexts. Times are processor times of one core, the least of a few rounds.

What the literature reports. See the note beside the claim.

Out of scope: everything of a model but its attention. Weights, activations of other layers and the
cache of keys and values grow with the context, too, and often decide. What a model makes of a
longer context is another question. The seed decides the numbers in q, k and v: no count depends on
it, and times are taken again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

from torch import Tensor

from labs.kernels.three_ways import LABELS, attention, fused, random_inputs
from labs.machine.peak_memory import peak_allocated
from labs.machine.stopwatch import fastest, one_core
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "How much longer a context fits into the same memory without the matrix of scores?"
POINTS = ("4.4.1", "4.2.2")
CLAIMS = {
    "predicted": "Counting its two matrices and its rows predicts the longest context of naive "
    "attention, within 10 %.",
    "fixed_advantage": "Under twice the memory the fused kernel's advantage in context is the "
    "same, within a tenth.",
    "growing_advantage": "Under twice the memory the fused kernel's advantage in context is about "
    "√2 times as large: 1.25 to 1.6 times.",
    "shrinking_advantage": "Under twice the memory the fused kernel's advantage in context is at "
    "most 0.9 times as large.",
    "linear_time": "At twice the context the fused kernel takes about twice the time: less than "
    "2.6 times.",
    "quadratic_time": "At twice the context the fused kernel takes about four times the time: 3 to "
    "5.2 times.",
    "cubic_time": "At twice the context the fused kernel takes more than 5.2 times the time.",
}
HOLDS_IF = {
    "predicted": "0.9 <= longest_naive / predicted_naive <= 1.1",
    "fixed_advantage": "0.9 < advantage_growth < 1.1",
    "growing_advantage": "1.25 <= advantage_growth <= 1.6",
    "shrinking_advantage": "advantage_growth <= 0.9",
    "linear_time": "time_growth < 2.6 if not 2.6 < time_growth < 3 else unknown",
    "quadratic_time": "3 <= time_growth <= 5.2 if not 2.6 < time_growth < 3 else unknown",
    "cubic_time": "time_growth > 5.2",
}
KNOBS = {"head_dim": (64, 128), "cap_mib": (4, 8)}
KNOB_HELP = {
    "head_dim": "width of queries, keys and values",
    "cap_mib": "MiB that may be used; 64 times as many on a GPU",
}
SEEDS = 3
SECONDS = {"cpu": 4}
ALONE = True
LITERATURE = {
    "growing_advantage": "FlashAttention's authors report 10 times less memory at 2,048 tokens and "
    "20 times less at 4,096 (official README).",
}

TIMED_LENS = (1024, 2048, 4096)
PRECISION = 1.03
"""The search ends when the longest that fits and the shortest that does not are this close."""
MIB = 2**20


class Shape(NamedTuple):
    """What is the same in all trials."""

    n_heads: int
    head_dim: int
    number_bytes: int
    seed: int
    device: str


def run(*, head_dim: int, cap_mib: int, seed: int, device: str) -> Iterator[Event]:
    """The searches under one cap and under twice as much, then the times."""
    if device == "cpu":
        shape = Shape(1, head_dim, 4, seed, device)
    else:
        # In fp16 and under 256 and 512 MiB by default: a GPU needs more to be busy.
        shape, cap_mib = Shape(32, head_dim, 2, seed, device), 64 * cap_mib
    caps = cap_mib, 2 * cap_mib
    found: dict[tuple[str, int], float] = {}
    with one_core():
        for mib in caps:
            for way in ("naive", "fused"):
                yield Progress(len(found), 5, f"{LABELS[way]} under {mib} MiB")
                longest = found[way, mib] = longest_context(way, mib * MIB, shape)
                yield Curve("Longest context", LABELS[way], [mib], [longest], "MiB", "tokens")
        yield Progress(len(found), 5, "timing the fused kernel")
        attends = [partial(fused, *inputs(n_tokens, shape)) for n_tokens in TIMED_LENS]
        seconds = fastest(attends, device, n_rounds=3)
    ms = [1000 * each for each in seconds]
    yield Curve("Time, forward", LABELS["fused"], TIMED_LENS, ms, "tokens", "ms", log_y=True)

    foreseen = {(way, mib): predicted(way, mib * MIB, shape) for way, mib in found}
    rows = [(LABELS[way], f"{mib}", found[way, mib], foreseen[way, mib]) for way, mib in found]
    yield Table("The longest context", ("attention", "MiB", "tokens", "predicted"), rows)
    advantage, doubled = (found["fused", mib] / found["naive", mib] for mib in caps)
    half, longest = TIMED_LENS[-2:]
    for name, value, unit, meaning in (
        ("longest_naive", found["naive", cap_mib], "tokens", f"naive attention, {cap_mib} MiB"),
        ("predicted_naive", foreseen["naive", cap_mib], "tokens", "by its matrices and rows"),
        ("advantage", advantage, "", f"longest context, fused / naive, {cap_mib} MiB"),
        ("advantage_growth", doubled / advantage, "", f"advantage, {caps[1]} MiB / {caps[0]} MiB"),
        ("time_growth", seconds[-1] / seconds[-2], "", f"time, {longest:,} tokens / {half:,}"),
    ):
        yield Measurement(name, value, unit, meaning)
    yield Progress(5, 5)


def predicted(way: str, cap_bytes: int, shape: Shape) -> float:
    """Tokens whose tensors fill `cap_bytes`: q, k, v and out, and two matrices if they are kept."""
    per_token = 4 * shape.n_heads * shape.head_dim * shape.number_bytes
    if way == "fused":
        return cap_bytes / per_token
    square = 2 * shape.n_heads * shape.number_bytes
    # square · N² + per_token · N = cap_bytes
    return (math.sqrt(per_token**2 + 4 * square * cap_bytes) - per_token) / (2 * square)


def longest_context(way: str, cap_bytes: int, shape: Shape) -> float:
    """The most tokens whose attention fits under the cap; NaN if none does that was tried."""
    attend = attention(way, block=0)

    def compute(n_tokens: int) -> Tensor:
        return attend(*inputs(n_tokens, shape))

    expected = predicted(way, cap_bytes, shape)
    low, high, found = expected / 2, 1.1 * expected, math.nan
    while high / low > PRECISION:
        n_tokens = int(math.sqrt(low * high))
        if peak_allocated(partial(compute, n_tokens), shape.device) <= cap_bytes:
            low = found = n_tokens
        else:
            high = n_tokens
    return found


def inputs(n_tokens: int, shape: Shape) -> list[Tensor]:
    """Queries, keys and values."""
    sizes = shape.n_heads, n_tokens, shape.head_dim
    return random_inputs(*sizes, seed=shape.seed, device=shape.device, trained=False)
