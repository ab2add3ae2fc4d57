"""The arms of an experiment, trained side by side: the same batches, several learning rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import nn

from labs.transformer.train import (
    Batch,
    ModelStack,
    Recipe,
    is_stackable,
    lockstep,
    structure,
    train,
)

Arms: TypeAlias = Mapping[str, Sequence[nn.Module]]
"""The models of each arm, one for each learning rate (or each start)."""


@dataclass(frozen=True, slots=True)
class Losses:
    """Held-out losses of every arm after `step` steps, in nats."""

    step: int
    of: Mapping[str, tuple[float, ...]]
    """By arm, in the order of its models; NaN or ∞ where one diverged."""


def train_arms(
    arms: Arms,
    rates: Sequence[float] | Mapping[str, Sequence[float]],
    batches: Callable[[], Iterable[Batch]],
    held_out: Batch,
    recipe: Recipe,
) -> Iterator[Losses]:
    """Train the models of all arms, and yield their losses before, on the way and at the end.

    `rates` holds a learning rate for each model of an arm, for all arms or arm by arm.
    `batches` is called once for each stack and must begin the same stream every time, so that
    all arms learn from the same batches. Models of one structure share a stack, and stacks share
    the processor's cores. The models themselves are trained: look into them when it is over.
    """
    groups: dict[object, list[tuple[str, int]]] = {}
    for arm, models in arms.items():
        for place, model in enumerate(models):
            alike = structure(model) if is_stackable(model) else (arm, place)
            groups.setdefault(alike, []).append((arm, place))
    runs = [
        train(
            ModelStack([arms[arm][place] for arm, place in group]),
            [(rates[arm] if isinstance(rates, Mapping) else rates)[place] for arm, place in group],
            batches(),
            held_out,
            recipe,
        )
        for group in groups.values()
    ]
    for evaluations in lockstep(*runs):
        found = {
            key: loss
            for group, evaluation in zip(groups.values(), evaluations, strict=True)
            for key, loss in zip(group, evaluation.losses, strict=True)
        }
        of = {arm: tuple(found[arm, n] for n in range(len(arms[arm]))) for arm in arms}
        yield Losses(evaluations[0].step, of)


def best(losses: Iterable[float]) -> float:
    """The lowest loss; NaN if every model ended in NaN."""
    return min((loss for loss in losses if not math.isnan(loss)), default=math.nan)


def best_place(losses: Sequence[float]) -> int:
    """Where the lowest loss stands; 0 if every model ended in NaN."""
    return min(range(len(losses)), key=lambda place: (math.isnan(losses[place]), losses[place]))
