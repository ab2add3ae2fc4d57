"""Several heads read several places at once.

Inside one attention head the weights of a token add up to 1, and what the head passes on is one
mean of the values. A layer has several heads, each with its own queries, keys and values on its
own slice of the width. This lab asks one attention layer for four bits at once, at every
position, and trains it with 1, 4 and 8 heads at the same width and the same number of parameters,
each from eight sets of starting weights.

The four places are found in one of two ways, which is the knob. "offsets": the bits that stand 1,
4, 9 and 14 tokens back, in a row of zeros and ones that look alike. "marks": the bits of the four
marked tokens, wherever they stand; each mark belongs to the token and shows in its embedding. The
bits are fair coin flips, so there is nothing else to learn.

How to read it. A place is read when more than 95 % of its bits are right. Guessing gets 50 %, and
75 % who sees the sum of two bits that cannot be told apart. The loss is given in bits: each place
that is read takes off one of the four. The heat maps show what every start has learned, and where
the heads of the best ones look.

What the literature reports. At equal computation the original transformer translated best with 8
and 16 heads, worse with 1 and with 32.

Out of scope: natural language. In theory one head with weights 8 : 4 : 2 : 1 could pack four bits
into one number for the feed-forward network to unpack, so that a place is not read is a finding
about training, not a theorem.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.readers import Question, Reader, n_read, right_answers
from labs.tasks.four_places import N_PLACES, Places
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress

QUESTION = "Why several attention heads, if one can look anywhere?"
POINTS = ("1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5")
CLAIMS = {
    "several": "Eight heads read at least two places more than one head, in the mean of their "
    "starts.",
    "one_head_few": "The best start of one head reads two of the four places at most.",
    "one_head_all": "The best start of one head reads all four places.",
    "four_always": "Four heads read all four places from every start.",
    "four_sometimes": "From some starts four heads miss a place; in the mean they read more than "
    "one.",
    "four_few": "Four heads read one place at most, in the mean of their starts.",
    "same_size": "Layers with one, four and eight heads have the same number of parameters.",
}
HOLDS_IF = {
    "several": "read_h8 - read_h1 >= 2 if read_h8 >= 3 else unknown",
    "one_head_few": "best_h1 <= 2 if read_h8 >= 3 else unknown",
    "one_head_all": "best_h1 == 4",
    "four_always": "worst_h4 == 4 if read_h8 >= 3 else unknown",
    "four_sometimes": "worst_h4 < 4 and read_h4 > 1 if read_h8 >= 3 else unknown",
    "four_few": "read_h4 <= 1 if read_h8 >= 3 else unknown",
    "same_size": "parameters_h1 == parameters_h4 == parameters_h8",
}
KNOBS = {"places": ("offsets", "marks")}
KNOB_HELP = {"places": "how the four bits are found: so many tokens back, or by a mark on them"}
SEEDS = 3
SECONDS = {"cpu": 15}
LITERATURE = {
    "several": "Translation with 1 head: BLEU 24.9; with 4: 25.5; with 8 and with 16: 25.8; with "
    "32: 25.4 (Vaswani et al. 2017, Table 3 A, newstest2013; equal computation, single runs).",
}

BUDGET = Budget(n_steps=160, batch_size=6, n_held_out=64)
LEARNING_RATE = 0.015
N_STARTS = 8
ARMS = {1: "1 head", 4: "4 heads", 8: "8 heads"}


@one_thread
def run(*, places: Places, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Train every head count from every start, and see which places each has learned to read."""
    cost = BUDGET.scaled(budget)
    question = Question(places, cost, seed=seed, device=device)
    yield Measurement("guessing", N_PLACES, "bits", "guessing all four", yardstick=True)
    readers = {n_heads: build(n_heads, seed, device) for n_heads in ARMS}
    arms = {label: readers[n_heads] for n_heads, label in ARMS.items()}
    rates = [LEARNING_RATE] * N_STARTS
    recipe = cost.recipe(final_share=0.1)
    for losses in train_arms(arms, rates, question.batches, question.held_out, recipe):
        for label, of_starts in losses.of.items():
            missing = N_PLACES * sum(of_starts) / N_STARTS / math.log(2)
            yield Curve("Bits not known, of four", label, [losses.step], [missing], "step", "bits")
        yield Progress(losses.step, cost.n_steps, f"training {N_STARTS} starts of each")
    right = {
        n_heads: [right_answers(reader, question.held_out) for reader in readers[n_heads]]
        for n_heads in ARMS
    }
    yield from places_read(readers, right)
    yield from pictures(question, readers, right)


def build(n_heads: int, seed: int, device: str) -> list[Reader]:
    """Readers with different starting weights, which other head counts cut up differently."""
    weights = generator(seed, "weights")
    return [Reader(n_heads, weights).to(device) for _ in range(N_STARTS)]


def places_read(
    readers: Mapping[int, Sequence[Reader]], right: Mapping[int, Sequence[Sequence[float]]]
) -> Iterator[Event]:
    """Places read with each head count: mean, best and worst of the starts."""
    for n_heads, label in ARMS.items():
        counts = [n_read(shares) for shares in right[n_heads]]
        n_parameters = sum(parameter.numel() for parameter in readers[n_heads][0].parameters())
        for name, value, unit, what in (
            ("read", sum(counts) / N_STARTS, "places", "places read, mean of the starts"),
            ("best", max(counts), "places", "places read, best start"),
            ("worst", min(counts), "places", "places read, worst start"),
            ("parameters", n_parameters, "", "parameters"),
        ):
            yield Measurement(f"{name}_h{n_heads}", value, unit, f"{what}, {label}")


def pictures(
    question: Question,
    readers: Mapping[int, Sequence[Reader]],
    right: Mapping[int, Sequence[Sequence[float]]],
) -> Iterator[Event]:
    """What every start has learned, and where the heads of the best starts look."""
    looks: dict[str, list[float]] = {}
    for n_heads in (1, 4):
        starts = [f"start {start + 1}" for start in range(N_STARTS)]
        title = f"Right answers, {ARMS[n_heads]}"
        yield HeatMap(title, starts, question.names, right[n_heads], "share")
        best = max(range(N_STARTS), key=lambda start: n_read(right[n_heads][start]))
        for head, shares in enumerate(question.attention_to_places(readers[n_heads][best])):
            looks[f"head {head + 1} of {n_heads}"] = shares
    columns = (*question.names, "elsewhere")
    yield HeatMap(
        "Where heads look, best start", list(looks), columns, list(looks.values()), "share"
    )
