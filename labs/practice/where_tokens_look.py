"""Who knows what a head does can draw its map before seeing it.

SmolLM2-135M reads sentences in which a few words come twice. Four of its heads are watched: the one
that looks most at the token before, at its own token, at the same word earlier, and at what
followed that word. They are chosen on random words, which stand in no sentence, so that what they
do on the sentences is a prediction that can fail. Each sentence is also read with other words in
the place of the second mention: then there is nothing to be found again.

How to read it. A row of a head's map is a token that looks, a column one that is looked at, and a
row adds up to 1. "Start" is the mark before the text. A head follows its rule at a token if the
largest weight of the row stands where the rule says. The tables are made for predicting them: one
has the largest weight of some rows, the other cells of the maps, dark or white.

What the texts are. For each seed other sentences, drawn from lists of words.

What the literature reports. Heads that look for what followed an earlier occurrence form in every
language model of two or more layers that was examined (Olsson et al. 2022, Argument 1).

Out of scope: what the heads are for, which only taking them out can show (core/induction).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import mean
from typing import TypeAlias

import torch
from torch import Tensor

from labs.kit.words import words_twice
from labs.models import LanguageModel, load_language_model
from labs.transformer.probes import attention_maps
from studykit.lab.events import Event, HeatMap, Measurement, Progress, Table, UnmetNeedError

QUESTION = "Can you tell where each token of a sentence looks?"
POINTS = ("8.1.1", "8.1.2", "8.1.3", "8.1.4")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "rules": "Heads chosen on random words follow their rule in sentences: each looks most where "
    "it says at half of the tokens or more, all four together at 80 %.",
    "rests": "The head that looks for what followed gives more than four fifths of its attention "
    "to the start where no word was there before, and less than half where one was.",
    "by_place": "Other words in the second mention move less than 30 % of the attention of the "
    "heads that look at the token before and at their own.",
    "by_content": "Other words in the second mention move more than 40 % of the attention of the "
    "heads that look for the same word and for what followed it.",
}
HOLDS_IF = {
    "rules": "least_followed >= 0.5 and followed >= 0.8",
    "rests": "start_new > 0.8 and start_repeated < 0.5",
    "by_place": "moved_place < 0.3",
    "by_content": "moved_content > 0.4",
}
KNOBS = {"n_adjectives": (2, 1, 3)}
KNOB_HELP = {"n_adjectives": "adjectives before the thing that is mentioned twice"}
SEEDS = 6
SECONDS = {"cpu": 8}

N_TEXTS, N_RANDOM_WORDS = 4, 12
HEADS = {
    "before": "the token before",
    "own": "its own token",
    "same": "the same word earlier",
    "followed": "what followed that word",
}
"""What each head looks at, if there is such a token."""
BY_PLACE, BY_CONTENT = ("before", "own"), ("same", "followed")
DARK, WHITE = 0.5, 0.1
"""Of a row's attention: from here on a cell of the map is dark, up to here it is white."""

