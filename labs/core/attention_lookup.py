"""Attention is a lookup by content: keys decide where it reads, values decide what it gets.

A dictionary finds the one key that equals the query and returns its value. Attention compares
the query with every key, turns the scores into weights that add up to 1, and returns the mean
of all values in proportion to them. This lab trains one head on a task that is nothing but
lookup: a sequence of cells, each a name with a value, and a question for one name. Then it takes
the trained head (scaled, at the lowest rate) apart, by giving it other keys, other values, a
second match, a crowd.

How to read it. One factor stands before every score. At 1/√head_dim it is attention as usual;
at 1 it is attention without its scale; at a huge number the weights are 1 for the best cell and
0 for all others, which is a dictionary's hard lookup. The three learn the same task from the
same starting weights, each at three learning rates, of which the best counts. "The commonest
value" is how often one is right without reading any name. The first table shows heads before
any training: how many cells they read (exp of the entropy of their weights), and the gradient
that reaches the typical query, which is the median, since without the scale few queries get
much and many get nothing.

What the literature reports. Vaswani et al. (2017, Sec. 3.2.1) scale the scores because, as they
suspect, large ones push the softmax to where its gradient is extremely small.

Out of scope: several heads, positions, text. Real tokens are not labelled with a name and a
value; a trained model has to make its own queries, keys and values of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from labs.tasks.recall import Questions, RecallTask
from labs.transformer.layers import Embedding, Linear
from labs.transformer.train import ModelStack, Recipe, lockstep, train
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress, Table

QUESTION = "What do queries, keys and values each decide?"
POINTS = ("1.1.1", "1.1.2", "1.1.3", "1.1.4")
CLAIMS = {
    "finds": "The trained head puts at least 0.8 of its weight on the cell that it is asked for, "
    "and at least 95 % of its answers are right.",
    "follows_keys": "With every key moved to the next cell, at least 95 % of the answers are the "
    "value that stands where the asked key now is.",
    "stays": "With every key moved to the next cell, at least half of the answers are still the "
    "value that was asked for.",
    "lost": "With every key moved to the next cell, fewer than half of the answers are the value "
    "that was asked for, and fewer than half are the value under the moved key.",
    "follows_values": "With another value under the same key, at least 95 % of the answers are "
    "that value, although no weight has changed.",
    "shares": "When two cells match, both are read: together they get at least 0.9 of the weight, "
    "and the lesser one gets at least 0.2 on average.",
    "picks": "When two cells match, one is picked: together they get at least half of the weight, "
    "and the lesser one at most a tenth of that on average.",
    "spreads": "When two cells match, the head reads everything: the two together get less than "
    "half of the weight.",
    "dilutes": "Among 64 times as many cells that do not match, the match has less than 0.6 of the "
    "weight.",
    "saturates": "Before training, a head of 64 dimensions reads fewer than 3 of 16 cells without "
    "the scale, and more than 8 with it.",
    "starves": "Without the scale, the typical query gets less than a hundredth of the gradient at "
    "1,024 dimensions, but more gradient, not less, at 64.",
    "late": "Without the scale the head learns, only later: at least 0.2 behind after a quarter of "
    "the steps, and right in more than half of its answers at the end.",
    "useless": "Without the scale the head does not learn the task: at most half of its answers "
    "are right at the end.",
    "indifferent": "Without the scale the head learns as fast: less than 0.1 behind after a "
    "quarter of the steps, and right in more than half of its answers at the end.",
    "hard_learns": "Hard lookup can be learned as well: it ends at most 0.1 behind soft lookup.",
}
KNOBS = {"head_dim": (64, 16, 256), "n_cells": (8, 4, 16)}
SEEDS = 3
SECONDS = {"cpu": 6}
LITERATURE = {
    "starves": "Extremely small gradients of the softmax are suspected at large head_dim, and the "
    "scale is to counter them (Vaswani et al. 2017, Sec. 3.2.1; their heads have 64 dimensions).",
}

LEARNING_RATES = (0.001, 0.003, 0.01)
LABELS = {"scaled": "soft, scaled", "unscaled": "soft, without the scale", "hard": "hard"}
HARD = 1e6
"""A factor that makes the softmax one-hot: the best score is ahead by far more than 1 / HARD."""
CROWD = 64
WIDTHS = (4, 16, 64, 256, 1024)
N_KEYS = 16


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes and length of the training: what a run costs, apart from the knobs."""

    n_steps: int = 240
    evaluate_every: int = 10
    batch_size: int = 32
    d_model: int = 64
    n_names: int = 16
    n_values: int = 8
    n_held_out: int = 512
    n_fresh: int = 1024
    """Queries of the table of heads before training."""


