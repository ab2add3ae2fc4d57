"""The scale 1/√head_dim decides how far scores are spread when training starts.

The inner product of a query and a key whose head_dim components have variance 1 has variance
head_dim. A softmax over scores that far apart picks a cell before anything has been learned. The
scale brings the spread back to 1. So would smaller starting weights, and this lab uses them to
tell what the scale is for. At the other extreme stands a factor so large that the softmax is an
argmax, a dictionary's hard lookup.

Four heads learn the same lookup (as in `core/attention_lookup`) from the same starting weights,
each at several learning rates: with the scale; without it; without it, but with query and key
weights that start smaller by head_dim^(1/4) each, so that the scores are the same at first; and
with the argmax.

How to read it. The table shows heads of several widths before training: how many of 16 cells
they read (exp of the entropy of their weights), and the gradient of a query without the scale,
relative to the same query with it. The median query is the typical one; the optimiser adds up
all of them, and so sees the mean. Then: the steps to a loss of 0.5 nats (a uniform guess costs
ln 8 ≈ 2.08); ∞ means more steps than there were.

What the literature reports. Vaswani et al. (2017, Sec. 3.2.1) scale the scores because, as they
suspect, large ones push the softmax to where its gradient is extremely small.

Out of scope: other normalisations of queries and keys, long training, deep models, and ways to
train through an argmax that do not use its gradient.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from labs.kit.arms import best, train_arms
from labs.kit.budget import generator, one_thread
from labs.kit.lookup import LookupHead
from labs.kit.speed import race
from labs.tasks.recall import RecallTask
from labs.transformer.train import Batch, Recipe
from studykit.lab.events import Event, Measurement, Table

QUESTION = "What does the scale 1/√head_dim do?"
POINTS = ("1.1.2", "1.1.4")
CLAIMS = {
    "saturates": "Before training, a head of 64 dimensions reads more than 8 of 16 cells with the "
    "scale, and fewer than 3 without it.",
    "start": "Without the scale the head needs at least twice as many steps; smaller query and "
    "key weights at the start cut them to at most 0.6 times as many.",
    "argmax": "With an argmax the weights of query and key get no gradient at all, and the loss "
    "ends within 0.3 nats of a uniform guess or above it.",
}
HOLDS_IF = {
    "saturates": "cells_read_scaled > 8 and cells_read_unscaled < 3",
    "start": "steps_unscaled / steps_scaled >= 2 and steps_small / steps_unscaled <= 0.6",
    "argmax": "argmax_gradient == 0 and loss_argmax >= uniform_entropy - 0.3",
}
KNOBS = {"head_dim": (64, 16, 256), "n_cells": (8, 4, 16)}
KNOB_HELP = {
    "head_dim": "components of a query and a key",
    "n_cells": "cells that a question chooses among",
}
SEEDS = 3
SECONDS = {"cpu": 4}
LITERATURE = {
    "start": "The scale is to keep large head_dim from pushing the softmax to where, as the "
    "authors suspect, its gradient is extremely small (Vaswani et al. 2017, Sec. 3.2.1).",
}

LABELS = {
    "scaled": "with the scale",
    "unscaled": "without the scale",
    "small": "without, small start",
    "argmax": "argmax",
}
N_STEPS = 200
RATES = (0.001, 0.003, 0.01)
TARGET = 0.5
HARD = 1e6
"""A factor that makes the softmax one-hot: the best score is ahead by far more than 1 / HARD."""
D_MODEL = 64
WIDTHS = (4, 16, 64, 256, 1024)
N_KEYS = 16


@one_thread
def run(*, head_dim: int, n_cells: int, seed: int, device: str, budget: float) -> Iterator[Event]:
    """Heads before training, then a race of four of them."""
    yield from before_training(seed, device)
    task = RecallTask(n_names=16, n_values=8, n_cells=n_cells)
    uniform = math.log(task.n_values)
    yield Measurement("uniform_entropy", uniform, "nats", "uniform guess", yardstick=True)

    def batches() -> Iterator[Batch]:
        return (batch.to(device)[:2] for batch in task.batches(16, generator(seed, "batches")))

    held_out = task.draw(256, generator(seed, "held out")).to(device)[:2]
    heads = {arm: [build(arm, task, head_dim, seed, device) for _ in RATES] for arm in LABELS}
    gradient = query_gradient(heads["argmax"][0], held_out)
    yield Measurement("argmax_gradient", gradient, "norm", "gradient of the query weights, argmax")
    n_steps = max(1, round(budget * N_STEPS))
    # A fixed warm-up: with more patience one waits longer, and does not start more slowly.
    recipe = Recipe(n_steps=n_steps, warmup_steps=12, clip_norm=1.0, evaluate_every=10, preview=64)
    training = train_arms(heads, RATES, batches, held_out, recipe)
    losses = yield from race(training, LABELS, target=TARGET, n_steps=n_steps)
    label = f"loss after {n_steps} steps, argmax, best of {len(RATES)} learning rates"
    yield Measurement("loss_argmax", best(losses.of["argmax"]), "nats", label)


def build(arm: str, task: RecallTask, head_dim: int, seed: int, device: str) -> LookupHead:
    """The head of an arm; all start from the same random numbers."""
    scale = {"scaled": head_dim**-0.5, "argmax": HARD}.get(arm, 1.0)
    head = LookupHead(task, D_MODEL, head_dim, generator(seed, "weights"), scale=scale)
    if arm == "small":
        with torch.no_grad():
            head.query.weight *= head_dim**-0.25
            head.key.weight *= head_dim**-0.25
    return head.to(device)


def query_gradient(head: LookupHead, batch: Batch) -> float:
    """Norm of the gradient that the query's weights get from one batch."""
    tokens, answers = batch
    loss = F.cross_entropy(head(tokens), answers)
    (gradient,) = torch.autograd.grad(loss, head.query.weight)
    return float(gradient.norm())


