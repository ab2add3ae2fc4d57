"""Cross-attention points at the source word that is being translated, wherever it stands.

A trained translator from English to Portuguese reads sentences such as "The red house is near the
old church." Portuguese mostly puts the adjective behind its noun, so that words cross: when the
second word is written, the third has to be read. The lab looks up, for every noun and adjective,
which source word the cross-attention of each head points at while the word is written. Then it
hides that one source word from the decoder, whose encoder has read the whole sentence, and measures
what the translation of this word and what all other words lose.

How to read it. A head is right about a word if its largest weight lies on the word translated. The
yardstick is a reader that always looks at the source word in the same place. The map shows your
sentence: a row for each token written, a column for each token read; turn `head` to see others.

What the texts are. Sixteen sentences of one pattern, with other nouns and adjectives for each seed.

What the literature reports. Attention of a translator draws the alignment of words, mostly along
the diagonal between English and French (Bahdanau et al. 2015, Figure 3).

Out of scope: how alignments arise by themselves. Head 1 of the last layer was trained as an aligner
besides, as the model's own description says; the other heads of this layer were not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import nan
from random import Random
from statistics import mean
from typing import NamedTuple

import torch
from torch import Tensor

from labs.kit.budget import one_thread
from labs.models import Translator, load_translator
from labs.models.translator import Alignment
from studykit.lab.events import Event, HeatMap, Measurement, Progress, Table, UnmetNeedError

QUESTION = "How does a real translator find the word that it has to translate next?"
POINTS = ("1.3.2", "1.3.4")
NEEDS = ("model:translator",)
CLAIMS = {
    "crosses": "One head of the last decoder layer points at the word that is being translated in "
    "at least 90 % of the cases, also where adjective and noun change places; the word in the same "
    "place is right in less than half.",
    "decides": "What it points at is what is used: with this one source word hidden from the "
    "decoder its translation costs over 5 nats more, another word less than 0.5.",
}
HOLDS_IF = {
    "crosses": "min(right_aligner, right_crossed) >= 0.9 and right_same_place < 0.5"
    " if n_crossed >= 8 else unknown",
    "decides": "cost_own > 5 and cost_others < 0.5",
}
KNOBS = {
    "sentence": (
        "The red house is near the old church.",
        "She gave the little boy a green apple.",
        "The doctor who lives next door is ill.",
    ),
    "head": (1, 2, 3, 4, 5, 6, 7, 8),
}
TEXT_KNOBS = ("sentence",)
KNOB_HELP = {
    "sentence": "English, whose map is drawn: one of these, or one of your own",
    "head": "of the last decoder layer, for the map of your sentence",
}
SEEDS = 3
SECONDS = {"cpu": 4}

ADJECTIVES = {
    "red": ("vermelh",), "white": ("branc",), "black": ("pret", "negr"), "yellow": ("amarel",),
    "green": ("verde",), "blue": ("azu",), "old": ("velh", "antig"), "new": ("nov",),
    "small": ("pequen",), "big": ("grande",), "cold": ("fri",), "dry": ("sec",),
    "open": ("abert",), "tall": ("alt",), "empty": ("vazi",),
}  # fmt: skip
NOUNS = {
    "house": ("casa",), "church": ("igreja",), "chair": ("cadeira",), "table": ("mesa",),
    "car": ("carro",), "cat": ("gat",), "dog": ("cão", "cachorr"), "horse": ("cavalo",),
    "bridge": ("ponte",), "school": ("escola",), "tower": ("torre",), "garden": ("jardim",),
    "door": ("porta",), "window": ("janela",), "ship": ("navio",), "book": ("livro",),
    "river": ("rio",), "tree": ("árvore",), "market": ("mercado",),
}  # fmt: skip
"""English word -> how its translations begin."""
N_TEXTS = 16
ALIGNER = (-1, 0)
"""Layer and head that the model's training gave the alignments to."""


class Word(NamedTuple):
    """Where a word is read in the source, and where its translation is written."""

    read: int
    written: int


