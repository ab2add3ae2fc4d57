"""Queries and keys must differ, so that a token can look for one that does not look for it.

A score compares the query of one token with the key of another. If one projection makes both,
every score is the same in both directions, and what fits a token best is mostly the token itself.
Keys and values are another matter: one vector can serve to be found and to be read, if it has
room for both.

The task has a direction. Every token has a name, the name of another token that it wants, and a
value, and must report the value of the token that it wants; no two tokens want each other. One
attention head learns this with three projections, with one for query and key (also where no token
may read itself), and with one for key and value. Last comes a causal head: each token wants one of
the tokens before it, and sees no others.

How to read it. The table shows the heads before and after training, at the best of several
learning rates: the weight that a token gives to itself, to the token that it wants and to the one
that wants it, and how many answers are right. A guess is right in 1 of 8.

What the literature reports. Vaswani et al. (2017, Sec. 3.2) project queries, keys and values
separately and do not test it. Reformer (Kitaev et al. 2020, Sec. 2) shares queries and keys in
causal models, and lets a token read itself only where there is nothing else to read.

Out of scope: several heads and layers, which may find a way round, and positions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Generator, Tensor, nn

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.charts import watch
from labs.kit.stages import stages
from labs.tasks.wanted import Direction, WantedTask
from labs.transformer.layers import Embedding, Linear
from labs.transformer.train import UNCOUNTED, Batch
from studykit.lab.events import Event, Measurement, Table

QUESTION = "Why are there three projections, and could two of them be one?"
POINTS = ("1.1.1", "1.1.2", "1.1.3")
CLAIMS = {
    "one_way": "With one projection for query and key at most 70 % of the answers are right, even "
    "where no token may read itself, and as much weight goes to the token that wants this one as "
    "to the one it wants (within 0.05); with one for key and value at least 95 % are right.",
    "earlier": "Where each token wants an earlier one and sees no others, at least 75 % are right "
    "with one projection for query and key.",
}
HOLDS_IF = {  # nothing to compare with unless three projections learn the task
    "one_way": "max(right_query_key, right_others) <= 0.7"
    " and abs(wanted_query_key - wanting_query_key) <= 0.05 and right_key_value >= 0.95"
    " if right_separate >= 0.95 else unknown",
    "earlier": "right_earlier >= 0.75 if right_separate >= 0.95 else unknown",
}
KNOBS = {"head_dim": (32, 4, 8, 64), "n_tokens": (8, 4, 16)}
KNOB_HELP = {
    "head_dim": "width of queries, keys and values",
    "n_tokens": "tokens of a sequence, each of which wants another",
}
SEEDS = 3
SECONDS = {"cpu": 5}

Sharing: TypeAlias = Literal["none", "query = key", "key = value"]
Visible: TypeAlias = Literal["all", "others", "earlier"]


@dataclass(frozen=True, slots=True)
class Arm:
    """What a head shares and sees."""

    label: str
    sharing: Sharing
    visible: Visible = "all"

    @property
    def direction(self) -> Direction:
        """The task that suits it: whoever sees earlier tokens only can want no others."""
        return "earlier" if self.visible == "earlier" else "ring"


ARMS = {
    "separate": Arm("three projections", "none"),
    "query_key": Arm("query = key", "query = key"),
    "others": Arm("query = key, reads others only", "query = key", "others"),
    "key_value": Arm("key = value", "key = value"),
    "earlier": Arm("query = key, reads earlier only", "query = key", "earlier"),
}
NOTES: dict[Direction, str] = {
    "ring": "each wants another one",
    "earlier": "each wants an earlier one",
}
RATES = (0.003, 0.01, 0.03)
D_MODEL = 32
N_VALUES = 8


class Head(nn.Module):
    """One attention head in which projections may be shared."""

    hidden: Tensor

    def __init__(self, task: WantedTask, head_dim: int, arm: Arm, generator: Generator) -> None:
        super().__init__()
        self.embed = Embedding(task.vocab_size, D_MODEL)
        self.query = Linear(D_MODEL, head_dim, bias=False)
        separate_key, separate_value = (Linear(D_MODEL, head_dim, bias=False) for _ in range(2))
        self.key = self.query if arm.sharing == "query = key" else separate_key
        self.value = self.key if arm.sharing == "key = value" else separate_value
        self.unembed = Linear(head_dim, task.n_values, bias=False)
        # With an axis for the batch, so that heads that see different tokens can be stacked.
        self.register_buffer("hidden", hide(arm.visible, task.n_tokens)[None])
        for parameter in self.parameters():
            # Components of tokens (three symbols), queries, keys and values start with variance 1.
            std = 3**-0.5 if parameter is self.embed.weight else parameter.shape[1] ** -0.5
            nn.init.normal_(parameter, std=std, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        # tokens: (batch, n_tokens, 3) -> logits: (batch, n_tokens, n_values)
        weights, v = self.read(tokens)
        logits: Tensor = self.unembed(weights @ v)
        return logits

    def read(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Each token's weights for all tokens, (batch, n_tokens, n_tokens), and the values."""
        x = self.embed(tokens).sum(dim=-2)  # (batch, n_tokens, d_model)
        q, k, v = self.query(x), self.key(x), self.value(x)
        scores = q @ k.mT / math.sqrt(q.shape[-1]) + self.hidden
        return scores.softmax(dim=-1), v