def before_training(seed: int, device: str) -> Iterator[Event]:
    """What the scale does to heads of several widths whose components have variance 1."""
    stream = generator(seed, "probe")
    rows: list[tuple[str | float, ...]] = []
    for width in WIDTHS:
        q, k, v, direction = (
            torch.randn(512, n_tokens, width, generator=stream).to(device)
            for n_tokens in (1, N_KEYS, N_KEYS, 1)
        )
        read, norms = zip(
            *(probe(scale, q, k, v, direction) for scale in (width**-0.5, 1.0)), strict=True
        )
        median, mean = (float(f(norms[1]) / f(norms[0])) for f in (torch.median, torch.mean))
        rows.append((str(width), *read, median, mean))
        if width == 64:
            for arm, cells in zip(("scaled", "unscaled"), read, strict=True):
                label = f"cells read before training, 64 dimensions, {LABELS[arm]}"
                yield Measurement(f"cells_read_{arm}", cells, f"of {N_KEYS}", label)
    columns = ("head_dim", "read, scaled", "read, unscaled", "median gradient", "mean gradient")
    title = f"Before training: cells read of {N_KEYS}, gradient without the scale / with it"
    yield Table(title, columns, rows)


def probe(scale: float, q: Tensor, k: Tensor, v: Tensor, direction: Tensor) -> tuple[float, Tensor]:
    """How many cells heads read, and each query's gradient of a number read from the output."""
    q = q.clone().requires_grad_()  # (n, 1, width); k and v: (n, N_KEYS, width)
    weights = (scale * q @ k.mT).softmax(dim=-1)  # (n, 1, N_KEYS)
    entropy = torch.special.entr(weights.detach()).sum(dim=-1)  # (n, 1)
    (gradient,) = torch.autograd.grad((weights @ v * direction).sum(), q)
    return float(entropy.mean().exp()), gradient.norm(dim=-1)
