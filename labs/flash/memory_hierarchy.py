"""What attention costs is counted in bytes as well as in FLOPs.

A processor has a little fast memory close by and much slow memory further away: on a GPU registers,
SRAM, a cache and DRAM, on a CPU caches and DRAM. FlashAttention reorders attention so that the
matrix of scores never crosses to the slow memory. This lab keeps four ledgers of one head:
arithmetic, bytes requested, bytes that cross when there is a cache, and bytes held. Two programs,
attention as three separate operations and attention in tiles, run on a memory that counts; both
give the attention of the definition. The formulas have to match the counts to the byte, and also
the loads of this course's Triton kernel, counted in its interpreter. Then the lab measures what
this machine makes of it: one core of a CPU, or a GPU.

How to read it. *Requested* is what the tiles of a kernel ask for, whoever serves it; *crossed* is
what is left for the slow memory behind a cache. The chart of crossed bytes shows why both words
are needed: a small cache spares the tiles nothing, one that holds the head's keys and values
spares them nearly all, and the separate operations profit only when it holds whole matrices of
scores. FLOP per byte, the arithmetic intensity, decides what limits an operation: below the
machine's ridge (its FLOP/s over its bytes/s) the bytes do, above it the arithmetic. The chart of
the ridge multiplies the same matrix with more and more vectors.

What the literature reports. See the notes beside the claims. FlashAttention's bound is
Θ(N² d² / M) accesses for a fast memory of M numbers (Dao et al. 2022): here it is the tile of
queries whose size divides the requests.

Out of scope: the cache of a real GPU serves many heads and tiles at once, here one tile comes
after the other and the tile unused for longest is forgotten. Ledgers are of the forward pass,
without a mask. On a CPU all times are of one core. SRAM and registers cannot be timed from
PyTorch; on a GPU the experiment with tiles of a vector is left out, since each of its steps would
be a kernel of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from labs.kernels.counted_attention import (
    Account,
    FlopCounter,
    Ledger,
    memory_of,
    separate_attention,
    tiled_attention,
)
from labs.kernels.reference import reference_attention
from labs.machine.fresh_process import FreshProcessError, run_fresh
from labs.machine.slow_memory import SlowMemory, fetched_bytes
from labs.machine.speeds import (
    BYTES_LABEL,
    MIB,
    copy_bandwidth,
    roofline,
    vector_in_tiles,
)
from labs.machine.stopwatch import fastest, one_core
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "Is attention in tiles faster because it computes less, or because it moves less?"
POINTS = ("4.1.1", "4.1.2", "4.1.3", "4.1.4")
CLAIMS = {
    "fewer_flops": "Tiles save arithmetic: they do at most nine tenths of the FLOPs of separate "
    "operations.",
    "hundredfold": "Tiles request at least fifty times fewer bytes than separate operations.",
    "severalfold": "Tiles request between two and ten times fewer bytes than separate operations.",
    "no_fewer": "Tiles request about as many bytes as separate operations: at least nine tenths.",
    "cached_hundredfold": "Behind a cache that holds the head's keys and values, tiles move at "
    "least a hundred times fewer bytes than separate operations.",
    "held": "Tiles hold at least fifty times fewer bytes in slow memory than separate operations.",
    "wider_queries": "Tiles of twice as many queries request about half the bytes.",
    "wider_keys": "Tiles of twice as many keys request about half the bytes.",
    "any_tile": "Tiles of twice as many queries or twice as many keys request about as many bytes: "
    "within a tenth.",
    "caches_faster": "Copying what fits in a cache is at least twice as fast, byte for byte, as "
    "copying what does not.",
    "elementwise_slow": "Adding two large vectors reaches less than a fifth of the FLOP/s of a "
    "matrix product.",
    "free_arithmetic": "Sixteen times the arithmetic on the same large matrix takes less than "
    "eight times as long.",
    "tiles_in_cache": "The same elementwise steps on the same vector take at most two thirds of "
    "the time when each tile goes through all of them while it is in the cache.",
    "bytes_limit": "On this machine, moving the bytes of attention as separate operations takes "
    "over 1.5 times as long as their arithmetic.",
    "arithmetic_limits": "On this machine, the arithmetic of attention as separate operations "
    "takes over 1.5 times as long as moving their bytes.",
    "balanced": "On this machine, arithmetic and bytes of attention as separate operations take "
    "about as long, within a factor of 1.5.",
    "fused_twice": "On this machine, PyTorch's fused attention takes at most half the time of "
    "separate operations whose memory is ready.",
}
KNOBS = {"head_dim": (128, 64), "block_q": (128, 64, 256)}
SEEDS = 3
SECONDS = {"cpu": 14}
LITERATURE = {
    "fewer_flops": "FlashAttention does more arithmetic, 75.2 GFLOPs instead of 66.6, and takes "
    "7.3 ms instead of 41.7 (Dao et al. 2022, Fig. 2; GPT-2 medium's attention, forward and "
    "backward, A100). Recomputing the scores in the backward pass is what it does more.",
    "cached_hundredfold": "Traffic with the A100's memory fell from 40.3 to 4.4 GB, 9.2 times, at "
    "1,024 tokens and head_dim 64 (Dao et al. 2022, Fig. 2; forward and backward).",
    "fused_twice": "On an A100 5.7 times faster than separate operations, 41.7 against 7.3 ms (Dao "
    "et al. 2022, Fig. 2; forward and backward).",
}

BLOCK_K = 128


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes of the experiments, apart from the knobs."""

    ledger_len: int = 16_384
    """Tokens of the ledgers that are shown; formulas, since their matrices would take gigabytes."""
    counted_len: int = 2048
    """Tokens of the programs that run and are counted."""
    copy_powers: tuple[int, int] = (14, 28)
    """The smallest and largest working set of a copy, as powers of 2, in bytes."""
    matrix_size: int = 4096
    vector_mib: int = 128
    attention_len: int = 2048
    n_rounds: int = 5


