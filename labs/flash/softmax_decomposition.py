"""A softmax taken apart into tiles of keys and put together again.

A softmax divides by a sum over the whole row, so it seems to need the whole row. It does not: a
maximum, a sum and an accumulator, three things that any set of keys has, are enough to merge it
with any other set. This lab compares attention that is merged tile by tile with the ordinary one
that holds all scores, in float64 for every tile size and order, in float32 for accuracy, and with
parts of the merge taken away.

How to read it. The walk goes through one small causal example, a tile of three queries against a
tile of three keys at a time: see how the maximum rises, what the factor does to the sums, and
that acc / row_sum is at every step the attention over the keys so far. In the heat map each cell
is the largest difference from ordinary attention in float64; its rounding alone makes about
1e-15. The chart shows what happens without a maximum as the scores grow, given by their standard
deviation. Errors are root mean squares relative to that of the output.

What the literature reports. Milakov and Gimelshein (2018) compute the softmax in one pass with a
running maximum and sum; Rabe and Staats (2021) build attention on it in memory that does not grow
with N², and FlashAttention (2022) arranges it for few transfers between memories.

Out of scope: time, and low precision on tensor cores, where the weights are rounded before they
meet the values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import accumulate

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from labs.kernels.online_softmax import (
    Partial,
    attend_tile,
    finish,
    merge,
    online_attention,
    online_attention_backward,
    rescale,
    tiles,
)
from labs.kernels.reference import Causal, visible_keys
from labs.kernels.tile_walk import causal_walk
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress, Table, Walk

QUESTION = "Is a softmax in tiles an approximation?"
POINTS = ("4.3.1", "4.3.2", "4.3.3", "4.3.4")
CLAIMS = {
    "exact": "In float64, tiles of any size in any order give ordinary attention to 12 decimals.",
    "gradients": "The lse of each row is all that the backward pass needs of the softmax: in "
    "float64 it gives the gradients of ordinary attention to 12 decimals.",
    "approximates": "In float32 tiles cost accuracy: the error against float64 is more than twice "
    "that of ordinary attention.",
    "rounds_alike": "In float32 tiles round differently, but no worse: not the same bits, and an "
    "error against float64 of at most twice that of ordinary attention.",
    "bitwise": "In float32 tiles give bit for bit the result of ordinary attention.",
    "order_bits": "In float32 the tiles taken last to first give other bits than first to last.",
    "harmless": "A loop that does not rescale what it has summed errs by less than 1 %.",
    "wrong": "A loop that does not rescale what it has summed stays finite and errs by more than "
    "5 %.",
    "breaks": "A loop that does not rescale what it has summed ends in infinities or NaN.",
    "largest_first": "If the first tile holds the row's largest score, a loop that does not "
    "rescale is exact too.",
    "always_rises": "The running maximum of a row rises at more than half of the tiles of 64 keys "
    "after the first.",
    "local": "A softmax in each tile, and the mean of the tiles' outputs, comes within 5 % of "
    "ordinary attention.",
    "overflows": "With scores of standard deviation 50 and no maximum, float32 loses more than "
    "90 % of the rows; with the running maximum none.",
    "half_overflows": "In float16, scores of standard deviation 5 are enough to lose more than "
    "90 % of the rows without a maximum; with the running maximum none.",
    "ordinary_scores": "With scores of standard deviation 1, float32 without any maximum is as "
    "accurate as with it, within a factor of two.",
}
KNOBS = {"n_keys": (1000, 256, 4000), "causal": ("none", "bottom-right")}
SEEDS = 3
SECONDS = {"cpu": 9}
LITERATURE = {
    "exact": "GPT-2 trained with FlashAttention reaches the perplexity that it reaches without: "
    "18.2 small, 14.2 to 14.3 medium (Dao et al. 2022, Table 2).",
}

ORDERS = ("first to last", "last to first", "shuffled")
SPREADS = (1.0, 2.0, 3.0, 4.0, 5.0, 8.0, 12.0, 16.0, 20.0, 25.0, 30.0, 40.0, 50.0)
"""Standard deviations of the scores, for the chart of overflow."""
BLOCK_K = 64
"""Keys in a tile, where only one tile size is looked at."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes of the comparison, apart from the knobs."""

    n_heads: int = 2
    n_queries: int = 256
    head_dim: int = 64
    tile_sizes: tuple[int, ...] = (1, 7, 16, 64, 100, 128)
    """Keys in a tile; the whole row is added to them."""


