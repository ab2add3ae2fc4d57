"""A trained BERT without one of its parts still has to find the other half of a text.

The lab takes parts out of MiniLM, a BERT of six layers that makes sentence vectors, and puts them
back: residual connections, whole layers, norms, positions, heads. Nothing is trained again. The
task is to find, for the beginning of a docstring, the continuation among those of 31 others, by the
cosine of the vectors; another set of docstrings for each seed.

How to read it. "Found" is the share of the other continuations that are less similar than the true
one: 1 if it is always first, 0.5 by guessing. The chart compares two ways to treat a layer: to skip
it, so that both of its sublayers add nothing, and to cut its residual connections, so that what the
sublayers compute is all that is left.

What the literature reports. Deleting one block of a residual network of 110 layers has a minimal
effect, one layer of a network without residual connections brings it to chance (Veit et al. 2016,
as reported; images). Without retraining 40 % of BERT's heads can be removed (Michel et al. 2019).
Models pre-trained on shuffled sentences stay accurate after fine-tuning (Sinha et al. 2021).

Out of scope: what a model could learn without the part. An ablation of a trained model shows what
it relies on. This model is post-norm, so that a cut also changes what the norm divides by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from random import Random

import torch
from torch import Tensor, nn

from labs.models import SentenceEncoder, load_encoder
from labs.models.sentence_encoder import pool
from labs.tasks.passages import passages
from labs.transformer.interventions import (
    module_swapped,
    positions_replaced,
    residual_cut,
    silenced_heads,
    skipped,
)
from labs.transformer.model import Block
from labs.transformer.norms import LayerNorm
from studykit.lab.events import Curve, Event, Measurement, Progress

QUESTION = "What does a trained BERT lose with each of its parts?"
POINTS = ("1.2.5", "1.4.2", "1.4.3", "2.1.1")
NEEDS = ("model:minilm",)
CLAIMS = {
    "skip_or_cut": "Below the last layer any one layer can be skipped for at most 6 points, and "
    "cutting the residual connections of any costs at least 5; in the last one cutting costs less.",
    "mean_idle": "Norms that divide by the RMS and leave the mean where it is cost at most 3 "
    "points; norms that do not divide leave a guess, at most 0.65.",
    "mean_needed": "Norms that leave the mean where it is cost more than 3 points.",
    "heads": "With half of all heads silenced, drawn at random, it finds at most 8 points less.",
    "order": "Sentences with exchanged roles have nearly the same vector, a cosine of at least "
    "0.95, and exactly the same one without positions.",
}
HOLDS_IF = {
    "skip_or_cut": "found_base - worst_skip <= 0.06 and found_base - best_cut >= 0.05"
    " and last_cut > last_skip if found_base >= 0.8 else unknown",
    "mean_idle": "found_base - found_rms <= 0.03 and found_no_norms <= 0.65"
    " if found_base >= 0.8 else unknown",
    "mean_needed": "found_base - found_rms > 0.03 if found_base >= 0.8 else unknown",
    "heads": "found_base - found_half_heads <= 0.08 if found_base >= 0.8 else unknown",
    "order": "swapped_base >= 0.95 and swapped_no_positions > 0.99999",
}
KNOBS = {"n_tokens": (24, 12, 48)}
KNOB_HELP = {"n_tokens": "tokens that are read of each half of a text"}
SEEDS = 3
SECONDS = {"cpu": 9}
LITERATURE = {
    "heads": "Without retraining 40 % of BERT's heads can be removed before accuracy falls sharply "
    "(Michel et al. 2019, Section 4.2).",
}

N_TEXTS = 32
SWAPPED = (
    ("The dog bites the man.", "The man bites the dog."),
    ("The teacher thanked the pupil.", "The pupil thanked the teacher."),
    ("Rome conquered Carthage.", "Carthage conquered Rome."),
    ("The cat chased the mouse.", "The mouse chased the cat."),
)
"""Pairs of sentences of the same words that differ in who does it."""


class BareGain(nn.Module):
    """A norm that no longer normalises: gain and bias are all that is left of it."""

    def __init__(self, norm: LayerNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return x * self.norm.gain + self.norm.bias


class MeanKept(BareGain):
    """The same norm, but for the mean: it divides by the RMS and subtracts nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x / (x.square().mean(dim=-1, keepdim=True) + self.norm.eps).sqrt())


