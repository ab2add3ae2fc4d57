"""Attention is a lookup by content: keys decide where it reads, values decide what it gets.

A dictionary finds the one key that equals the query and returns its value. Attention compares the
query with every key, turns the scores into weights that add up to 1, and returns the mean of all
values in proportion to them. This lab trains one head on a task that is nothing but lookup: a
sequence of cells, each a name with a value, and a question for one of the names. Then it takes the
trained head apart, by giving it other keys, other values, a second match, a crowd.

How to read it. The heat maps show one sequence: a row is the question for the name of one cell, a
column is a cell, and a row adds up to 1. "The commonest value" is how often one is right without
reading any name.

What the literature reports. Queries, keys and values, and the weighted mean of the values, are as
in Vaswani et al. (2017, Sec. 3.2).

Out of scope: several heads, positions, text; the scale before the scores (`core/scaling`), and why
there are three projections (`core/projections`). Real tokens are not labelled with a name and a
value; a trained model has to make its own queries, keys and values of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.charts import watch
from labs.kit.lookup import LookupHead
from labs.tasks.recall import Questions, RecallTask
from labs.transformer.train import Batch
from studykit.lab.events import Event, HeatMap, Measurement

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
    "dilutes": "Among 64 times as many cells that do not match, at least 5 times as much weight "
    "goes to them; with ln 64 added to its score, the match has its old weight again.",
}
HOLDS_IF = {  # a head that has not learned the task is not worth taking apart
    "finds": "weight >= 0.8 and right >= 0.95",
    "follows_keys": "keys_moved_new >= 0.95 if right >= 0.95 else unknown",
    "stays": "keys_moved_old >= 0.5 if right >= 0.95 else unknown",
    "lost": "keys_moved_old < 0.5 and keys_moved_new < 0.5 if right >= 0.95 else unknown",
    "follows_values": "value_changed >= 0.95 if right >= 0.95 else unknown",
    "shares": "two_together >= 0.9 and two_lesser >= 0.2 if right >= 0.95 else unknown",
    "dilutes": "1 - weight_crowd >= 5 * (1 - weight) and abs(weight_raised - weight) <= 0.01"
    " if right >= 0.95 else unknown",
}
KNOBS = {"head_dim": (64, 16, 256), "n_cells": (8, 4, 16)}
KNOB_HELP = {
    "head_dim": "width of queries, keys and values",
    "n_cells": "cells, each a name with a value, that a question chooses among",
}
SEEDS = 3
SECONDS = {"cpu": 2}

RATES = (0.003,)
CROWD = 64


@one_thread
def run(*, head_dim: int, n_cells: int, seed: int, device: str, budget: float) -> Iterator[Event]:
    """One head, trained and then taken apart."""
    costs = Budget(n_steps=240, batch_size=32, n_held_out=512).scaled(budget)
    task = RecallTask(n_names=16, n_values=8, n_cells=n_cells)
    questions = task.draw(costs.n_held_out, generator(seed, "held out")).to(device)
    yield from yardsticks(task, questions)

    def batches() -> Iterator[Batch]:
        stream = task.batches(costs.batch_size, generator(seed, "batches"))
        return (batch.to(device)[:2] for batch in stream)

    head = LookupHead(task, 64, head_dim, generator(seed, "weights")).to(device)
    training = train_arms({"head": [head]}, RATES, batches, questions[:2], costs.recipe())
    yield from watch(training, {"head": "one head"}, RATES, costs.n_steps)
    with torch.no_grad():
        yield from as_it_is(task, head, questions)
        yield from move_keys_and_values(task, head, questions)
        yield from match_twice(task, head, questions)
        yield from call_a_crowd(task, head, questions)


def yardsticks(task: RecallTask, questions: Questions) -> Iterator[Event]:
    """How often guesses of known strength are right."""
    yield Measurement("chance", 1 / task.n_values, "", "right by chance", yardstick=True)
    values = questions.tokens[:, :-1, 1] - task.first_value  # (n, n_cells)
    commonest = torch.nn.functional.one_hot(values, task.n_values).sum(dim=1).argmax(dim=1)
    share = float((commonest == questions.answers).float().mean())
    yield Measurement("commonest", share, "", "right with the commonest value", yardstick=True)


def as_it_is(task: RecallTask, head: LookupHead, questions: Questions) -> Iterator[Event]:
    """Where the trained head reads, and how often it is right."""
    cells, question, place, row = parts(task, questions)
    yield weights_map(task, head, cells[0], "What each question reads")
    weight = head.weights(question, cells)[row, 0, place].mean()
    yield Measurement("weight", float(weight), "", "weight on the match")
    right = share_right(head(questions.tokens), questions.answers)
    yield Measurement("right", right, "", "right answers")


def move_keys_and_values(
    task: RecallTask, head: LookupHead, questions: Questions
) -> Iterator[Event]:
    """What the trained head answers with other keys or other values."""
    cells, question, place, row = parts(task, questions)
    answers = questions.answers
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


def match_twice(task: RecallTask, head: LookupHead, questions: Questions) -> Iterator[Event]:
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


def call_a_crowd(task: RecallTask, head: LookupHead, questions: Questions) -> Iterator[Event]:
    """What is left for the match when each of the other cells comes many times."""
    cells, question, place, row = parts(task, questions)
    order = place[:, None] + torch.arange(task.n_cells, device=place.device)
    turned = cells[row[:, None], order % task.n_cells]  # the match comes first
    crowd = torch.cat((turned[:, :1], turned[:, 1:].repeat(1, CROWD, 1)), dim=1)
    scores = head.scores(question, crowd)[:, 0]  # (n, 1 + CROWD * (n_cells - 1))
    raised = scores.clone()
    raised[:, 0] += math.log(CROWD)
    for name, each, label in (
        ("weight_crowd", scores, f"weight on the match, {CROWD} times as many others"),
        ("weight_raised", raised, f"the same, with ln {CROWD} added to the match's score"),
    ):
        yield Measurement(name, float(each.softmax(dim=-1)[:, 0].mean()), "", label)


def parts(task: RecallTask, questions: Questions) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The cells, the question, the place of the cell it asks for, and the sequence's number."""
    cells, question = questions.tokens[:, :-1], questions.tokens[:, -1:]
    place = task.n_cells - questions.distances  # distances count back from the question
    return cells, question, place, torch.arange(len(place), device=place.device)


def weights_map(task: RecallTask, head: LookupHead, cells: Tensor, title: str) -> HeatMap:
    """The weights of one sequence's cells for a question about the name of each."""
    # cells: (n_cells, 2)
    names, values = cells[:, 0], cells[:, 1] - task.first_value
    questions = torch.stack((task.asked + names, torch.full_like(names, task.nothing)), dim=-1)
    weights = head.weights(questions[None], cells[None])[0]  # (n_cells, n_cells)
    letters = [chr(ord("a") + name) for name in names.tolist()]
    rows = [f"{name}?" for name in letters]
    columns = [f"{name}={value}" for name, value in zip(letters, values.tolist(), strict=True)]
    return HeatMap(title, rows, columns, weights.tolist(), "weight")


def share_right(logits: Tensor, answers: Tensor) -> float:
    """How often the highest logit is the answer's."""
    # logits: (n, n_values); answers: (n,)
    return float((logits.argmax(dim=-1) == answers).float().mean())