@dataclass(frozen=True, slots=True)
class Example:
    """Random queries, keys and values in float64, and which query sees which key."""

    q: Tensor
    k: Tensor
    v: Tensor
    causal: Causal

    @property
    def visible(self) -> Tensor:
        """(1, 1, n_queries, n_keys)."""
        return visible_keys(
            self.q.shape[-2], self.k.shape[-2], causal=self.causal, device=self.q.device
        )

    def scores(self, dtype: torch.dtype = torch.float64, spread: float = 1.0) -> Tensor:
        """(1, n_heads, n_queries, n_keys), their standard deviation `spread` before the mask."""
        q, k = (self.q * spread / math.sqrt(self.q.shape[-1])).to(dtype), self.k.to(dtype)
        return (q @ k.transpose(-2, -1)).masked_fill(~self.visible, -math.inf)

    def ordinary(self, dtype: torch.dtype = torch.float64) -> Tensor:
        """Attention as everybody writes it, with all scores of a row at hand."""
        return self.scores(dtype).softmax(dim=-1) @ self.v.to(dtype)

    def tiled(
        self,
        block_k: int = BLOCK_K,
        order: Sequence[int] | None = None,
        dtype: torch.dtype = torch.float64,
        spread: float = 1.0,
    ) -> Tensor:
        """The same, merged tile by tile."""
        q, k, v = (self.q * spread).to(dtype), self.k.to(dtype), self.v.to(dtype)
        return online_attention(q, k, v, causal=self.causal, block_k=block_k, order=order).out

    def without_maximum(self, dtype: torch.dtype, spread: float) -> Tensor:
        """exp(score) as it is, in the numerator and in the sum."""
        weights = self.scores(dtype, spread).exp()
        return (weights @ self.v.to(dtype)) / weights.sum(dim=-1, keepdim=True)

    def partials(self) -> list[Partial]:
        """What each tile of keys alone gives to all queries."""
        scale, visible = 1 / math.sqrt(self.q.shape[-1]), self.visible
        return [
            attend_tile(
                self.q, self.k[..., keys, :], self.v[..., keys, :], visible[..., keys], scale=scale
            )
            for keys in tiles(self.k.shape[-2], BLOCK_K)
        ]

    def largest_first(self) -> Example:
        """The last query alone, which sees every key, and the keys in falling order of score."""
        order = self.scores()[..., -1, :].argsort(dim=-1, descending=True)[..., None]
        k, v = (x.gather(-2, order.expand(x.shape)) for x in (self.k, self.v))
        return Example(self.q[..., -1:, :], k, v, self.causal)


