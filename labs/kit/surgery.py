"""Parts of a trained model taken out or changed, as the settings of a what-if say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from random import Random
from typing import TypeAlias

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from labs.transformer.attention import MultiHeadAttention
from labs.transformer.config import Activation
from labs.transformer.feedforward import ACTIVATIONS
from labs.transformer.interventions import (
    Sublayer,
    layers_reordered,
    made_causal,
    modules_swapped,
    positions_replaced,
    residual_cut,
    silenced_heads,
    skipped,
    unmasked,
)
from labs.transformer.layers import Linear
from labs.transformer.model import Block, Stack
from labs.transformer.norms import LayerNorm, RMSNorm
from labs.transformer.positions import RotaryPositions

Change: TypeAlias = AbstractContextManager[None]

N_PLACES = 512
"""Places that changed positions know: more tokens than anyone is asked to read here."""
_SUBLAYERS: dict[str, Sublayer] = {"attention": "attention", "feedforward": "feedforward"}
_ACTIVATIONS: dict[str, Activation] = {"relu": "relu", "gelu": "gelu", "silu": "silu"}
_TIMES = {"tenth": 0.1, "tenfold": 10.0}


class Undivided(nn.Module):
    """What is left of a norm that does not divide: its gain, and its bias if it has one."""

    def __init__(self, norm: LayerNorm | RMSNorm) -> None:
        super().__init__()
        self._norm = norm

    def forward(self, x: Tensor) -> Tensor:
        scaled = self._norm.gain * x
        return scaled + self._norm.bias if isinstance(self._norm, LayerNorm) else scaled


class OtherMean(nn.Module):
    """A norm with the gain of another that treats the mean the other way.

    Of a LayerNorm an RMSNorm with its bias, of an RMSNorm a LayerNorm without one.
    """

    def __init__(self, norm: LayerNorm | RMSNorm) -> None:
        super().__init__()
        self._norm = norm

    def forward(self, x: Tensor) -> Tensor:
        norm, shape = self._norm, x.shape[-1:]
        if isinstance(norm, LayerNorm):
            return F.rms_norm(x, shape, norm.gain, eps=norm.eps) + norm.bias
        return F.layer_norm(x, shape, norm.gain, eps=norm.eps)


class Ones(nn.Module):
    """A gate of 1, whatever comes in."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)


class Times(nn.Module):
    """A layer whose result is multiplied by `factor`."""

    def __init__(self, layer: Linear, factor: float) -> None:
        super().__init__()
        self._layer, self._factor = layer, factor
        self.weight = layer.weight

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self._factor * self._layer(x)
        return out


class Merged(nn.Module):
    """Keys or values whose heads are all replaced by their mean."""

    def __init__(self, layer: nn.Module, head_dim: int) -> None:
        super().__init__()
        self._layer, self._head_dim = layer, head_dim

    def forward(self, x: Tensor) -> Tensor:
        heads: Tensor = self._layer(x).unflatten(
            -1, (-1, self._head_dim)
        )  # (…, n_kv_heads, head_dim)
        merged: Tensor = heads.mean(dim=-2, keepdim=True).expand_as(heads).flatten(-2)
        return merged


@contextmanager
def operated(
    stack: Stack, parts: Mapping[str, str], whole: Mapping[str, str], layers: Sequence[int]
) -> Iterator[None]:
    """Change what differs between `parts` and `whole`, the parts of the model as it is.

    Most parts are changed in these layers, counted from 0; positions and masks belong to the whole
    model, and so does its last norm, which is changed if all layers are. Which heads are silenced,
    and where shuffled tokens stand, is drawn anew in each call, always the same.
    """
    new = {part: value for part, value in parts.items() if value != whole[part]}
    with ExitStack() as changes:
        for change in changes_of(stack, new, layers):
            changes.enter_context(change)
        yield


def changes_of(stack: Stack, new: Mapping[str, str], layers: Sequence[int]) -> Iterator[Change]:
    """The changes, each made where the one before it has been made."""
    blocks = [block for n in layers if isinstance(block := stack.blocks[n], Block)]
    for part, value in new.items():
        match part, value:
            case ("attention" | "feedforward", "off"):
                yield from (skipped(block, _SUBLAYERS[part]) for block in blocks)
            case ("cross_attention", "off"):
                crossing = [block for block in blocks if block.cross_attention is not None]
                yield from (skipped(block, "cross") for block in crossing)
            case ("residual", "off"):
                yield from cut_residuals(blocks)
            case ("mask", _):
                yield unmasked(stack) if value == "none" else made_causal(stack)
            case ("positions", "off"):
                yield positions_replaced(stack, "none")
            case ("positions", "shuffled"):
                n_places = min(N_PLACES, stack.config.seq_len)
                order = torch.randperm(n_places, generator=Generator().manual_seed(0))
                yield positions_replaced(stack, order)
            case ("heads", _):
                yield silenced_heads(stack, dropped(stack, layers, value))
            case ("order", "reversed"):
                rank = list(range(len(stack.blocks)))
                for place, layer in zip(layers, reversed(layers), strict=True):
                    rank[place] = layer
                yield layers_reordered(stack, rank)
            case _:
                swaps = list(swaps_of(stack, blocks, part, value))
                if swaps:  # the other stack of an encoder-decoder may have none of the kind
                    yield modules_swapped(swaps)


def swaps_of(
    stack: Stack, blocks: Sequence[Block], part: str, value: str
) -> Iterator[tuple[nn.Module, str, nn.Module]]:
    """Modules to be put in the place of others: the parent, the name there, the new one."""
    if part in ("norm", "norm_kind"):
        parents: list[nn.Module] = [*blocks]
        parents += [stack] if len(blocks) == len(stack.blocks) else []
        other = Undivided if part == "norm" else OtherMean
        for parent in parents:
            for name, module in parent.named_children():
                if isinstance(module, LayerNorm | RMSNorm):
                    yield parent, name, other(module)
        return
    for block in blocks:
        network, attention = block.feedforward, block.attention
        if part == "activation":
            yield network, "activation", ACTIVATIONS[_ACTIVATIONS[value]]()
        elif part == "gates":
            yield network, "activation", Ones()
        elif isinstance(attention, MultiHeadAttention):
            query, head_dim = attention.query, attention.head_dim
            if part == "rope_theta":
                base = stack.config.rope_base * _TIMES[value]
                n_places = min(N_PLACES, stack.config.seq_len)
                turned = RotaryPositions(n_places, head_dim, base)
                yield attention, "rotation", turned.to(query.weight.device)
            elif part == "kv_heads":
                yield attention, "key", Merged(attention.key, head_dim)
                yield attention, "value", Merged(attention.value, head_dim)
            else:  # no scale, or no interest of any token in any other
                factor = math.sqrt(head_dim) if part == "scale" else 0.0
                yield attention, "query", Times(query, factor)


def cut_residuals(blocks: Sequence[Block]) -> Iterator[Change]:
    """Every residual connection of the layers, around cross-attention too."""
    for block in blocks:
        yield residual_cut(block)
        if block.cross_attention is not None:
            yield residual_cut(block, "cross")


def dropped(stack: Stack, layers: Sequence[int], left: str) -> list[tuple[int, int]]:
    """The heads to silence, as pairs of layer and head, so that half of them or one are left."""
    n_heads = stack.config.n_heads
    n_dropped = n_heads // 2 if left == "half" else n_heads - 1
    dice = Random(0)
    return [
        (layer, head)
        for layer in layers
        if isinstance(stack.blocks[layer].get_submodule("attention"), MultiHeadAttention)
        for head in dice.sample(range(n_heads), n_dropped)
    ]