@torch.no_grad()
def run(*, n_tokens: int, model: str, seed: int, device: str) -> Iterator[Event]:
    """Take parts out one at a time and see how well the halves of texts are found."""
    encoder = load_encoder(model, device)
    stack, dice = encoder.model, Random(seed)
    blocks = [block for block in stack.blocks if isinstance(block, Block)]
    yield Measurement("chance", 0.5, "", "guessing", yardstick=True)
    yield Progress(0, 3, "reading texts")
    tokens, visible = halves(encoder, seed, n_tokens)
    heads = [(layer, head) for layer in range(len(blocks)) for head in range(stack.config.n_heads)]
    arms: Mapping[str, tuple[str, list[AbstractContextManager[None]]]] = {
        "base": ("whole model", []),
        "no_residuals": ("all residual connections cut", [residual_cut(b) for b in blocks]),
        "no_norms": ("norms without normalisation", norms_replaced(blocks, BareGain)),
        "rms": ("norms that keep the mean", norms_replaced(blocks, MeanKept)),
        "no_positions": ("no positions", [positions_replaced(stack, "none")]),
        "half_heads": (
            "half of the heads silenced",
            [silenced_heads(stack, dice.sample(heads, len(heads) // 2))],
        ),
    }
    for name, (label, parts) in arms.items():
        with ExitStack() as out:
            for part in parts:
                out.enter_context(part)
            vectors = pool(stack(tokens, visible=visible), visible)
        yield Measurement(f"found_{name}", found(vectors), "", f"found, {label}")

    yield Progress(1, 3, "layer by layer")
    stream = stack.residual_stream(tokens, visible=visible)
    ways: dict[str, list[tuple[AbstractContextManager[None], ...]]] = {
        "skip": [(skipped(b, "attention"), skipped(b, "feedforward")) for b in blocks],
        "cut": [(residual_cut(b),) for b in blocks],
    }
    of: dict[str, list[float]] = {}
    for way, layers in ways.items():
        of[way] = []
        for layer, changes in enumerate(layers):
            with ExitStack() as out:
                for change in changes:
                    out.enter_context(change)
                vectors = pool(stack.resume(stream[layer], layer, visible=visible), visible)
            of[way].append(found(vectors))
        label = {"skip": "layer skipped", "cut": "its residual connections cut"}[way]
        yield Curve("Found", label, list(range(1, len(blocks) + 1)), of[way], "layer")
    below = "below the last layer"
    yield Measurement(
        "worst_skip", min(of["skip"][:-1]), "", f"found, worst layer skipped, {below}"
    )
    yield Measurement("best_cut", max(of["cut"][:-1]), "", f"found, best layer cut, {below}")
    yield Measurement("last_skip", of["skip"][-1], "", "found, last layer skipped")
    yield Measurement("last_cut", of["cut"][-1], "", "found, residuals of the last layer cut")

    yield Progress(2, 3, "exchanging roles")
    yield Measurement("swapped_base", swapped(encoder), "", "cosine with roles exchanged")
    with positions_replaced(stack, "none"):
        label = "cosine with roles exchanged, no positions"
        yield Measurement("swapped_no_positions", swapped(encoder), "", label)


def halves(encoder: SentenceEncoder, seed: int, n_tokens: int) -> tuple[Tensor, Tensor]:
    """N_TEXTS first paragraphs, then what follows each: tokens and where they are visible."""
    first, second = [], []
    for text in passages(seed, min_characters=200):
        paragraph, _, rest = text.partition("\n\n")
        if len(paragraph.split()) >= 4 and len(rest.split()) >= 8:
            first.append(" ".join(paragraph.split()[:n_tokens]))
            second.append(" ".join(rest.split()[:n_tokens]))
        if len(first) == N_TEXTS:
            break
    tokens, visible = encoder.batch(first + second)
    return tokens[:, :n_tokens], visible[:, :n_tokens]


def found(vectors: Tensor) -> float:
    """Share of the other second halves that are less similar to a first one than its own."""
    first, second = vectors.chunk(2)
    similar = first @ second.T  # (n_texts, n_texts)
    own = similar.diagonal()[:, None]
    return float((similar < own).float().sum() / (len(similar) * (len(similar) - 1)))


def norms_replaced(blocks: list[Block], by: type[BareGain]) -> list[AbstractContextManager[None]]:
    """Another module in the place of every norm that follows a sublayer."""
    names = ("attention_post_norm", "feedforward_post_norm")
    return [
        module_swapped(block, name, by(norm))
        for block in blocks
        for name in names
        if isinstance(norm := block.get_submodule(name), LayerNorm)
    ]


def swapped(encoder: SentenceEncoder) -> float:
    """Lowest cosine of two sentences of the same words with the roles exchanged."""
    first, second = (encoder.embed([pair[side] for pair in SWAPPED]) for side in (0, 1))
    return float((first * second).sum(dim=-1).min())
