"""What a model owes to each of its parts shows when the part is taken out.

Two decoders of one family lose the same parts, one at a time, at inference: SmolLM2-135M (30
layers) and one of four layers that learns here, in a moment, the letters of docstrings. Both have
RoPE, RMSNorm before each sublayer and gated feed-forward networks.

How to read it. A cost is the loss without the part less the loss of the whole model, on the same
tokens. A model that knows nothing loses ln V; one that has lost a part may lose more, as it is sure
of wrong tokens. A norm without its division only multiplies by its gain. Tokens of the two models
are of unlike size, so compare the order of the costs.

What the texts are. For SmolLM2 two docstrings of Python's standard library, 20 tokens each, others
for each seed; they may have been in its training data. The small model is judged on docstrings that
it has not read; a seed decides its weights and the order in which it reads.

What the literature reports. One block of a residual network hardly matters (Veit et al. 2016).

Out of scope: what a model that never had the part could learn (practice/reconstruction). Costs say
what a model relies on now, and parts that can replace each other look cheap one at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from random import Random
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator
from labs.kit.text import Letters
from labs.models import load_language_model
from labs.tasks.passages import token_rows
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.interventions import (
    module_swapped,
    positions_replaced,
    residual_cut,
    silenced_heads,
    skipped,
)
from labs.transformer.train import Batch
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "Which part of a transformer is missed most?"
POINTS = ("8.3.1", "8.3.2", "8.3.3", "8.3.4")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "path": "Cutting the residual connections around attention costs at least 1.3 times as much as "
    "taking out all attention, in both models.",
    "confident": "Without its feed-forward networks, or without the residual connections around "
    "either kind of sublayer, SmolLM2 loses more than ln V: it does worse than a uniform guess.",
    "middle": "A layer in the middle costs less than 0.5 nats in both models; cutting its residual "
    "connections costs at least four times as much as the layer.",
    "one_head": "One head of a layer in the middle costs less than 0.15 nats in both models.",
    "positions": "Positions cost SmolLM2 less than 40 % of what attention costs, a smaller part "
    "of it than in the small model, which predicts letters.",
    "alike": "The two models rank their parts alike: Spearman's correlation is at least 0.6.",
    "unlike": "The two models rank their parts differently: Spearman's correlation is below 0.6.",
}
HOLDS_IF = {
    "path": "real_cut_attention >= 1.3 * real_attention"
    " and toy_cut_attention >= 1.3 * toy_attention",
    "confident": "loss + min(real_cut_attention, real_cut_feedforward, real_feedforward)"
    " > uniform_entropy",
    "middle": "max(real_layer, toy_layer) < 0.5 and real_cut_layer >= 4 * real_layer"
    " and toy_cut_layer >= 4 * toy_layer",
    "one_head": "max(real_head, toy_head) < 0.15",
    "positions": "real_positions < 0.4 * real_attention"
    " and toy_positions / toy_attention > real_positions / real_attention",
    "alike": "rank_correlation >= 0.6",
    "unlike": "rank_correlation < 0.6",
}
KNOBS = {"silenced": (0.5, 0.25, 0.75)}
KNOB_HELP = {"silenced": "share of all heads that are silenced at once, drawn at random"}
SEEDS = 3
SECONDS = {"cpu": 9}

N_TEXTS, N_TOKENS = 2, 20
SEQ_LEN = 32
BUDGET = Budget(n_steps=120, batch_size=12, n_held_out=96, n_evaluations=6)
LEARNING_RATE = 0.005

Part: TypeAlias = tuple[str, Sequence[AbstractContextManager[None]], int]
"""Its label, what takes it out, and the first layer (from 0) that has any of it."""


class Undivided(nn.Module):
    """A norm without its division: the gain is all that is left of it."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.gain = norm.get_parameter("gain")

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gain