def run(*, head_dim: int, block_q: int, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which decides the numbers and the odd length of one counted run; what
    is counted does not depend on it, what is timed is timed again."""
    return measure(Budget(), head_dim=head_dim, block_q=block_q, seed=seed, device=device)


def measure(
    budget: Budget, *, head_dim: int, block_q: int, seed: int, device: str
) -> Iterator[Event]:
    """The ledgers first, then this machine, then attention on this machine."""
    generator = Generator().manual_seed(seed)
    if device != "cpu":
        # A GPU's cache holds more, and its times are too short on little.
        budget = replace(budget, copy_powers=(18, 31), matrix_size=16_384, attention_len=8192)
    yield Progress(0, 5, "counting bytes")
    ledger = Ledger(budget.ledger_len, head_dim, block_q, BLOCK_K, n_bytes=2)
    yield from counts(budget, ledger, generator, seed)
    yield from ledgers(ledger)
    with one_core():
        yield Progress(1, 5, "copying")
        bandwidth = yield from copy_bandwidth(budget.copy_powers, device)
        yield Progress(2, 5, "multiplying")
        rate = yield from roofline(budget.matrix_size, generator, device, n_rounds=budget.n_rounds)
        yield Progress(3, 5, "one vector in tiles")
        yield from vector_in_tiles(budget.vector_mib, device)
        yield Progress(4, 5, "attention")
        yield from attention(budget, head_dim, generator, device, rate, bandwidth)
    yield Progress(5, 5)


def counts(budget: Budget, ledger: Ledger, generator: Generator, seed: int) -> Iterator[Event]:
    """Both programs run on a memory that counts; the ledger has to say the same."""
    differences, errors, n_flops = [], [], []
    for seq_len in (budget.counted_len // 2 - 1 - 8 * seed, budget.counted_len):
        q, k, v = (torch.randn(seq_len, ledger.head_dim, generator=generator) for _ in "qkv")
        expected = reference_attention(q[None, None], k[None, None], v[None, None]).out[0, 0]
        small = replace(ledger, seq_len=seq_len, n_bytes=4)
        for name, program, account in (
            ("separate operations", separate_attention, small.separate),
            ("tiles", tiled_attention, small.tiles),
        ):
            memory = memory_of(q, k, v)
            with FlopCounter() as counter:
                program(memory, ledger.block_q, BLOCK_K)
            n_flops.append(counter.n_flops)
            # Room for keys, values and two rows of tiles of scores: far less than all scores need.
            cache_bytes = 2 * small.rows + 2 * ledger.block_q * seq_len * small.n_bytes
            crossed = fetched_bytes(memory.log, cache_bytes)
            counted = Account(memory.requested_bytes, crossed, memory.held_bytes)
            differences += [abs(a - b) for a, b in zip(account, counted, strict=True)]
            errors.append((memory.arrays["out"] - expected).abs().max().item())
            if seq_len == budget.counted_len:
                yield crossed_by_cache(name, memory, small)
    short = replace(ledger, seq_len=300, n_bytes=4)
    kernel_error = kernel_loads(short) - (short.tiles.requested - short.rows)
    for name, value, unit, meaning in (
        ("ledger_error", max(differences), "bytes", "largest difference of ledger and count"),
        ("kernel_error", kernel_error, "bytes", "loads of the Triton kernel, less the ledger's"),
        ("output_error", max(errors), "", "largest error of the counted programs"),
        ("flop_ratio", n_flops[-1] / n_flops[-2], "", "FLOPs, tiles / separate"),
    ):
        yield Measurement(name, value, unit, meaning)


@cache
def kernel_loads(ledger: Ledger) -> float:
    """What the Triton kernel loads in its interpreter; NaN where there is none."""
    sizes = ledger.seq_len, ledger.head_dim, ledger.block_q, ledger.block_k
    function, env = "labs.kernels.requested_bytes:loaded_bytes", {"TRITON_INTERPRET": "1"}
    try:
        return float(run_fresh(function, *sizes, env=env, timeout_s=60))
    except FreshProcessError:
        return math.nan


def crossed_by_cache(name: str, memory: SlowMemory, ledger: Ledger) -> Curve:
    """The log of requests, replayed against caches from 64 KiB to beyond all that is held."""
    powers = range(16, math.ceil(math.log2(ledger.separate.held)) + 1)
    ys = [fetched_bytes(memory.log, 2**power) / MIB for power in powers]
    chart = f"Bytes that cross behind a cache, {ledger.seq_len} tokens, fp32"
    return Curve(chart, name, [*powers], ys, BYTES_LABEL, "MiB", log_y=True)


def ledgers(ledger: Ledger) -> Iterator[Event]:
    """The ledgers at full length in fp16, and what other tiles would request."""
    separate, tiles = ledger.separate, ledger.tiles
    rows = [
        (name, a / MIB, b / MIB, a / b)
        for name, a, b in zip(Account._fields, separate, tiles, strict=True)
    ]
    yield Table(
        f"One head, {ledger.seq_len} tokens, head_dim {ledger.head_dim}, fp16, tiles of "
        f"{ledger.block_q} × {ledger.block_k}",
        ("bytes", "separate, MiB", "tiles, MiB", "times fewer"),
        rows,
    )
    for name, _, _, ratio in rows:
        yield Measurement(f"{name}_ratio", ratio, "", f"bytes {name}, separate / tiles")
    for name, other in (
        ("queries", replace(ledger, block_q=2 * ledger.block_q)),
        ("keys", replace(ledger, block_k=2 * ledger.block_k)),
    ):
        ratio = tiles.requested / other.tiles.requested
        meaning = f"bytes requested, tiles / tiles of twice the {name}"
        yield Measurement(f"wide_{name}_ratio", ratio, "", meaning)


def attention(
    budget: Budget,
    head_dim: int,
    generator: Generator,
    device: str,
    rate: float,
    bandwidth: float,
) -> Iterator[Event]:
    """What limits attention here, by arithmetic and by bytes; then what it takes."""
    n = budget.attention_len
    dtype = torch.float32 if device == "cpu" else torch.float16
    q, k, v = (torch.randn(n, head_dim, generator=generator).to(device, dtype) for _ in "qkv")
    if device != "cpu":
        # Tensor cores multiply fp16 faster than the fp32 of the roofline.
        square = torch.randn(n, n, generator=generator).to(device, dtype)
        (seconds,) = fastest([lambda: square @ square], device, n_rounds=budget.n_rounds)
        rate = 2 * n**3 / seconds
    ledger = Ledger(n, head_dim, n, n, q.element_size())
    n_flops = 4 * n * n * head_dim
    arithmetic_s, bytes_s = n_flops / rate, ledger.separate.crossed / bandwidth
    ready_s, fresh_s, fused_s = attention_times(budget, q / math.sqrt(head_dim), k, v, device)
    yield Table(
        f"One head, {n} tokens, head_dim {head_dim}, {str(dtype).removeprefix('torch.')}",
        ("what", "ms"),
        [
            ("the arithmetic alone, at the rate of a matrix product", arithmetic_s * 1000),
            ("the separate operations' bytes alone, at the speed of a copy", bytes_s * 1000),
            ("separate operations, memory ready", ready_s * 1000),
            ("separate operations, new memory each time", fresh_s * 1000),
            ("PyTorch's fused attention", fused_s * 1000),
        ],
    )
    yield Measurement("ridge", rate / bandwidth, "FLOP/byte", "the machine's ridge", yardstick=True)
    yield Measurement(
        "intensity", n_flops / ledger.separate.crossed, "FLOP/byte", "of separate operations"
    )
    yield Measurement("bytes_share", bytes_s / arithmetic_s, "", "time of bytes / of arithmetic")
    yield Measurement("fused_ratio", ready_s / fused_s, "", "time, separate / fused, memory ready")
    yield Measurement(
        "fresh_ratio", fresh_s / ready_s, "", "time, separate with new / ready memory"
    )


def attention_times(
    budget: Budget, q: Tensor, k: Tensor, v: Tensor, device: str
) -> tuple[float, float, float]:
    """Seconds of separate operations with their memory ready and with new memory, and fused."""
    n = len(q)
    scores, weights = (torch.empty(n, n, device=device, dtype=q.dtype) for _ in range(2))
    out = torch.empty_like(q)

    def separate(scores: Tensor | None, weights: Tensor | None) -> None:
        scores = torch.mm(q, k.T, out=scores)
        weights = torch.softmax(scores, dim=-1, out=weights)
        torch.mm(weights, v, out=out)

    def fused() -> None:
        F.scaled_dot_product_attention(q[None, None], k[None, None], v[None, None], scale=1.0)

    ready_s, fresh_s, fused_s = fastest(
        [lambda: separate(scores, weights), lambda: separate(None, None), fused],
        device,
        n_rounds=2 * budget.n_rounds,
    )
    return ready_s, fresh_s, fused_s


def verdict(m: Mapping[str, float]) -> dict[str, bool | None]:
    """Which claims the measurements of one seed bear out.

    A ledger that the counts contradict says nothing; a timing near its threshold says nothing
    either, since another moment might turn it.
    """

    def counted(holds: bool) -> bool | None:
        is_right = m["ledger_error"] == 0 and not abs(m["kernel_error"]) > 0
        return holds if is_right else None

    def at_least(ratio: float, threshold: float) -> bool | None:
        """Whether a timed ratio reaches the threshold; None within a fifth below it, or NaN."""
        if math.isnan(ratio) or 0.8 * threshold < ratio < threshold:
            return None
        return ratio >= threshold

    requested, share = m["requested_ratio"], m["bytes_share"]
    wide_queries, wide_keys = m["wide_queries_ratio"], m["wide_keys_ratio"]
    known = not math.isnan(share)
    return {
        "fewer_flops": counted(m["flop_ratio"] <= 0.9),
        "hundredfold": counted(requested >= 50),
        "severalfold": counted(2 <= requested <= 10),
        "no_fewer": counted(requested <= 1 / 0.9),
        "cached_hundredfold": counted(m["crossed_ratio"] >= 100),
        "held": counted(m["held_ratio"] >= 50),
        "wider_queries": counted(1.9 <= wide_queries <= 2.1),
        "wider_keys": counted(1.9 <= wide_keys <= 2.1),
        "any_tile": counted(max(wide_queries, wide_keys) <= 1.1),
        "caches_faster": at_least(m["fast_bandwidth"] / m["slow_bandwidth"], 2),
        "elementwise_slow": at_least(m["product_rate"] / m["addition_rate"], 5),
        "free_arithmetic": at_least(16 / m["sixteenfold_time"], 2),
        "tiles_in_cache": at_least(m["vector_ratio"], 1.5),
        "bytes_limit": share > 1.5 if known else None,
        "arithmetic_limits": share < 1 / 1.5 if known else None,
        "balanced": 1 / 1.5 <= share <= 1.5 if known else None,
        "fused_twice": at_least(m["fused_ratio"], 2),
    }