def run(*, n_keys: int, causal: Causal, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which decides the queries, keys and values."""
    return measure(Budget(), n_keys=n_keys, causal=causal, seed=seed, device=device)


def measure(
    budget: Budget, *, n_keys: int, causal: Causal, seed: int, device: str
) -> Iterator[Event]:
    """The walk, then exactness, accuracy, ablations and overflow."""
    yield Progress(0, 5, "walking through a small example")
    yield walk_of_twelve(seed)
    generator = Generator().manual_seed(seed)
    heads, width = budget.n_heads, budget.head_dim
    q, k, v = (
        torch.randn(1, heads, n, width, dtype=torch.float64, generator=generator).to(device)
        for n in (budget.n_queries, n_keys, n_keys)
    )
    example = Example(q, k, v, causal)
    for number, (part, note) in enumerate(
        (
            (exactness(example, budget.tile_sizes, generator), "every tile size and order"),
            (gradients(example, generator), "the backward pass"),
            (accuracy(example), "accuracy in float32"),
            (ablations(example), "parts of the merge taken away"),
            (overflow(example), "growing scores"),
        )
    ):
        yield Progress(number, 5, note)
        yield from part
    yield Progress(5, 5, "done")


def walk_of_twelve(seed: int) -> Walk:
    """A causal sequence of twelve tokens, three queries and three keys a tile."""
    generator = Generator().manual_seed(seed)
    q, k, v = (torch.randn(12, 4, dtype=torch.float64, generator=generator) for _ in range(3))
    return causal_walk("Twelve tokens, tile by tile", 2 * q, k, v, block=3)


def exactness(example: Example, tile_sizes: Sequence[int], generator: Generator) -> Iterator[Event]:
    """The largest difference from ordinary attention in float64, by tile size and order."""
    n_keys, ordinary = example.k.shape[-2], example.ordinary()
    sizes = [size for size in tile_sizes if size < n_keys] + [n_keys]
    differences: dict[str, list[float]] = {name: [] for name in ORDERS}
    for size in sizes:
        forward = list(range(len(tiles(n_keys, size))))
        shuffled = torch.randperm(len(forward), generator=generator).tolist()
        for name, order in zip(ORDERS, (forward, forward[::-1], shuffled), strict=True):
            difference = (example.tiled(size, order) - ordinary).abs().max()
            differences[name].append(float(difference))
    yield HeatMap(
        "Largest difference from ordinary attention, float64",
        ORDERS,
        [f"{size}" if n_keys % size == 0 else f"{size} (ragged)" for size in sizes],
        [differences[name] for name in ORDERS],
    )
    worst = max(max(row) for row in differences.values())
    yield Measurement("difference_float64", worst, "", "largest difference of any tiling, float64")


def gradients(example: Example, generator: Generator) -> Iterator[Event]:
    """The largest difference of any gradient: recomputed from the lse, against autograd."""
    q, k, v = (x.detach().requires_grad_() for x in (example.q, example.k, example.v))
    dout = torch.randn(q.shape, dtype=q.dtype, generator=generator).to(q.device)
    scores = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).masked_fill(
        ~example.visible, -math.inf
    )
    expected = torch.autograd.grad(scores.softmax(dim=-1) @ v, (q, k, v), dout)
    with torch.no_grad():
        attended = online_attention(q, k, v, causal=example.causal)
        found = online_attention_backward(q, k, v, attended, dout, causal=example.causal)
    worst = max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True))
    yield Measurement(
        "difference_gradients", worst, "", "largest difference of any gradient, float64"
    )


def accuracy(example: Example) -> Iterator[Event]:
    """How far float32 is from float64, three ways, and whether the bits agree."""
    exact, single = example.ordinary(), torch.float32
    n_tiles = len(tiles(example.k.shape[-2], BLOCK_K))
    mask = None if example.causal == "none" else example.visible
    q, k, v = example.q.to(single), example.k.to(single), example.v.to(single)
    ordinary, tiled = example.ordinary(single), example.tiled(dtype=single)
    backwards = example.tiled(order=range(n_tiles)[::-1], dtype=single)
    results = {
        "ordinary": ("all scores at once", ordinary),
        "tiled": (f"tiles of {BLOCK_K} keys", tiled),
        "sdpa": (
            "scaled_dot_product_attention",
            F.scaled_dot_product_attention(q, k, v, attn_mask=mask),
        ),
        "no_maximum": ("all scores at once, no maximum", example.without_maximum(single, 1.0)),
    }
    errors = {name: error(out, exact) for name, (_, out) in results.items()}
    yield Table(
        "Error in float32, against float64",
        ("computed from", "relative error"),
        [(label, errors[name]) for name, (label, _) in results.items()],
    )
    for name, (label, _) in results.items():
        yield Measurement(f"error_{name}", errors[name], "", f"float32 error, {label}")
    for name, other, label in (
        ("same_bits_ordinary", ordinary, "ordinary attention"),
        ("same_bits_reversed", backwards, "the tiles in reverse order"),
    ):
        share = float((tiled == other).double().mean())
        yield Measurement(name, share, "", f"share of float32 outputs equal to {label}")


def ablations(example: Example) -> Iterator[Event]:
    """What the merge is worth without its factor, without its weights, and how often it is used."""
    exact, partials = example.ordinary(), example.partials()
    unscaled = finish(reduce(add_unscaled, partials)).out
    alone = torch.stack([finish(partial).out for partial in partials])
    best = example.largest_first()
    unscaled_best = finish(reduce(add_unscaled, best.partials())).out
    for name, value, label in (
        ("error_unscaled", error(unscaled, exact), "merged without the factor"),
        (
            "error_largest_first",
            error(unscaled_best, best.ordinary()),
            "merged without the factor, largest scores first",
        ),
        ("error_local", error(alone.mean(dim=0), exact), "mean of a softmax in each tile"),
    ):
        yield Measurement(name, value, "", f"float64 error, {label}")
    maxima = torch.stack([partial.row_max for partial in accumulate(partials, merge)])
    rises = (maxima[1:] > maxima[:-1]).double()  # (n_tiles - 1, 1, n_heads, n_queries)
    share = float(rises.mean()) if len(rises) else math.nan
    yield Measurement("rising_share", share, "", "share of later tiles that raise a row's maximum")
    # In random order tile t holds the largest score so far with probability 1/t.
    chances = [1 / tile for tile in range(2, len(partials) + 1)]
    expected = sum(chances) / len(chances) if chances else math.nan
    label = "share of later tiles expected to raise it, if scores are exchangeable"
    yield Measurement("rising_share_expected", expected, "", label, yardstick=True)


def add_unscaled(a: Partial, b: Partial) -> Partial:
    """A loop's merge without its factor: the new tile is brought to the new maximum, a is not."""
    row_max = torch.maximum(a.row_max, b.row_max)
    factor = rescale(b.row_max, row_max)
    return Partial(row_max, a.row_sum + factor * b.row_sum, a.acc + factor[..., None] * b.acc)


def overflow(example: Example) -> Iterator[Event]:
    """The share of rows that stay finite, with and without a maximum, as the scores grow."""
    arms: dict[str, Callable[[float], Tensor]] = {
        "float32, no maximum": lambda s: example.without_maximum(torch.float32, s),
        "float32, running maximum": lambda s: example.tiled(dtype=torch.float32, spread=s),
        "float16, no maximum": lambda s: example.without_maximum(torch.float16, s),
        "float16, running maximum": lambda s: example.tiled(dtype=torch.float16, spread=s),
    }
    shares = {}
    for name, attend in arms.items():
        for spread in SPREADS:
            rows = attend(spread).isfinite().all(dim=-1)
            shares[name, spread] = float(rows.double().mean())
            yield Curve(
                "Rows that stay finite",
                name,
                [spread],
                [shares[name, spread]],
                "standard deviation of the scores",
                "share",
            )
    for dtype, spread in (("float32", 50.0), ("float16", 5.0)):
        for maximum in ("no maximum", "running maximum"):
            name = f"finite_{dtype}_{maximum.split()[0]}"
            label = f"share of finite rows, {dtype}, {maximum}, scores of {spread:g}"
            yield Measurement(name, shares[f"{dtype}, {maximum}", spread], "", label)
    for name, number_format in (("float32", torch.float32), ("float16", torch.float16)):
        largest = largest_score(number_format)
        label = f"largest score with a finite exp in {name}"
        yield Measurement(f"largest_score_{name}", largest, "", label)


def largest_score(dtype: torch.dtype) -> float:
    """The largest x that exp does not turn into infinity, found by halving an interval."""
    low, high = 0.0, 1000.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        if torch.tensor(middle, dtype=dtype).exp().isfinite():
            low = middle
        else:
            high = middle
    return low


def error(out: Tensor, exact: Tensor) -> float:
    """Root mean square of the difference, relative to that of the exact result."""
    return float((out.double() - exact).square().mean().sqrt() / exact.square().mean().sqrt())


def verdict(m: Mapping[str, float]) -> dict[str, bool | None]:
    """Which claims the measurements of one seed bear out.

    A comparison is made so that a NaN fails it where a result should have been right; an error
    of NaN or infinity is itself an answer about the merge without its factor.
    """
    ordinary, tiled = m["error_ordinary"], m["error_tiled"]
    unscaled = m["error_unscaled"]

    def compared(holds: bool, *names: str) -> bool | None:
        return None if any(math.isnan(m[name]) for name in names) else holds

    return {
        "exact": m["difference_float64"] < 1e-12,
        "gradients": m["difference_gradients"] < 1e-12,
        "approximates": not tiled <= 2 * ordinary,
        "rounds_alike": tiled <= 2 * ordinary and m["same_bits_ordinary"] < 1,
        "bitwise": m["same_bits_ordinary"] == 1,
        "order_bits": compared(m["same_bits_reversed"] < 1, "same_bits_reversed"),
        "harmless": unscaled < 0.01,
        "wrong": math.isfinite(unscaled) and unscaled > 0.05,
        "breaks": not math.isfinite(unscaled),
        "largest_first": m["error_largest_first"] < 1e-12,
        "always_rises": compared(m["rising_share"] > 0.5, "rising_share"),
        "local": m["error_local"] < 0.05,
        "overflows": m["finite_float32_no"] < 0.1 and m["finite_float32_running"] == 1,
        "half_overflows": m["finite_float16_no"] < 0.1 and m["finite_float16_running"] == 1,
        "ordinary_scores": m["error_no_maximum"] <= 2 * ordinary,
    }
