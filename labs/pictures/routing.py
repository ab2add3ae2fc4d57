"""Attention routes: the text itself decides, anew in every layer, who collects from whom.

The weights of attention are a graph that is drawn for each text. How much of it depends on the
text is tested by putting another graph in its place: in SmolLM2-135M (30 layers of 9 heads) the
weights of all heads are replaced by their mean over other texts, so that each place collects from
the same places whatever stands there, and queries and keys are ignored. Beside it: no attention at
all, an even mean of all earlier tokens, and single layers with replaced weights. Then one word is
exchanged, to see which weights move. Last, all edges that lead straight from that word to the last
token are cut, and the exchange is repeated.

How to read it. Costs are the loss with the change less the loss without, on the same tokens. Shares
and changes are means over heads; half the sum of the changes of a row is the share of its attention
that went elsewhere. What a token delivers is its weight times the length of what the head writes
for its value. The maps show a sentence of yours with two words for one place: the head that changes
the most, or the one that you name, as layer.head.

What the texts are. Three docstrings of Python's standard library, 24 tokens each, and five more
for the means; other ones for each seed. The word put in is drawn at random.

What the literature reports. Any two tokens are one step of self-attention apart, and O(n) steps of
a recurrent network (Vaswani et al. 2017, Table 1). How much use a text makes of that is asked here.

Out of scope: which relation a head follows (core/agreement, patterns/composition), and why the
first token gets so much (core/attention_sink).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import torch
from torch import Tensor

from labs.kit.reading import mean_loss
from labs.kit.two_words import maps_of_both
from labs.kit.words import words_of
from labs.models import load_language_model
from labs.tasks.passages import token_rows
from labs.transformer import Transformer
from labs.transformer.interventions import self_attentions, weights_changed
from labs.transformer.probes import attention_maps, delivered
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "How much of the routing by attention does the text itself decide?"
POINTS = ("6.1.1", "6.1.2", "6.1.3", "6.1.4")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "frozen": "With the mean weights of other texts in all heads, over a third of what attention "
    "is worth is lost, and over 1 nat.",
    "some": "It loses a tenth to a third of what attention is worth.",
    "hardly": "It loses less than a tenth of what attention is worth.",
    "frozen_layer": "In a single layer of the middle the same costs less than 0.2 nats, in the "
    "mean of two.",
    "ratios": "When a word is exchanged, a later token of the first layer divides its attention "
    "between all other tokens in the ratios of before; in higher layers the ratios change.",
    "amounts": "The first token delivers less than four fifths of what its share of the weights "
    "suggests.",
    "detour": "With the edges straight from the word to the last token cut in every head, over a "
    "third of the word's effect on the last token's logits is left.",
}
HOLDS_IF = {
    "frozen": "cost_frozen > cost_none / 3 and cost_frozen > 1",
    "some": "cost_none / 10 <= cost_frozen <= cost_none / 3",
    "hardly": "cost_frozen < cost_none / 10",
    "frozen_layer": "cost_frozen_layer < 0.2",
    "ratios": "ratio_first < 0.0001 and ratio_higher > 0.01",
    "amounts": "delivered_first < 0.8 * weight_first",
    "detour": "effect_detour > 1 / 3",
}
KNOBS = {
    "sentence": (
        "The [river/city] bank was closed after the flood.",
        "The [dog/stone] was too heavy to lift, so she left it.",
        "He [never/often] said that the plan would work.",
    ),
    "head": ("most changed", "17.1", "19.7"),
}
TEXT_KNOBS = ("sentence", "head")
KNOB_HELP = {
    "sentence": "with two words for one place in brackets: one of these, or one of your own",
    "head": "whose maps are drawn: the most changed one, or layer.head, as 17.1",
}
SEEDS = 3
SECONDS = {"cpu": 10}

N_TEXTS, N_OTHERS, N_TOKENS = 3, 5, 24
WORD = 8
"""Place of the exchanged token; queries from here on have a choice of whom to look at."""


@torch.no_grad()
def run(*, sentence: str, head: str, seed: int, device: str, model: str) -> Iterator[Event]:
    """Maps of your sentence, then weights replaced, a word exchanged, and edges cut."""
    language = load_language_model(model, device)
    yield from maps_of_both(language, sentence, head, device)
    encode, begin = language.tokenizer.encode, [language.begin]
    rows = token_rows(encode, N_TEXTS + N_OTHERS, N_TOKENS, seed=seed, begin=begin).to(device)
    texts, others = rows[:N_TEXTS], rows[N_TEXTS:]
    yield Progress(1, 4, "replacing weights")
    yield from frozen(language.model, texts, others)
    yield Progress(2, 4, "exchanging a word")
    changed = texts.clone()
    drawn = Random(seed).sample(words_of(language), N_TEXTS)
    changed[:, WORD] = torch.tensor(drawn, device=device)
    yield from moved(language.model, texts, changed)
    yield Progress(3, 4, "cutting edges")
    yield from detour(language.model, texts, changed)


def frozen(model: Transformer, texts: Tensor, others: Tensor) -> Iterator[Event]:
    """What it costs if the weights are those that other texts have in the mean."""
    attentions = self_attentions(model)
    # (1, n_heads, N_TOKENS, N_TOKENS) for each layer
    mean = [weights.mean(dim=0, keepdim=True) for weights in attention_maps(model, others)]
    even = torch.ones_like(mean[0]).tril()
    even /= even.sum(dim=-1, keepdim=True)
    stream = model.residual_stream(texts)
    intact = mean_loss(model.read(stream[-1]), texts)

    def cost(layers: Sequence[int], by: Sequence[Tensor]) -> float:
        changed = [attentions[layer] for layer in layers]
        with weights_changed(changed, lambda number, weights: by[number].expand_as(weights)):
            return mean_loss(model.resume(stream[layers[0]], layers[0]), texts) - intact

    every = range(len(attentions))
    middle = (len(every) // 3, 3 * len(every) // 5)
    single = [cost([layer], [mean[layer]]) for layer in middle]
    costs = {
        "frozen": ("mean weights of other texts", cost(every, mean)),
        "even": ("even mean of all earlier tokens", cost(every, [even] * len(every))),
        "none": ("no attention", cost(every, [torch.zeros_like(even)] * len(every))),
        "frozen_layer": (
            "mean weights in one of two middle layers, mean",
            sum(single) / len(single),
        ),
    }
    for name, (label, value) in costs.items():
        yield Measurement(f"cost_{name}", value, "nats", f"cost, {label}")
    yield Table("Cost of other weights", ("weights", "cost (nats)"), list(costs.values()))


def moved(model: Transformer, texts: Tensor, changed: Tensor) -> Iterator[Event]:
    """Which weights move when a word is exchanged, and what the first token delivers."""
    before, after = attention_maps(model, texts), attention_maps(model, changed)
    later = slice(WORD + 1, None)
    shares = [
        float((new - old)[:, :, later].abs().sum(dim=-1).mean()) / 2
        for old, new in zip(before, after, strict=True)
    ]
    layers = list(range(1, len(shares) + 1))
    chart = "Attention that goes elsewhere when a word is exchanged"
    yield Curve(chart, "later tokens", layers, shares, "layer", "share")
    ratios = []
    for old, new in zip(before, after, strict=True):
        # The unchanged tokens in front of the word, among themselves.
        parts = [weights[:, :, later, :WORD] for weights in (old, new)]
        first, second = (part / part.sum(dim=-1, keepdim=True) for part in parts)
        ratios.append(float((second - first).abs().amax()))
    label = "largest change of a share among unchanged tokens"
    yield Measurement("ratio_first", ratios[0], "", f"{label}, first layer")
    yield Measurement("ratio_higher", max(ratios[1:], default=0.0), "", f"{label}, higher layers")
    brought = [
        lengths / lengths.sum(dim=-1, keepdim=True)
        for lengths in delivered(model, model.residual_stream(texts), before)
    ]
    for name, label, shares_of in (
        ("weight", "the weights", before),
        ("delivered", "what is delivered", brought),
    ):
        of_first = [float(shares[:, :, WORD:, 0].mean()) for shares in shares_of]
        mean = sum(of_first) / len(of_first)
        yield Measurement(f"{name}_first", mean, "", f"share of the first token in {label}")


def detour(model: Transformer, texts: Tensor, changed: Tensor) -> Iterator[Event]:
    """How much of the word's effect on the last token is left without edges between the two."""

    def cut(number: int, weights: Tensor) -> Tensor:
        left = weights.clone()
        left[:, :, -1, WORD] = 0
        return left / left.sum(dim=-1, keepdim=True)

    def effect() -> float:
        ends = [model.read(model.last_stream(rows)[:, -1:])[:, 0] for rows in (texts, changed)]
        difference = ends[1] - ends[0]  # (N_TEXTS, vocab_size)
        # Adding one number to all logits changes no prediction.
        return float((difference - difference.mean(dim=-1, keepdim=True)).norm(dim=-1).mean())

    whole = effect()
    with weights_changed(self_attentions(model), cut):
        left = effect() / whole
    label = "of the word's effect on the last token's logits, straight edges cut"
    yield Measurement("effect_detour", left, "", label)
