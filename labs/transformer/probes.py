"""What to measure inside a model, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from labs.transformer.attention import MultiHeadAttention
from labs.transformer.interventions import self_attentions, weights_changed
from labs.transformer.model import Stack, Transformer
from labs.transformer.train import Batch


def layer_gradients(model: Transformer, batch: Batch) -> list[float]:
    """Norm of the loss's gradient with respect to all parameters of each layer."""
    inputs, targets = batch
    return gradient_norms(model, F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten()))


def gradient_norms(model: Stack, loss: Tensor) -> list[float]:
    """Norm of the gradient of a loss with respect to all parameters of each layer.

    That of a layer without parameters is 0.
    """
    layers = [list(block.parameters()) for block in model.blocks]
    of = [parameter for layer in layers for parameter in layer]
    # One backward pass for all of them: one for each would go through the layers above again.
    gradients = iter(torch.autograd.grad(loss, of) if of else ())
    return [math.hypot(*(float(next(gradients).norm()) for _ in layer)) for layer in layers]


def rms(resid: Tensor) -> float:
    """Root mean square of all numbers of a stream: its typical size."""
    return float(resid.detach().square().mean().sqrt())


def diversity(resid: Tensor) -> float:
    """How far the tokens of a sequence differ: ||h - mean over tokens of h|| / ||h||.

    0: all tokens are the same; 1: they have nothing in common. The mean over sequences.
    """
    # resid: (batch, seq_len, d_model)
    own = resid.detach() - resid.detach().mean(dim=1, keepdim=True)
    return float((own.norm(dim=(1, 2)) / resid.detach().norm(dim=(1, 2))).mean())


@torch.no_grad()
def change_by_layer(
    model: Transformer, tokens: Tensor, share: float, generator: Generator
) -> list[float]:
    """How much a random change of the embeddings matters to the stream, layer by layer.

    The change's norm over the stream's, before the first layer and after each: `share` at
    first, and so on if the layers scale both alike. The direction is drawn on the CPU.
    """
    stream = model.residual_stream(tokens)
    noise = torch.randn(stream[0].shape, generator=generator).to(tokens.device)
    changed = stream[0] + share * stream[0].norm() / noise.norm() * noise
    shares = []
    for layer, resid in enumerate(stream):
        if layer:
            changed = model.blocks[layer - 1](changed)  # (batch, seq_len, d_model)
        shares.append(float((changed - resid).norm() / resid.norm()))
    return shares


@torch.no_grad()
def attention_weights(model: nn.Module, attention: MultiHeadAttention, *inputs: Tensor) -> Tensor:
    """Who collects from whom in one attention of the model, while it reads `inputs`.

    (batch, n_heads, seq_len, source_len): a row for each query, which adds up to 1.
    """
    with watched([attention]) as caught:
        model(*inputs)
    return caught[0]


@torch.no_grad()
def attention_maps(
    model: Stack, *inputs: Tensor, cross: bool = False, **known: Tensor | None
) -> list[Tensor]:
    """Who collects from whom, in every layer of the model during one pass over `inputs`.

    Takes what the model takes: tokens, (batch, seq_len), and the like. For each layer
    (batch, n_heads, seq_len, source_len); a row adds up to 1, and is 0 for a query that sees
    nothing. With `cross` the maps are those of the cross-attention.
    """
    name = "cross_attention" if cross else "attention"
    attentions = [block.get_submodule(name) for block in model.blocks]
    with watched([part for part in attentions if isinstance(part, MultiHeadAttention)]) as caught:
        model(*inputs, **known)
    return caught


def delivered(model: Stack, stream: Sequence[Tensor], maps: Sequence[Tensor]) -> list[Tensor]:
    """What each token brings to each other, by head: the weight times the length of what is added.

    The length is that of the key token's value after the output matrix. `stream` is what
    `residual_stream` and `maps` what `attention_maps` give; for each layer (batch, n_heads,
    seq_len, seq_len), not scaled to add up to anything.
    """
    brought = []
    for block, resid, weights in zip(model.blocks, stream, maps, strict=False):
        attention = block.get_submodule("attention")
        assert isinstance(attention, MultiHeadAttention)
        normed = block.get_submodule("attention_pre_norm")(resid)
        values = attention.split_heads(attention.value(normed))
        of_heads = values.repeat_interleave(attention.n_heads // attention.n_groups, dim=1)
        out = attention.out.weight.view(-1, attention.n_heads, attention.head_dim)
        added = torch.einsum("bhsv,dhv->bhsd", of_heads, out)  # (batch, n_heads, seq_len, d_model)
        brought.append(weights * added.norm(dim=-1)[:, :, None])
    return brought


def head_effects(model: Stack, score: Callable[[], Tensor]) -> Tensor:
    """How much each head adds to a score, to first order: (n_layers, n_heads).

    What the head puts out times the gradient of the score with respect to it: about what silencing
    it would take away, for all heads at the price of one pass back. `score` runs the model and
    returns a number.
    """
    collected: list[Tensor] = []

    def collect(out: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        # (batch, seq_len, n_heads · head_dim); parameters that are frozen ask for no gradient
        collected.append(args[0] if args[0].requires_grad else args[0].requires_grad_())
        return (collected[-1],)

    with torch.enable_grad(), ExitStack() as hooks:
        for attention in self_attentions(model):
            hooks.callback(attention.out.register_forward_pre_hook(collect).remove)
        gradients = torch.autograd.grad(score(), collected)
    effects = [
        (out.detach() * gradient).sum(dim=(0, 1)).view(model.config.n_heads, -1)
        for out, gradient in zip(collected, gradients, strict=True)
    ]
    return torch.stack(effects).sum(dim=-1)


@torch.no_grad()
def queries_keys(model: Stack, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Queries and keys of every layer's self-attention, before positions turn them.

    (n_layers, batch, seq_len, n_heads, head_dim) each. Where query heads share a key, it stands
    once for each of them.
    """
    queries: list[Tensor] = []
    keys: list[Tensor] = []
    attentions = self_attentions(model)
    with ExitStack() as hooks:
        for attention in attentions:
            for part, kept in ((attention.query, queries), (attention.key, keys)):
                hook = part.register_forward_hook(
                    lambda part, args, out, kept=kept: kept.append(out)
                )
                hooks.callback(hook.remove)
        model.residual_stream(tokens)
    width, per_key = attentions[0].head_dim, attentions[0].n_heads // attentions[0].n_groups
    by_head = [
        torch.stack(found).view(len(found), *tokens.shape, -1, width) for found in (queries, keys)
    ]
    return by_head[0], by_head[1].repeat_interleave(per_key, dim=-2)


@contextmanager
def watched(attentions: Sequence[MultiHeadAttention]) -> Iterator[list[Tensor]]:
    """A list that fills with the weights of the attentions, in the order in which they run.

    Raises ValueError for an attention that keeps no weights.
    """
    caught: list[Tensor] = []

    def keep(number: int, weights: Tensor) -> Tensor:
        caught.append(weights)
        return weights

    with weights_changed(attentions, keep):
        yield caught
