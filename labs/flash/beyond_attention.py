"""The merge of FlashAttention, put to other uses, and a reduction that has no such merge.

A reduction can be computed in pieces if each piece leaves a state of constant size such that the
states of two pieces give the state of both. For attention it is a maximum, a sum and an
accumulator. The first two alone merge a log-sum-exp; a finished output with its log-sum-exp is such
a state, too, so that decoding can split a long cache; a count, a mean and a sum of squared
deviations do for a variance. This lab measures these three, and shows that the median has no state
smaller than all that was read.

How to read it. Every merged result stands beside the one from all values at once. For the median
the question is which of the values read so far can still become the answer, depending on what
follows: whatever can must be kept.

What the literature reports. A running maximum and sum were proposed for the softmax in general
(Milakov and Gimelshein 2018), before they were used for attention.

Out of scope: time; the same merge in the loss of a language model (`flash/chunked_loss`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import reduce
from random import Random
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from labs.kernels.online_softmax import Partial, finish, merge, online_attention, reopen, tiles
from labs.kernels.reference import reference_attention, relative_error
from studykit.lab.events import Event, Measurement, Progress, Table

QUESTION = "Which reductions can be computed in pieces?"
POINTS = ("4.4.2",)
CLAIMS = {
    "log_sum_exp": "In float64, the log-sum-exp of 100,000 numbers, merged from pieces of any "
    "size in any grouping, is right to 12 significant digits.",
    "splits": "In float64, a decoding step merged from splits of the cache by their lse equals the "
    "one over the whole cache to 12 significant digits; the mean of the splits' outputs is more "
    "than 10 % off.",
    "moments": "In float32, merged squared deviations give the variance of numbers 10,000 standard "
    "deviations from 0 within 1 %; merged sums of x and x² do not.",
    "every_value": "Each value read so far can still become the median, depending on what follows, "
    "but only one of them can become the maximum.",
}
HOLDS_IF = {
    "log_sum_exp": "error_log_sum_exp < 1e-12",
    "splits": "error_splits < 1e-12 and error_mean > 0.1",
    "moments": "error_deviations < 0.01 <= error_sums",
    "every_value": "median_candidates == n_read and maximum_candidates == 1",
}
KNOBS = {"n_splits": (8, 2, 64), "n_cached": (4096, 1000)}
KNOB_HELP = {
    "n_splits": "parts of the cache, each attended to by itself",
    "n_cached": "keys and values in the cache",
}
SEEDS = 3
SECONDS = {"cpu": 2}

N_NUMBERS, N_PIECES = 100_000, 100
N_READ = 101


def run(*, n_splits: int, n_cached: int, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which decides all numbers and how they are cut into pieces."""
    generator = Generator().manual_seed(seed)
    yield Progress(0, 4, "a log-sum-exp in pieces")
    yield log_sum_exp(generator, Random(seed))
    yield Progress(1, 4, "a cache in splits")
    yield from splits(n_splits, n_cached, generator, device)
    yield Progress(2, 4, "mean and variance")
    yield from moments(generator)
    yield Progress(3, 4, "candidates for median and maximum")
    yield from candidates(torch.randn(N_READ, dtype=torch.float64, generator=generator))
    yield Progress(4, 4, "done")


def log_sum_exp(generator: Generator, random: Random) -> Measurement:
    """Pieces of random sizes, merged in random pairs until one is left."""
    numbers = torch.randn(N_NUMBERS, dtype=torch.float64, generator=generator)
    cuts = sorted(random.sample(range(1, N_NUMBERS), N_PIECES - 1))
    states = []
    for piece in numbers.tensor_split(cuts):
        largest = piece.max()
        nothing = piece.new_zeros(0)  # there are no values to accumulate
        states.append(Partial(largest, (piece - largest).exp().sum(), nothing))
    while len(states) > 1:
        random.shuffle(states)
        states.append(merge(states.pop(), states.pop()))
    error = relative_error(finish(states[0]).lse, numbers.logsumexp(dim=0))
    return Measurement("error_log_sum_exp", error, "", "log-sum-exp, merged against whole")


