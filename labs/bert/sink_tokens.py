"""Much of a trained encoder's attention goes to one token, from which it takes nothing.

In most heads of MiniLM, a BERT of six layers, tokens give a large part of their attention to [CLS],
whatever the sentence is about. A softmax has to spend a weight of 1 somewhere; a head with nothing
to collect can spend it on a token whose value vector is close to zero. Such a token is called an
attention sink. The lab tests that reading on passages, another set for each seed: it takes the
values of [CLS] away, then hides [CLS] from the others, each beside an ordinary token; and it runs
sentences without [CLS], with positions from 0 and from 1, to see who takes over.

How to read it. Shares are means over tokens, heads and all layers but the first and the last; an
even share is 1 / length. A cosine of 1 means that the vector of the sentence, the mean of all its
tokens, stays the same. The maps show your sentence, a row for each token that looks; turn `head`
to see one head instead of the mean.

What the literature reports. In BERT-base over half of the attention goes to [SEP] in layers 6 to
10, early heads look at [CLS] and deep ones at punctuation (Clark et al. 2019, Section 3.2; inputs
of two parts).

Out of scope: why training makes sinks. These are interventions on one trained model, which was
trained further for sentence vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from itertools import islice

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labs.models import SentenceEncoder, load_encoder
from labs.models.sentence_encoder import pool
from labs.tasks.passages import passages
from labs.transformer.interventions import positions_replaced, self_attentions
from labs.transformer.probes import attention_maps
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress

QUESTION = "Why does so much attention go to [CLS]?"
POINTS = ("2.2.1", "2.2.3")
NEEDS = ("model:minilm",)
CLAIMS = {
    "sink": "[CLS] gets at least 35 % of the attention, [SEP] at most 10 %.",
    "empty": "Hardly anything is taken from it: with the values of [CLS] set to zero in all layers "
    "the sentence's vector keeps a cosine of at least 0.98, more than with those of a word.",
    "needed": "As a place to put weight it is needed: hidden from all tokens it costs far more, a "
    "cosine of at most 0.8, than a word that is hidden, at least 0.9.",
    "heir": "Without [CLS] the first word is the sink: it gets at least 35 %.",
    "heir_sep": "Without [CLS] the other special token is the sink: [SEP] gets at least 35 %.",
    "no_heir": "Without [CLS] neither the first word nor [SEP] gets as much as 35 %.",
    "either_mark": "The sink is known by [CLS] or by position 0: [CLS] gets at least 30 % with "
    "positions from 1, a first word at most 15 %.",
}
HOLDS_IF = {
    "sink": "share_cls >= 0.35 and share_sep <= 0.1",
    "empty": "cosine_no_values >= 0.98 and cosine_no_values > cosine_no_word_values",
    "needed": "cosine_hidden <= 0.8 and cosine_word_hidden >= 0.9",
    "heir": "share_heir >= 0.35",
    "heir_sep": "share_heir_sep >= 0.35",
    "no_heir": "share_heir < 0.35 and share_heir_sep < 0.35",
    "either_mark": "share_cls_moved >= 0.3 and share_heir_moved <= 0.15",
}
KNOBS = {
    "sentence": (
        "The old man the boats.",
        "She sat on the bank of the river.",
        "Nobody told the doctor that her brother was ill.",
    ),
    "head": ("mean", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"),
}
TEXT_KNOBS = ("sentence",)
KNOB_HELP = {
    "sentence": "whose maps are drawn; what is measured does not depend on it",
    "head": "which head the maps show: one of twelve, or the mean of all",
}
SEEDS = 3
SECONDS = {"cpu": 6}
LITERATURE = {
    "sink": "In BERT-base over half of the attention of layers 6 to 10 goes to [SEP] (Clark et al. "
    "2019, Section 3.2; segments of at most 128 tokens with two [SEP]).",
}

N_PASSAGES = 40
LONGEST = 32
"""Tokens of a passage that are read."""
WORD = 3
"""Place of the ordinary token that [CLS] is compared with."""


@torch.no_grad()
def run(*, sentence: str, head: str, model: str, seed: int, device: str) -> Iterator[Event]:
    """Who gets the attention, with and without [CLS], and what the sentence vector loses."""
    encoder = load_encoder(model, device)
    stack = encoder.model
    yield from maps_of(encoder, sentence, head)
    yield Progress(1, 3, "reading passages")
    texts = (text.split("\n\n")[0] for text in passages(seed, min_characters=60))
    tokens, visible = (part[:, :LONGEST] for part in encoder.batch(list(islice(texts, N_PASSAGES))))
    plain = pool(stack(tokens, visible=visible), visible)  # (n_passages, d_model)
    even = float((1 / visible.sum(dim=1)).mean())
    yield Measurement("share_even", even, "", "even share of a token", yardstick=True)

    is_sep = tokens == encoder.end
    of_cls = shares(encoder, tokens, visible, 0)
    of_sep = shares(encoder, tokens, visible, is_sep)
    without = tokens[:, 1:], visible[:, 1:]
    of_heir = shares(encoder, *without, 0)
    from_one = torch.arange(1, tokens.shape[1] + 1, device=device)
    with positions_replaced(stack, from_one):
        of_cls_moved = shares(encoder, tokens, visible, 0)
    with positions_replaced(stack, from_one[:-1]):
        of_heir_moved = shares(encoder, *without, 0)
    of_heir_sep = shares(encoder, *without, is_sep[:, 1:])
    for name, label, by_layer in (
        ("cls", "[CLS]", of_cls),
        ("sep", "[SEP]", of_sep),
        ("heir", "first word, no [CLS]", of_heir),
        ("heir_sep", "[SEP], no [CLS]", of_heir_sep),
        ("cls_moved", "[CLS], positions from 1", of_cls_moved),
        ("heir_moved", "first word, no [CLS], positions from 1", of_heir_moved),
    ):
        layers = list(range(1, len(by_layer) + 1))
        yield Curve("Share of the attention", label, layers, by_layer, "layer")
        inner = by_layer[1:-1] or by_layer
        mean = sum(inner) / len(inner)
        yield Measurement(f"share_{name}", mean, "", f"share of attention, {label}")

    yield Progress(2, 3, "taking parts away")
    for name, label, change, seen in (
        ("no_values", "values of [CLS] zeroed", values_zeroed(encoder, 0), visible),
        ("no_word_values", "values of a word zeroed", values_zeroed(encoder, WORD), visible),
        ("hidden", "[CLS] hidden from all", nullcontext(), unseen(visible, 0)),
        ("word_hidden", "a word hidden from all", nullcontext(), unseen(visible, WORD)),
    ):
        vectors = changed(encoder, tokens, seen, change)
        cosine = float((plain * pool(vectors, visible)).sum(dim=-1).mean())
        yield Measurement(f"cosine_{name}", cosine, "", f"cosine of the sentence vector, {label}")


def maps_of(encoder: SentenceEncoder, sentence: str, head: str) -> Iterator[Event]:
    """The attention of one sentence, layer by layer, and what each head gives to [CLS]."""
    tokens, _ = encoder.batch([sentence])
    tokens = tokens[:, :LONGEST]
    names = encoder.tokenizer.pieces(tokens[0].tolist())
    maps = torch.stack(attention_maps(encoder.model, tokens))[:, 0]  # (layers, heads, query, key)
    if head != "mean" and int(head) > maps.shape[1]:
        raise ValueError(f"head is {head}, and this model has {maps.shape[1]}: give one of these")
    chosen = maps.mean(dim=1) if head == "mean" else maps[:, int(head) - 1]
    what = "mean of the heads" if head == "mean" else f"head {head}"
    for layer, weights in enumerate(chosen.tolist(), start=1):
        yield HeatMap(f"Your sentence, layer {layer}, {what}", names, names, weights, "share")
    layers = [f"layer {layer}" for layer in range(1, len(maps) + 1)]
    heads = [str(number) for number in range(1, maps.shape[1] + 1)]
    to_cls = maps[..., 0].mean(dim=-1).tolist()  # (layers, heads)
    yield HeatMap("What each head gives to [CLS], your sentence", layers, heads, to_cls, "share")


def shares(
    encoder: SentenceEncoder, tokens: Tensor, visible: Tensor, of: Tensor | int
) -> list[float]:
    """The share of the attention that goes to one place, or to the tokens marked in `of`."""
    found = []
    for weights in attention_maps(encoder.model, tokens, visible=visible):
        if isinstance(of, int):
            to_it = weights[..., of]  # (n_passages, n_heads, query)
        else:
            to_it = (weights * of[:, None, None]).sum(dim=-1)
        found.append(float(to_it.mean(dim=1)[visible].mean()))
    return found


@contextmanager
def values_zeroed(encoder: SentenceEncoder, place: int) -> Iterator[None]:
    """Whoever looks at `place` takes nothing from there, in any layer."""

    def zero(value: nn.Module, args: tuple[Tensor], out: Tensor) -> Tensor:
        empty = F.one_hot(torch.tensor(place), out.shape[-2]).to(out)[:, None]
        return out * (1 - empty)  # out: (batch, seq_len, d_model)

    with ExitStack() as hooks:
        for attention in self_attentions(encoder.model):
            hooks.callback(attention.value.register_forward_hook(zero).remove)
        yield


def unseen(visible: Tensor, place: int) -> Tensor:
    """The same with one more place that nobody sees."""
    seen = visible.clone()
    seen[:, place] = False
    return seen


def changed(
    encoder: SentenceEncoder,
    tokens: Tensor,
    seen: Tensor,
    change: AbstractContextManager[None],
) -> Tensor:
    """The vectors of the last layer while something is taken away; positions stay as they are."""
    with change:
        start = encoder.model.embedded(tokens)
        return encoder.model.resume(start, 0, visible=seen)
