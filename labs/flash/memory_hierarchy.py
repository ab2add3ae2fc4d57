"""An operation takes as long as its arithmetic or its bytes, whichever takes longer.

A processor has a little fast memory close by and much slow memory further away: on a GPU registers,
SRAM, a cache and DRAM, on a CPU caches and DRAM. FLOP per byte of slow memory is an operation's
*arithmetic intensity*; FLOP/s over bytes/s is the machine's *ridge*. Below the ridge an operation
waits for its bytes, and more arithmetic on them is free; above it the arithmetic decides, and
moving fewer bytes saves no time. The lab measures this machine, one core of a CPU or a GPU, in
three experiments, and then asks what the ridge says of attention.

How to read it. The bandwidth of a copy is drawn against its working set: the steps are where a
cache ends. The chart of the roofline multiplies one matrix with more and more vectors; each number
of the matrix is read once, so the intensity is half the number of vectors, in fp32. The vector in
tiles does the same steps in another order: all of them on a tile while it is in a cache. Last,
*naive attention* (QKᵀ, softmax, product with V as three operations, whose buffers are ready) is
timed against PyTorch's fused kernel. Times are processor times, each the least of a few rounds.

What the literature reports. See the note beside the claim.

Out of scope: SRAM and registers cannot be timed from PyTorch. On a GPU the vector in tiles is left
out, since each of its steps would be a kernel of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from labs.machine.stopwatch import fastest, one_core
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "When do fewer bytes mean less time?"
POINTS = ("4.1.1", "4.1.2", "4.1.4")
CLAIMS = {
    "caches_faster": "Copying what fits in a cache is at least twice as fast, byte for byte, as "
    "copying what does not.",
    "elementwise_slow": "Adding two large vectors reaches less than a fifth of the FLOP/s of a "
    "matrix product.",
    "free_arithmetic": "Sixteen times the arithmetic on the same large matrix takes less than "
    "eight times as long.",
    "tiles_in_cache": "Sixteen elementwise steps on a large vector take at most four fifths of the "
    "time if each tile goes through all of them while it is in a cache.",
    "gain_follows_ridge": "Fused attention is less than four times as fast as naive attention if "
    "that lies above the ridge, and at least twice as fast if it lies below.",
}
HOLDS_IF = {
    "caches_faster": "fast_bandwidth / slow_bandwidth >= 2 "
    "if not 1.6 < fast_bandwidth / slow_bandwidth < 2 else unknown",
    "elementwise_slow": "product_rate / addition_rate > 5 "
    "if not 4 < product_rate / addition_rate < 6 else unknown",
    "free_arithmetic": "sixteenfold_time < 8 if not 7 < sixteenfold_time < 10 else unknown",
    "tiles_in_cache": "tiles_gain >= 1.25 if not 1.1 < tiles_gain < 1.25 else unknown",
    "gain_follows_ridge": "(intensity > ridge and fused_gain < 4) or "
    "(intensity < ridge and fused_gain >= 2) "
    "if not (3.5 < fused_gain < 4.5 or 0.7 < intensity / ridge < 1.4) else unknown",
}
KNOBS = {"head_dim": (128, 64)}
KNOB_HELP = {"head_dim": "width of queries, keys and values"}
SEEDS = 3
SECONDS = {"cpu": 9}
ALONE = True
LITERATURE = {
    "gain_follows_ridge": "On an A100, where naive attention lies far below the ridge, "
    "FlashAttention took 7.3 ms instead of 41.7 (Dao et al. 2022, Fig. 2; attention of GPT-2 "
    "medium, forward and backward).",
}

MIB = 2**20
WIDTHS = (1, 4, 16, 64, 256)
"""Vectors that one matrix is multiplied with."""
BYTES_LABEL = "bytes as a power of 2 (20 is 1 MiB)"


class Sizes(NamedTuple):
    """Of the experiments."""

    copies: range
    """Working sets of the copies, as powers of 2, in bytes; the last is beyond all caches."""
    matrix: int
    """Rows and columns."""
    vector_mib: int
    n_tokens: int


CPU = Sizes(range(14, 29), matrix=4096, vector_mib=64, n_tokens=2048)
GPU = Sizes(range(18, 32), matrix=16_384, vector_mib=0, n_tokens=8192)


def run(*, head_dim: int, seed: int, device: str) -> Iterator[Event]:
    """The machine first, then attention on it; the seed decides the numbers, not what they cost."""
    sizes = CPU if device == "cpu" else GPU
    generator = Generator().manual_seed(seed)
    with one_core():
        yield Progress(0, 4, "copying")
        yield from copies(sizes.copies, device)
        yield Progress(1, 4, "multiplying")
        yield from roofline(sizes.matrix, generator, device)
        yield Progress(2, 4, "sixteen steps on a vector")
        yield from vector_in_tiles(sizes.vector_mib, device)
        yield Progress(3, 4, "attention")
        yield from attention(sizes, head_dim, generator, device)
    yield Progress(4, 4)


def copies(powers: range, device: str) -> Iterator[Event]:
    """The bandwidth of a copy, read and written bytes together, for ever larger working sets."""
    rates = [bandwidth(2**power, device) for power in powers]
    chart = "Bandwidth of a copy by its working set"
    yield Curve(chart, "read + written", [*powers], rates, BYTES_LABEL, "GB/s")
    yield Measurement("slow_bandwidth", rates[-1], "GB/s", "a copy beyond all caches")
    yield Measurement("fast_bandwidth", max(rates), "GB/s", "the fastest copy")


def bandwidth(n_bytes: int, device: str) -> float:
    """GB/s of a copy whose source and target take `n_bytes` together."""
    source = torch.zeros(n_bytes // 8, device=device)
    target = torch.zeros_like(source)
    (seconds,) = fastest([partial(target.copy_, source)], device, n_rounds=3, at_least_s=0.004)
    return n_bytes / seconds / 1e9


def roofline(size: int, generator: Generator, device: str) -> Iterator[Event]:
    """FLOP/s of products of low and high intensity, in fp32, and of adding two vectors."""
    matrix = torch.randn(size, size, generator=generator).to(device)
    products: list[Callable[[], object]] = []
    for width in WIDTHS:
        vectors = torch.randn(width, size, generator=generator).to(device)
        products.append(partial(torch.mm, vectors, matrix, out=torch.empty_like(vectors)))
    other, total = torch.ones_like(matrix), torch.empty_like(matrix)
    adding = partial(torch.add, matrix, other, out=total)
    *seconds, adding_s = fastest([*products, adding], device, n_rounds=3)
    rates = [2 * size**2 * width / s / 1e9 for width, s in zip(WIDTHS, seconds, strict=True)]
    # FLOP a byte: 2 · width · size² over the 4 · size² bytes of the matrix.
    xs = [math.log2(width / 2) for width in WIDTHS]
    chart = f"A matrix of {size} × {size} times 1, 4, 16, 64, 256 vectors, fp32"
    yield Curve(chart, "matrix product", xs, rates, "FLOP/byte, power of 2", "GFLOP/s", log_y=True)
    sixteenfold = seconds[WIDTHS.index(16)] / seconds[0]
    yield Measurement("sixteenfold_time", sixteenfold, "", "time, 16 vectors / 1")
    yield Measurement("product_rate", max(rates), "GFLOP/s", "the fastest product")
    yield Measurement("addition_rate", size**2 / adding_s / 1e9, "GFLOP/s", "adding two vectors")


def vector_in_tiles(n_mib: int, device: str) -> Iterator[Event]:
    """Sixteen elementwise steps on a vector: step after step, or tile after tile. CPU only."""
    if device != "cpu":
        yield Measurement("tiles_gain", math.nan, "", "on a CPU only")
        return
    vector, powers = torch.ones(n_mib * MIB // 4), range(16, 22, 2)
    orders = [sixteen_steps(vector, n_bytes) for n_bytes in (n_mib * MIB, *(2**p for p in powers))]
    whole, *tiled = fastest(orders, device, n_rounds=3)
    chart = f"Sixteen elementwise steps on {n_mib} MiB, by the size of a tile"
    for name, ys in (("tile after tile", tiled), ("step after step", [whole] * len(tiled))):
        yield Curve(chart, name, [*powers], [1000 * y for y in ys], BYTES_LABEL, "ms")
    meaning = "time, step after step / tile after tile"
    yield Measurement("tiles_gain", whole / min(tiled), "", meaning)


def sixteen_steps(vector: Tensor, n_bytes: int) -> Callable[[], None]:
    """All steps on one tile of `n_bytes`, then on the next one, until the vector is done."""
    tiles = torch.split(vector, n_bytes // 4)

    def steps() -> None:
        for tile in tiles:
            for _ in range(8):
                tile.mul_(0.5).add_(0.5)

    return steps


def attention(sizes: Sizes, head_dim: int, generator: Generator, device: str) -> Iterator[Event]:
    """What limits naive attention by its intensity, and what the fused kernel makes of it."""
    n = sizes.n_tokens
    dtype = torch.float32 if device == "cpu" else torch.float16
    q, k, v = (torch.randn(n, head_dim, generator=generator).to(device, dtype) for _ in "qkv")
    q /= math.sqrt(head_dim)
    scores, weights, square = (torch.empty(n, n, device=device, dtype=dtype) for _ in range(3))
    source, out = torch.randn(n, n, generator=generator).to(device, dtype), torch.empty_like(q)

    def naive() -> None:
        torch.mm(q, k.T, out=scores)
        torch.softmax(scores, dim=-1, out=weights)
        torch.mm(weights, v, out=out)

    def fused() -> None:
        F.scaled_dot_product_attention(q[None, None], k[None, None], v[None, None], scale=1.0)

    product = partial(torch.mm, source, source, out=square)
    naive_s, fused_s, product_s = fastest([naive, fused, product], device, n_rounds=3)
    n_flops = 4 * n * n * head_dim
    # Each operation reads its inputs once and writes its output once: see flash/memory_traffic.
    n_bytes = (4 * n * n + 4 * n * head_dim) * q.element_size()
    rate = 2 * n**3 / product_s
    slow = bandwidth(2 ** sizes.copies[-1], device) * 1e9
    rows = [
        ("the arithmetic alone, at the rate of a matrix product", 1000 * n_flops / rate),
        ("the bytes of naive attention alone, at the speed of a copy", 1000 * n_bytes / slow),
        ("naive attention, buffers ready", 1000 * naive_s),
        ("PyTorch's fused attention", 1000 * fused_s),
    ]
    title = f"One head, {n:,} tokens, head_dim {head_dim}, {str(dtype).removeprefix('torch.')}"
    yield Table(title, ("what", "ms"), rows)
    yield Measurement("ridge", rate / slow, "FLOP/byte", "the machine's ridge", yardstick=True)
    yield Measurement("intensity", n_flops / n_bytes, "FLOP/byte", "naive attention")
    yield Measurement("fused_gain", naive_s / fused_s, "", "time, naive / fused attention")
