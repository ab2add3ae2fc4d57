"""Several readers of one text: some jobs hang on a few heads, others on many, and heads are shared.

One reads for grammar, another for names, a third for tone: as a picture of heads it is half true.
The lab tries it on four jobs that a next word shows: whether the verb is singular or plural, which
of two people is meant, whether a review is good or bad, which form a verb takes. In SmolLM2-135M
(30 layers of 9 heads) the three heads that add the most to each job are found on some words, and
silenced on others, where all four jobs are tested; beside them as many heads of the same layers.

How to read it. The margin is the logit of the right word less that of the wrong one, in the mean
over beginnings that call for opposite words. The map has the share of each job's margin that is
left, 1 if a job does not mind. Heads are ranked by what they add to first order, their output times
the gradient of the margin, in the upper two thirds of the layers; lower ones serve everything. On
your own sentence the same ranking is by the loss; the table names the heads that save the most of
it, says where they look, and what silencing each really costs.

What the texts are. For each seed other words, drawn from about 90, half of them to find heads on.

What the literature reports. Single heads follow single relations: in one head of BERT-base 86.8 %
of the direct objects attend most to their verb (Clark et al. 2019, Table 1); the heads that matter
most to a translation model look at a neighbour, a syntactic partner or rare words (Voita et al.
2019, Section 5). Most heads can be removed without a trace (Michel et al. 2019, Section 3.2).

Out of scope: what the found heads read and write (core/agreement, patterns/composition).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import TypeAlias

import torch
from torch import Tensor

from labs.kit.margins import Margins
from labs.kit.reading import losses
from labs.models import LanguageModel, load_language_model
from labs.tasks.four_jobs import JOBS, beginnings, halves
from labs.transformer.interventions import silenced_heads
from labs.transformer.probes import attention_maps, head_effects
from studykit.lab.events import Event, HeatMap, Measurement, Progress, Table

QUESTION = "Is there a head for grammar, one for names and one for tone?"
POINTS = ("6.3.1", "6.3.2", "6.3.3", "6.3.4", "6.3.5")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "names": "Names hang on few heads: without three that were found on other names less than "
    "two fifths of the margin are left; without three others of their layers over four fifths.",
    "tone": "Tone loses over 30 % of its margin without its three heads, while agreement and names "
    "keep over 80 % of theirs.",
    "tone_everywhere": "Without its three heads tone keeps over 80 % of its margin.",
    "spread": "The form of the verb hangs on no few heads: without the three that were found in "
    "the same way over 60 % of the margin is left.",
    "apart": "Agreement loses over 40 % of its margin without its own three heads, and less than "
    "20 % without those of names; names lose less than 20 % without those of agreement.",
    "shared": "Heads are shared: the three found for the form of the verb cost agreement over a "
    "tenth of its margin, those found for names less.",
}
HOLDS_IF = {
    "names": "left_names < 0.4 and others_left > 0.8",
    "tone": "left_tone < 0.7 and min(agreement_without_tone, names_without_tone) > 0.8",
    "tone_everywhere": "left_tone > 0.8",
    "spread": "left_verb_form > 0.6",
    "apart": "left_agreement < 0.6 and min(agreement_without_names, names_without_agreement) > 0.8",
    "shared": "agreement_without_verb_form < 0.9 < agreement_without_names",
}
KNOBS = {
    "sentence": (
        "When Anna and Tom came home, Tom gave the keys to Anna.",
        "The keys near the cabinet are old.",
        "It was a dull film and I was glad when it ended.",
    )
}
TEXT_KNOBS = ("sentence",)
KNOB_HELP = {"sentence": "whose heads are listed: one of these, or one of your own"}
SEEDS = 3
SECONDS = {"cpu": 13}
LITERATURE = {
    "apart": "In one head of BERT-base 86.8 % of the direct objects attend most to their verb "
    "(Clark et al. 2019, Table 1).",
    "spread": "Of 96 heads of a translation model 8 mattered singly, and removing half of these 8 "
    "raised BLEU (Michel et al. 2019, Section 3.2).",
}

Head: TypeAlias = tuple[int, int]
"""Layer and head, from 0."""

N_FOUND_ON, N_TESTED_ON = 12, 8
N_HEADS = 3
"""Heads that are found for each job."""
N_LISTED = 6
"""Heads of the table of the learner's sentence."""
MOST_SHOWN = 24
"""Tokens of the learner's sentence."""