class Lookup(nn.Module):
    """One attention head that answers the question at the end of a sequence of cells.

    ::

        weights = softmax(scale · q kᵀ)     one query, a key for each cell
        answer  = unembed(weights v)        the mean of the values in proportion
    """

    scale: Tensor

    def __init__(
        self, task: RecallTask, d_model: int, head_dim: int, scale: float, generator: Generator
    ) -> None:
        super().__init__()
        self.embed = Embedding(task.vocab_size, d_model)
        self.query = Linear(d_model, head_dim, bias=False)
        self.key = Linear(d_model, head_dim, bias=False)
        self.value = Linear(d_model, head_dim, bias=False)
        self.unembed = Linear(head_dim, task.n_values, bias=False)
        # A number, so that heads with different scales can train side by side.
        self.register_buffer("scale", torch.full((1, 1, 1), scale))
        for parameter in self.parameters():
            # Every component of a token (two symbols), query, key or value starts with variance 1.
            std = 0.5**0.5 if parameter is self.embed.weight else parameter.shape[1] ** -0.5
            nn.init.normal_(parameter, std=std, generator=generator)

    def forward(self, tokens: Tensor) -> Tensor:
        # tokens: (batch, n_cells + 1, 2) -> logits: (batch, n_values)
        cells, question = tokens[:, :-1], tokens[:, -1:]
        return self.answer(question, keys_from=cells, values_from=cells)

    def answer(self, question: Tensor, *, keys_from: Tensor, values_from: Tensor) -> Tensor:
        """Logits of the values, where keys and values may come from different cells."""
        v = self.value(self.vectors(values_from))  # (batch, n_cells, head_dim)
        out = self.weights(question, keys_from) @ v  # (batch, 1, head_dim)
        logits: Tensor = self.unembed(out)[..., 0, :]
        return logits

    def weights(self, question: Tensor, cells: Tensor) -> Tensor:
        """How much of each cell goes into the answer; a row adds up to 1."""
        q = self.query(self.vectors(question))  # (batch, n_questions, head_dim)
        k = self.key(self.vectors(cells))  # (batch, n_cells, head_dim)
        weights: Tensor = (self.scale * q @ k.transpose(-2, -1)).softmax(dim=-1)
        return weights  # (batch, n_questions, n_cells)

    def vectors(self, tokens: Tensor) -> Tensor:
        """A token's two symbols, added up."""
        # (batch, n_tokens, 2) -> (batch, n_tokens, d_model)
        both: Tensor = self.embed(tokens)
        return both.sum(dim=-2)


