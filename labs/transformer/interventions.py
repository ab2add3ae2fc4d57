"""Parts taken out of a model that is built, and put back when the experiment is over.

Each is a context manager: inside ``with`` the model runs changed, afterwards as before, also after
an error. They can be nested. A model that many experiments share is thus never copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from labs.transformer.attention import CausalMask, MultiHeadAttention
from labs.transformer.model import Stack
from labs.transformer.positions import (
    LearnedPositions,
    NoPositions,
    RotaryPositions,
    SinusoidalPositions,
    angles,
)

Sublayer: TypeAlias = Literal["attention", "cross", "feedforward"]


@contextmanager
def module_swapped(parent: nn.Module, name: str, new: nn.Module) -> Iterator[None]:
    """Put `new` in the place of a part of `parent`; it has to take and give what the part does.

    A layer calls its self-attention with `visible` and `cache` besides the stream.
    """
    old = getattr(parent, name)
    setattr(parent, name, new)
    try:
        yield
    finally:
        setattr(parent, name, old)


@contextmanager
def modules_swapped(changes: Iterable[tuple[nn.Module, str, nn.Module]]) -> Iterator[None]:
    """Swap several parts at once: for each its parent, its name there, and what to put there.

    Raises ValueError if there are none: an experiment that changes nothing is a mistake.
    """
    with ExitStack() as swaps:
        swapped = [swaps.enter_context(module_swapped(*change)) for change in changes]
        if not swapped:
            raise ValueError("the model has no part of the kind that is to be changed: try another")
        yield


@contextmanager
def skipped(block: nn.Module, sublayer: Sublayer) -> Iterator[None]:
    """Let a sublayer add nothing: what is left is the residual connection around it."""
    name = "cross_attention" if sublayer == "cross" else sublayer
    hook = block.get_submodule(name).register_forward_hook(
        lambda part, args, out: out.new_zeros(out.shape)
    )
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def layers_reordered(model: Stack, order: Sequence[int]) -> Iterator[None]:
    """Run the layers in another order; `order` has their numbers, from 0.

    A layer may be left out or come twice. A cache has room for each layer once, so with one no
    order may be longer than the model.
    """
    layers = nn.ModuleList(model.blocks[layer] for layer in order)
    with module_swapped(model, "blocks", layers):
        yield


@contextmanager
def residual_cut(
    block: nn.Module, which: Literal["attention", "cross", "feedforward", "both"] = "both"
) -> Iterator[None]:
    """Cut the residual connection around a sublayer: what leaves it is all that is left.

    "both" cuts those around self-attention and feed-forward network.
    """
    names = ("attention", "feedforward") if which == "both" else (which,)
    buffers = {f"{name}_skip": block.get_buffer(f"{name}_skip") for name in names}
    for name, skip in buffers.items():
        setattr(block, name, torch.zeros_like(skip))
    try:
        yield
    finally:
        for name, skip in buffers.items():
            setattr(block, name, skip)


@contextmanager
def silenced_heads(
    model: Stack,
    heads: Sequence[tuple[int, int]],
    by: Literal["zero", "mean"] = "zero",
    *,
    cross: bool = False,
) -> Iterator[None]:
    """Replace what attention heads collect; `heads` are pairs of layer and head, from 0.

    By zero, or by the mean of what the head collects over all tokens of all sequences at hand,
    padding included: the head then still says what it always says, and nothing of its own.
    """
    with ExitStack() as hooks:
        for layer in sorted({layer for layer, _ in heads}):
            attention = model.blocks[layer].get_submodule(
                "cross_attention" if cross else "attention"
            )
            assert isinstance(attention, MultiHeadAttention)
            own = [head for of, head in heads if of == layer]
            hook = attention.out.register_forward_pre_hook(silencer(own, attention.head_dim, by))
            hooks.callback(hook.remove)
        yield


def silencer(
    heads: Sequence[int], head_dim: int, by: Literal["zero", "mean"]
) -> Callable[[nn.Module, tuple[Tensor]], tuple[Tensor]]:
    """A hook that changes what enters the output projection of one attention."""

    def silence(out: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        # (batch, seq_len, n_heads · head_dim) -> (batch, seq_len, n_heads, head_dim)
        by_head = args[0].clone().view(*args[0].shape[:-1], -1, head_dim)
        for head in heads:
            collected = by_head[..., head, :]
            collected[:] = 0 if by == "zero" else collected.mean(dim=(-3, -2), keepdim=True)
        return (by_head.flatten(-2),)

    return silence


@contextmanager
def weights_changed(
    attentions: Sequence[MultiHeadAttention], change: Callable[[int, Tensor], Tensor]
) -> Iterator[None]:
    """Let tokens collect by other weights than the softmax of their scores.

    `change` gets the place of an attention in `attentions`, from 0, and its weights, (batch,
    n_heads, seq_len, source_len), and returns those that are used; it must not write into what it
    gets. Raises ValueError for an attention that keeps no weights.
    """
    with ExitStack() as changes:
        for number, attention in enumerate(attentions):
            attention.require_weights()

            def weights(
                *args: Tensor,
                number: int = number,
                computed: Callable[..., Tensor] = attention.weights,
            ) -> Tensor:
                return change(number, computed(*args))

            # On the object, in front of the method of its class or of what stands there already.
            before = attention.__dict__.get("weights")
            attention.__dict__["weights"] = weights
            changes.callback(_put_back, attention, before)
        yield


def _put_back(attention: MultiHeadAttention, before: object) -> None:
    if before is None:
        del attention.__dict__["weights"]
    else:
        attention.__dict__["weights"] = before


@contextmanager
def patched(model: Stack, layer: int, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Change the stream before a layer, counted from 0; n_layers: after the last one.

    `change` gets the stream, (batch, seq_len, d_model), and returns what the layer is to see
    instead, in the same shape; it must not write into what it gets.
    """
    reader = model.final_norm if layer == len(model.blocks) else model.blocks[layer]
    hook = reader.register_forward_pre_hook(lambda part, args: (change(args[0]), *args[1:]))
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def unmasked(model: Stack) -> Iterator[None]:
    """Let every token of a decoder see the later ones too."""
    with _masked_by(model, is_causal=False):
        yield


