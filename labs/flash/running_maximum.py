"""What the running maximum of an online softmax is for, found by leaving parts of it out.

Mathematically the maximum is no part of a softmax: exp(score - maximum) has a common factor above
and below the line, and it cancels. In floating point it keeps every exponential at most 1. A loop
over tiles cannot know the final maximum, so it keeps the largest so far, and when that rises, it
multiplies what it has summed by exp(old - new). This lab leaves out the factor, and then the
maximum, and counts how often the maximum rises at all.

How to read it. Errors are root mean squares, relative to that of the exact output in float64. "No
factor": a new tile is weighted by the new maximum, what was summed before stays as it is. The chart
shows which share of the rows stays finite as the scores grow, given by their standard deviation:
without a maximum it falls to 0 where exp leaves the number format, which float16 does at ln 65,504
and float32 at 88.7.

What the literature reports. Milakov and Gimelshein (2018) introduced the running maximum and sum.

Out of scope: masks; bfloat16, whose largest number is that of float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import reduce
from itertools import accumulate

import torch
from torch import Generator, Tensor

from labs.kernels.online_softmax import (
    Partial,
    attend_tile,
    finish,
    merge,
    online_attention,
    rescale,
    tiles,
)
from labs.kernels.reference import reference_attention, relative_error
from labs.kit.stages import stages
from studykit.lab.events import Curve, Event, Measurement

QUESTION = "What is the running maximum of a softmax in tiles for?"
POINTS = ("4.3.2",)
CLAIMS = {
    "harmless": "A loop that does not rescale what it has summed errs by less than 1 %.",
    "wrong": "A loop that does not rescale what it has summed stays finite and errs by more than "
    "5 %.",
    "breaks": "A loop that does not rescale what it has summed ends in infinities or NaN.",
    "largest_first": "If the keys come in falling order of their scores, a loop that does not "
    "rescale is exact, too.",
    "chance": "With keys in random order, tile t raises a row's maximum in one row of t: over all "
    "tiles after the first, as often as that says, within 15 %.",
    "small_scores": "With scores of standard deviation 1, float32 is as accurate without any "
    "maximum as with it, within a factor of two.",
    "overflows": "In float16, scores of standard deviation 5 are enough to lose more than 90 % of "
    "the rows without a maximum; with the running maximum none is lost.",
}
HOLDS_IF = {
    "harmless": "error_no_factor < 0.01",
    "wrong": "error_no_factor > 0.05 and not diverged(error_no_factor)",
    "breaks": "diverged(error_no_factor)",
    "largest_first": "error_largest_first < 1e-12",
    "chance": "0.85 < rises_counted / rises_expected < 1.15",
    "small_scores": "0.5 <= error_no_maximum / error_maximum <= 2",
    "overflows": "finite_no_maximum < 0.1 and finite_maximum == 1",
}
KNOBS = {"n_keys": (1000, 256, 4000), "block_k": (64, 16)}
KNOB_HELP = {"n_keys": "keys that every query attends to", "block_k": "keys of a tile"}
SEEDS = 3
SECONDS = {"cpu": 3}

N_HEADS, N_QUERIES, HEAD_DIM = 2, 256, 64
SPREADS = (1, 2, 3, 4, 5, 8, 12, 16, 20, 25, 30, 40, 50)
"""Standard deviations of the scores, for the chart."""


def run(*, n_keys: int, block_k: int, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which decides queries, keys and values."""
    generator = Generator().manual_seed(seed)
    q, k, v = (
        torch.randn(1, N_HEADS, n, HEAD_DIM, dtype=torch.float64, generator=generator).to(device)
        for n in (N_QUERIES, n_keys, n_keys)
    )
    parts = {
        "leaving out the factor": without_factor(q, k, v, block_k),
        "counting how often a maximum rises": rises(q, k, v, block_k),
        "leaving out the maximum": without_maximum(q, k, v, block_k),
    }
    yield from stages(parts)


def partials(q: Tensor, k: Tensor, v: Tensor, block_k: int) -> list[Partial]:
    """What each tile of keys alone gives to all queries."""
    scale, visible = 1 / math.sqrt(HEAD_DIM), torch.ones((), dtype=torch.bool, device=q.device)
    return [
        attend_tile(q, k[..., keys, :], v[..., keys, :], visible, scale=scale)
        for keys in tiles(k.shape[-2], block_k)
    ]


