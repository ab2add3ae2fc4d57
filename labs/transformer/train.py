"""A small training loop for several models at once.

Tiny models leave a processor idle between operations. Models of one shape are therefore
stacked: their parameters become the rows of one matrix, and `torch.func.vmap` runs the same
readable model for all rows in one go. They share every batch, so that they differ only in what
the experiment varies: a learning rate, a starting point, a residual connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F

from labs.transformer.attention import MultiHeadAttention

Batch: TypeAlias = tuple[Tensor, ...]
"""What the model takes, then the tokens to predict, each with the sequences in its first axis."""
UNCOUNTED = -100
"""A target that is not asked for."""

ADAM_EPSILON = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How models are trained, apart from their learning rates."""

    n_steps: int
    warmup_steps: int
    """Steps over which the learning rate rises linearly from 0 to its value."""
    final_share: float = 1.0
    """Share of the learning rate that is left at the last step; 1 keeps it as it is."""
    clip_norm: float
    """Largest length of a gradient; a longer one is shortened to it."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Adam's memory of the gradient and of its square."""
    evaluate_every: int = 20
    preview: int = 32
    """Sequences of the held-out batch that are evaluated on the way; at the end all are."""

    def pace(self, step: int) -> float:
        """What the learning rates are multiplied by at `step`: up in the warm-up, then down."""
        if step < self.warmup_steps:
            return step / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, self.n_steps - self.warmup_steps)
        return 1 - done * (1 - self.final_share)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Held-out loss of each model after `step` steps, in nats; NaN or ∞ if it diverged."""

    step: int
    losses: tuple[float, ...]


class ModelStack:
    """Models of one shape, trained and evaluated side by side.

    Each gives logits, (batch, …, n_classes), for targets of (batch, …). The models' own
    parameters become views of their row: training the stack trains them. Models with fused
    attention take their turns.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self.template = models[0]
        shapes = [parameter.shape for parameter in self.template.parameters()]
        for model in models:
            if [parameter.shape for parameter in model.parameters()] != shapes:
                raise ValueError("only models with the same parameters can be stacked")
        rows = [nn.utils.parameters_to_vector(model.parameters()).detach() for model in models]
        self.rows = torch.stack(rows)  # (n_models, n_parameters)
        for model, row in zip(models, self.rows, strict=True):
            nn.utils.vector_to_parameters(row, model.parameters())
        pieces = torch.split(self.rows, [shape.numel() for shape in shapes], dim=1)
        self.parameters = {
            name: piece.view(len(models), *parameter.shape).requires_grad_()
            for (name, parameter), piece in zip(
                self.template.named_parameters(), pieces, strict=True
            )
        }
        buffers = [dict(model.named_buffers()) for model in models]
        self.buffers = {name: torch.stack([b[name] for b in buffers]) for name in buffers[0]}
        # A fused kernel takes its tensors whole: vmap cannot look into it.
        self.is_fused = any(
            isinstance(module, MultiHeadAttention) and module.backend != "reference"
            for module in self.template.modules()
        )

    def losses(self, batch: Batch) -> Tensor:
        """Mean cross-entropy of each model on the same batch, in nats."""

        def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
            logits = functional_call(self.template, (parameters, buffers), tuple(inputs))
            return F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=UNCOUNTED)

        *inputs, targets = batch
        if self.is_fused:
            in_turn = [loss(*self._model(n)) for n in range(len(self.rows))]
            return torch.stack(in_turn)  # (n_models,)
        return vmap(loss)(self.parameters, self.buffers)  # (n_models,)

    def _model(self, n: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Parameters and buffers of one model."""
        parameters = {name: stacked[n] for name, stacked in self.parameters.items()}
        return parameters, {name: stacked[n] for name, stacked in self.buffers.items()}

    def gradients(self, batch: Batch) -> Tensor:
        """Gradient of each model's loss, in the layout of `rows`."""
        parameters = list(self.parameters.values())
        gradients = torch.autograd.grad(self.losses(batch).sum(), parameters)
        return torch.cat([gradient.flatten(1) for gradient in gradients], dim=1)

    @torch.no_grad()
    def evaluate(self, batch: Batch, *, chunk: int = 64) -> tuple[float, ...]:
        """Mean loss of each model on a batch of any size, `chunk` sequences at a time."""
        parts = zip(*(torch.split(tokens, chunk) for tokens in batch), strict=True)
        total = torch.zeros(len(self.rows), device=self.rows.device)
        n_targets = 0
        for part in parts:
            n_counted = int((part[-1] != UNCOUNTED).sum())
            total += self.losses(part) * n_counted
            n_targets += n_counted
        return tuple((total / n_targets).tolist())


class Adam:
    """Adam with a learning rate for each row of a matrix of parameters.

    ::

        mean   ← β₁ mean   + (1 - β₁) gradient
        square ← β₂ square + (1 - β₂) gradient²
        rows   ← rows - rate · mean / (1 - β₁ᵗ) / (√(square / (1 - β₂ᵗ)) + ε)
    """

    def __init__(self, rows: Tensor, rates: Sequence[float], betas: tuple[float, float]) -> None:
        self.rows = rows
        self.rates = torch.tensor(rates, device=rows.device)[:, None]  # (n_models, 1)
        self.betas = betas
        self.mean = torch.zeros_like(rows)
        self.square = torch.zeros_like(rows)
        self.n_steps = 0

    @torch.no_grad()
    def step(self, gradients: Tensor, *, pace: float) -> None:
        """Move every row once, at `pace` times its learning rate."""
        self.n_steps += 1
        beta_mean, beta_square = self.betas
        self.mean.lerp_(gradients, 1 - beta_mean)
        self.square.lerp_(gradients.square(), 1 - beta_square)
        mean = self.mean / (1 - beta_mean**self.n_steps)
        square = self.square / (1 - beta_square**self.n_steps)
        self.rows.sub_(pace * self.rates * mean / (square.sqrt() + ADAM_EPSILON))


def clip(gradients: Tensor, longest: float) -> Tensor:
    """Each row, shortened to length `longest` if it is longer."""
    lengths = gradients.norm(dim=1, keepdim=True)  # (n_models, 1)
    shares: Tensor = (longest / lengths).clamp(max=1)
    return gradients * shares


def train(
    stack: ModelStack,
    rates: Sequence[float],
    batches: Iterable[Batch],
    held_out: Batch,
    recipe: Recipe,
) -> Iterator[Evaluation]:
    """Train every model of the stack on the same batches, each at its own learning rate.

    Yields an evaluation of the held-out batch before the first step, every `evaluate_every`
    steps and at the end; only the last one uses the whole batch. A model that diverges keeps
    its NaN to itself; the others go on.
    """
    optimiser = Adam(stack.rows, rates, recipe.betas)
    preview = tuple(tokens[: recipe.preview] for tokens in held_out)
    yield Evaluation(0, stack.evaluate(preview))
    supply = iter(batches)
    for step in range(1, recipe.n_steps + 1):
        gradients = clip(stack.gradients(next(supply)), recipe.clip_norm)
        optimiser.step(gradients, pace=recipe.pace(step))
        if step == recipe.n_steps:
            yield Evaluation(step, stack.evaluate(held_out))
        elif step % recipe.evaluate_every == 0:
            yield Evaluation(step, stack.evaluate(preview))


def lockstep(*runs: Iterator[Evaluation]) -> Iterator[tuple[Evaluation, ...]]:
    """Evaluations of several runs, step by step, while they train at the same time.

    Each run has a thread of its own and PyTorch's operations keep to it: operations this small
    are slower, not faster, when each is spread over several threads.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(len(runs)) as pool:
            while True:
                reached = [e for e in pool.map(next, runs, repeat(None)) if e is not None]
                if len(reached) < len(runs):
                    return
                yield tuple(reached)
    finally:
        torch.set_num_threads(n_threads)