def splits(n_splits: int, n_cached: int, generator: Generator, device: str) -> Iterator[Event]:
    """One new query against a cache in splits, each attended to without knowledge of the others."""
    q, k, v = (
        torch.randn(1, 16, n, 64, dtype=torch.float64, generator=generator).to(device)
        for n in (1, n_cached, n_cached)
    )
    q = 2 * q  # scores of standard deviation 2
    whole = reference_attention(q, k, v).out
    parts = [
        online_attention(q, k[..., keys, :], v[..., keys, :])
        for keys in tiles(n_cached, math.ceil(n_cached / n_splits))
    ]
    merged = finish(reduce(merge, map(reopen, parts))).out
    mean = torch.stack([part.out for part in parts]).mean(dim=0)
    for name, out, label in (
        ("splits", merged, "splits merged by their lse"),
        ("mean", mean, "mean of the splits' outputs"),
    ):
        yield Measurement(f"error_{name}", relative_error(out, whole), "", f"error, {label}")


class Moments(NamedTuple):
    """How many numbers, their mean, and the sum of squared deviations from it."""

    n: int
    mean: Tensor
    deviations: Tensor


def moments_of(numbers: Tensor) -> Moments:
    """Of the numbers on the last axis."""
    mean = numbers.mean(dim=-1, keepdim=True)
    return Moments(numbers.shape[-1], mean.squeeze(-1), (numbers - mean).square().sum(dim=-1))


def merge_moments(a: Moments, b: Moments) -> Moments:
    """The moments of both: deviations are shifted to the common mean, as sums to a maximum."""
    n, delta = a.n + b.n, b.mean - a.mean
    shift = delta.square() * (a.n * b.n / n)
    return Moments(n, a.mean + delta * (b.n / n), a.deviations + b.deviations + shift)


def moments(generator: Generator) -> Iterator[Event]:
    """The variance of numbers far from 0, in 64 rows of 4,096 in float32, from 16 pieces each."""
    numbers = 10_000 + torch.randn(64, 4096, generator=generator)
    n, pieces = numbers.shape[-1], numbers.chunk(16, dim=-1)
    exact = numbers.double().var(dim=-1, correction=0)
    merged = reduce(merge_moments, map(moments_of, pieces))
    mean = torch.stack([piece.sum(dim=-1) for piece in pieces]).sum(dim=0) / n
    squares = torch.stack([piece.square().sum(dim=-1) for piece in pieces]).sum(dim=0)
    for name, variance, label in (
        ("deviations", merged.deviations / n, "merged squared deviations"),
        ("sums", squares / n - mean**2, "merged sums of x and x²"),
    ):
        error = relative_error(variance, exact)
        yield Measurement(f"error_{name}", error, "", f"error of the variance, {label}")


def candidates(read: Tensor) -> Iterator[Event]:
    """How many of the numbers read can still be the answer, once as many less one have followed.

    In each of the futures tried some of them lie below all that was read and the rest above.
    """
    n = len(read)
    futures = torch.full((n, n - 1), math.inf, dtype=read.dtype)
    for below in range(n):
        futures[below, :below] = -math.inf
    everything = torch.cat([read.expand(n, n), futures], dim=-1)  # (futures, 2n - 1)
    rows = []
    for name, answers in (
        ("median", everything.median(dim=-1).values),
        ("maximum", everything.amax(dim=-1)),
    ):
        possible = float(torch.isin(read, answers).sum())
        rows.append((name, possible))
        label = f"values read that can still become the {name}"
        yield Measurement(f"{name}_candidates", possible, "", label)
    yield Measurement("n_read", n, "", "values read", yardstick=True)
    yield Table(f"Of {n} values read, what has to be kept for", ("result", "values"), rows)
