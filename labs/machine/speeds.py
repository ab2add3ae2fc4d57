"""What this machine can do: bytes a second, FLOP/s, and what lies between them.

Each function measures one thing, shows it as events, and returns the number that others build on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from functools import partial

import torch

from labs.machine.stopwatch import fastest
from studykit.lab.events import Curve, Event, Measurement

MIB = 2**20
BYTES_LABEL = "bytes as a power of 2 (20 is 1 MiB)"


def copy_bandwidth(powers: tuple[int, int], device: str) -> Generator[Event, None, float]:
    """Copies working sets from the first to the last power of 2; returns bytes a second of the
    largest, which is meant to be beyond all caches."""
    xs: list[float] = []
    ys: list[float] = []
    for power in range(powers[0], powers[1] + 1):
        source = torch.zeros(2**power // 8, device=device)
        target = torch.zeros_like(source)
        copy = partial(target.copy_, source)
        (seconds,) = fastest([copy], device, n_rounds=5, at_least_s=0.004)
        xs.append(power)
        ys.append(2**power / seconds / 1e9)
    chart = "Bandwidth of a copy by its working set"
    yield Curve(chart, "read + written", xs, ys, BYTES_LABEL, "GB/s")
    yield Measurement("slow_bandwidth", ys[-1], "GB/s", "a copy beyond all caches")
    yield Measurement("fast_bandwidth", max(ys), "GB/s", "the fastest copy")
    return ys[-1] * 1e9


def roofline(
    size: int, generator: torch.Generator, device: str, *, n_rounds: int
) -> Generator[Event, None, float]:
    """Multiplies one matrix with more and more vectors; returns the highest FLOP/s, in fp32."""
    matrix = torch.randn(size, size, generator=generator).to(device)
    widths = [4**power for power in range(5)]
    products = []
    for width in widths:
        vectors = torch.randn(width, size, generator=generator).to(device)
        products.append(partial(torch.mm, vectors, matrix, out=torch.empty_like(vectors)))
    seconds = fastest(products, device, n_rounds=n_rounds)
    rates = [2 * size**2 * width / s for width, s in zip(widths, seconds, strict=True)]
    # FLOP a byte: 2 · width · size² over the 4 · size² bytes of the matrix.
    xs = [math.log2(width / 2) for width in widths]
    ys = [rate / 1e9 for rate in rates]
    chart = f"A matrix of {size} × {size} times 1, 4, 16, 64, 256 vectors, fp32"
    yield Curve(chart, "matrix product", xs, ys, "FLOP per byte, power of 2", "GFLOP/s", log_y=True)
    yield Measurement("product_rate", max(ys), "GFLOP/s", "the fastest product")
    yield Measurement("sixteenfold_time", seconds[2] / seconds[0], "", "time, 16 vectors / 1")

    left, right, total = (torch.ones(size**2, device=device) for _ in range(3))
    addition = partial(torch.add, left, right, out=total)
    (seconds_adding,) = fastest([addition], device, n_rounds=n_rounds)
    rate = size**2 / seconds_adding / 1e9
    yield Measurement("addition_rate", rate, "GFLOP/s", "adding two vectors")
    return float(max(rates))


def vector_in_tiles(n_mib: int, device: str) -> Iterator[Event]:
    """Sixteen elementwise steps on a vector: step after step, or tile after tile. CPU only."""
    if device != "cpu":
        yield Measurement("vector_ratio", math.nan, "", "on a CPU only")
        return
    vector = torch.ones(n_mib * MIB // 4)
    powers = range(16, 24, 2)
    whole, *tiled = fastest(
        [sixteen_steps(vector, size) for size in (n_mib * MIB, *(2**power for power in powers))],
        device,
        n_rounds=3,
    )
    chart = f"Sixteen elementwise steps on {n_mib} MiB, by the size of a tile"
    for name, ys in (("tile after tile", tiled), ("step after step", [whole] * len(powers))):
        yield Curve(chart, name, [*powers], [1000 * y for y in ys], BYTES_LABEL, "ms")
    ratio = whole / min(tiled)
    yield Measurement("vector_ratio", ratio, "", "time, step after step / tile after tile")


def sixteen_steps(vector: torch.Tensor, n_bytes: int) -> Callable[[], None]:
    """All steps on one tile of `n_bytes`, then on the next one, until the vector is done."""
    parts = torch.split(vector, n_bytes // 4)

    def steps() -> None:
        for part in parts:
            for _ in range(8):
                part.mul_(0.5).add_(0.5)

    return steps
