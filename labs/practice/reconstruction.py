"""Built up part by part, a transformer gets worse at two of five steps.

A decoder for the letters of docstrings is built in the order in which it is usually told:
embeddings, attention, positions, residual connections, norms, feed-forward networks. Each rung of
the ladder is a model of its own, trained from the same random numbers on the same letters. Then
each part is left out of the whole model: once never there, in training neither, and once taken out
of the trained model.

How to read it. A step changes the loss by what it adds to the rungs below; a part that is left out
changes it with all others there. If parts worked on their own, the two would be the same number but
for the sign. Letter pairs are the least that a model can lose that sees one letter only. Without
attention no model sees more.

What the literature reports. Attention alone makes tokens equal with depth, and residual connections
and feed-forward networks are what prevents it (Dong et al. 2021). Deep transformers can be trained
without norms by other means (Huang et al. 2020, T-Fixup).

Out of scope: long training. All arms have one learning rate, the best of three for most of them.
Norms pay with depth: compare n_layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.text import Letters
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.interventions import positions_replaced, residual_cut, skipped
from labs.transformer.train import Batch
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "Does every part help when a transformer is built up part by part?"
POINTS = ("8.4.1", "8.4.2", "8.4.3", "8.4.4")
CLAIMS = {
    "not_all": "In the usual order not every step helps: after 120 steps attention, added first, "
    "has gained at most 0.02 nats, though the whole model loses more than 0.03 without it.",
    "positions": "Positions lower the loss by more than 0.05 nats as soon as there is attention.",
    "residual_late": "Residual connections are worth more in company: without them the whole model "
    "loses over 0.2 nats more, at least twice what it gained by adding them to attention alone.",
    "norms_cost": "Norms do not pay: as the step after residual connections they raise the loss by "
    "over 0.03 nats, and without them the whole model loses at most 0.03 more.",
    "norms_pay": "Without norms the whole model loses over 0.1 nats more, or diverges.",
    "pairs": "No model without attention comes below the loss of letter pairs.",
    "relied": "Taken out of the trained model, attention and feed-forward networks each cost more "
    "than 1.5 times what it costs never to have had them.",
}
HOLDS_IF = {
    "not_all": "loss_embeddings - loss_attention <= 0.02 and loss_no_attention - loss_whole > 0.03",
    "positions": "loss_attention - loss_positions > 0.05",
    "residual_late": "loss_no_residual - loss_whole > 0.2"
    " and loss_no_residual - loss_whole >= 2 * (loss_positions - loss_residual)",
    "norms_cost": "loss_norms - loss_residual > 0.03 and loss_no_norms - loss_whole <= 0.03",
    "norms_pay": "diverged(loss_no_norms) or loss_no_norms - loss_whole > 0.1",
    "pairs": "min(loss_embeddings, loss_no_attention) > bigram_entropy",
    "relied": "relied > 1.5",
}
KNOBS = {"n_layers": (2, 1, 6)}
KNOB_HELP = {"n_layers": "layers of each model"}
SEEDS = 3
SECONDS = {"cpu": 10}

BUDGET = Budget(n_steps=120, batch_size=12, n_held_out=256, n_evaluations=4)
LEARNING_RATE = 0.01
SEQ_LEN = 16
D_MODEL = 48

Sublayer: TypeAlias = Literal["attention", "feedforward"]


@dataclass(frozen=True, slots=True)
class Arm:
    """A model of the experiment: the whole one but for some parts."""

    label: str
    off: Mapping[str, Any] = field(default_factory=dict)
    """Switches of the config that are not those of the whole model."""
    without: Sequence[Sublayer] = ()


NO_RESIDUAL, NO_NORMS, NO_POSITIONS = {"residual": "off"}, {"norm": "none"}, {"positions": "none"}
LADDER = {
    "embeddings": Arm("embeddings only", NO_NORMS, ("attention", "feedforward")),
    "attention": Arm("attention", {**NO_RESIDUAL, **NO_NORMS, **NO_POSITIONS}, ("feedforward",)),
    "positions": Arm("positions", {**NO_RESIDUAL, **NO_NORMS}, ("feedforward",)),
    "residual": Arm("residual connections", NO_NORMS, ("feedforward",)),
    "norms": Arm("norms", {}, ("feedforward",)),
    "whole": Arm("feed-forward networks"),
}
"""Each rung by what it adds to the one before."""
BESIDE = Arm("attention and residual connections", {**NO_NORMS, **NO_POSITIONS}, ("feedforward",))
"""What stands instead of the second rung if residual connections come with attention."""
LEFT_OUT = {
    "no_attention": Arm("attention", {}, ("attention",)),
    "no_positions": Arm("positions", NO_POSITIONS),
    "no_residual": Arm("residual connections", NO_RESIDUAL),
    "no_norms": Arm("norms", NO_NORMS),
}
"""Each by what is left out; without feed-forward networks it is the rung "norms"."""


class Absent(nn.Module):
    """In the place of a sublayer that is not there: it adds nothing."""

    def forward(self, x: Tensor, **known: object) -> Tensor:
        return torch.zeros_like(x)


@one_thread
def run(*, n_layers: int, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Train the rungs of the ladder and the models that lack one part."""
    size = BUDGET.scaled(budget)
    text = Letters(size, seq_len=SEQ_LEN, seed=seed, device=device)
    yield from text.yardsticks()
    whole = TransformerConfig(
        vocab_size=text.vocab_size,
        seq_len=SEQ_LEN,
        d_model=D_MODEL,
        n_layers=n_layers,
        d_ff=4 * D_MODEL,
        positions="rope",
    )
    arms = {**LADDER, **LEFT_OUT, "together": BESIDE}
    models = {name: build(arm, whole, seed).to(device) for name, arm in arms.items()}
    training = train_arms(
        {name: [model] for name, model in models.items()},
        (LEARNING_RATE,),
        text.batches,
        text.held_out,
        size.recipe(final_share=0.1),
    )
    for losses in training:
        for name, arm in LADDER.items():
            now = [losses.of[name][0]]
            yield Curve(
                "Held-out loss of the ladder", arm.label, [losses.step], now, "step", "nats"
            )
        yield Progress(losses.step, size.n_steps, f"training {len(models)} models")
    loss = {name: of[0] for name, of in losses.of.items()}
    for name, arm in arms.items():
        label = f"without {arm.label}" if name in LEFT_OUT else f"built up to {arm.label}"
        yield Measurement(f"loss_{name}", loss[name], "nats", f"loss, {label}")
    yield from outcome(loss, taken_out(models["whole"], text.held_out))