def run(
    *, silenced: float, seed: int, device: str, model: str, budget: float = 1.0
) -> Iterator[Event]:
    """Take the same parts out of a trained model and of one that is trained here."""
    yield Progress(0, 2, "taking parts out of the trained model")
    language = load_language_model(model, device)
    encode, begin = language.tokenizer.encode, [language.begin]
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=begin).to(device)
    loss, real = costs(language.model, (texts[:, :-1], texts[:, 1:]), silenced, Random(seed))
    uniform = math.log(language.model.config.vocab_size)
    yield Measurement("uniform_entropy", uniform, "nats", "uniform guess", yardstick=True)
    yield Measurement("loss", loss, "nats", "loss, SmolLM2 whole")

    size = BUDGET.scaled(budget)
    text = Letters(size, seq_len=SEQ_LEN, seed=seed, device=device)
    small = build(text.vocab_size, seed).to(device)
    recipe = size.recipe(final_share=0.1)
    arm = {"small": [small]}
    for losses in train_arms(arm, (LEARNING_RATE,), text.batches, text.held_out, recipe):
        now = [losses.of["small"][0]]
        yield Curve("Held-out loss", "the small model", [losses.step], now, "step", "nats")
        yield Progress(1 + losses.step / size.n_steps, 2, "training the small model")
    _, toy = costs(small, text.held_out, silenced, Random(seed))

    rows = []
    for which, name, of in (("real", "SmolLM2", real), ("toy", "the small model", toy)):
        for part, (label, cost) in of.items():
            yield Measurement(f"{which}_{part}", cost, "nats", f"cost without {label}, {name}")
            rows.append((name, label, round(cost, 3)))
    agreement = spearman(*([cost for _, cost in of.values()] for of in (real, toy)))
    yield Measurement("rank_correlation", agreement, "", "rank correlation of the costs")
    yield Table("What each part costs", ("model", "part", "cost"), rows)


def build(vocab_size: int, seed: int) -> Transformer:
    """A small decoder of SmolLM2's family, untrained."""
    config = TransformerConfig(
        vocab_size=vocab_size,
        seq_len=SEQ_LEN,
        d_model=48,
        n_layers=4,
        d_ff=96,
        norm_kind="rmsnorm",
        biases="off",
        positions="rope",
        feedforward="gated",
        activation="silu",
        unembedding_bias="off",
    )
    return Transformer(config, generator(seed, "weights"))


def parts_of(model: Transformer, silenced: float, dice: Random) -> dict[str, Part]:
    """What is taken out, one at a time."""
    blocks = list(model.blocks)
    half, last, middle = len(blocks) // 2, len(blocks) - 1, blocks[len(blocks) // 2]
    heads = [(layer, head) for layer in range(last + 1) for head in range(model.config.n_heads)]
    drawn = dice.sample(heads, round(silenced * len(heads)))

    def layer(number: int) -> list[AbstractContextManager[None]]:
        return [skipped(blocks[number], "attention"), skipped(blocks[number], "feedforward")]

    norms = [
        module_swapped(middle, name, Undivided(middle.get_submodule(name)))
        for name in ("attention_pre_norm", "feedforward_pre_norm")
    ]
    cut_attention = [residual_cut(block, "attention") for block in blocks]
    cut_feedforward = [residual_cut(block, "feedforward") for block in blocks]
    attention = [skipped(block, "attention") for block in blocks]
    feedforward = [skipped(block, "feedforward") for block in blocks]
    return {
        "cut_attention": ("all residual connections around attention", cut_attention, 0),
        "cut_feedforward": ("all residual connections around feed-forward", cut_feedforward, 0),
        "attention": ("all attention", attention, 0),
        "feedforward": ("all feed-forward networks", feedforward, 0),
        "positions": ("positions", [positions_replaced(model, "none")], 0),
        "heads": (f"{silenced:.0%} of the heads", [silenced_heads(model, drawn)], 0),
        "first_layer": ("the first layer", layer(0), 0),
        "layer": ("a middle layer", layer(half), half),
        "cut_layer": ("residual connections of a middle layer", [residual_cut(middle)], half),
        "norms": ("division in the norms of a middle layer", norms, half),
        "head": ("one head of a middle layer", [silenced_heads(model, [(half, 0)])], half),
        "last_layer": ("the last layer", layer(last), last),
    }


@torch.no_grad()
def costs(
    model: Transformer, batch: Batch, silenced: float, dice: Random
) -> tuple[float, dict[str, tuple[str, float]]]:
    """The loss of the whole model, and by part its label and what its loss rises by, in nats.

    `batch` is tokens and targets, (batch, seq_len) each.
    """
    tokens, targets = batch
    stream = model.residual_stream(tokens)

    def loss(resid: Tensor, layer: int) -> float:
        logits = model.resume(resid, layer)
        return float(F.cross_entropy(logits.flatten(0, 1), targets.flatten()))

    whole = loss(stream[-1], len(model.blocks))
    found = {}
    for name, (label, changes, first) in parts_of(model, silenced, dice).items():
        with ExitStack() as taken_out:
            for change in changes:
                taken_out.enter_context(change)
            found[name] = (label, loss(stream[first], first) - whole)
    return whole, found


def spearman(first: Sequence[float], second: Sequence[float]) -> float:
    """Rank correlation of two columns without ties, from -1 to 1."""
    ranks = [[sorted(column).index(value) for value in column] for column in (first, second)]
    n = len(first)
    squares: int = sum((one - other) ** 2 for one, other in zip(*ranks, strict=True))
    return 1 - 6 * squares / (n * (n * n - 1))
