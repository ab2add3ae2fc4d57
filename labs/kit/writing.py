"""What a model writes: continuations in several ways at once, how surprising, how repetitive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from labs.transformer import Transformer
from labs.transformer.cache import Cache
from labs.transformer.generation import draw


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen; `generate` says what the numbers mean."""

    temperature: float = 1.0
    top_p: float = 1.0


@dataclass(frozen=True, slots=True)
class Written:
    """What one way of choosing has written after each prompt."""

    tokens: Tensor
    """(n_prompts, n_new)"""
    losses: Tensor
    """How unlikely the model itself held each token, in nats: (n_prompts, n_new)."""


@torch.no_grad()
def write(
    model: Transformer,
    prompts: Tensor,
    n_new: int,
    ways: Mapping[str, Sampling],
    generator: Generator,
    *,
    visible: Tensor | None = None,
) -> dict[str, Written]:
    """Continue all prompts, (n_prompts, prompt_len), in every way, side by side.

    A step of all ways together costs little more than one of a single way. Shorter prompts are
    padded on the left, where `visible` is False.
    """
    n_prompts = len(prompts)
    tokens = prompts.repeat(len(ways), 1)  # the prompts of the first way, then of the next
    seen = None if visible is None else visible.repeat(len(ways), 1)
    cache = Cache(model.config, prompts.shape[1] + n_new)
    chosen, losses = [], []
    for _ in range(n_new):
        resid = model.last_stream(tokens, visible=seen, cache=cache)
        logits = model.read(resid[:, -1:])[:, 0]  # (n_ways · n_prompts, vocab_size)
        parts = zip(torch.split(logits, n_prompts), ways.values(), strict=True)
        drawn = [draw(part, way.temperature, way.top_p, generator) for part, way in parts]
        tokens = torch.cat(drawn)[:, None]
        chosen.append(tokens[:, 0])
        losses.append(F.cross_entropy(logits, tokens[:, 0], reduction="none"))
        if seen is not None:
            seen = torch.cat((seen, torch.ones_like(tokens, dtype=torch.bool)), dim=1)
    shape = (len(ways), n_prompts, n_new)
    all_tokens = torch.stack(chosen, dim=1).view(shape)
    all_losses = torch.stack(losses, dim=1).view(shape)
    return {name: Written(all_tokens[place], all_losses[place]) for place, name in enumerate(ways)}


def repeated_share(rows: Sequence[Sequence[int]], n: int) -> float:
    """Share of the runs of `n` tokens that stood in the same row before."""
    n_runs = n_repeated = 0
    for row in rows:
        runs = [tuple(row[start : start + n]) for start in range(len(row) - n + 1)]
        n_runs += len(runs)
        n_repeated += len(runs) - len(set(runs))
    return n_repeated / n_runs
