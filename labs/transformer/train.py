"""A small training loop for several models at once.

Tiny models leave a processor idle between operations. Models that are alike but for their numbers
are therefore stacked: every parameter gets an axis in front, n_models, and one forward and one
backward pass serve them all. They share every batch, so that they differ only in what the
experiment varies: a learning rate, a starting point, a residual connection.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labs.transformer.layers import Embedding, Linear
from labs.transformer.norms import LayerNorm, RMSNorm
from labs.transformer.positions import LearnedPositions

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
    """Largest norm of a gradient; a larger one is scaled down to it."""
    betas: tuple[float, float] = (0.9, 0.98)
    """Adam's memory of the gradient and of its square."""
    evaluate_every: int = 20
    preview: int = 32
    """Sequences of the held-out batch that are evaluated on the way; at the end all are."""

    def lr_scale(self, step: int) -> float:
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


STACKABLE = (Linear, Embedding, LayerNorm, RMSNorm, LearnedPositions)
"""Layers with parameters that serve one model and many."""


def is_stackable(model: nn.Module) -> bool:
    """Whether all parameters of the model live in layers that know of stacks."""
    return all(
        isinstance(module, STACKABLE) or not list(module.parameters(recurse=False))
        for module in model.modules()
    )


def structure(model: nn.Module) -> tuple[object, ...]:
    """What models of one stack have in common: everything but the numbers in their tensors."""
    # A parameter of two names, as a tied unembedding is, stands once.
    own_names = tuple(name for name, _ in model.named_parameters())
    modules = (
        (
            name,
            type(module),
            tuple(item for item in vars(module).items() if isinstance(item[1], int | float | str)),
            tuple((own, tensor.shape) for own, tensor in module.named_parameters(recurse=False)),
            tuple((own, tensor.shape) for own, tensor in module.named_buffers(recurse=False)),
        )
        for name, module in model.named_modules()
    )
    return (own_names, *modules)


class ModelStack:
    """Models alike but for their numbers, trained and evaluated side by side.

    Each gives logits, (batch, …, n_classes), for targets of (batch, …); in a stack n_models comes
    in front. Their parameters must therefore live in STACKABLE layers, and buffers that differ
    between the models must have an axis for each that they meet, from the batch on: ``(1, 1, 1)``
    for one number. A model by itself is trained as it is and may have any layers.

    The models' own parameters become views of their row: training the stack trains them.

    Raises ValueError if the models are not of one structure, or cannot be stacked.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        alike = structure(models[0])
        if any(structure(model) != alike for model in models[1:]):
            raise ValueError("only models of one structure can be stacked")
        if len(models) > 1 and not is_stackable(models[0]):
            raise ValueError("only models whose parameters are in STACKABLE layers can be stacked")
        rows = [nn.utils.parameters_to_vector(model.parameters()).detach() for model in models]
        self.rows = torch.stack(rows)
        """(n_models, n_parameters), which the optimiser moves."""
        for model, row in zip(models, self.rows, strict=True):
            nn.utils.vector_to_parameters(row, model.parameters())
        self.model = models[0]
        if len(models) > 1:
            self._stack(models)

    def _stack(self, models: Sequence[nn.Module]) -> None:
        """A copy of the model in which every tensor that differs has n_models in front."""
        self.model = copy.deepcopy(models[0])
        parameters = list(models[0].parameters())
        pieces = torch.split(self.rows, [parameter.numel() for parameter in parameters], dim=1)
        stacked = {
            parameter: nn.Parameter(piece.view(len(models), *parameter.shape))
            for parameter, piece in zip(parameters, pieces, strict=True)
        }
        # One parameter may have two names: an unembedding tied to the embedding.
        for name, parameter in models[0].named_parameters(remove_duplicate=False):
            self._replace(name, stacked[parameter])
        for name, buffer in models[0].named_buffers():
            buffers = [model.get_buffer(name) for model in models]
            if not all(torch.equal(buffer, other) for other in buffers):
                self._replace(name, torch.stack(buffers))

    def _replace(self, name: str, tensor: Tensor) -> None:
        module, _, own_name = name.rpartition(".")
        setattr(self.model.get_submodule(module), own_name, tensor)

    def losses(self, batch: Batch) -> Tensor:
        """Mean cross-entropy of each model on the same batch, in nats: (n_models,)."""
        *inputs, targets = batch
        logits = self.model(*inputs)  # (n_models, batch, …, n_classes)
        each = F.cross_entropy(
            logits.flatten(0, -2),
            targets.flatten().repeat(len(self.rows)),
            ignore_index=UNCOUNTED,  # its loss is 0
            reduction="none",
        )
        return each.view(len(self.rows), -1).sum(dim=1) / (targets != UNCOUNTED).sum()

    def gradients(self, batch: Batch) -> Tensor:
        """Gradient of each model's loss, in the layout of `rows`."""
        parameters = list(self.model.parameters())
        gradients = torch.autograd.grad(self.losses(batch).sum(), parameters)
        return torch.cat([gradient.reshape(len(self.rows), -1) for gradient in gradients], dim=1)

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
    def step(self, gradients: Tensor, *, lr_scale: float) -> None:
        """Move every row once, at `lr_scale` times its learning rate."""
        self.n_steps += 1
        beta_mean, beta_square = self.betas
        self.mean.lerp_(gradients, 1 - beta_mean)
        self.square.lerp_(gradients.square(), 1 - beta_square)
        mean = self.mean / (1 - beta_mean**self.n_steps)
        square = self.square / (1 - beta_square**self.n_steps)
        self.rows.sub_(lr_scale * self.rates * mean / (square.sqrt() + ADAM_EPSILON))


def clip(gradients: Tensor, max_norm: float) -> Tensor:
    """Each row, scaled down to the norm `max_norm` if its own is larger."""
    norms = gradients.norm(dim=1, keepdim=True)  # (n_models, 1)
    shares: Tensor = (max_norm / norms).clamp(max=1)
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
        optimiser.step(gradients, lr_scale=recipe.lr_scale(step))
        if step == recipe.n_steps:
            yield Evaluation(step, stack.evaluate(held_out))
        elif step % recipe.evaluate_every == 0:
            yield Evaluation(step, stack.evaluate(preview))


def lockstep(*runs: Iterator[Evaluation]) -> Iterator[tuple[Evaluation, ...]]:
    """Evaluations of several runs, step by step, while they train at the same time.

    Each run has a thread of its own and PyTorch's operations keep to it: operations this small
    are slower, not faster, when each is spread over several threads. Numbers below 1e-38, such
    as the weights of a saturated softmax, count as 0 there: a processor takes many times as long
    for them as for others.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(
            len(runs), initializer=torch.set_flush_denormal, initargs=(True,)
        ) as pool:
            while True:
                reached = [e for e in pool.map(next, runs, repeat(None)) if e is not None]
                if len(reached) < len(runs):
                    return
                yield tuple(reached)
    finally:
        torch.set_num_threads(n_threads)
