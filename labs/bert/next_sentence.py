"""Next-sentence prediction with random negatives asks for the topic.

BERT was asked, for half of its inputs, whether the second part had followed the first; where it had
not, it came from another document. The lab asks the same of a model that was never trained for it:
the cosine of the sentence vectors of MiniLM. Pairs of neighbouring sentences from docstrings are to
be told from pairs in which the second sentence comes from elsewhere: from another docstring, or
from the same one, further away. Another set of docstrings for each seed. The second score is
simpler still: the share of words that two sentences have in common.

How to read it. The measure is the chance that a true pair gets a higher score than a false one:
0.5 by guessing, 1 if each is told. Both scores are the same for (A, B) and (B, A), so whatever they
reach, they reach without any sense of order.

What the literature reports. A model trained on next-sentence prediction tells the order of two
sentences in 52.0 % of the cases, where chance is 50 (Lan et al. 2020, Table 5). Dropping the task:
BERT's own ablation loses 3.5 points on QNLI (Devlin et al. 2019, Table 5), RoBERTa gains with
longer contiguous inputs (Liu et al. 2019, Table 2).

Out of scope: whether pre-training is better without the task, which takes pre-training.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from labs.kit.budget import one_thread
from labs.models import load_encoder
from labs.tasks.passages import SOURCE, passages
from studykit.lab.events import Event, Measurement, Progress, Table

QUESTION = "What does next-sentence prediction ask a model to know?"
POINTS = ("2.4.3", "2.4.5")
NEEDS = ("model:minilm",)
CLAIMS = {
    "topic": "Against sentences of other texts the cosine of two sentence vectors tells at least "
    "70 % of the pairs, without training for it and without a sense of order.",
    "words": "Shared words alone tell at least 60 %.",
    "same_text": "Against sentences of the same text the cosine tells at most 75 %, and at least "
    "10 points less.",
    "still_told": "Against sentences of the same text, too, the cosine tells more than 75 %.",
}
HOLDS_IF = {
    "topic": "auc_cosine_other >= 0.7",
    "words": "auc_words_other >= 0.6",
    "same_text": "auc_cosine_same <= 0.75 and auc_cosine_same <= auc_cosine_other - 0.1",
    "still_told": "auc_cosine_same > 0.75",
}
KNOBS = {"apart": (2, 3, 4)}
KNOB_HELP = {"apart": "sentences between the two of a false pair from one text, at least"}
SEEDS = 3
SECONDS = {"cpu": 11}
LITERATURE = {
    "topic": "A model trained on next-sentence prediction gets 90.5 % of it right, and tells the "
    "order of two sentences in 52.0 %, where chance is 50 (Lan et al. 2020, Table 5).",
}

N_PAIRS = 80
PER_TEXT = 4
"""Pairs taken from one docstring at most."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """First sentences with three second ones: the next, a stranger, one of the same text."""

    first: list[str]
    following: list[str]
    other: list[str]
    same: list[str]


@one_thread
def run(*, apart: int, model: str, seed: int, device: str) -> Iterator[Event]:
    """Two scores that know nothing of order, against easy and against hard negatives."""
    yield Measurement("chance", 0.5, "", "guessing", yardstick=True)
    yield Progress(0, 2, "reading docstrings")
    pairs = draw(seed, apart, N_PAIRS)
    yield Progress(1, 2, "comparing sentences")
    encoder = load_encoder(model, device)
    first, *seconds = (
        encoder.embed(part) for part in (pairs.first, pairs.following, pairs.other, pairs.same)
    )
    cosines = [(first * second).sum(dim=-1) for second in seconds]  # (n_pairs,) each
    overlaps = [
        torch.tensor([overlap(a, b) for a, b in zip(pairs.first, second, strict=True)])
        for second in (pairs.following, pairs.other, pairs.same)
    ]
    for score, what, (true, other, same) in (
        ("cosine", "cosine of the vectors", cosines),
        ("words", "shared words", overlaps),
    ):
        for name, false, against in (("other", other, "other texts"), ("same", same, "same text")):
            label = f"pairs told, {what}, against {against}"
            yield Measurement(f"auc_{score}_{name}", told(true, false), "", label)
    rows = [
        (pairs.first[n][:60], second[n][:60], float(cosine[n]), float(shared[n]))
        for n in range(2)
        for second, cosine, shared in zip(
            (pairs.following, pairs.other, pairs.same), cosines, overlaps, strict=True
        )
    ]
    columns = ("first sentence", "then: next, other text, same text", "cosine", "shared words")
    yield Table(f"Two examples from {SOURCE}", columns, rows)


def draw(seed: int, apart: int, n_pairs: int) -> Pairs:
    """Pairs of neighbours from docstrings that are long enough, with their false partners."""
    dice = Random(seed)
    found: list[tuple[str, str, str]] = []
    for text in passages(seed, min_characters=800):
        sentences = sentences_of(text)
        # The first sentence of a docstring has a style of its own.
        places = [n for n in range(1, len(sentences) - 1) if far_from(n, sentences, apart)]
        for place in dice.sample(places, min(PER_TEXT, len(places))):
            away = dice.choice(far_from(place, sentences, apart))
            found.append((sentences[place], sentences[place + 1], sentences[away]))
        if len(found) >= n_pairs:
            break
    first, following, same = (list(part) for part in zip(*found[:n_pairs], strict=True))
    # PER_TEXT places on, each second sentence is one of another text.
    return Pairs(first, following, following[PER_TEXT:] + following[:PER_TEXT], same)


def sentences_of(text: str) -> list[str]:
    """The sentences of a docstring's paragraphs, of 5 to 25 words."""
    flat = (re.sub(r"\s+", " ", paragraph) for paragraph in text.split("\n\n"))
    parts = (part for paragraph in flat for part in re.split(r"(?<=[.!?]) (?=[A-Z])", paragraph))
    whole = (part.strip() for part in parts if part.rstrip()[-1:] in ".!?")
    return [part for part in whole if len(words(part)) >= 5 and len(part.split()) <= 25]


def far_from(place: int, sentences: list[str], apart: int) -> list[int]:
    """Places of sentences with at least `apart` - 1 others between; the first one left out."""
    after = place + 1
    return [n for n in range(1, len(sentences)) if min(abs(n - place), abs(n - after)) >= apart]


def words(text: str) -> set[str]:
    """The words of a text in small letters."""
    return set(re.findall(r"[a-z]+", text.lower()))


def overlap(first: str, second: str) -> float:
    """Shared words over all words of the two sentences (Jaccard)."""
    both = words(first) | words(second)
    return len(words(first) & words(second)) / len(both)


def told(true: Tensor, false: Tensor) -> float:
    """The chance that a true pair scores higher than a false one: the area under the ROC curve."""
    higher = (true[:, None] > false).float() + 0.5 * (true[:, None] == false).float()
    return float(higher.mean())
