"""Distance is nothing to attention, and less to a recurrent network than one might think.

A token that attends to another reads it directly, however many tokens stand between. In a
recurrent network the same information passes through the state once for every token in between;
in a convolution it never leaves the receptive field. From this it is often concluded that
recurrent networks lag because what is far away fades. This lab separates distance from lookup:
one task has a single cell *far away* and nothing to choose, the other has three cells *close by*,
each a name with a value, of which the last token asks for one. A head of attention and a GRU learn
both, each at several learning rates.

How to read it. The chart of gradients shows untrained layers: how much a number read from the last
token changes with the token so many places before. A level line is a path on which distance does
not matter. Exact zeros have no place on a logarithmic axis, so the line of the convolutions ends.
The charts of losses show the best learning rate at each step. A model's speed is the number of
steps that it needs to a loss of 0.3 nats, at which about nine of ten answers are right; a uniform
guess costs ln 4 ≈ 1.39. All models get the same batches, and ∞ means more steps than there were.

What the literature reports. Vaswani et al. (2017, Table 1) give the longest path between two of n
tokens: 1 step for self-attention, n for a recurrent layer, log n for dilated convolutions. Those
are lengths of paths; what a model learns to send along them is another matter.

Out of scope: order, language, deep stacks, and how long a step takes (`core/parallel`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from labs.kit.arms import train_arms
from labs.kit.budget import generator, one_thread
from labs.kit.lookup import LookupHead
from labs.kit.speed import race
from labs.kit.stages import stages
from labs.tasks.recall import RecallTask
from labs.transformer import TransformerConfig
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.init import initialise
from labs.transformer.layers import Embedding, Linear
from labs.transformer.recurrent import Gru
from labs.transformer.train import Batch, Recipe
from studykit.lab.events import Curve, Event, Measurement

QUESTION = "Is it distance that makes a recurrent network slow to learn?"
POINTS = ("1.1.5",)
CLAIMS = {
    "paths": "Before training, attention's gradient at the eight farthest of 63 tokens is between "
    "a third and three times that at the eight nearest, a GRU's less than a thousandth, and that "
    "of two convolutions exactly 0.",
    "lookup": "The GRU needs at least 3 times as many steps to find one of several cells close by "
    "as to remember one cell far away.",
    "far": "The GRU needs at least 3 times as many steps to remember one cell far away as to find "
    "one of several cells close by.",
    "even": "The GRU needs about as many steps for both tasks, within a factor of 3.",
}
HOLDS_IF = {
    "paths": "1/3 <= far_gradient_attention <= 3 and far_gradient_gru < 0.001"
    " and far_gradient_convolution == 0",
    "lookup": "steps_near_gru / steps_far_gru >= 3",  # undecided if both are ∞
    "far": "steps_far_gru / steps_near_gru >= 3",
    "even": "1/3 < steps_near_gru / steps_far_gru < 3",
}
KNOBS = {"n_cells": (3, 2, 4), "seq_len": (36, 72)}
KNOB_HELP = {
    "n_cells": "cells of the task close by, of which one is asked for",
    "seq_len": "tokens of the task far away; the other has a third of them",
}
SEEDS = 3
SECONDS = {"cpu": 5}
LITERATURE = {
    "paths": "The longest path between two tokens is 1 step for self-attention, n for a recurrent "
    "layer and log n for dilated convolutions (Vaswani et al. 2017, Table 1).",
}

MODELS = {"attention": "attention", "gru": "GRU"}
RATES = (0.02, 0.04, 0.08)
TARGET = 0.3
FAR_STEPS, NEAR_STEPS = 60, 120
D_MODEL = 32
N_NAMES, N_VALUES = 4, 4
N_PROBED = 64
"""Tokens of the sequences on which gradients are probed."""
KERNEL_SIZE, N_CONVOLUTIONS = 5, 2


class GruReader(nn.Module):
    """A GRU that answers the question at the end of a sequence of cells."""

    def __init__(self, task: RecallTask, generator: Generator) -> None:
        super().__init__()
        self.embed = Embedding(task.vocab_size, D_MODEL)
        self.gru = Gru(D_MODEL, generator)
        self.unembed = Linear(D_MODEL, task.n_values, bias=False)
        # A token (two symbols) and a logit start with variance 1, as in attention's head.
        nn.init.normal_(self.embed.weight, std=0.5**0.5, generator=generator)
        nn.init.normal_(self.unembed.weight, std=D_MODEL**-0.5, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        # tokens: (batch, seq_len, 2) -> logits: (batch, n_values)
        logits: Tensor = self.unembed(self.gru(self.embed(tokens).sum(dim=-2))[..., -1, :])
        return logits


@one_thread
def run(*, n_cells: int, seq_len: int, seed: int, device: str, budget: float) -> Iterator[Event]:
    """One cell in the farthest third of `seq_len` tokens; `n_cells` in a third as many tokens."""
    far = RecallTask(
        n_names=N_NAMES,
        n_values=N_VALUES,
        n_cells=1,
        n_fillers=seq_len - 2,
        nearest=2 * seq_len // 3,
    )
    near = RecallTask(
        n_names=N_NAMES,
        n_values=N_VALUES,
        n_cells=n_cells,
        n_fillers=seq_len // 3 - n_cells - 1,
    )
    one, several = "one cell, far away", f"one of {n_cells} cells, close by"
    far_steps, near_steps = (max(1, round(budget * n)) for n in (FAR_STEPS, NEAR_STEPS))
    yield Measurement(
        "uniform_entropy", math.log(N_VALUES), "nats", "uniform guess", yardstick=True
    )
    yield from before_training(seed, device)
    yield from stages(
        {
            one: learn("far", one, far, far_steps, seed, device),
            several: learn("near", several, near, near_steps, seed, device),
        }
    )


def learn(
    name: str, about: str, task: RecallTask, n_steps: int, seed: int, device: str
) -> Iterator[Event]:
    """How many steps attention and the GRU need for a task."""

    def batches() -> Iterator[Batch]:
        return (batch.to(device)[:2] for batch in task.batches(16, generator(seed, "batches")))

    arms: dict[str, list[nn.Module]] = {f"{name}_attention": [], f"{name}_gru": []}
    for _ in RATES:  # all of an arm start from the same weights
        head = LookupHead(task, D_MODEL, D_MODEL, generator(seed, "weights"))
        arms[f"{name}_attention"].append(head.to(device))
        arms[f"{name}_gru"].append(GruReader(task, generator(seed, "weights")).to(device))
    held_out = task.draw(128, generator(seed, "held out")).to(device)[:2]
    # A fixed warm-up: with more patience one waits longer, and does not start more slowly.
    recipe = Recipe(n_steps=n_steps, warmup_steps=10, clip_norm=1.0, evaluate_every=5, preview=64)
    labels = {f"{name}_{model}": f"{label}, {about}" for model, label in MODELS.items()}
    training = train_arms(arms, RATES, batches, held_out, recipe)
    chart = f"Held-out loss, {about}"
    yield from race(training, labels, target=TARGET, n_steps=n_steps, chart=chart)


def before_training(seed: int, device: str) -> Iterator[Event]:
    """How much the last token's vector depends on each token before, in three untrained layers."""
    stream = generator(seed, "probe")
    x = torch.randn(32, N_PROBED, D_MODEL, generator=stream).to(device)
    config = TransformerConfig(
        vocab_size=1, seq_len=N_PROBED, d_model=D_MODEL, n_heads=1, kind="encoder", positions="none"
    )
    attention = MultiHeadAttention(config)
    initialise(attention, "xavier", stream)
    gru = Gru(D_MODEL, stream)
    kernels = torch.randn(N_CONVOLUTIONS, D_MODEL, D_MODEL, KERNEL_SIZE, generator=stream)
    kernels = kernels.to(device) * (KERNEL_SIZE * D_MODEL) ** -0.5
    for name, label, layer in (
        ("attention", "attention", attention.to(device)),
        ("gru", "GRU", gru.to(device)),
        ("convolution", "two convolutions", lambda x: convolve(x, kernels)),
    ):
        norms = gradients(layer, x)  # (N_PROBED - 1,), by distance
        n_seen = int((norms > 0).sum())  # the convolutions see the nearest only
        distances = list(range(1, n_seen + 1))
        chart = "Gradient before training"
        yield Curve(
            chart, label, distances, norms[:n_seen].tolist(), "distance", "norm", log_y=True
        )
        ratio = float(norms[-8:].mean() / norms[:8].mean())
        what = f"gradient at the 8 farthest / 8 nearest tokens, {label}"
        yield Measurement(f"far_gradient_{name}", ratio, "", what)


def gradients(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Norm of the gradient of the last token's output, summed up, by distance: 1, 2, …"""
    # x: (batch, n_tokens, d_model) -> (n_tokens - 1,); the last token itself is left out
    x = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(layer(x)[:, -1].sum(), x)
    by_place: Tensor = gradient.norm(dim=-1).mean(dim=0)
    return by_place.flip(0)[1:]


def convolve(x: Tensor, kernels: Tensor) -> Tensor:
    """Residual layers in which a token reads itself and the KERNEL_SIZE - 1 before it."""
    # x: (batch, n_tokens, d_model)
    for kernel in kernels:
        x = x + F.conv1d(F.pad(x.mT, (KERNEL_SIZE - 1, 0)), kernel).relu().mT
    return x
