"""The merge of FlashAttention, put to other uses, and a reduction that has no such merge.

A reduction can be computed in pieces if there is a partial result of constant size such that
those of two pieces give that of both. For attention it is the maximum, the sum and the
accumulator. The same three, without the accumulator, stream a log-sum-exp; with the rows of a
vocabulary as keys they give a cross-entropy that never holds the logits. This lab measures both,
a decoding step over a cache in splits, mean and variance, the largest ten, and the median.

How to read it. Every merged result stands beside the one from all values at once. Memory is the
peak of what torch allocates for one forward and backward pass of the loss, to the byte; kept bytes
are what is saved for the backward pass beyond the inputs. The chart shows how the peak grows with
the vocabulary. For the median, the question is which of the values read so far can still become
the answer: whatever can must be kept.

What the literature reports. The running maximum and sum were proposed for the softmax at large
(Milakov and Gimelshein 2018), before they were used for attention.

Out of scope: time; that logits in low precision make the loss itself less accurate; kernels which
also fuse the gradients into the forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial, reduce
from random import Random
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.utils.flop_counter import FlopCounterMode

from labs.kernels.cross_entropy import chunked_cross_entropy
from labs.kernels.online_softmax import Partial, finish, merge, online_attention, reopen, tiles
from labs.kernels.reference import reference_attention
from labs.machine.allocated import peak_allocated
from labs.machine.peak_memory import saved_bytes
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "Does the trick of the tiles work for every reduction?"
POINTS = ("4.4.2",)
CLAIMS = {
    "log_sum_exp": "In float64, the log-sum-exp of 100,000 numbers, merged from pieces of any "
    "size in any grouping, is right to 12 significant digits.",
    "cross_entropy": "In float64, a cross-entropy in chunks of the vocabulary has the loss and the "
    "gradients of the one with all logits, to 12 significant digits.",
    "peak": "Forward and backward, the loss in chunks takes at most a quarter of the memory of the "
    "loss with all logits.",
    "keeps": "For its backward pass, the loss in chunks keeps less than a thousandth of what the "
    "loss with all logits keeps, inputs aside.",
    "free": "The loss in chunks saves arithmetic too, or costs no more than 10 % more of it.",
    "recomputes": "The loss in chunks pays with 20 to 50 % more floating-point operations.",
    "doubles": "The loss in chunks pays with more than 50 % more floating-point operations.",
    "splits": "In float64, a decoding step merged from eight splits of the cache equals the one "
    "over the whole cache to 12 significant digits.",
    "moments": "In float32, merged means and squared deviations give the variance of numbers far "
    "from 0 within 1 %.",
    "any_reduction": "The median can be merged like a sum: that of the pieces' medians is the "
    "median of all in at least half of the trials.",
    "every_value": "Each value read so far can still become the median, depending on what follows, "
    "but only one of them can become the maximum.",
}
KNOBS = {"vocab_size": (16_384, 4096, 50_257), "chunk": (1024, 256, 4096)}
SEEDS = 3
SECONDS = {"cpu": 5}

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes, apart from the knobs."""

    n_tokens: int = 512
    d_model: int = 64
    n_numbers: int = 100_000
    n_cached: int = 4096
    """Keys of the decoding step."""
    n_trials: int = 200
    """Data sets whose medians are compared."""