def build(arm: Arm, whole: TransformerConfig, seed: int) -> Transformer:
    """The arm's model, untrained; what it has in common with the others starts alike."""
    model = Transformer(replace(whole, **arm.off), generator(seed, "weights"))
    for block in model.blocks:
        for sublayer in arm.without:
            setattr(block, sublayer, Absent())
            setattr(block, f"{sublayer}_pre_norm", nn.Identity())
            # The stream passes a sublayer that is not there, with residual connections or without.
            setattr(block, f"{sublayer}_skip", torch.ones(1, 1, 1))
    return model


@torch.no_grad()
def taken_out(model: Transformer, batch: Batch) -> dict[str, float]:
    """What the trained model's loss rises by without each part, in nats."""
    tokens, targets = batch

    def loss(*changes: AbstractContextManager[None]) -> float:
        with ExitStack() as out:
            for change in changes:
                out.enter_context(change)
            return float(F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten()))

    before = loss()
    return {
        "attention": loss(*(skipped(block, "attention") for block in model.blocks)) - before,
        "positions": loss(positions_replaced(model, "none")) - before,
        "residual": loss(*(residual_cut(block) for block in model.blocks)) - before,
        "feedforward": loss(*(skipped(block, "feedforward") for block in model.blocks)) - before,
    }


def outcome(loss: Mapping[str, float], taken: Mapping[str, float]) -> Iterator[Event]:
    """What each step and each missing part changes."""
    never = {
        "attention": loss["no_attention"] - loss["whole"],
        "positions": loss["no_positions"] - loss["whole"],
        "residual": loss["no_residual"] - loss["whole"],
        "norms": loss["no_norms"] - loss["whole"],
        "feedforward": loss["norms"] - loss["whole"],
    }
    for part, cost in taken.items():
        yield Measurement(f"taken_{part}", cost, "nats", f"cost of {part}, taken out at the end")
    ratios = [taken[part] / never[part] for part in ("attention", "feedforward")]
    yield Measurement("relied", min(ratios), "", "attention, feed-forward: taken out / never there")
    usual, other = list(LADDER), ["embeddings", "together", "residual", "no_norms", "whole"]
    added = [LADDER[name].label for name in usual[1:]]
    labels = dict(zip(never, added, strict=True))
    rows = [("added in the usual order", *step) for step in steps(loss, usual, added)]
    others = [BESIDE.label, labels["positions"], labels["feedforward"], labels["norms"]]
    rows += [("added in another order", *step) for step in steps(loss, other, others)]
    rows += [("never in the whole model", labels[part], round(never[part], 3)) for part in never]
    rows += [
        ("taken out of the trained model", labels[part], round(taken[part], 3)) for part in taken
    ]
    yield Table("What each part changes", ("when", "part", "change of the loss"), rows)


def steps(
    loss: Mapping[str, float], rungs: Sequence[str], labels: Sequence[str]
) -> list[tuple[str, float]]:
    """What each rung adds, and by how much the loss is higher than on the one before."""
    changes = [round(loss[above] - loss[below], 3) for below, above in pairwise(rungs)]
    return list(zip(labels, changes, strict=True))