@contextmanager
def made_causal(model: Stack) -> Iterator[None]:
    """Let every token of an encoder see only itself and the earlier ones."""
    with _masked_by(model, is_causal=True):
        yield


@contextmanager
def _masked_by(model: Stack, *, is_causal: bool) -> Iterator[None]:
    with ExitStack() as changes:
        for attention in self_attentions(model):
            changes.callback(setattr, attention, "is_causal", attention.is_causal)
            attention.is_causal = is_causal
            mask = CausalMask(model.config.seq_len) if is_causal else nn.Identity()
            mask = mask.to(attention.query.weight.device)
            changes.enter_context(module_swapped(attention, "mask", mask))
        yield


@contextmanager
def positions_replaced(model: Stack, places: Tensor | Literal["none", "mean"]) -> Iterator[None]:
    """Tell the model that its tokens stand elsewhere.

    `places` has a place for each token, (seq_len,), in the order of the sequence: shuffled,
    stretched or shifted ones. Rotary positions take any number, learned and sinusoidal ones take
    whole numbers below the config's seq_len. "none" takes positions out altogether; "mean" gives
    all tokens the mean vector of a learned or sinusoidal table.

    Raises ValueError for a model that has none of these positions.
    """
    replaced = 0
    with ExitStack() as changes:
        holders: list[tuple[nn.Module, str]] = [(model, "positions")]
        holders += [(attention, "rotation") for attention in self_attentions(model)]
        for parent, name in holders:
            old = getattr(parent, name)
            if isinstance(old, RotaryPositions | LearnedPositions | SinusoidalPositions):
                new = elsewhere(old, places)
                changes.enter_context(module_swapped(parent, name, new))
                replaced += 1
        if not replaced:
            raise ValueError(f"positions is {model.config.positions!r}: there are none to replace")
        yield


def elsewhere(
    positions: RotaryPositions | LearnedPositions | SinusoidalPositions,
    places: Tensor | Literal["none", "mean"],
) -> nn.Module:
    """Positions of the same kind that put the tokens at `places`."""
    if isinstance(places, str) and places == "none":
        return NoPositions()
    if isinstance(positions, RotaryPositions):
        if isinstance(places, str):
            raise ValueError("rotary positions have no mean: give places, or 'none'")
        n_pairs = positions.cos.shape[-1]
        theta = angles(places.cpu().float(), n_pairs, positions.base).to(positions.cos.device)
        turned = RotaryPositions(1, 2 * n_pairs, positions.base)
        turned.cos, turned.sin = theta.cos(), theta.sin()
        return turned
    table = positions.table.detach()
    if not isinstance(places, str) and (places.is_floating_point() or places.max() >= len(table)):
        raise ValueError(
            f"this model has a table of {len(table):,} positions, which takes whole numbers below "
            "that: give a model with RoPE"
        )
    moved = SinusoidalPositions(1, table.shape[-1])  # a table that is not trained
    if isinstance(places, str):
        moved.table = table.mean(dim=0).expand_as(table)
    else:
        moved.table = table[places]
    return moved


def self_attentions(model: Stack) -> list[MultiHeadAttention]:
    """The self-attention of every layer that has one, from the first layer to the last."""
    attentions = [block.get_submodule("attention") for block in model.blocks]
    return [part for part in attentions if isinstance(part, MultiHeadAttention)]
