"""The loss of a language model in chunks of the vocabulary: attention's trade, made once more.

A cross-entropy takes the log-sum-exp of a token's logits, which are scores of its hidden vector
against the rows of the unembedding. With hidden vectors as queries and these rows as keys it is the
first half of attention, so chunks of the vocabulary merge like tiles of keys, and no more than
(n_tokens, chunk) logits exist at once. The backward pass computes them again from the kept lse.

How to read it. Peak memory is what torch allocates at most at one time in a forward and backward
pass of the loss, to the byte; the chart shows how it grows with the vocabulary. Floating-point
operations are those of the matrix products, counted as they run.

What the literature reports. A running maximum and sum were proposed for the softmax in general
(Milakov and Gimelshein 2018), before they were used for attention.

Out of scope: time; the accuracy of logits in low precision; kernels that compute the gradients in
the forward pass already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.utils.flop_counter import FlopCounterMode

from labs.kernels.cross_entropy import chunked_cross_entropy
from labs.kernels.reference import relative_error
from labs.machine.peak_memory import peak_allocated
from studykit.lab.events import Curve, Event, Measurement, Progress

QUESTION = "What does a cross-entropy that never stores its logits save, and what does it cost?"
POINTS = ("4.4.2", "4.4.3")
CLAIMS = {
    "exact": "In float64, a cross-entropy in chunks of the vocabulary has the loss and the "
    "gradients of the one with all logits, to 12 significant digits.",
    "saves": "Forward and backward, the loss in chunks takes at most a quarter of the memory that "
    "the loss with all logits takes.",
    "free": "The loss in chunks costs at most 10 % more floating-point operations.",
    "recomputes": "The loss in chunks costs 20 to 50 % more floating-point operations.",
    "doubles": "The loss in chunks costs more than 50 % more floating-point operations.",
}
HOLDS_IF = {
    "exact": "difference < 1e-12",
    "saves": "peak_chunked <= peak_full / 4",
    "free": "flops_ratio <= 1.1",
    "recomputes": "1.2 <= flops_ratio <= 1.5",
    "doubles": "flops_ratio > 1.5",
}
KNOBS = {"vocab_size": (16_384, 4096, 50_257), "chunk": (1024, 256, 4096)}
KNOB_HELP = {"vocab_size": "tokens of the vocabulary", "chunk": "of them taken at a time"}
SEEDS = 3
SECONDS = {"cpu": 3}

N_TOKENS, D_MODEL = 512, 64
SMALLER = (1024, 4096)
"""Further sizes of the vocabulary, for the chart."""
MIB = 2**20

LossFunction: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]


def run(*, vocab_size: int, chunk: int, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which draws hidden vectors, the unembedding and the targets."""
    arms: dict[str, LossFunction] = {
        "full": all_logits,
        "chunked": partial(chunked_cross_entropy, chunk=chunk),
    }
    yield Progress(0, 3, "exactness")
    given = draw(vocab_size, seed, torch.float64, device)
    results = [loss_and_gradients(loss, *given) for loss in arms.values()]
    worst = max(relative_error(chunked, full) for full, chunked in zip(*results, strict=True))
    yield Measurement("difference", worst, "", "loss and gradients, in chunks against all logits")
    yield Progress(1, 3, "memory")
    yield from memory(arms, vocab_size, chunk, seed, device)
    yield Progress(2, 3, "arithmetic")
    yield arithmetic(arms, draw(vocab_size, seed, torch.float32, device))
    yield Progress(3, 3, "done")


def all_logits(hidden: Tensor, unembedding: Tensor, targets: Tensor) -> Tensor:
    """The loss from a matrix of logits, (n_tokens, vocab_size)."""
    return F.cross_entropy(hidden @ unembedding.T, targets)


def draw(
    vocab_size: int, seed: int, dtype: torch.dtype, device: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Hidden vectors, (N_TOKENS, D_MODEL), the unembedding, (vocab_size, D_MODEL), and targets."""
    generator = Generator().manual_seed(seed)
    hidden = torch.randn(N_TOKENS, D_MODEL, generator=generator)
    unembedding = torch.randn(vocab_size, D_MODEL, generator=generator) / D_MODEL**0.5
    targets = torch.randint(vocab_size, (N_TOKENS,), generator=generator)
    return (
        hidden.to(device, dtype).requires_grad_(),
        unembedding.to(device, dtype).requires_grad_(),
        targets.to(device),
    )


def loss_and_gradients(
    loss: LossFunction, hidden: Tensor, unembedding: Tensor, targets: Tensor
) -> tuple[Tensor, ...]:
    """A training step but for the update."""
    value = loss(hidden, unembedding, targets)
    return value.detach(), *torch.autograd.grad(value, (hidden, unembedding))


def memory(
    arms: dict[str, LossFunction], vocab_size: int, chunk: int, seed: int, device: str
) -> Iterator[Event]:
    """Peak of a forward and backward pass, by the size of the vocabulary."""
    labels = {"full": "all logits", "chunked": f"chunks of {chunk:,}"}
    peaks = {}
    for size in (*(smaller for smaller in SMALLER if smaller < vocab_size), vocab_size):
        given = draw(size, seed, torch.float32, device)
        for arm, loss in arms.items():
            peaks[arm] = peak_allocated(partial(loss_and_gradients, loss, *given), device)
            yield Curve(
                "Peak memory of the loss",
                labels[arm],
                [size],
                [peaks[arm] / MIB],
                "entries of the vocabulary",
                "MiB",
            )
    for arm, peak in peaks.items():
        yield Measurement(f"peak_{arm}", peak / MIB, "MiB", f"peak memory, {labels[arm]}")
    logits = N_TOKENS * vocab_size * 4 / MIB
    yield Measurement("logits", logits, "MiB", "all logits in float32", yardstick=True)


def arithmetic(arms: dict[str, LossFunction], given: tuple[Tensor, Tensor, Tensor]) -> Measurement:
    """Floating-point operations of one loss against the other's, forward and backward."""
    flops = {}
    for arm, loss in arms.items():
        with FlopCounterMode(display=False) as counter:
            loss_and_gradients(loss, *given)
        flops[arm] = counter.get_total_flops()
    ratio = flops["chunked"] / flops["full"]
    return Measurement("flops_ratio", ratio, "", "floating-point operations, chunked / full")