def add_unscaled(a: Partial, b: Partial) -> Partial:
    """A loop's merge without its factor: the new tile is brought to the new maximum, a is not."""
    row_max = torch.maximum(a.row_max, b.row_max)
    factor = rescale(b.row_max, row_max)
    return Partial(row_max, a.row_sum + factor * b.row_sum, a.acc + factor[..., None] * b.acc)


def without_factor(q: Tensor, k: Tensor, v: Tensor, block_k: int) -> Iterator[Event]:
    """The error of the faulty loop: on keys as they come, and on keys sorted by their scores."""
    found = finish(reduce(add_unscaled, partials(q, k, v, block_k))).out
    error = relative_error(found, reference_attention(q, k, v).out)
    yield Measurement("error_no_factor", error, "", "error without the factor")

    q = q[..., -1:, :]  # one query, whose scores give the keys an order
    order = (q @ k.transpose(-2, -1)).argsort(dim=-1, descending=True).transpose(-2, -1)
    k, v = (x.gather(-2, order.expand(x.shape)) for x in (k, v))
    found = finish(reduce(add_unscaled, partials(q, k, v, block_k))).out
    error = relative_error(found, reference_attention(q, k, v).out)
    yield Measurement(
        "error_largest_first", error, "", "error without the factor, largest scores first"
    )


def rises(q: Tensor, k: Tensor, v: Tensor, block_k: int) -> Iterator[Event]:
    """How often the maximum of a row rises after the first tile, and how often by chance."""
    merged = accumulate(partials(q, k, v, block_k), merge)
    maxima = torch.stack([partial.row_max for partial in merged])  # (n_tiles, 1, heads, queries)
    counted = float((maxima[1:] > maxima[:-1]).double().sum(dim=0).mean())
    yield Measurement("rises_counted", counted, "", "rises of a row's maximum after the first tile")
    # The largest of all keys so far is equally likely to be any of them.
    later = tiles(k.shape[-2], block_k)[1:]
    expected = sum((keys.stop - keys.start) / keys.stop for keys in later)
    label = "about 1/2 + 1/3 + … up to the number of tiles"
    yield Measurement("rises_expected", expected, "", label, yardstick=True)


def without_maximum(q: Tensor, k: Tensor, v: Tensor, block_k: int) -> Iterator[Event]:
    """Rows that stay finite as scores grow, and the error where all of them do."""

    def plain(spread: float, dtype: torch.dtype) -> Tensor:
        scores = (q * spread / math.sqrt(HEAD_DIM)).to(dtype) @ k.to(dtype).transpose(-2, -1)
        weights = scores.exp()
        return (weights @ v.to(dtype)) / weights.sum(dim=-1, keepdim=True)

    def online(spread: float, dtype: torch.dtype) -> Tensor:
        given = ((spread * q).to(dtype), k.to(dtype), v.to(dtype))
        return online_attention(*given, block_q=N_QUERIES, block_k=block_k).out

    half, single = torch.float16, torch.float32
    for name, attend, dtype in (
        ("float16, no maximum", plain, half),
        ("float16, running maximum", online, half),
        ("float32, no maximum", plain, single),
        ("float32, running maximum", online, single),
    ):
        shares = [finite_rows(attend(spread, dtype)) for spread in SPREADS]
        x_label, y_label = "standard deviation of the scores", "share"
        yield Curve("Rows that stay finite", name, SPREADS, shares, x_label, y_label)
    exact = reference_attention(q, k, v).out
    for name, label, small, large in (
        ("no_maximum", "no maximum", plain(1, single), plain(5, half)),
        ("maximum", "running maximum", online(1, single), online(5, half)),
    ):
        error, share = relative_error(small, exact), finite_rows(large)
        yield Measurement(f"error_{name}", error, "", f"float32 error, {label}, scores of 1")
        yield Measurement(f"finite_{name}", share, "share", f"float16 rows, {label}, scores of 5")
    for name, dtype in (("float16", half), ("float32", single)):
        largest = math.log(torch.finfo(dtype).max)
        yield Measurement(
            f"largest_score_{name}", largest, "", f"largest score with a finite exp in {name}"
        )


def finite_rows(out: Tensor) -> float:
    """The share of rows without an infinity or NaN."""
    return float(out.isfinite().all(dim=-1).double().mean())
