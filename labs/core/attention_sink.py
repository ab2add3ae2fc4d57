"""The first token gets half of the attention, whatever it is.

A softmax has to spend a weight of 1, also in a head that has nothing to look for. In SmolLM2-135M
such heads look at the first token: the attention sink. What marks that token is one number of its
vector, written by an early layer and hundreds of times as large as others. The lab measures the
share of the first token, with the token that usually begins a text and without it; sets the large
number to zero, once, before the layer in the middle; lets tokens see only the last few before them,
with and without the first one; and takes the first token's values away, so that a look at it brings
nothing, in the middle third of the layers and in the last.

How to read it. Shares are means over all heads and over queries from the ninth token on. Costs are
the loss with the change less the loss without, on the same tokens. The map shows your text: how
much attention each token gets from all later ones, in every third layer.

What the texts are. Three docstrings of Python's standard library, 32 tokens each, other ones for
each seed.

What the literature reports. BERT has sinks of its own, mostly [SEP] (Clark et al. 2019, Section
3.2); those of MiniLM are in bert/sink_tokens.

Out of scope: why training makes a sink, and texts longer than a few dozen tokens, for which models
that generate without end keep the first tokens in a window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from labs.kit.reading import mean_loss
from labs.models import LanguageModel, load_language_model
from labs.tasks.passages import token_rows
from labs.transformer import Transformer
from labs.transformer.interventions import module_swapped, patched, self_attentions
from labs.transformer.probes import attention_maps
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress

QUESTION = "Why do the heads of a real model look at the first token?"
POINTS = ("1.2.2", "1.2.3", "1.2.4")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "sink": "The first token gets over a third of all attention, and so does the first word when "
    "the token that usually comes first is left out.",
    "one_number": "It hangs on one number: the largest of the first token's vector, set to zero "
    "before the middle layer, costs over 5 nats, the second largest less than a tenth of that.",
    "window": "Seeing only the last few tokens costs over 1 nat; with the first token in addition "
    "it costs less than half of that.",
    "constant": "What is read there is not nothing: with its values set to zero in the last third "
    "of the layers it costs over 0.5 nats, in the middle third less than half of that.",
}
HOLDS_IF = {
    "sink": "min(share_first, share_bare) > 1 / 3",
    "one_number": "cost_largest > 5 and cost_second_largest < cost_largest / 10",
    "window": "cost_window > 1 and cost_window_first < cost_window / 2",
    "constant": "cost_values_last > 0.5 and cost_values_middle < cost_values_last / 2",
}
KNOBS = {
    "text": ("The old man the boats.", "She sat on the bank of the river."),
    "window": (8, 4, 16),
}
TEXT_KNOBS = ("text",)
KNOB_HELP = {
    "text": "whose map is drawn: one of these, or one of your own",
    "window": "how many tokens one sees, itself included",
}
SEEDS = 3
SECONDS = {"cpu": 6}
LITERATURE = {
    "sink": "In BERT-base over half of the attention of layers 6 to 10 goes to [SEP] (Clark et al. "
    "2019, Section 3.2; segments of at most 128 tokens with two [SEP]).",
}

N_TEXTS = 3
N_TOKENS = 32
FIRST_QUERY = 8
"""Earlier tokens have few others to look at."""
MAP_EVERY = 3
MOST_SHOWN = 24
"""Tokens of the learner's own text."""


@torch.no_grad()
def run(*, text: str, window: int, seed: int, device: str, model: str) -> Iterator[Event]:
    """Shares of the first token, and what it costs to take parts of it away."""
    language = load_language_model(model, device)
    encode, begin = language.tokenizer.encode, [language.begin]
    yield received(language, text, device)
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=begin).to(device)
    even = sum(1 / (query + 1) for query in range(FIRST_QUERY, N_TOKENS)) / (N_TOKENS - FIRST_QUERY)
    yield Measurement("share_even", even, "", "even share of a token", yardstick=True)
    for name, label, tokens in (
        ("first", "first token", texts),
        ("bare", "first word, nothing in front", texts[:, 1:]),
    ):
        maps = torch.stack(attention_maps(language.model, tokens))
        # (layers, texts, heads, query, key)
        shares = maps[..., FIRST_QUERY:, 0].mean(dim=(1, 2, 3))
        layers = list(range(1, len(shares) + 1))
        yield Curve("Share of the attention", label, layers, shares.tolist(), "layer")
        yield Measurement(f"share_{name}", float(shares.mean()), "", f"share of attention, {label}")
    yield Progress(1, 2, "taking parts away")
    yield from costs(language.model, texts, window)


