"""A fact stays with its subject until one layer of attention carries it to where it is asked.

"The capital of France is": SmolLM2-135M continues with Paris. Somewhere between the token France
and the token that follows "is", the model has to bring the two together. Activation patching finds
where: the prompt about France runs as it is, but at one token, in front of one layer, the stream is
replaced by that of the same prompt about Japan. If the answer is now Tokyo, what decides it was in
that place. Then the attention of single layers is left out: what does the model need to answer?

How to read it. Layers are counted from 0, of 30. "At the country": the stream is replaced at the
country's token; "at the end": at the last token, where the answer is read. Each prompt borrows from
another of the same seed. The loss on docstrings, read beside, tells a layer that facts need from
one that everything needs.

What the texts are. Twelve prompts for each seed, of 42 countries whose name is one token; only
those that the model answers rightly are patched. An answer counts as right by its first token.

What the literature reports. The method and the picture for GPT-2 XL, with an early site at the
subject and a late one at the end: Meng et al. 2022 (ROME). Its figures are not quoted here.

Out of scope: where facts are stored. Patching shows where they are needed on the way, and leaving a
sublayer out shows that this trained model leans on it, not that no other could do without.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from labs.models import load_language_model
from labs.tasks.capitals import COUNTRY, LAST, ask_capitals
from labs.tasks.passages import token_rows
from labs.transformer import Transformer
from labs.transformer.interventions import skipped
from labs.transformer.model import Block
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "Where in a real model is a fact, while it is being recalled?"
POINTS = ("3.3.1", "3.3.3")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "moves": "Up to the input of layer 23 the country's token decides the answer (at least 80 %) "
    "and the last token does not (at most 10 %); from the input of layer 24 it is the reverse.",
    "fades": "The share of answers that the country's token decides is between 20 % and 80 % in "
    "front of layer 12 or of layer 22, and below 80 % in front of layer 23: it fades by degrees.",
    "early": "In front of layer 12 the country's token decides less than 20 % of the answers.",
    "one_layer": "Without the attention of layer 23 at most 10 % of the answers are right, while "
    "the loss on docstrings rises by less than 0.3 nats.",
    "others_spared": "Without the attention of layer 20, 22, 24 or 26 at least half of the "
    "answers are still right.",
}
HOLDS_IF = {
    "moves": "min(country_0, country_23, end_24) >= 0.8 and max(end_0, end_23, country_24) <= 0.1",
    "fades": "country_23 < 0.8 and (0.2 <= country_12 <= 0.8 or 0.2 <= country_22 <= 0.8)",
    "early": "country_12 < 0.2",
    "one_layer": "right_without_23 <= 0.1 and cost_without_23 < 0.3",
    "others_spared": "min(right_without_20, right_without_22, right_without_24, right_without_26)"
    " >= 0.5",
}
KNOBS = {"n_prompts": (12, 24)}
KNOB_HELP = {"n_prompts": "countries that are asked for, less those that the model gets wrong"}
SEEDS = 3
SECONDS = {"cpu": 9}

PATCHED = (0, 12, 22, 23, 24, 28)
LEFT_OUT = (20, 22, 23, 24, 26)


@torch.no_grad()
def run(*, n_prompts: int, seed: int, device: str, model: str) -> Iterator[Event]:
    """Prompts patched at two tokens in front of several layers, then layers left out."""
    language = load_language_model(model, device)
    decoder, encode = language.model, language.tokenizer.encode
    asked = ask_capitals(language, n_prompts, seed=seed)
    right = decoder(asked.prompts)[:, LAST].argmax(dim=-1) == asked.answers
    label = f"of {len(right)} capitals the model knows"
    yield Measurement("known", float(right.double().mean()), "", label)
    known = asked.chosen(right.nonzero()[:, 0])
    stream = decoder.residual_stream(known.prompts)
    texts = token_rows(encode, 4, 32, seed=seed, begin=[language.begin]).to(device)
    yield from patching(decoder, stream, known.answers)
    yield from leaving_out(decoder, stream, known.answers, texts)


def patching(model: Transformer, stream: list[Tensor], right: Tensor) -> Iterator[Event]:
    """Whose capital is answered when one token of the stream comes from another country."""
    others = right.roll(1)  # every prompt borrows from the one before it
    layers = [layer for layer in PATCHED if layer < len(model.blocks)]
    for done, layer in enumerate(layers):
        yield Progress(done, len(layers) + len(LEFT_OUT), f"patching in front of layer {layer}")
        for name, place, label in (
            ("country", COUNTRY, "at the country"),
            ("end", LAST, "at the end"),
        ):
            patched = stream[layer].clone()
            patched[:, place] = stream[layer].roll(1, dims=0)[:, place]
            answered = model.resume(patched, layer)[:, LAST].argmax(dim=-1)
            share = float((answered == others).double().mean())
            chart = "The other country's capital is answered"
            yield Curve(chart, label, [layer], [share], "in front of layer", "share")
            what = f"the other capital is answered, patched {label} in front of layer {layer}"
            yield Measurement(f"{name}_{layer}", share, "", what)


def leaving_out(
    model: Transformer, stream: list[Tensor], right: Tensor, texts: Tensor
) -> Iterator[Event]:
    """Right answers, and the loss on ordinary text, without the attention of one layer."""
    rows = []
    text_stream = model.residual_stream(texts)
    before = loss(model.read(text_stream[-1]), texts)
    layers = [layer for layer in LEFT_OUT if layer < len(model.blocks)]
    for done, layer in enumerate(layers):
        note = f"leaving out the attention of layer {layer}"
        yield Progress(len(PATCHED) + done, len(PATCHED) + len(layers), note)
        block = model.blocks[layer]
        assert isinstance(block, Block)
        with skipped(block, "attention"):
            answered = model.resume(stream[layer], layer)[:, LAST].argmax(dim=-1)
            cost = loss(model.resume(text_stream[layer], layer), texts) - before
        share = float((answered == right).double().mean())
        rows.append((f"layer {layer}", share, cost))
        label = f"right answers without the attention of layer {layer}"
        yield Measurement(f"right_without_{layer}", share, "", label)
        label = f"loss on docstrings that the attention of layer {layer} saves"
        yield Measurement(f"cost_without_{layer}", cost, "nats", label)
    columns = ("attention left out", "right answers", "loss on docstrings, more by (nats)")
    yield Table("Without the attention of one layer", columns, rows)


def loss(logits: Tensor, tokens: Tensor) -> float:
    """Mean loss of every token but the first, in nats."""
    # logits: (batch, seq_len, vocab_size); tokens: (batch, seq_len)
    return float(F.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:]))