@one_thread
@torch.no_grad()
def run(*, sentence: str, head: int, model: str, seed: int, device: str) -> Iterator[Event]:
    """Look up where each head points, and hide the words that are translated."""
    translator = load_translator(model, device)
    n_heads = translator.model.config.n_heads
    if head > n_heads:
        raise UnmetNeedError(f"head is {head}, and this model has {n_heads}: give one of these")
    yield from your_sentence(translator, sentence, head)
    yield Progress(1, 2, "following the heads")
    draw = Random(seed)
    drawn = [
        (draw.sample(list(ADJECTIVES), 2), draw.sample(list(NOUNS), 2)) for _ in range(N_TEXTS)
    ]
    sentences = [f"The {a} {m} is near the {b} {n}." for (a, b), (m, n) in drawn]
    rows = list(zip(sentences, translator.translate(sentences), strict=True))
    yield Table("Sentences and their translations", ("English", "Portuguese"), rows)
    right: list[Tensor] = []  # (layers, heads) for each word
    same_place: list[float] = []
    crossed: list[float] = []
    costs: list[tuple[float, float]] = []
    for texts, (adjectives, nouns) in zip(rows, drawn, strict=True):
        found = translator.alignment(*texts)
        largest = torch.stack(found.layers).argmax(dim=-1)  # (layers, heads, target)
        known: list[Word] = []
        for pair in zip(adjectives, nouns, strict=True):
            words = [word for word in (place(found, of) for of in pair) if word is not None]
            if len(words) < 2:  # another translation than those we know
                continue
            adjective, noun = ((largest[..., word.written] == word.read).float() for word in words)
            right += [adjective, noun]
            same_place += [float(word.read == word.written) for word in words]
            known += words
            if words[1].written < words[0].written:
                crossed.append(float(adjective[ALIGNER] * noun[ALIGNER]))
        costs += costs_of_hiding(translator, texts, known)
    if not right:
        raise UnmetNeedError(
            f"{model} wrote none of the Portuguese words that this lab looks for: "
            "give a translator from English to Portuguese"
        )
    yield from results(torch.stack(right), same_place, crossed, costs)


def results(
    right: Tensor,
    same_place: Sequence[float],
    crossed: Sequence[float],
    costs: Sequence[tuple[float, float]],
) -> Iterator[Event]:
    """Shares and means over all words; `right` is (words, layers, heads)."""
    by_head = right.mean(dim=0)  # (layers, heads)
    layers = [f"layer {layer + 1}" for layer in range(len(by_head))]
    heads = [str(head + 1) for head in range(by_head.shape[1])]
    yield HeatMap("Words that each head is right about", layers, heads, by_head.tolist(), "share")
    own, others = (mean(values) for values in zip(*costs, strict=True))
    for name, value, unit, label in (
        ("right_same_place", mean(same_place), "", "words right, same place in the source"),
        ("right_aligner", float(by_head[ALIGNER]), "", "words right, head 1 of the last layer"),
        ("right_first_layer", float(by_head[0].mean()), "", "words right, mean of the first layer"),
        ("n_crossed", len(crossed), "pairs", "adjective and noun that change places"),
        ("right_crossed", mean(crossed) if crossed else nan, "", "both right where they cross"),
        ("cost_own", own, "nats", "cost of the word whose source is hidden"),
        ("cost_others", others, "nats", "cost of another word then"),
    ):
        yield Measurement(name, value, unit, label, yardstick=name == "right_same_place")


def your_sentence(translator: Translator, sentence: str, head: int) -> Iterator[Event]:
    """The map of one head for a sentence and the translation that the model writes."""
    found = translator.alignment(sentence)
    weights = found.layers[-1][head - 1].tolist()
    title = f"Your sentence: last decoder layer, head {head}"
    yield HeatMap(title, found.target, found.source, weights, "share")


def place(found: Alignment, word: str) -> Word | None:
    """Where a word is read and written; None if its translation is not there once, in a piece."""
    read = [n for n, piece in enumerate(found.source) if piece == word]
    stems = ADJECTIVES.get(word) or NOUNS[word]
    written = [n for n, piece in enumerate(found.target) if piece.startswith(stems)]
    return Word(read[0], written[0]) if len(read) == len(written) == 1 else None


def costs_of_hiding(
    translator: Translator, texts: tuple[str, str], words: Sequence[Word]
) -> list[tuple[float, float]]:
    """For each word what it costs that the decoder cannot see where it is read, and each other."""
    pairs = translator.pairs([texts[0]], [texts[1]])
    encoded = translator.model.encoder(pairs.source)
    intact = translator.losses(pairs, encoded)[0]  # (target_len,)
    found = []
    for word in words:
        visible = pairs.source_visible.clone()
        visible[:, word.read] = False
        costs = translator.losses(replace(pairs, source_visible=visible), encoded)[0] - intact
        own = float(costs[word.written])
        found.append((own, (float(costs.sum()) - own) / (len(costs) - 1)))
    return found
