"""Everything that a translator knows of the source comes over one bridge, vector by vector.

A trained translator from English to Portuguese writes what it would write anyway, while the
encoder's output is replaced on its way to the decoder: by zeros, by that of another sentence, by
the embeddings that the encoder starts from, by one vector for all tokens (their mean, or that of
the end of the sentence), or by the same vectors in another order. Nothing is trained again.

How to read it. The loss is that of the model's own translation, in nats a token, given the words
before it; whoever knows nothing but the vocabulary loses ln V. The table shows your sentence, and
what the decoder writes over each bridge.

What the texts are. The first lines of 16 docstrings of Python's standard library, other ones for
each seed.

What the literature reports. A translator that passes one vector of fixed length falls behind on
long sentences, one with attention does not (Bahdanau et al. 2015).

Out of scope: a decoder that is trained on another bridge, which would make more of it: that is
core/encoder_decoder, where a model is trained on a mean of vectors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

import torch
from torch import Generator, Tensor

from labs.kit.budget import generator, one_thread
from labs.models import Translator, load_translator
from labs.models.translator import Pairs
from labs.tasks.passages import passages
from labs.transformer.generation import generate
from studykit.lab.events import Event, Measurement, Progress, Table

QUESTION = "What passes from the encoder of a real translator to its decoder?"
POINTS = ("1.3.1", "1.3.2", "1.3.3")
NEEDS = ("model:translator",)
CLAIMS = {
    "needed": "With zeros in place of the encoder's vectors, or with those of another sentence, "
    "the decoder loses over 5 nats a token: the words it has written are not enough.",
    "worked_on": "With the bare embeddings of the right sentence it loses more than with the "
    "encoder's vectors of a wrong one.",
    "summary": "One vector for the whole sentence is a poor bridge, and it matters which: with the "
    "mean the decoder loses 2 nats more than with all, but less than half of what it loses with "
    "zeros; with the vector of the end more than twice as much as with the mean.",
}
HOLDS_IF = {
    "needed": "min(loss_zeros, loss_other) > 5",
    "worked_on": "loss_embeddings > loss_other",
    "summary": "loss_mean - loss_full > 2 and loss_mean < loss_zeros / 2"
    " and loss_end > 2 * loss_mean",
}
KNOBS = {
    "sentence": (
        "The old man reads the newspaper in the garden.",
        "She put the key on the table and left.",
    )
}
TEXT_KNOBS = ("sentence",)
KNOB_HELP = {"sentence": "English, translated over each bridge: one of these, or one of your own"}
SEEDS = 3
SECONDS = {"cpu": 5}

N_SENTENCES = 16
FEWEST_WORDS, MOST_WORDS = 6, 20
N_WRITTEN = 24
OTHER = "The doctor will see you tomorrow."
"""The sentence whose vectors yours is given."""
LABELS = {
    "full": "the encoder's vectors",
    "zeros": "zeros",
    "other": "another sentence's vectors",
    "embeddings": "embeddings, no encoder",
    "mean": "their mean, for every token",
    "end": "that of the end, for every token",
    "shuffled": "the same vectors, shuffled",
    "words_shuffled": "vectors of shuffled words",
}


@one_thread
@torch.no_grad()
def run(*, sentence: str, model: str, seed: int, device: str) -> Iterator[Event]:
    """The loss of the same translations over each bridge, and what is written over it."""
    translator = load_translator(model, device)
    uniform = math.log(translator.model.config.vocab_size)
    yield Measurement("uniform_entropy", uniform, "nats", "uniform guess", yardstick=True)
    lines = (text.split("\n")[0].split()[:MOST_WORDS] for text in passages(seed))
    texts = (" ".join(words) for words in lines if len(words) >= FEWEST_WORDS)
    sentences = list(islice(texts, N_SENTENCES))
    pairs = translator.pairs(sentences, translator.translate(sentences))
    n_tokens = int((pairs.expected >= 0).sum())
    yield Progress(1, 2, "crossing bridges")
    for name, (encoded, visible) in bridges(translator, pairs, generator(seed, "probe")).items():
        crossed = translator.losses(replace(pairs, source_visible=visible), encoded)
        loss = float(crossed.sum()) / n_tokens
        yield Measurement(f"loss_{name}", loss, "nats", f"loss, {LABELS[name]}")
    yield Progress(2, 2, "translating your sentence")
    both = translator.pairs([sentence, OTHER], ["", ""])
    rows = [
        (LABELS[name], written(translator, encoded[:1], visible[:1]))
        for name, (encoded, visible) in bridges(translator, both, generator(0, "probe")).items()
    ]
    yield Table("Your sentence over each bridge", ("what the decoder reads", "it writes"), rows)


def bridges(
    translator: Translator, pairs: Pairs, draw: Generator
) -> Mapping[str, tuple[Tensor, Tensor]]:
    """What the decoder may be given, (batch, source_len, d_model), and what of it is visible."""
    encoder, source, visible = translator.model.encoder, pairs.source, pairs.source_visible
    encoded = encoder(source, visible=visible)
    n_tokens = visible.sum(dim=1, keepdim=True)  # (batch, 1), the end of the sentence included
    mean = (encoded * visible[..., None]).sum(dim=1) / n_tokens  # (batch, d_model)
    rows = torch.arange(len(source), device=source.device)
    end = encoded[rows, n_tokens[:, 0] - 1]
    all_order = shuffled(n_tokens, source.shape[1], draw)
    words = source.gather(1, shuffled(n_tokens - 1, source.shape[1], draw))  # the end stays
    return {
        "full": (encoded, visible),
        "zeros": (torch.zeros_like(encoded), visible),
        "other": (encoded.roll(1, dims=0), visible.roll(1, dims=0)),
        "embeddings": (encoder.embedded(source, visible=visible), visible),
        "mean": (mean[:, None].expand_as(encoded), visible),
        "end": (end[:, None].expand_as(encoded), visible),
        "shuffled": (encoded[rows[:, None], all_order], visible),
        "words_shuffled": (encoder(words, visible=visible), visible),
    }


def shuffled(n_shuffled: Tensor, width: int, draw: Generator) -> Tensor:
    """For each row an order of its places, (batch, width), with the first `n_shuffled` mixed."""
    keys = torch.rand(len(n_shuffled), width, generator=draw).to(n_shuffled.device)
    place = torch.arange(width, device=n_shuffled.device)
    # What is not to be mixed is sorted behind it, in its order.
    return torch.where(place < n_shuffled, keys, 1.0 + place).argsort(dim=1)


def written(translator: Translator, encoded: Tensor, visible: Tensor) -> str:
    """What the decoder writes, always the likeliest token."""
    begin = torch.full((1, 1), translator.begin, device=encoded.device)
    new = generate(
        translator.model.decoder,
        begin,
        N_WRITTEN,
        stop=translator.end,
        encoded=encoded,
        encoded_visible=visible,
    )
    return translator.tokenizer.decode(i for i in new[0].tolist() if i != translator.end)
