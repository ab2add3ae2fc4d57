"""A head of an upper layer uses what a head of a lower layer has written.

An induction head finds the place whose *previous* token is the present one, and reads what stands
there. No token knows its predecessor by itself: a previous-token head of a lower layer has to write
it there first. Which way does that reach the induction head: through its queries, its keys or its
values? SmolLM2-135M reads random words twice. The lab finds previous-token heads and the induction
heads above them on some words, and silences the former on others. Then the model runs whole but for
one thing: the keys in the layers of the induction heads are computed from the stream of the model
whose previous-token heads are silent; then only the queries are, then only the values.

How to read it. The share is the attention that the induction heads pay to what followed the same
word before. The control silences as many heads of the same layers that look least at the token
before. The heat map has the share of each induction head under each change.

What the texts are. Three rows of 20 different words of one token, other ones for each seed.

What the literature reports. Models of two layers and more form induction heads, models of one layer
do not; for large models the evidence is correlational (Olsson et al. 2022).

Out of scope: which of the heads formed first in training, and compositions in ordinary text. Keys
are changed for whole layers, in which not all heads are induction heads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from random import Random
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from labs.kit.reading import losses
from labs.kit.words import words_twice
from labs.models import load_language_model
from labs.transformer import Transformer
from labs.transformer.interventions import self_attentions, silenced_heads
from labs.transformer.probes import attention_maps, watched
from studykit.lab.events import Event, HeatMap, Measurement, Progress

QUESTION = "How does a head of a real model build on a head of a lower layer?"
POINTS = ("7.2.1", "7.2.3", "7.2.4")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "feeds": "Without the two previous-token heads below them the four strongest induction heads "
    "pay less than half as much attention to what followed the same word; without two other heads "
    "of the same layers, at least four fifths as much.",
    "keys": "It reaches them by their keys: keys from the model without those heads lower the "
    "share at least half as far as silencing them does, queries and values less than a fifth.",
    "queries": "It reaches them by their queries: these lower the share at least half as far.",
    "values": "It reaches them by their values: these lower the share at least half as far.",
    "loss": "Silencing the two heads costs over 2 nats at the second reading, two others less than "
    "a fifth of that.",
}
HOLDS_IF = {
    "feeds": "share_silenced < share / 2 and share_control >= 0.8 * share",
    "keys": "share - share_keys >= (share - share_silenced) / 2"
    " and share - min(share_queries, share_values) < (share - share_silenced) / 5",
    "queries": "share - share_queries >= (share - share_silenced) / 2",
    "values": "share - share_values >= (share - share_silenced) / 2",
    "loss": "cost_silenced > 2 and cost_control < cost_silenced / 5",
}
KNOBS = {"n_words": (20, 10, 40)}
KNOB_HELP = {"n_words": "different words in a row, which is read twice"}
SEEDS = 3
SECONDS = {"cpu": 7}

Head: TypeAlias = tuple[int, int]
"""Layer and head, from 0."""

N_ROWS = 3
N_INDUCTION = 4
N_PREVIOUS = 2
INPUTS = {"keys": "key", "queries": "query", "values": "value"}


@torch.no_grad()
def run(*, n_words: int, seed: int, device: str, model: str) -> Iterator[Event]:
    """Find the heads on some words; break the way between them on others."""
    language = load_language_model(model, device)
    draw = Random(seed)
    seen, words = (
        words_twice(language, draw, n_rows=N_ROWS, n_words=n_words).to(device) for _ in range(2)
    )
    induction, previous, control = find_heads(language.model, seen, n_words)
    layers = sorted({layer for layer, _ in induction})
    found: dict[str, Reading] = {}
    yield Progress(1, 7, "reading words")
    found["share"] = read(language.model, words, induction)
    yield Progress(2, 7, "silencing heads")
    with silenced_heads(language.model, previous), inputs_of(language.model, layers) as inputs:
        found["share_silenced"] = read(language.model, words, induction)
    with silenced_heads(language.model, control):
        found["share_control"] = read(language.model, words, induction)
    for number, (name, part) in enumerate(INPUTS.items()):
        yield Progress(4 + number, 7, f"changing {name}")
        with inputs_replaced(language.model, part, inputs):
            found[f"share_{name}"] = read(language.model, words, induction)
    labels = {
        "share": "nothing changed",
        "share_silenced": "previous-token heads silenced",
        "share_control": "two other heads silenced",
        **{f"share_{name}": f"{name} without previous-token heads" for name in INPUTS},
    }
    for name, reading in found.items():
        mean = sum(reading.shares) / N_INDUCTION
        label = f"share of the induction heads' attention, {labels[name]}"
        yield Measurement(name, mean, "", label)
    for name in ("silenced", "control"):
        cost = found[f"share_{name}"].loss - found["share"].loss
        label = f"cost at the second reading, {labels[f'share_{name}']}"
        yield Measurement(f"cost_{name}", cost, "nats", label)
    yield HeatMap(
        f"Attention to what followed before; previous-token heads {names(previous)}",
        list(labels.values()),
        [names([head]) for head in induction],
        [found[name].shares for name in labels],
        "share",
    )


class Reading(NamedTuple):
    """What the model does when it reads the words for the second time."""

    shares: list[float]
    """Attention of each induction head to what followed the same word before."""
    loss: float
    """In nats a word."""


def read(model: Transformer, words: Tensor, heads: Sequence[Head]) -> Reading:
    """One pass over the words; the shares are those of `heads`."""
    n_words = words.shape[1] // 2
    with watched(self_attentions(model)) as maps:
        logits = model(words)
    shares = [float(to_next(maps[layer], n_words)[head]) for layer, head in heads]
    return Reading(shares, float(losses(logits, words)[:, n_words:].mean()))


def to_next(weights: Tensor, n_words: int) -> Tensor:
    """Share of attention, from words read again, to what followed them before: (n_heads,)."""
    # weights: (rows, n_heads, query, key)
    again = torch.arange(n_words + 1, 2 * n_words + 1)
    return weights[..., again, again - n_words + 1].mean(dim=(0, 2))


def find_heads(
    model: Transformer, words: Tensor, n_words: int
) -> tuple[list[Head], list[Head], list[Head]]:
    """The strongest induction heads, previous-token heads below all of them, and a control.

    The control has a head for each of the previous-token heads, in the same layer: the one that
    looks least at the token before.
    """
    maps = attention_maps(model, words)
    copying = torch.stack([to_next(weights, n_words) for weights in maps])  # (layers, heads)
    places = torch.arange(1, words.shape[1])
    before = torch.stack([weights[..., places, places - 1].mean(dim=(0, 2)) for weights in maps])
    n_heads = copying.shape[1]
    induction = [divmod(place, n_heads) for place in top(copying, N_INDUCTION)]
    below = before[: min(layer for layer, _ in induction)]
    previous = [divmod(place, n_heads) for place in top(below, N_PREVIOUS)]
    ranked = {layer: before[layer].argsort().tolist() for layer, _ in previous}
    control = [(layer, ranked[layer].pop(0)) for layer, _ in previous]
    return induction, previous, control


def top(scores: Tensor, n: int) -> list[int]:
    """Where the highest scores stand in the flattened tensor, the highest first."""
    places: list[int] = scores.flatten().topk(n).indices.tolist()
    return places


@contextmanager
def inputs_of(model: Transformer, layers: Sequence[int]) -> Iterator[dict[int, Tensor]]:
    """What the attention of these layers reads, by layer, once the model has run."""
    inputs: dict[int, Tensor] = {}
    with ExitStack() as hooks:
        for layer in layers:

            def keep(part: nn.Module, args: tuple[Tensor], layer: int = layer) -> None:
                inputs[layer] = args[0]

            attention = model.blocks[layer].get_submodule("attention")
            hooks.callback(attention.register_forward_pre_hook(keep).remove)
        yield inputs


@contextmanager
def inputs_replaced(model: Transformer, part: str, inputs: Mapping[int, Tensor]) -> Iterator[None]:
    """Compute the queries, keys or values of some layers from other inputs than the layer's."""
    with ExitStack() as hooks:
        for layer, other in inputs.items():
            linear = model.blocks[layer].get_submodule(f"attention.{part}")
            hook = linear.register_forward_pre_hook(lambda part, args, other=other: (other,))
            hooks.callback(hook.remove)
        yield


def names(heads: Sequence[Head]) -> str:
    """Heads as layer.head, both counted from 1."""
    return ", ".join(f"{layer + 1}.{head + 1}" for layer, head in heads)