def run(*, head_dim: int, n_cells: int, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which decides the starting weights and the questions."""
    return measure(Budget(), head_dim=head_dim, n_cells=n_cells, seed=seed, device=device)


def measure(
    budget: Budget, *, head_dim: int, n_cells: int, seed: int, device: str
) -> Iterator[Event]:
    """The experiment: heads before training, while they train, and the trained one taken apart."""
    yield Progress(0, budget.n_steps, "looking at heads before training")
    # Three streams of random numbers a seed, so that none is used twice.
    yield from before_training(budget.n_fresh, Generator().manual_seed(3 * seed), device)

    task = RecallTask(n_names=budget.n_names, n_values=budget.n_values, n_cells=n_cells)
    data = Generator().manual_seed(3 * seed + 1)
    held_out = task.draw(budget.n_held_out, data).to(device)
    yield from yardsticks(task, held_out)

    heads = build_heads(task, budget.d_model, head_dim, 3 * seed + 2)
    stack = ModelStack([head.to(device) for group in heads.values() for head in group])
    batches = (batch.to(device)[:2] for batch in task.batches(budget.batch_size, data))
    recipe = Recipe(
        n_steps=budget.n_steps,
        warmup_steps=budget.n_steps // 20,
        clip_norm=1.0,
        evaluate_every=budget.evaluate_every,
    )
    phases = {budget.n_steps // 4: "early", budget.n_steps: "final"}
    rates = LEARNING_RATES * len(heads)
    # The stack trains the heads themselves; in lockstep for its one thread, which is faster here.
    for (evaluation,) in lockstep(train(stack, rates, batches, held_out[:2], recipe)):
        step = evaluation.step
        for arm, group in heads.items():
            right = best_right(group, held_out)
            yield Curve("Right answers", LABELS[arm], [step], [right], "step", "share")
            if step in phases:
                label = f"right after {step} steps, {LABELS[arm]}, best of {len(group)} rates"
                yield Measurement(f"{phases[step]}_{arm}", right, "", label)
        yield Progress(step, budget.n_steps, f"training {len(rates)} heads")

    trained = heads["scaled"][0]
    yield from move_keys_and_values(task, trained, held_out)
    yield from match_twice(task, trained, held_out)
    yield from call_a_crowd(task, trained, held_out)


def build_heads(
    task: RecallTask, d_model: int, head_dim: int, seed: int
) -> dict[str, list[Lookup]]:
    """For each arm a head for each learning rate; all start from the same weights."""
    scales = {"scaled": head_dim**-0.5, "unscaled": 1.0, "hard": HARD}
    return {
        arm: [
            Lookup(task, d_model, head_dim, scale, Generator().manual_seed(seed))
            for _ in LEARNING_RATES
        ]
        for arm, scale in scales.items()
    }


def before_training(n: int, generator: Generator, device: str) -> Iterator[Event]:
    """What the scale does to heads of several widths whose components have variance 1."""
    rows: list[tuple[str | float, ...]] = []
    for width in WIDTHS:
        q, k, v, direction = (
            torch.randn(n, n_tokens, width, generator=generator).to(device)
            for n_tokens in (1, N_KEYS, N_KEYS, 1)
        )
        cells_read, gradients = [], []
        for scale in (width**-0.5, 1.0):  # with and without the scale, on the same numbers
            query = q.clone().requires_grad_()
            weights = (scale * query @ k.transpose(-2, -1)).softmax(dim=-1)  # (n, 1, N_KEYS)
            entropy = torch.special.entr(weights.detach()).sum(dim=-1)  # (n, 1)
            cells_read.append(float(entropy.mean().exp()))
            # The gradient of one number that is read from the output.
            (gradient,) = torch.autograd.grad((weights @ v * direction).sum(), query)
            gradients.append(float(gradient.norm(dim=-1).median()))
        ratio = gradients[1] / gradients[0]
        rows.append((str(width), *cells_read, ratio))
        if width in (64, 1024):
            label = f"typical gradient without / with the scale, {width} dimensions"
            yield Measurement(f"gradient_ratio_{width}", ratio, "", label)
        if width == 64:
            for arm, read in zip(("scaled", "unscaled"), cells_read, strict=True):
                label = f"cells read before training, 64 dimensions, {LABELS[arm]}"
                yield Measurement(f"cells_read_{arm}", read, f"of {N_KEYS}", label)
    columns = ("head_dim", "read, scaled", "read, unscaled", "gradient, unscaled / scaled")
    yield Table(f"Heads before training: cells read of {N_KEYS}, typical gradient", columns, rows)


def yardsticks(task: RecallTask, questions: Questions) -> Iterator[Event]:
    """How often guesses of known strength are right."""
    yield Measurement("chance", 1 / task.n_values, "", "right by chance", yardstick=True)
    values = questions.tokens[:, :-1, 1] - task.first_value  # (n, n_cells)
    commonest = nn.functional.one_hot(values, task.n_values).sum(dim=1).argmax(dim=1)
    share = float((commonest == questions.answers).float().mean())
    yield Measurement("commonest", share, "", "right with the commonest value", yardstick=True)


@torch.no_grad()
def move_keys_and_values(task: RecallTask, head: Lookup, questions: Questions) -> Iterator[Event]:
    """What the trained head reads and answers, as it is and with other keys or other values."""
    cells, question, place, row = parts(task, questions)
    answers = questions.answers
    yield weights_map(task, head, cells[0], "What each question reads")
    weight = head.weights(question, cells)[row, 0, place].mean()
    yield Measurement("weight", float(weight), "", "weight on the match")

    moved = cells.roll(1, dims=1)  # the key of each cell now stands one place later
    logits = head.answer(question, keys_from=moved, values_from=cells)
    under_key = cells[row, (place + 1) % task.n_cells, 1] - task.first_value
    for name, target, label in (
        ("keys_moved_new", under_key, "keys moved: answers with the value under the key"),
        ("keys_moved_old", answers, "keys moved: answers with the value asked for"),
    ):
        yield Measurement(name, share_right(logits, target), "", label)

    other_answers = (answers + 1) % task.n_values
    changed = cells.clone()
    changed[row, place, 1] = task.first_value + other_answers
    logits = head.answer(question, keys_from=cells, values_from=changed)
    share = share_right(logits, other_answers)
    yield Measurement("value_changed", share, "", "value changed: answers with the new value")


@torch.no_grad()
def match_twice(task: RecallTask, head: Lookup, questions: Questions) -> Iterator[Event]:
    """How the trained head divides its weight when the next cell has the asked name, too."""
    cells, question, place, row = parts(task, questions)
    neighbour = (place + 1) % task.n_cells
    double = cells.clone()
    double[row, neighbour, 0] = cells[row, place, 0]
    weights = head.weights(question, double)[:, 0]  # (n, n_cells)
    both = torch.stack((weights[row, place], weights[row, neighbour]))  # (2, n)
    yield weights_map(task, head, double[0], "One name twice: what each question reads")
    for name, value, label in (
        ("two_together", both.sum(dim=0).mean(), "two matches: weight of both together"),
        ("two_lesser", both.amin(dim=0).mean(), "two matches: weight of the lesser one"),
    ):
        yield Measurement(name, float(value), "", label)


@torch.no_grad()
def call_a_crowd(task: RecallTask, head: Lookup, questions: Questions) -> Iterator[Event]:
    """What is left for the match when each of the other cells comes many times."""
    cells, question, place, row = parts(task, questions)
    order = place[:, None] + torch.arange(task.n_cells, device=place.device)
    turned = cells[row[:, None], order % task.n_cells]  # the match comes first
    crowd = torch.cat((turned[:, :1], turned[:, 1:].repeat(1, CROWD, 1)), dim=1)
    weight = head.weights(question, crowd)[:, 0, 0].mean()
    label = f"weight on the match, {CROWD} times as many others"
    yield Measurement("weight_crowd", float(weight), "", label)


def parts(task: RecallTask, questions: Questions) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The cells, the question, the place of the cell it asks for, and the sequence's number."""
    cells, question = questions.tokens[:, :-1], questions.tokens[:, -1:]
    place = task.n_cells - questions.distances  # distances count back from the question
    return cells, question, place, torch.arange(len(place), device=place.device)


def weights_map(task: RecallTask, head: Lookup, cells: Tensor, title: str) -> HeatMap:
    """The weights of one sequence's cells for a question about the name of each."""
    # cells: (n_cells, 2)
    names, values = cells[:, 0], cells[:, 1] - task.first_value
    questions = torch.stack((task.asked + names, torch.full_like(names, task.nothing)), dim=-1)
    weights = head.weights(questions[None], cells[None])[0]  # (n_cells, n_cells)
    letters = [chr(ord("a") + name) for name in names.tolist()]
    rows = [f"{name}?" for name in letters]
    columns = [f"{name}={value}" for name, value in zip(letters, values.tolist(), strict=True)]
    return HeatMap(title, rows, columns, weights.tolist(), "weight")


@torch.no_grad()
def best_right(heads: Sequence[Lookup], questions: Questions) -> float:
    """How often the best of some heads is right."""
    return max(share_right(head(questions.tokens), questions.answers) for head in heads)


def share_right(logits: Tensor, answers: Tensor) -> float:
    """How often the highest logit is the answer's."""
    # logits: (n, n_values); answers: (n,)
    return float((logits.argmax(dim=-1) == answers).float().mean())


def verdict(m: Mapping[str, float]) -> dict[str, bool | None]:
    """Which claims the measurements of one seed bear out; None where they hold a NaN."""

    def judge(holds: bool, *names: str) -> bool | None:
        return None if any(math.isnan(m[name]) for name in names) else holds

    moved = "keys_moved_new", "keys_moved_old"
    two = "two_together", "two_lesser"
    early_gap = m["early_scaled"] - m["early_unscaled"]
    learns = m["final_unscaled"] > 0.5
    speed = "early_scaled", "early_unscaled", "final_unscaled"
    return {
        "finds": judge(m["weight"] >= 0.8 and m["final_scaled"] >= 0.95, "weight", "final_scaled"),
        "follows_keys": judge(m["keys_moved_new"] >= 0.95, *moved),
        "stays": judge(m["keys_moved_old"] >= 0.5, *moved),
        "lost": judge(m["keys_moved_new"] < 0.5 and m["keys_moved_old"] < 0.5, *moved),
        "follows_values": judge(m["value_changed"] >= 0.95, "value_changed"),
        "shares": judge(m["two_together"] >= 0.9 and m["two_lesser"] >= 0.2, *two),
        "picks": judge(
            m["two_together"] >= 0.5 and m["two_lesser"] <= 0.1 * m["two_together"], *two
        ),
        "spreads": judge(m["two_together"] < 0.5, *two),
        "dilutes": judge(m["weight_crowd"] < 0.6, "weight_crowd"),
        "saturates": judge(
            m["cells_read_unscaled"] < 3 and m["cells_read_scaled"] > 8,
            "cells_read_unscaled",
            "cells_read_scaled",
        ),
        "starves": judge(
            m["gradient_ratio_1024"] < 0.01 and m["gradient_ratio_64"] > 1,
            "gradient_ratio_1024",
            "gradient_ratio_64",
        ),
        "late": judge(early_gap >= 0.2 and learns, *speed),
        "useless": judge(not learns, "final_unscaled"),
        "indifferent": judge(early_gap < 0.1 and learns, *speed),
        "hard_learns": judge(
            m["final_hard"] >= m["final_scaled"] - 0.1, "final_hard", "final_scaled"
        ),
    }