def costs(model: Transformer, texts: Tensor, window: int) -> Iterator[Event]:
    """What is lost with a number, with far tokens, or with values taken away."""
    stream = model.residual_stream(texts)  # n_layers + 1
    n_layers = len(model.blocks)
    intact = mean_loss(model.read(stream[-1]), texts)
    yield Measurement("loss", intact, "nats", "loss, nothing changed")
    sizes = [resid.abs().amax(dim=(0, -1)) for resid in stream]  # (seq_len,) each
    for line, largest in (
        ("first token", [float(of_token[0]) for of_token in sizes]),
        ("all others", [float(of_token[1:].max()) for of_token in sizes]),
    ):
        layers, unit = list(range(len(stream))), "size"
        yield Curve("Largest number of a vector", line, layers, largest, "layer", unit, log_y=True)
    half = n_layers // 2
    ranked = stream[half][:, 0].abs().mean(dim=0).argsort(descending=True).tolist()

    def resumed(layer: int) -> float:
        return mean_loss(model.resume(stream[layer], layer), texts) - intact

    for name, label, dimension in (
        ("largest", "its largest number zeroed", ranked[0]),
        ("second_largest", "its second largest number zeroed", ranked[1]),
    ):
        with patched(model, half, without_number(dimension)):
            yield Measurement(f"cost_{name}", resumed(half), "nats", f"cost, {label}")
    for name, label, kept in (
        ("window", "", 0),
        ("window_first", " and the first", 1),
    ):
        with seen_by_all(model, Window(window, kept)):
            what = f"cost, only the last {window} tokens{label} seen"
            yield Measurement(f"cost_{name}", resumed(0), "nats", what)
    for name, place in (("middle", 1), ("last", 2)):
        third = range(round(place * n_layers / 3), round((place + 1) * n_layers / 3))
        with values_zeroed(model, third):
            what = f"cost, values of the first token zeroed in the {name} third of layers"
            yield Measurement(f"cost_values_{name}", resumed(third.start), "nats", what)


def received(language: LanguageModel, text: str, device: str) -> HeatMap:
    """How much attention each token of a text gets from all later ones, layer by layer."""
    ids = [language.begin, *language.tokenizer.encode(text)][:MOST_SHOWN]
    maps = torch.stack(attention_maps(language.model, torch.tensor([ids], device=device)))[:, 0]
    by_query = maps.mean(dim=1)[::MAP_EVERY]  # (layers, query, key)
    n_later = torch.arange(len(ids) - 1, -1, -1, device=device).clamp(min=1)
    shares = by_query.tril(diagonal=-1).sum(dim=1) / n_later  # (layers, key)
    rows = [f"layer {layer + 1}" for layer in range(0, len(maps), MAP_EVERY)]
    columns = language.tokenizer.pieces(ids)
    # Nobody comes after the last token.
    values = [[*of_layer[:-1], None] for of_layer in shares.tolist()]
    return HeatMap("Attention that each token of your text gets", rows, columns, values, "share")


class Window(nn.Module):
    """A mask that shows each token the last few, itself included, and the first of all."""

    def __init__(self, size: int, n_first: int) -> None:
        super().__init__()
        self._size, self._n_first = size, n_first

    def forward(self, scores: Tensor) -> Tensor:
        # scores: (batch, n_heads, seq_len, seq_len)
        place = torch.arange(scores.shape[-1], device=scores.device)
        back = place[:, None] - place  # how far a key lies behind the query
        seen = (back >= 0) & ((back < self._size) | (place < self._n_first))
        return scores.masked_fill(~seen, -math.inf)


@contextmanager
def seen_by_all(model: Transformer, mask: nn.Module) -> Iterator[None]:
    """Put a mask into the place of the causal one in every layer."""
    with ExitStack() as masks:
        for attention in self_attentions(model):
            masks.enter_context(module_swapped(attention, "mask", mask))
        yield


@contextmanager
def values_zeroed(model: Transformer, layers: Sequence[int]) -> Iterator[None]:
    """In some layers, whoever looks at the first token takes nothing from there."""

    def zero(value: nn.Module, args: tuple[Tensor], out: Tensor) -> Tensor:
        return torch.cat((torch.zeros_like(out[:, :1]), out[:, 1:]), dim=1)

    with ExitStack() as hooks:
        attentions = self_attentions(model)
        for layer in layers:
            hooks.callback(attentions[layer].value.register_forward_hook(zero).remove)
        yield


def without_number(dimension: int) -> Callable[[Tensor], Tensor]:
    """A change of a stream that sets one number of the first token's vector to zero."""

    def change(resid: Tensor) -> Tensor:
        changed = resid.clone()  # (batch, seq_len, d_model)
        changed[:, 0, dimension] = 0
        return changed

    return change
