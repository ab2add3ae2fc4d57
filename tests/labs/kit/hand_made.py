"""A model of which everything is known: the yardstick of what the head labs measure."""

from __future__ import annotations

import torch

from labs.kit.budget import generator
from labs.kit.readers import Reader
from labs.tasks.four_places import N_PLACES
from labs.transformer.norms import LayerNorm


@torch.no_grad()
def previous_bit_reader(n_heads: int = 4, head: int = 2) -> Reader:
    """One head looks at the token before, and all four answers are its bit; the others are mute."""
    reader = Reader(n_heads, generator(0, "weights"))
    for parameter in reader.parameters():
        parameter.zero_()
    model, attention = reader.transformer, reader.attention
    for module in model.modules():
        if isinstance(module, LayerNorm):
            module.gain.fill_(1.0)
    model.embed.weight[0, 0], model.embed.weight[1, 0] = -1.0, 1.0
    width = model.config.head_dim
    first, half = head * width, width // 2
    # Constant query and key, the key turned back by the angle of one token in each plane.
    angles = 10_000.0 ** -(torch.arange(half) / half)
    attention.query.bias[first : first + half] = 20.0 * angles.cos()
    attention.query.bias[first + half : first + width] = -20.0 * angles.sin()
    attention.key.bias[first : first + half] = 20.0
    attention.value.weight[first, 0] = 1.0
    attention.out.weight[1, first] = 1.0
    for place in range(N_PLACES):
        model.unembed.weight[2 * place + 1, 1] = 1.0
        model.unembed.weight[2 * place, 1] = -1.0
    return reader
