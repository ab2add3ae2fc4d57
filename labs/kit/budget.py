"""What a training lab may spend: steps, sequences, one thread, and a seed's random numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from typing import Literal, Self, TypeAlias, get_args

import torch
from torch import Generator

from labs.transformer.train import Recipe
from studykit.lab.events import Event

Stream: TypeAlias = Literal["weights", "batches", "held out", "probe"]
"""What a seed decides, each from random numbers of its own."""


def generator(seed: int, stream: Stream) -> Generator:
    """A generator at the start of one stream of a seed; no two streams of any seeds are equal.

    Arms that begin from the same weights, or see the same batches, take a new one each.
    """
    streams = get_args(Stream)
    return Generator().manual_seed(len(streams) * seed + streams.index(stream))


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the training of a lab costs, apart from the models."""

    n_steps: int
    batch_size: int
    """Sequences a step."""
    n_held_out: int
    """Sequences that decide the final numbers."""
    n_evaluations: int = 12
    """Evenly spaced on the way, on a part of the held-out sequences; the last one uses all."""

    def scaled(self, factor: float) -> Self:
        """The same with `factor` times the steps; below 1 with less evaluation as well."""
        share = min(1.0, factor)
        return replace(
            self,
            n_steps=max(1, round(factor * self.n_steps)),
            n_held_out=max(64, round(share * self.n_held_out)),
            n_evaluations=max(4, round(share * self.n_evaluations)),
        )

    def recipe(
        self, *, warmup: float = 0.05, final_share: float = 1.0, clip_norm: float = 1.0
    ) -> Recipe:
        """A recipe for all steps, of which the share `warmup` raises the learning rate.

        ``final_share`` of the learning rate is left at the end; gradients are clipped to
        ``clip_norm``, which may be infinite.
        """
        return Recipe(
            n_steps=self.n_steps,
            warmup_steps=round(warmup * self.n_steps),
            final_share=final_share,
            clip_norm=clip_norm,
            evaluate_every=max(1, self.n_steps // self.n_evaluations),
        )


def one_thread(run: Callable[..., Iterator[Event]]) -> Callable[..., Iterator[Event]]:
    """Keep PyTorch to one thread while `run` computes, and restore the number of threads after.

    Operations on tiny models are slower on two threads than on one.
    """

    @wraps(run)
    def run_on_one_thread(**arguments: object) -> Iterator[Event]:
        n_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield from run(**arguments)
        finally:
            torch.set_num_threads(n_threads)

    return run_on_one_thread
