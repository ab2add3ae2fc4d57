"""Heads come to do different things because they start differently.

The heads of a layer have the same architecture and the same loss; only their starting weights
tell them apart. This lab trains layers of eight heads to report the bits 1, 4, 9 and 14 tokens
back in a row of coin flips, and changes nothing but these weights: all eight heads start
differently, or four start as copies of one head and four as copies of another, or all are equal.
Then it silences one head at a time, without further training.

How to read it. A place is read when more than 95 % of its bits are right. It depends on a head if
at most 60 % are right without that head, which is little more than guessing. The first heat map
shows where each head of one trained layer looks, the second what is right without it. A place that
depends on no single head may be read by several, which cover for each other.

What the literature reports. In BERT, single heads follow single relations of grammar: in one of
them 86.8 % of the direct objects attend most to their verb, where always looking the same
distance away finds it in 40.0 % (Clark et al. 2019, Table 1). The heads that matter most in a
translation model attend to a neighbour, to a syntactic partner or to rare words (Voita et al.
2019, Section 5). All the same most heads can be removed alone.

Out of scope: natural language. Here the task offers four jobs and rewards nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.readers import READ, Question, Reader, n_read, right_answers
from labs.tasks.four_places import N_PLACES, Places
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress

QUESTION = "What gives each head its job, and what does removing one show?"
POINTS = ("1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5")
CLAIMS = {
    "equal": "Eight heads that start equal stay equal, and read at most two of the four places "
    "in the mean.",
    "distinct": "Eight heads with two different starts read at least one place fewer than eight "
    "heads with eight, in the mean.",
    "covered": "Eight heads with two different starts read some places, and none depends on a "
    "single head, in any trained layer.",
    "hangs": "Of the places that eight different heads read, at least one depends on a single "
    "head, in the mean.",
}
HOLDS_IF = {
    "equal": "differ_equal < 0.01 and read_equal <= 2 if read_different >= 3 else unknown",
    "distinct": "read_different - read_two >= 1 if read_different >= 3 else unknown",
    "covered": "hangs_two == 0 and read_two > 0 if read_different >= 3 else unknown",
    "hangs": "hangs_different >= 1 if read_different >= 3 else unknown",
}
KNOBS = {"places": ("offsets", "marks")}
KNOB_HELP = {"places": "how the four bits are found: so many tokens back, or by a mark on them"}
SEEDS = 3
SECONDS = {"cpu": 10}
LITERATURE = {
    "covered": "38 of 48 encoder heads of a translation model could be pruned for 0.15 BLEU, with "
    "gates and further training (Voita et al. 2019); without retraining 20 % of the heads of "
    "another one and 40 % of BERT's (Michel et al. 2019).",
    "hangs": "In a translation model, removing one of 96 heads without retraining changed BLEU "
    "significantly for 8 of them, and raised it for half of the 8 (Michel et al. 2019, "
    "Section 3.2).",
}

BUDGET = Budget(n_steps=160, batch_size=6, n_held_out=64)
LEARNING_RATE = 0.015
"""Copies add up and move the stream faster, but read no more at half or a quarter of it."""
N_HEADS = 8
ARMS = {
    "different": "eight different starts",
    "two": "two different starts",
    "equal": "equal starts",
}
DIFFERENT = {"different": 8, "two": 2, "equal": 1}
N_LAYERS = {"different": 6, "two": 3, "equal": 3}
"""Layers that are trained for each arm, each from weights of its own."""
LOST = 0.6
"""Share of right answers down to which a place is lost."""


@one_thread
def run(*, places: Places, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Train layers whose heads start more or less alike, then silence heads."""
    cost = BUDGET.scaled(budget)
    question = Question(places, cost, seed=seed, device=device)
    arms = {arm: build(arm, seed, device) for arm in ARMS}
    rates = {arm: [LEARNING_RATE] * N_LAYERS[arm] for arm in ARMS}
    recipe = cost.recipe(final_share=0.1)
    for losses in train_arms(arms, rates, question.batches, question.held_out, recipe):
        for arm, label in ARMS.items():
            mean = sum(losses.of[arm]) / N_LAYERS[arm]
            yield Curve("Held-out loss", label, [losses.step], [mean], "step", "nats")
        yield Progress(losses.step, cost.n_steps, f"training {sum(N_LAYERS.values())} layers")
    yield from without_one_head(question, arms)
    yield from pictures(question, arms["different"])


def build(arm: str, seed: int, device: str) -> list[Reader]:
    """Layers of eight heads, of which some start as copies of others; the rest is the same."""
    weights = generator(seed, "weights")
    readers = [Reader(N_HEADS, weights).to(device) for _ in range(N_LAYERS[arm])]
    for reader in readers:
        copy_starts(reader, DIFFERENT[arm])
    return readers


@torch.no_grad()
def copy_starts(reader: Reader, n_different: int) -> None:
    """Give the heads the starting weights of the first `n_different` heads in turn."""
    attention = reader.attention
    copied = torch.arange(N_HEADS) % n_different
    for linear in (attention.query, attention.key, attention.value):
        rows = linear.weight.view(N_HEADS, -1)
        rows.copy_(rows[copied])
    columns = attention.out.weight.view(len(attention.out.weight), N_HEADS, -1)
    columns.copy_(columns[:, copied])


def without_one_head(question: Question, arms: Mapping[str, Sequence[Reader]]) -> Iterator[Event]:
    """Places read with all heads, and how many depend on a single head."""
    for arm, readers in arms.items():
        read, hangs = [], []
        for reader in readers:
            before = right_answers(reader, question.held_out)
            after = removals(question, reader)
            places = [place for place in range(N_PLACES) if before[place] > READ]
            read.append(len(places))
            hangs.append(sum(min(right[place] for right in after) <= LOST for place in places))
        for name, values, unit, what in (
            ("read", read, "places", "places read"),
            ("hangs", hangs, "places", "places that depend on a single head"),
        ):
            mean = sum(values) / len(values)
            yield Measurement(f"{name}_{arm}", mean, unit, f"{what}, {ARMS[arm]}, mean")
    looks = torch.tensor([question.attention_to_places(reader) for reader in arms["equal"]])
    differ = float((looks - looks[:, :1]).abs().max())  # looks: (n_layers, n_heads, places)
    label = "largest difference of two heads' attention to a place, equal starts"
    yield Measurement("differ_equal", differ, "", label)


def removals(question: Question, reader: Reader) -> list[list[float]]:
    """Right answers for each place when one head is silenced, head by head."""
    return [right_answers(reader.without(head), question.held_out) for head in range(N_HEADS)]


def pictures(question: Question, readers: Sequence[Reader]) -> Iterator[Event]:
    """Where each head of the layer that reads most looks, and what is right without it."""
    reader = max(readers, key=lambda reader: n_read(right_answers(reader, question.held_out)))
    heads = [f"head {head + 1}" for head in range(N_HEADS)]
    looks = question.attention_to_places(reader)
    yield HeatMap("Where the heads look", heads, (*question.names, "elsewhere"), looks, "share")
    after = removals(question, reader)
    right = [right_answers(reader, question.held_out), *after]
    title = "Right answers when one head is removed"
    yield HeatMap(title, ["none removed", *heads], question.names, right, "share")
