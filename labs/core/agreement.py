"""Two heads carry the number of the subject to the verb.

"The keys near the cabinet" goes on with "are", although the last noun is singular. SmolLM2-135M
gets this right. The lab silences every head of the last layers, one at a time, on sentences with a
few nouns, and takes the two without which the right verb loses most. Then it silences these two on
sentences with other nouns, other distracting nouns and other prepositions; beside them two other
heads of the same layers, and the same two on ordinary text.

How to read it. The margin is the logit of the right verb less that of the wrong one, "is" or "are";
a sentence is right if it is above 0, and chance is one half. All sentences measured have a
distracting noun of the other number. The map has the margin that is lost without each head, on the
sentences that it was found on. The table shows your beginning: the chance of both verbs, with all
heads and without the two.

What the texts are. For each seed other nouns, drawn from 29, and as ordinary text two docstrings of
Python's standard library.

What the literature reports. In BERT single heads follow single relations of grammar: in one of them
86.8 % of the direct objects attend most to their verb (Clark et al. 2019, Table 1).

Out of scope: what the lower layers do to bring the number of the subject to where these heads read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from random import Random
from typing import TypeAlias

import torch
from torch import Tensor

from labs.kit.reading import mean_loss
from labs.models import LanguageModel, load_language_model
from labs.tasks.passages import token_rows
from labs.transformer.interventions import silenced_heads
from labs.transformer.probes import attention_maps
from studykit.lab.events import Event, HeatMap, Measurement, Progress, Table, UnmetNeedError

QUESTION = "Which heads know whether the subject is singular or plural?"
POINTS = ("1.2.1", "1.2.3")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "carried": "Without two heads, found on other nouns, the margin of the right verb falls to "
    "less than a fifth; without two other heads of their layers it keeps over 90 %, and ordinary "
    "text loses less than 0.1 nats.",
    "looks": "The stronger of the two attends to the subject with over a third of its weight, and "
    "to the noun in between, which is nearer, with less than a third of that.",
}
HOLDS_IF = {
    "carried": "margin_two < margin / 5 and margin_others > 0.9 * margin and cost_text < 0.1"
    " if right >= 0.8 else unknown",
    "looks": "share_subject > 1 / 3 and share_between < share_subject / 3",
}
KNOBS = {
    "beginning": (
        "The keys near the cabinet",
        "The teacher of the students",
        "The dogs that chased the cat",
    )
}
TEXT_KNOBS = ("beginning",)
KNOB_HELP = {"beginning": "which a verb follows: one of these, or one of your own"}
SEEDS = 3
SECONDS = {"cpu": 6}
LITERATURE = {
    "looks": "In one head of BERT-base 86.8 % of the direct objects attend most to their verb; "
    "always looking a fixed distance away finds it in 40.0 % (Clark et al. 2019, Table 1).",
}

SUBJECTS = [
    "key", "dog", "car", "book", "king", "house", "tree", "friend", "student", "teacher", "river",
    "farmer", "ship", "letter", "picture", "road", "window", "doctor", "game", "plan", "door",
    "garden", "bird", "table", "machine", "horse", "village", "actor", "lawyer",
]  # fmt: skip
BETWEEN = ["cabinet", "wall", "station", "bridge", "farm", "tower", "shop", "hill", "lake", "park"]
PREPOSITIONS = ["near", "behind", "beside", "by"]
N_FOUND_ON, N_TESTED_ON = 2, 6
"""Subjects."""
N_LAYERS = 5
"""The last ones, whose heads are tried."""
N_TEXTS, N_TOKENS = 2, 32
SUBJECT, NOUN_BETWEEN = 2, 5
"""Places: begin, The, SUBJECT, near, the, NOUN_BETWEEN."""

Head: TypeAlias = tuple[int, int]
"""Layer and head, from 0."""


@torch.no_grad()
def run(*, beginning: str, seed: int, device: str, model: str) -> Iterator[Event]:
    """Find two heads on some nouns; silence them on others, on docstrings and in your sentence."""
    language = load_language_model(model, device)
    yield Measurement("chance", 0.5, "", "right by chance", yardstick=True)
    found_on, tested_on = draw_sentences(language, Random(seed), device)
    n_layers, n_heads = language.model.config.n_layers, language.model.config.n_heads
    layers = range(max(0, n_layers - N_LAYERS), n_layers)
    intact = found_on.margins()
    lost: dict[Head, float] = {}
    for number, layer in enumerate(layers):
        yield Progress(number, N_LAYERS + 1, "silencing one head after the other")
        for head in range(n_heads):
            lost[layer, head] = float((intact - found_on.margins([(layer, head)])).mean())
    yield HeatMap(
        "Margin lost without each head",
        [f"layer {layer + 1}" for layer in layers],
        [str(head + 1) for head in range(n_heads)],
        [[lost[layer, head] for head in range(n_heads)] for layer in layers],
        "logits",
    )
    two = sorted(lost, key=lambda head: -lost[head])[:2]
    # Heads of the same layers that are not among the two.
    free = [head for head in lost if head not in two]
    others = [next(head for head in free if head[0] == layer) for layer, _ in two]

    yield Progress(N_LAYERS, N_LAYERS + 1, "other nouns")
    for name, label, heads in (
        ("", "all heads", []),
        ("_two", "without the two heads", two),
        ("_others", "without two others of their layers", others),
    ):
        margins = tested_on.margins(heads)
        yield Measurement(f"margin{name}", float(margins.mean()), "logits", f"margin, {label}")
        right = float((margins > 0).float().mean())
        yield Measurement(f"right{name}", right, "", f"sentences right, {label}")
    to_subject, to_between = tested_on.attention(two[0])
    label = "attention of the stronger head to the"
    yield Measurement("share_subject", to_subject, "", f"{label} subject")
    yield Measurement("share_between", to_between, "", f"{label} noun in between")
    encode, begin = language.tokenizer.encode, [language.begin]
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=begin).to(device)
    cost = -mean_loss(language.model(texts), texts)
    with silenced_heads(language.model, two):
        cost += mean_loss(language.model(texts), texts)
    yield Measurement("cost_text", cost, "nats", "cost on docstrings, without the two heads")
    yield your_sentence(language, beginning, two, device)


class Sentences:
    """Beginnings that a verb follows; the noun in between has another number than the subject."""

    def __init__(
        self, language: LanguageModel, words: Sequence[Sequence[str]], device: str
    ) -> None:
        encode = language.tokenizer.encode
        rows = [[language.begin, *encode(" ".join(of_row))] for of_row in words]
        if {len(row) for row in rows} != {NOUN_BETWEEN + 1}:
            raise UnmetNeedError("the model cuts the words of this lab into pieces: take smollm2")
        self._tokens = torch.tensor(rows, device=device)  # (n, 6)
        sign = [1.0 if of_row[1].endswith("s") else -1.0 for of_row in words]
        self._sign = torch.tensor(sign, device=device)  # (n,): 1 where the subject is plural
        self._model = language.model
        singular, plural = (self._model.unembed.weight[verb] for verb in verbs(language))
        # All that is needed of the output layer, which has a row for each of 49,152 tokens.
        self._plural_less_singular = plural - singular  # (d_model,)
        self._stream = language.model.residual_stream(self._tokens)

    def margins(self, heads: Sequence[Head] = ()) -> Tensor:
        """Logit of the right verb less that of the wrong one, with heads silenced: (n,)."""
        lowest = min((layer for layer, _ in heads), default=len(self._stream) - 1)
        resid = self._stream[lowest]
        with silenced_heads(self._model, heads):
            for block in self._model.blocks[lowest:]:
                resid = block(resid)
        last = self._model.transform(self._model.final_norm(resid[:, -1]))  # (n, d_model)
        margins: Tensor = self._sign * (last @ self._plural_less_singular)
        return margins

    def attention(self, head: Head) -> tuple[float, float]:
        """What a head gives to the subject and to the noun in between, where the verb follows."""
        layer, number = head
        weights = attention_maps(self._model, self._tokens)[layer][:, number, -1].mean(dim=0)
        return float(weights[SUBJECT]), float(weights[NOUN_BETWEEN])


def draw_sentences(
    language: LanguageModel, draw: Random, device: str
) -> tuple[Sentences, Sentences]:
    """Sentences to find heads on, and others to test them on, which share no word but "the"."""
    nouns, between, prepositions = (
        draw.sample(words, len(words)) for words in (SUBJECTS, BETWEEN, PREPOSITIONS)
    )

    def combined(nouns: Sequence[str], half: slice) -> Sentences:
        pairs = list(zip(between[half], prepositions[half], strict=True))
        words = [
            ("The", noun + ending, preposition, "the", other + other_ending)
            for noun, (other, preposition) in product(nouns, pairs)
            for ending, other_ending in (("", "s"), ("s", ""))
        ]
        return Sentences(language, words, device)

    last = N_FOUND_ON + N_TESTED_ON
    return (
        combined(nouns[:N_FOUND_ON], slice(0, 2)),
        combined(nouns[N_FOUND_ON:last], slice(2, 4)),
    )


def verbs(language: LanguageModel) -> tuple[int, int]:
    """The tokens of "is" and "are"."""
    singular, plural = (language.tokenizer.encode(verb)[0] for verb in (" is", " are"))
    return singular, plural


def your_sentence(
    language: LanguageModel, beginning: str, two: Sequence[Head], device: str
) -> Table:
    """The chance of both verbs after a beginning, with all heads and without the two."""
    tokens = torch.tensor([[language.begin, *language.tokenizer.encode(beginning)]], device=device)
    rows: list[tuple[str, float, float]] = []
    singular, plural = verbs(language)
    for label, heads in (("all heads", ()), ("without the two", two)):
        with silenced_heads(language.model, heads):
            chances = language.model(tokens)[0, -1].softmax(dim=-1)
        rows.append((label, float(chances[singular]), float(chances[plural])))
    return Table(f"Chance of a verb after “{beginning}”", ("model", "is", "are"), rows)
