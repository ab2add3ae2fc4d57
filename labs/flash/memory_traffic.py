"""FlashAttention saves bytes, not arithmetic, and how many bytes depends on what stays on the chip.

*Naive attention* is three operations: QKᵀ, softmax and the product with V. Each writes its whole
result to the GPU's DRAM (HBM), where the next one reads it. *Tiled attention* is FlashAttention's
single operation: a tile of queries stays on the chip while all keys and values pass by, and no
score is ever stored. Both programs run here tile by tile on an instrumented memory that logs every
load and store, and under a counter of FLOPs.

How to read it. *Requested* bytes are all that the tiles load and store: the HBM traffic of a chip
without a cache. The log is then replayed against least-recently-used caches of all sizes, and what
misses is the HBM traffic behind that cache; *cached* below means a cache that holds the keys and
values of the head, but not its scores. With N tokens and head_dim d, naive attention then moves
4N² + 4Nd numbers and tiled attention 4Nd, so the saving is 1 + N/d. The formulas have to give what
was counted to the byte; only then may they be used for lengths whose matrices would not fit here.

What the literature reports. See the notes beside the claims. FlashAttention's own bound, without a
cache, is Θ(N² d² / M) for M numbers of fast memory (Dao et al. 2022): the larger M, the more
queries a tile holds. The first FlashAttention kept tiles of keys and let the queries pass by;
FlashAttention-2 swapped the loops, and so does this lab.

Out of scope: the cache of a GPU serves many heads and tiles at once, here one tile comes after the
other. The forward pass only, without a mask. Fewer bytes save time only where bytes are what limits
the time: flash/memory_hierarchy measures that.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from labs.kernels.counted_attention import (
    Bytes,
    CostModel,
    FlopCounter,
    memory_of,
    naive_attention,
    tiled_attention,
)
from labs.machine.instrumented_memory import Request, hbm_bytes
from labs.machine.stopwatch import one_core
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "Which cost of attention do tiles save, and on what does the saving depend?"
POINTS = ("4.1.3", "4.1.4")
CLAIMS = {
    "same_flops": "Forward, tiled attention does as many FLOPs as naive attention, within 5 %.",
    "formulas_exact": "The formulas give the bytes of both programs exactly as counted.",
    "both_grow": "Four times the context at least doubles the saving in HBM traffic, with and "
    "without a cache.",
    "cached_grows": "Four times the context at least doubles the saving in HBM traffic with a "
    "cache, and changes it by at most a quarter without one.",
    "neither_grows": "Four times the context changes the saving in HBM traffic by at most a "
    "quarter, with and without a cache.",
    "wider_queries": "Without a cache, twice the queries in a tile halve the HBM traffic of tiled "
    "attention, and twice the keys do not.",
    "wider_keys": "Without a cache, twice the keys in a tile halve the HBM traffic of tiled "
    "attention, and twice the queries do not.",
    "either_wider": "Without a cache, twice the queries or twice the keys in a tile both halve the "
    "HBM traffic of tiled attention.",
}
HOLDS_IF = {
    "same_flops": "0.95 <= flop_ratio <= 1.05",
    "formulas_exact": "formula_error == 0",
    "both_grow": "cached_growth >= 2 and uncached_growth >= 2",
    "cached_grows": "cached_growth >= 2 and uncached_growth <= 1.25",
    "neither_grows": "cached_growth <= 1.25 and uncached_growth <= 1.25",
    "wider_queries": "wider_queries_saving >= 1.8 and wider_keys_saving <= 1.2",
    "wider_keys": "wider_keys_saving >= 1.8 and wider_queries_saving <= 1.2",
    "either_wider": "wider_queries_saving >= 1.8 and wider_keys_saving >= 1.8",
}
KNOBS = {"head_dim": (128, 64), "block_q": (128, 64, 256)}
KNOB_HELP = {"head_dim": "width of queries, keys and values", "block_q": "queries of a tile"}
DETERMINISTIC = True
SEEDS = 1
SECONDS = {"cpu": 2}
LITERATURE = {
    "same_flops": "Forward and backward, FlashAttention does more arithmetic: 75.2 GFLOPs instead "
    "of 66.6 (Dao et al. 2022, Fig. 2; GPT-2 medium's attention, A100). Its backward pass computes "
    "the scores again.",
    "cached_grows": "HBM traffic fell from 40.3 to 4.4 GB, 9.2 times, at 1,024 tokens and head_dim "
    "64 (Dao et al. 2022, Fig. 2; forward and backward).",
}

SHORT_LEN, LONG_LEN = 1000, 4000
"""Tokens of the counted runs; no tile divides them."""
TABLE_LEN = 16_384
BLOCK_K = 128
MIB = 2**20
PROGRAMS = {"naive": naive_attention, "tiled": tiled_attention}


class Run(NamedTuple):
    """A program that ran on the instrumented memory."""

    log: list[Request]
    cost: Bytes
    error: int
    """By how many bytes the formulas miss what was counted, at most."""


def run(*, head_dim: int, block_q: int, seed: int, device: str) -> Iterator[Event]:
    """Counts both programs at two lengths; the seed decides the numbers, which no count sees."""
    short_model = CostModel(SHORT_LEN, head_dim, block_q, BLOCK_K, number_bytes=4)
    long_model = replace(short_model, seq_len=LONG_LEN)
    with one_core():
        yield Progress(0, 4, f"{SHORT_LEN:,} tokens")
        short = count_both(short_model, seed)
        flop_ratio = flops("tiled", short_model, seed) / flops("naive", short_model, seed)
        yield Progress(1, 4, f"{LONG_LEN:,} tokens")
        long = count_both(long_model, seed)
        yield Progress(2, 4, "wider tiles")
        wider_queries = count("tiled", replace(long_model, block_q=2 * block_q), seed)
        wider_keys = count("tiled", replace(long_model, block_k=2 * BLOCK_K), seed)
    yield Progress(3, 4, "replaying the logs against caches")
    for name, counted in short.items():
        yield traffic_by_cache(name, counted.log, short_model.naive.held)

    errors = [counted.error for runs in (short, long) for counted in runs.values()]
    cached, uncached = growth(short, long, "hbm"), growth(short, long, "requested")
    tiled = long["tiled"].cost.requested
    times_4 = "saving at 4 times the tokens / at 1 times"
    for name, value, unit, meaning in (
        ("flop_ratio", flop_ratio, "", "FLOPs, tiled / naive"),
        ("formula_error", max(errors), "bytes", "largest difference of formula and count"),
        ("cached_growth", cached, "", f"{times_4}, with a cache"),
        ("uncached_growth", uncached, "", f"{times_4}, without a cache"),
        ("wider_queries_saving", tiled / wider_queries.cost.requested, "", "by twice the queries"),
        ("wider_keys_saving", tiled / wider_keys.cost.requested, "", "by twice the keys"),
    ):
        yield Measurement(name, value, unit, meaning)
    yield table(replace(short_model, seq_len=TABLE_LEN, number_bytes=2))
    yield Progress(4, 4)


def count_both(model: CostModel, seed: int) -> dict[str, Run]:
    """Both programs at the sizes of the model."""
    return {name: count(name, model, seed) for name in PROGRAMS}


def count(name: str, model: CostModel, seed: int) -> Run:
    """One program, run and counted; raises ArithmeticError if its result is not attention."""
    memory = memory_of(*inputs(model, seed))
    PROGRAMS[name](memory, model.block_q, model.block_k)
    q, k, v = (memory.arrays[name][None, None] for name in "qkv")
    if not torch.allclose(memory.arrays["out"], F.scaled_dot_product_attention(q, k, v), atol=1e-5):
        raise ArithmeticError(f"the result of the {name} program is not attention")
    # Room for keys, values and two rows of tiles of scores: far less than all scores need.
    cache_bytes = 2 * model.rows + 2 * model.block_q * model.seq_len * model.number_bytes
    hbm = hbm_bytes(memory.log, cache_bytes)
    cost = Bytes(memory.requested_bytes, hbm, memory.held_bytes)
    formulas = model.naive if name == "naive" else model.tiled
    return Run(memory.log, cost, max(abs(a - b) for a, b in zip(formulas, cost, strict=True)))


def flops(name: str, model: CostModel, seed: int) -> int:
    """The arithmetic of one program."""
    memory, counter = memory_of(*inputs(model, seed)), FlopCounter()
    with counter:
        PROGRAMS[name](memory, model.block_q, model.block_k)
    return counter.n_flops


def inputs(model: CostModel, seed: int) -> list[Tensor]:
    """Queries, keys and values, (seq_len, head_dim) each."""
    generator = Generator().manual_seed(seed)
    return [torch.randn(model.seq_len, model.head_dim, generator=generator) for _ in "qkv"]


def growth(short: dict[str, Run], long: dict[str, Run], field: str) -> float:
    """How many times larger the saving in bytes is in the long run than in the short one."""
    saving_short, saving_long = (
        float(getattr(runs["naive"].cost, field) / getattr(runs["tiled"].cost, field))
        for runs in (short, long)
    )
    return saving_long / saving_short


def traffic_by_cache(name: str, log: list[Request], most_bytes: int) -> Curve:
    """The HBM traffic behind caches from 64 KiB to beyond all that is held."""
    powers = range(16, math.ceil(math.log2(most_bytes)) + 1)
    ys = [hbm_bytes(log, 2**power) / MIB for power in powers]
    chart = f"HBM traffic by the size of the cache, {SHORT_LEN:,} tokens, fp32"
    label = "cache in bytes, power of 2 (20 is 1 MiB)"
    return Curve(chart, f"{name} attention", [*powers], ys, label, "MiB", log_y=True)


def table(model: CostModel) -> Table:
    """What the formulas give for a length at which nobody wants to store scores."""
    meanings = ("HBM traffic, no cache", "HBM traffic, cached", "held in HBM")
    rows = [
        (meaning, naive / MIB, tiled / MIB, naive / tiled)
        for meaning, naive, tiled in zip(meanings, model.naive, model.tiled, strict=True)
    ]
    title = f"One head, {model.seq_len:,} tokens, head_dim {model.head_dim}, fp16, in MiB"
    return Table(title, ("bytes", "naive", "tiled", "naive / tiled"), rows)