def hide(visible: Visible, n_tokens: int) -> Tensor:
    """What is added to the scores: -∞ where a token may not read."""
    hidden = torch.zeros(n_tokens, n_tokens)
    if visible == "others":
        hidden.fill_diagonal_(-math.inf)
    if visible == "earlier":
        hidden = torch.full_like(hidden, -math.inf).triu()
        hidden[0, 0] = 0.0  # the first token has nothing else to read, and is not asked
    return hidden


@one_thread
def run(*, head_dim: int, n_tokens: int, seed: int, device: str, budget: float) -> Iterator[Event]:
    """Train the heads on the two tasks, and see where they read."""
    yield Measurement("chance", 1 / N_VALUES, "", "right by chance", yardstick=True)
    costs = Budget(n_steps=200, batch_size=16, n_held_out=128).scaled(budget)
    parts: dict[str, Iterator[Event]] = {}
    for direction, note in NOTES.items():
        task = WantedTask(n_names=16, n_values=N_VALUES, n_tokens=n_tokens, direction=direction)
        arms = {name: arm for name, arm in ARMS.items() if arm.direction == direction}
        parts[note] = learn(note, task, arms, costs, head_dim, seed, device)
    yield from stages(parts)


def learn(
    note: str,
    task: WantedTask,
    arms: Mapping[str, Arm],
    costs: Budget,
    head_dim: int,
    seed: int,
    device: str,
) -> Iterator[Event]:
    """Train the heads that get this task, and see where they read before and after."""

    def batches() -> Iterator[Batch]:
        for wants in task.batches(costs.batch_size, generator(seed, "batches")):
            yield wants.tokens.to(device), wants.answers.to(device)

    held_out = task.draw(costs.n_held_out, generator(seed, "held out"))
    tokens, answers, wanted = (tensor.to(device) for tensor in held_out)
    heads = {
        name: [Head(task, head_dim, arm, generator(seed, "weights")).to(device) for _ in RATES]
        for name, arm in arms.items()
    }
    labels = {name: arm.label for name, arm in arms.items()}
    before = {name: where(group[0], tokens, wanted) for name, group in heads.items()}
    training = train_arms(heads, RATES, batches, (tokens, answers), costs.recipe())
    _, end = yield from watch(training, labels, RATES, costs.n_steps)
    rows: list[tuple[str | float, ...]] = []
    for name, label in labels.items():
        losses = torch.tensor(end.of[name]).nan_to_num(math.inf)
        head = heads[name][int(losses.argmin())]
        itself, to_wanted, to_wanting = where(head, tokens, wanted)
        counted = answers != UNCOUNTED
        right = float((head(tokens).argmax(dim=-1) == answers)[counted].float().mean())
        rows.append((label, before[name][0], itself, to_wanted, to_wanting, right))
        yield Measurement(f"right_{name}", right, "", f"right answers, {label}")
        if name == "query_key":
            yield Measurement(
                "wanted_query_key", to_wanted, "", f"weight on the one wanted, {label}"
            )
            yield Measurement(
                "wanting_query_key", to_wanting, "", f"weight on the one that wants it, {label}"
            )
    columns = (
        "head",
        "itself, untrained",
        "itself",
        "the one it wants",
        "the one that wants it",
        "right",
    )
    yield Table(f"Weights and right answers, {note}", columns, rows)


@torch.no_grad()
def where(head: Head, tokens: Tensor, wanted: Tensor) -> tuple[float, float, float]:
    """A token's mean weight on itself, on the token that it wants, and of the latter on it."""
    weights, _ = head.read(tokens)  # (batch, n_tokens, n_tokens)
    places = wanted[..., None]  # (batch, n_tokens, 1)
    itself = weights.diagonal(dim1=-2, dim2=-1).mean()
    to_wanted, from_wanted = weights.gather(-1, places).mean(), weights.mT.gather(-1, places).mean()
    return float(itself), float(to_wanted), float(from_wanted)