PEOPLE = ["Anna", "Peter", "Maria", "Tom", "Alice", "Robert", "Sarah", "David", "James", "Henry"]
VERBS = ["found", "saw", "painted", "lost", "bought", "sold", "wanted", "forgot", "liked", "hid"]
ADJECTIVES = ["small", "red", "old", "heavy", "green", "round", "tall", "cheap", "blue", "strange"]
THINGS = ["box", "lamp", "book", "chair", "boat", "ring", "clock", "key", "hat", "letter"]
PREPOSITIONS = ["near", "under", "behind", "inside", "above", "beside"]
PLACES = ["bridge", "garden", "table", "church", "window", "river", "tree", "door", "wall"]


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence whose last words are those of an earlier mention, or stand in their place."""

    words: Sequence[str]
    """Each of them is one token of the model; the start of the text counts as token 0."""
    n_last: int

    @property
    def names(self) -> list[str]:
        """The tokens, told apart by a number where a word comes again: "box", then "box 2"."""
        times = [self.words[: place + 1].count(word) for place, word in enumerate(self.words)]
        numbered = zip(self.words, times, strict=True)
        return ["start", *(word if n == 1 else f"{word} {n}" for word, n in numbered)]

    @property
    def asked(self) -> range:
        """Tokens of the second mention less its first and last, whose rules are not settled."""
        return range(len(self.words) + 2 - self.n_last, len(self.words))

    def rule(self, head: str, token: int) -> int:
        """Where the head should look from a token of the second mention."""
        back = self.n_last + 3  # to the same word: over the rest of the mention, "and", who, did
        return token - {"before": 1, "own": 0, "same": back, "followed": back - 1}[head]


Maps: TypeAlias = Mapping[str, Tensor]
"""The map of each head, (1 + n_words, 1 + n_words): a row for each token that looks."""


@torch.no_grad()
def run(*, n_adjectives: int, seed: int, device: str, model: str) -> Iterator[Event]:
    """Choose four heads on random words, then look at what they do in sentences."""
    language, dice = load_language_model(model, device), Random(seed)
    yield Progress(0, 2, "choosing heads")
    heads = chosen_heads(language, dice)
    yield Progress(1, 2, "reading sentences")
    pairs = [sentences(dice, n_adjectives) for _ in range(N_TEXTS)]
    repeated = [(text, maps_of(language, heads, text)) for text, _ in pairs]
    new = [(text, maps_of(language, heads, text)) for _, text in pairs]
    yield Measurement("guess", 1 / len(pairs[0][0].names), "", "one token of all", yardstick=True)
    followed = {head: mean(follows(head, *read) for read in repeated) for head in HEADS}
    label = "rows with their largest weight where the rule says"
    yield Measurement("followed", mean(followed.values()), "", f"{label}, four heads")
    yield Measurement("least_followed", min(followed.values()), "", f"{label}, worst head")
    for name, reads, label in (("repeated", repeated, "was"), ("new", new, "was not")):
        start = mean(float(maps["followed"][text.asked, 0].mean()) for text, maps in reads)
        label = f"to the start, from the head for what followed; the word {label} there before"
        yield Measurement(f"start_{name}", start, "", label)
    moved = {
        head: mean(
            float((here[head] - there[head])[text.asked].abs().sum(dim=-1).mean()) / 2
            for (text, here), (_, there) in zip(repeated, new, strict=True)
        )
        for head in HEADS
    }
    label = "attention moved by other words"
    most, least = max(moved[head] for head in BY_PLACE), min(moved[head] for head in BY_CONTENT)
    yield Measurement("moved_place", most, "", f"{label}, heads that look by place, at most")
    yield Measurement("moved_content", least, "", f"{label}, heads that look for words, at least")
    yield from tables(repeated)
    text, maps = repeated[0]
    for head, label in HEADS.items():
        rows = [
            [round(cell, 3) if column <= row else None for column, cell in enumerate(cells)]
            for row, cells in enumerate(maps[head].tolist())
        ]
        title = f"Head that looks at {label}"
        yield HeatMap(title, text.names, text.names, rows, "share")


def sentences(dice: Random, n_adjectives: int) -> tuple[Text, Text]:
    """A sentence that mentions one thing twice, and one whose second mention is of another."""
    people, verbs = dice.sample(PEOPLE, 2), dice.sample(VERBS, 2)
    adjectives = dice.sample(ADJECTIVES, 2 * n_adjectives)
    others = zip(*(dice.sample(words, 2) for words in (THINGS, PREPOSITIONS, PLACES)), strict=True)
    mentions = [
        ["the", *adjectives[which::2], thing, preposition, "the", place]
        for which, (thing, preposition, place) in enumerate(others)
    ]
    begin = [people[0], verbs[0], *mentions[0], "and", people[1], verbs[1]]
    same, other = (Text([*begin, *mention], len(mention)) for mention in mentions)
    return same, other


def chosen_heads(language: LanguageModel, dice: Random) -> dict[str, tuple[int, int]]:
    """For each of HEADS the layer and head that follow the rule most on words read twice."""
    rows = words_twice(language, dice, n_rows=2, n_words=N_RANDOM_WORDS)
    maps = torch.stack(attention_maps(language.model, rows.to(language.model.embed.weight.device)))
    # maps: (n_layers, batch, n_heads, query, key). The first word of the second reading is left
    # out, as nothing before it says that words come again.
    asked = torch.arange(N_RANDOM_WORDS + 2, 2 * N_RANDOM_WORDS + 1)
    back = {"before": 1, "own": 0, "same": N_RANDOM_WORDS, "followed": N_RANDOM_WORDS - 1}
    chosen = {}
    for head, distance in back.items():
        shares = maps[:, :, :, asked, asked - distance].mean(dim=(1, 3))  # (n_layers, n_heads)
        chosen[head] = divmod(int(shares.argmax()), shares.shape[1])
    return chosen


def maps_of(language: LanguageModel, heads: Mapping[str, tuple[int, int]], text: Text) -> Maps:
    """What each head looks at while the model reads the text.

    Raises UnmetNeedError if a word is not one token, as tokens would then not be words.
    """
    tokens = [language.begin, *language.tokenizer.encode(" ".join(text.words))]
    if len(tokens) != len(text.names):
        raise UnmetNeedError("the model cuts the words of this lab into pieces: take smollm2")
    device = language.model.embed.weight.device
    maps = attention_maps(language.model, torch.tensor([tokens], device=device))
    return {name: maps[layer][0, head].cpu() for name, (layer, head) in heads.items()}


def follows(head: str, text: Text, maps: Maps) -> float:
    """Share of the asked tokens at which the head looks most where its rule says."""
    return mean(int(maps[head][token].argmax()) == text.rule(head, token) for token in text.asked)


def tables(reads: Sequence[tuple[Text, Maps]]) -> Iterator[Event]:
    """Where two tokens of each text look in each head, and how dark single cells are."""
    largest, cells = [], []
    for text, maps in reads:
        sentence, names = " ".join(text.words), text.names
        for head, label in HEADS.items():
            shades = {}
            for token in text.asked:
                at = int(maps[head][token].argmax())
                if token in text.asked[:2]:
                    largest.append((sentence, f"{names[token]}, head for {label}", names[at]))
                for other in (0, *(text.rule(name, token) for name in HEADS)):
                    share = float(maps[head][token, other])
                    if not WHITE < share < DARK:
                        cell = f"row {names[token]}, column {names[other]}"
                        shades[cell] = "dark" if share >= DARK else "white"
            if len(set(shades.values())) == 2:
                which = f"the head for {label}: “{sentence}”"
                cells += [(which, cell, shade) for cell, shade in shades.items()]
    yield Table("Where the heads look", ("text", "token and head", "looks most at"), largest)
    yield Table("Shades of the maps", ("map", "cell", "shade"), cells)