@torch.no_grad()
def run(*, sentence: str, seed: int, device: str, model: str) -> Iterator[Event]:
    """Find the heads of each job on some words; silence them on others."""
    language = load_language_model(model, device)
    yield your_sentence(language, sentence, device)
    dice = Random(seed)
    found_on, tested_on = halves(dice)
    found: dict[str, list[Head]] = {}
    margins: dict[str, Margins] = {}
    for number, (name, job) in enumerate(JOBS.items()):
        yield Progress(number + 1, len(JOBS) + 2, f"finding heads: {name}")
        prompts = Margins(language, beginnings(job, found_on, dice, N_FOUND_ON), device)
        found[name] = best_heads(head_effects(language.model, prompts.whole), N_HEADS)
        margins[name] = Margins(language, beginnings(job, tested_on, dice, N_TESTED_ON), device)
    yield Progress(len(JOBS) + 1, len(JOBS) + 2, "silencing heads")
    yield from silencing(found, margins)


def best_heads(effects: Tensor, n: int) -> list[Head]:
    """The heads that add the most, of the upper two thirds of the layers."""
    n_layers, n_heads = effects.shape
    lowest = n_layers // 3
    places = effects[lowest:].flatten().topk(n).indices.tolist()
    return [(lowest + place // n_heads, place % n_heads) for place in places]


def silencing(
    found: Mapping[str, Sequence[Head]], margins: Mapping[str, Margins]
) -> Iterator[Event]:
    """The share of each job's margin that is left without the heads of each job."""
    whole = {job: of_job.without([]) for job, of_job in margins.items()}
    left = {
        (job, of): margins[job].without(found[of]) / whole[job] for job in margins for of in found
    }
    for (job, of), share in left.items():
        name = f"left_{job}" if job == of else f"{job}_without_{of}"
        label = f"of the margin left, {job}, without the heads of {of}"
        yield Measurement(name.replace(" ", "_"), share, "", label)
    n_heads = margins["names"].model.config.n_heads
    # For each head the next one of its layer that is not among the found.
    others: list[Head] = []
    for layer, head in found["names"]:
        following = [(layer, (head + step) % n_heads) for step in range(1, n_heads)]
        others.append(next(h for h in following if h not in (*found["names"], *others)))
    label = "of the margin left, names, without three others of the same layers"
    yield Measurement("others_left", margins["names"].without(others) / whole["names"], "", label)
    columns = [f"{job}: {heads_named(heads)}" for job, heads in found.items()]
    rows = [[left[job, of] for of in found] for job in margins]
    yield HeatMap("Margin left, without the heads of", list(margins), columns, rows, "share")
    cells = [(job, of, left[job, of]) for job, of in left]
    yield Table("Jobs without heads", ("job", "without the heads of", "margin left"), cells)


@lru_cache(maxsize=1)  # the same for every seed
def your_sentence(language: LanguageModel, sentence: str, device: str) -> Table:
    """The heads that save a sentence the most loss, where they look, and what each really costs."""
    model = language.model
    ids = [language.begin, *language.tokenizer.encode(sentence)][:MOST_SHOWN]
    tokens, pieces = torch.tensor([ids], device=device), language.tokenizer.pieces(ids)

    def loss() -> Tensor:
        return losses(model(tokens), tokens).mean()

    heads = best_heads(head_effects(model, lambda: -loss()), N_LISTED)
    maps, intact, rows = attention_maps(model, tokens), float(loss()), []
    for layer, head in heads:
        with silenced_heads(model, [(layer, head)]):
            cost = float(loss()) - intact
        rows.append((heads_named([(layer, head)]), looks(maps[layer][0, head], pieces), cost))
    return Table("Heads that your sentence needs most", ("head", "looks", "cost (nats)"), rows)


def looks(weights: Tensor, pieces: Sequence[str]) -> str:
    """Where a head looks from the second token on, in words."""
    queries = torch.arange(1, len(pieces))
    shares = {
        "at the first token": float(weights[1:, 0].mean()),
        "at the token before": float(weights[queries, queries - 1].mean()),
        "at the token itself": float(weights[queries, queries].mean()),
    }
    mainly = max(shares, key=lambda where: shares[where])
    far = weights.tril(diagonal=-2)
    far[:, 0] = 0
    query, key = divmod(int(far.argmax()), len(pieces))
    return (
        f"{shares[mainly]:.0%} {mainly}; "
        f"farther most from {pieces[query]} to {pieces[key]}, {float(far.max()):.0%}"
    )


def heads_named(heads: Sequence[Head]) -> str:
    """Heads as layer.head, both counted from 1."""
    return ", ".join(f"{layer + 1}.{head + 1}" for layer, head in heads)