def run(*, vocab_size: int, chunk: int, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which decides all numbers and how they are cut into pieces."""
    return measure(Budget(), vocab_size=vocab_size, chunk=chunk, seed=seed, device=device)


def measure(
    budget: Budget, *, vocab_size: int, chunk: int, seed: int, device: str
) -> Iterator[Event]:
    """One reduction after the other."""
    generator = Generator().manual_seed(seed)
    loss = Loss(budget.n_tokens, budget.d_model, vocab_size, chunk, seed, device)
    parts = {
        "a log-sum-exp in pieces": log_sum_exp(budget.n_numbers, seed),
        "a loss in chunks: exactness": exactness(loss),
        "a loss in chunks: memory": memory(loss),
        "a loss in chunks: arithmetic": arithmetic(loss),
        "a cache in splits": splits(budget.n_cached, generator),
        "mean and variance": moments(generator),
        "medians": medians(budget.n_trials, generator),
    }
    for number, (note, events) in enumerate(parts.items()):
        yield Progress(number, len(parts), note)
        yield from events
    yield Progress(len(parts), len(parts), "done")


def log_sum_exp(n_numbers: int, seed: int) -> Iterator[Event]:
    """Pieces of random sizes, merged in random pairs until one is left."""
    random = Random(seed)
    numbers = 10 * torch.randn(
        n_numbers, dtype=torch.float64, generator=Generator().manual_seed(seed)
    )
    cuts = sorted(random.sample(range(1, n_numbers), min(99, n_numbers - 1)))
    pieces = []
    for piece in numbers.tensor_split(cuts):
        largest = piece.max()
        pieces.append(Partial(largest, (piece - largest).exp().sum(), piece.new_zeros(0)))
    while len(pieces) > 1:
        random.shuffle(pieces)
        pieces.append(merge(pieces.pop(), pieces.pop()))
    whole = numbers.logsumexp(dim=0)
    difference = relative(finish(pieces[0]).lse, whole)
    yield Measurement("difference_lse", difference, "", "log-sum-exp, merged against whole")


@dataclass(frozen=True, slots=True)
class Loss:
    """A cross-entropy over a vocabulary, with all logits and in chunks."""

    n_tokens: int
    d_model: int
    vocab_size: int
    chunk: int
    seed: int
    device: str

    def inputs(self, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """Hidden vectors, the unembedding and the targets."""
        generator = Generator().manual_seed(self.seed)
        hidden = torch.randn(self.n_tokens, self.d_model, generator=generator)
        unembedding = torch.randn(self.vocab_size, self.d_model, generator=generator) / 8
        targets = torch.randint(self.vocab_size, (self.n_tokens,), generator=generator)
        return (
            hidden.to(self.device, dtype).requires_grad_(),
            unembedding.to(self.device, dtype).requires_grad_(),
            targets.to(self.device),
        )

    def full(self, hidden: Tensor, unembedding: Tensor, targets: Tensor) -> Tensor:
        """The loss from all logits, (n_tokens, vocab_size)."""
        return F.cross_entropy(hidden @ unembedding.T, targets)

    def chunked(self, hidden: Tensor, unembedding: Tensor, targets: Tensor) -> Tensor:
        """The loss from (n_tokens, chunk) logits at a time."""
        return chunked_cross_entropy(hidden, unembedding, targets, chunk=self.chunk)


LossFunction = Callable[[Tensor, Tensor, Tensor], Tensor]


def forward_and_backward(
    loss: LossFunction, hidden: Tensor, unembedding: Tensor, targets: Tensor
) -> tuple[Tensor, ...]:
    """The loss and its gradients."""
    value = loss(hidden, unembedding, targets)
    return value.detach(), *torch.autograd.grad(value, (hidden, unembedding))


def exactness(loss: Loss) -> Iterator[Event]:
    """The largest difference in loss and gradients, in float64."""
    inputs = loss.inputs(torch.float64)
    pairs = zip(
        forward_and_backward(loss.chunked, *inputs),
        forward_and_backward(loss.full, *inputs),
        strict=True,
    )
    worst = max(relative(chunked, full) for chunked, full in pairs)
    yield Measurement(
        "difference_cross_entropy", worst, "", "loss and gradients, in chunks against all logits"
    )


def memory(loss: Loss) -> Iterator[Event]:
    """Peak of a forward and backward pass by vocabulary, and what is kept between the two."""
    peaks = {}
    sizes = [size for size in (1024, 2048, 4096, 8192) if size < loss.vocab_size]
    for vocab_size in (*sizes, loss.vocab_size):
        resized = replace(loss, vocab_size=vocab_size)
        inputs = resized.inputs(torch.float32)
        for arm, function in (("full", resized.full), ("chunked", resized.chunked)):
            step = partial(forward_and_backward, function, *inputs)
            peaks[arm] = peak_allocated(step, loss.device)
            name = "all logits" if arm == "full" else f"chunks of {loss.chunk:,}"
            x_label, y_label = "entries of the vocabulary", "MiB"
            yield Curve(
                "Peak memory of the loss", name, [vocab_size], [peaks[arm] / MIB], x_label, y_label
            )
    inputs = loss.inputs(torch.float32)
    given = sum(x.untyped_storage().nbytes() for x in inputs)
    logits = loss.n_tokens * loss.vocab_size * 4
    yield Measurement("bytes_logits", logits, "bytes", "all logits, float32", yardstick=True)
    for arm, function in (("full", loss.full), ("chunked", loss.chunked)):
        kept = saved_bytes(partial(function, *inputs)) - given
        label = "all logits" if arm == "full" else "in chunks"
        yield Measurement(f"peak_{arm}", peaks[arm], "bytes", f"peak of the loss, {label}")
        yield Measurement(f"kept_{arm}", kept, "bytes", f"kept for backward, {label}")
    yield Measurement("peak_ratio", peaks["full"] / peaks["chunked"], "", "peak, full / chunked")


def arithmetic(loss: Loss) -> Iterator[Event]:
    """Floating-point operations of the matrix products, counted as they run."""
    inputs = loss.inputs(torch.float32)
    counts = {}
    for arm, function in (("full", loss.full), ("chunked", loss.chunked)):
        with FlopCounterMode(display=False) as counter:
            forward_and_backward(function, *inputs)
        counts[arm] = counter.get_total_flops()
    ratio = counts["chunked"] / counts["full"]
    yield Measurement("flops_ratio", ratio, "", "floating-point operations, chunked / full")


def splits(n_cached: int, generator: Generator) -> Iterator[Event]:
    """One new query against a cache in eight splits, each computed without the others."""
    q, k, v = (
        torch.randn(1, 4, n, 64, dtype=torch.float64, generator=generator)
        for n in (1, n_cached, n_cached)
    )
    whole = reference_attention(2 * q, k, v).out
    parts = [
        online_attention(2 * q, k[..., keys, :], v[..., keys, :])
        for keys in tiles(n_cached, -(-n_cached // 8))
    ]
    merged = finish(reduce(merge, map(reopen, parts))).out
    mean = torch.stack([part.out for part in parts]).mean(dim=0)
    yield Measurement("difference_splits", relative(merged, whole), "", "splits, merged by lse")
    yield Measurement("difference_mean", relative(mean, whole), "", "splits, plain mean of outputs")


class Moments(NamedTuple):
    """How many numbers, their mean, and the sum of squared deviations from it."""

    n: int
    mean: Tensor
    squares: Tensor


def merge_moments(a: Moments, b: Moments) -> Moments:
    """The moments of both. The squares are shifted to the common mean, as sums are to a maximum."""
    n, delta = a.n + b.n, b.mean - a.mean
    mean = a.mean + delta * (b.n / n)
    return Moments(n, mean, a.squares + b.squares + delta.square() * (a.n * b.n / n))


def moments(generator: Generator) -> Iterator[Event]:
    """The variance of numbers 10,000 standard deviations from 0, 64 rows of 4,096 in float32."""
    numbers = 10_000 + torch.randn(64, 4096, generator=generator)
    exact = numbers.double().var(dim=-1, correction=0)
    pieces = numbers.chunk(16, dim=-1)
    total = reduce(
        merge_moments,
        (
            Moments(
                piece.shape[-1],
                piece.mean(dim=-1),
                (piece - piece.mean(dim=-1, keepdim=True)).square().sum(dim=-1),
            )
            for piece in pieces
        ),
    )
    sums = torch.stack([piece.sum(dim=-1) for piece in pieces]).sum(dim=0) / numbers.shape[-1]
    of_squares = torch.stack([piece.square().sum(dim=-1) for piece in pieces]).sum(dim=0)
    difference = of_squares / numbers.shape[-1] - sums.square()
    for name, variance, label in (
        ("error_moments", total.squares / total.n, "merged squared deviations"),
        ("error_sums", difference, "merged sums of x and x²"),
    ):
        error = float((variance.double() / exact - 1).square().mean().sqrt())
        yield Measurement(name, error, "", f"relative error of the variance, {label}")


def medians(n_trials: int, generator: Generator) -> Iterator[Event]:
    """What of pieces gives what of all: how often exactly, over many data sets."""
    values = torch.randn(n_trials, 15, 101, dtype=torch.float64, generator=generator)
    whole = values.flatten(1)
    best = values.topk(10).values.flatten(1)
    shares = {
        "maximum": share(values.amax(-1).amax(-1) == whole.amax(-1)),
        "ten largest": share((best.topk(10).values == whole.topk(10).values).all(dim=-1)),
        "median": share(values.median(-1).values.median(-1).values == whole.median(-1).values),
    }
    yield Table(
        "1,515 numbers in 15 pieces: merged from the same of each piece",
        ("what", "numbers kept of a piece", "share of trials in which it is right"),
        [
            (name, kept, shares[name])
            for name, kept in (("maximum", 1), ("ten largest", 10), ("median", 1))
        ],
    )
    yield Measurement("right_top_ten", shares["ten largest"], "", "merged top ten, share right")
    yield Measurement("right_median", shares["median"], "", "median of medians, share right")
    yield from candidates(values[0, 0])


def candidates(read: Tensor) -> Iterator[Event]:
    """How many of the numbers read can still be the answer, once as many less one have followed.

    In each of the futures tried some of them lie below all that was read and the rest above.
    """
    n = len(read)
    futures = torch.full((n, n - 1), math.inf, dtype=read.dtype)
    for below in range(n):
        futures[below, :below] = -math.inf
    everything = torch.cat([read.expand(n, n), futures], dim=-1)  # (futures, 2n - 1)
    for name, answers in (
        ("median", everything.median(dim=-1).values),
        ("maximum", everything.amax(dim=-1)),
    ):
        possible = torch.isin(read, answers).sum()
        label = f"of {n} numbers read, those that can still become the {name}"
        yield Measurement(f"candidates_{name}", float(possible), "", label)
    yield Measurement("n_read", n, "", "numbers read", yardstick=True)


def share(right: Tensor) -> float:
    """The share of True."""
    return float(right.double().mean())


def relative(found: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the largest expected number."""
    return float((found - expected).abs().max() / expected.abs().max())


def verdict(m: Mapping[str, float]) -> dict[str, bool | None]:
    """Which claims the measurements of one seed bear out; a peak of NaN was not measured."""
    ratio, flops = m["peak_ratio"], m["flops_ratio"]
    return {
        "log_sum_exp": m["difference_lse"] < 1e-12,
        "cross_entropy": m["difference_cross_entropy"] < 1e-12,
        "peak": None if math.isnan(ratio) else ratio >= 4,
        "keeps": m["kept_chunked"] < m["kept_full"] / 1000,
        "free": flops <= 1.1,
        "recomputes": 1.2 <= flops <= 1.5,
        "doubles": flops > 1.5,
        "splits": m["difference_splits"] < 1e-12,
        "moments": m["error_moments"] < 0.01,
        "any_reduction": m["right_median"] >= 0.5,
        "every_value": m["candidates_median"] == m["n_read"] and m["candidates_maximum"] == 1,
    }
