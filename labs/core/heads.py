"""Several heads read several places at once.

Inside one attention head the weights of a token add up to 1, and what the head passes on is one
mean of the values. A layer has several heads, each with its own queries, keys and values on its
own slice of the width. This lab asks one attention layer for four bits at once, at every
position, and trains it with 1, 2, 4 and 8 heads at the same width and the same number of
parameters. Each is trained from eight starting points, since the start turns out to matter.

The four places are found in one of two ways, which is the knob. "offsets": the bits that stand
1, 4, 9 and 14 tokens back, near and far, in a row of zeros and ones that look alike. "marks": the
bits of the four marked tokens, wherever they stand; each mark belongs to the token and shows in
its embedding. The sequence holds fair coin flips, so there is nothing else to learn.

How to read it. A place is read when more than 95 % of its bits are right. Guessing gets 50 %, and
75 % who sees the sum of two bits that cannot be told apart. The loss is given in bits and falls in
steps: each place that is read takes off one of the four. The heat maps show the starts that read
most: where the only head and each of four heads look, and which answers are lost when the output of
one of the four is set to zero. Eight heads are removed one after the other, always the one that is
needed least.

What the literature reports. At equal computation the original transformer translated best with 8
and 16 heads, worse with 1 and with 32. Of 96 heads of a trained translation model, 8 changed its
score significantly when removed alone; 38 of 48 encoder heads could be pruned with further
training.

Out of scope: what heads do in models of natural language. Here the task forces near, far and
marked places to be read at the same time, and rewards nothing else. That heads divide such work
is measured; that they take up grammar or meaning is not. In theory one head with weights
8 : 4 : 2 : 1 could pack four bits into one number for the feed-forward network to unpack, so that
a place is not read is a fact about training, not a proof.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import count

import torch
from torch import Generator, Tensor, nn

from labs.tasks.four_places import FIRST_ASKED, N_PLACES, VOCAB_SIZE, FourPlaces, Places
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.probes import attention_weights
from labs.transformer.train import UNCOUNTED, Batch, Evaluation, ModelStack, Recipe, lockstep, train
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress, Table

QUESTION = "Why several attention heads, if one can look anywhere?"
POINTS = ("1.2.1", "1.2.2", "1.2.3", "1.2.4", "1.2.5")
CLAIMS = {
    "several": "Eight heads read at least two places more than one head, in the mean of their "
    "starts.",
    "one_head_few": "The best start of one head reads two of the four places at most.",
    "one_head_three": "The best start of one head reads three of the four places.",
    "one_head_all": "The best start of one head reads all four places.",
    "exactly_one": "A single head reads exactly one place, from every start.",
    "more_parameters": "Eight heads have more parameters than one head.",
    "four_always": "Four heads read all four places from every start.",
    "four_sometimes": "Four heads read all four places from some starts and not from others.",
    "four_never": "Four heads read all four places from no start.",
    "eight_enough": "Eight heads read at least 3.5 of the four places, in the mean of their "
    "starts.",
    "redundant": "Any one of four heads can be removed, in every trained model, without losing a "
    "place.",
    "one_job": "Each of four heads holds exactly one place, in every trained model: the place is "
    "lost with this head and with no other.",
    "mixed_jobs": "Of four heads, some hold a place alone; but not every trained model has one "
    "head for each place.",
    "prune_cheap": "Eight trained heads lose less than one place when four of them are removed.",
    "prune_half": "Eight trained heads lose one place or more, but fewer than three, when four of "
    "them are removed.",
    "prune_ruins": "Eight trained heads lose three places or more when four of them are removed.",
}
KNOBS = {"places": ("offsets", "marks")}
SEEDS = 3
SECONDS = {"cpu": 23}
LITERATURE = {
    "several": "Translation with 1 head: BLEU 24.9; with 4: 25.5; with 8 and with 16: 25.8; with "
    "32: 25.4 (Vaswani et al. 2017, Table 3 A, newstest2013; equal computation, single runs).",
    "redundant": "In a translation model, removing one of 96 heads without retraining changed "
    "BLEU significantly for 8 of them, and raised it for half of the 8 (Michel et al. 2019, "
    "Section 3.2).",
    "prune_cheap": "38 of 48 encoder heads could be pruned for 0.15 BLEU, with gates and further "
    "training (Voita et al. 2019); without retraining 20 % of the heads of a translation model "
    "and 40 % of BERT's (Michel et al. 2019).",
}

HEAD_COUNTS = (1, 2, 4, 8)
READ, LOST = 0.95, 0.6
"""Share of right answers above which a place is read, and down to which it is lost."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes and length of the training: what a run costs, apart from the knobs."""

    n_steps: int = 260
    evaluate_every: int = 20
    n_starts: int = 8
    """Models of each head count, which differ in their starting weights."""
    batch_size: int = 16
    seq_len: int = 24
    d_model: int = 32
    d_ff: int = 64
    rate: float = 0.01
    n_held_out: int = 64
    """Sequences that decide what is read."""


class Reader(nn.Module):
    """One transformer layer that answers, at every position, with a bit for each place."""

    def __init__(self, config: TransformerConfig, generator: Generator) -> None:
        super().__init__()
        self.transformer = Transformer(config, generator)

    def forward(self, tokens: Tensor) -> Tensor:
        # (batch, seq_len) -> (batch, seq_len, N_PLACES, 2); the vocabulary has two logits to spare
        logits = self.transformer(tokens)[..., : 2 * N_PLACES]
        answers: Tensor = logits.unflatten(-1, (N_PLACES, 2))
        return answers

    @property
    def attention(self) -> MultiHeadAttention:
        """The layer's attention."""
        attention = self.transformer.blocks[0].attention
        assert isinstance(attention, MultiHeadAttention)
        return attention


def run(*, places: Places, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which decides the starting weights and the sequences."""
    return measure(Budget(), places=places, seed=seed, device=device)


def measure(budget: Budget, *, places: Places, seed: int, device: str) -> Iterator[Event]:
    """The experiment: train every head count from every start, then take heads away."""
    yield Progress(0, budget.n_steps, "drawing sequences")
    yield Measurement("guessing", N_PLACES, "bits", "guessing all four", yardstick=True)
    task = FourPlaces(places, budget.seq_len)
    held_out = Generator().manual_seed(3 * seed + 1)
    tokens, targets, sources = ask(task, budget.n_held_out, held_out, device)
    batch = (tokens, targets)
    # The same seed for every head count: all start from the same weights, cut up differently.
    readers = {
        n_heads: build_readers(budget, n_heads, Generator().manual_seed(3 * seed), device)
        for n_heads in HEAD_COUNTS
    }
    recipe = Recipe(
        n_steps=budget.n_steps,
        warmup_steps=budget.n_steps // 15,
        final_share=0.1,
        clip_norm=1.0,
        evaluate_every=budget.evaluate_every,
    )

    def train_stack(n_heads: int) -> Iterator[Evaluation]:
        data = Generator().manual_seed(3 * seed + 2)
        # Each batch is drawn anew: no sequence is ever seen twice.
        batches = (ask(task, budget.batch_size, data, device)[:2] for _ in count())
        rates = [budget.rate] * budget.n_starts
        return train(ModelStack(readers[n_heads]), rates, batches, batch, recipe)

    for evaluations in lockstep(*(train_stack(n_heads) for n_heads in HEAD_COUNTS)):
        step = evaluations[0].step
        unknown = [unknown_bits(evaluation) for evaluation in evaluations]
        for n_heads, bits in zip(HEAD_COUNTS, unknown, strict=True):
            yield Curve("Bits not known, of four", name(n_heads), [step], [bits], "step", "bits")
        yield Progress(step, budget.n_steps, f"training {budget.n_starts} starts of each")

    accuracies = {n: [accuracy(reader, batch) for reader in readers[n]] for n in HEAD_COUNTS}
    yield from what_is_read(budget, readers, accuracies, unknown)
    yield from what_a_head_holds(readers[4], accuracies[4], batch)
    yield from what_pruning_leaves(readers[8], batch)
    alone, reader = (
        max(zip(readers[n], accuracies[n], strict=True), key=lambda pair: n_read(pair[1]))[0]
        for n in (1, 4)
    )
    yield from pictures(task.names, alone, reader, batch, sources)


def ask(
    task: FourPlaces, n_rows: int, generator: Generator, device: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, the bits to answer with, and where these stand, from FIRST_ASKED on."""
    tokens, targets, sources = task.draw(n_rows, generator)
    targets[:, :FIRST_ASKED] = UNCOUNTED
    return tokens.to(device), targets.to(device), sources.to(device)


def build_readers(budget: Budget, n_heads: int, generator: Generator, device: str) -> list[Reader]:
    """Models of one shape with different starting weights."""
    config = TransformerConfig(
        vocab_size=VOCAB_SIZE,
        seq_len=budget.seq_len,
        d_model=budget.d_model,
        n_layers=1,
        n_heads=n_heads,
        d_ff=budget.d_ff,
        positions="rope",
    )
    return [Reader(config, generator).to(device) for _ in range(budget.n_starts)]


def name(n_heads: int) -> str:
    """The head count for the legend."""
    return "1 head" if n_heads == 1 else f"{n_heads} heads"


def unknown_bits(evaluation: Evaluation) -> float:
    """Mean loss of the starts, summed over the places: how many of the four bits are missing."""
    mean = sum(evaluation.losses) / len(evaluation.losses)
    return N_PLACES * mean / math.log(2)


@torch.no_grad()
def accuracy(reader: Reader, batch: Batch) -> list[float]:
    """Share of right answers for each place."""
    tokens, targets = batch
    right = (reader(tokens).argmax(dim=-1) == targets)[:, FIRST_ASKED:]
    shares: list[float] = right.float().mean(dim=(0, 1)).tolist()  # (N_PLACES,)
    return shares


def n_read(shares: Sequence[float]) -> int:
    """How many places are read."""
    return sum(share > READ for share in shares)


def without(reader: Reader, heads: Sequence[int]) -> Reader:
    """A copy in which these heads put out nothing."""
    copy = deepcopy(reader)
    attention = copy.attention
    with torch.no_grad():
        # The output matrix reads each head from columns of its own.
        weight = attention.out.weight
        weight.view(len(weight), attention.n_heads, -1)[:, list(heads)] = 0.0
    return copy


def what_is_read(
    budget: Budget,
    readers: Mapping[int, Sequence[Reader]],
    accuracies: Mapping[int, Sequence[Sequence[float]]],
    unknown: Sequence[float],
) -> Iterator[Event]:
    """Places read by each head count: mean, best and worst of the starts."""
    rows: list[tuple[str | float, ...]] = []
    for (n_heads, of_starts), missing in zip(accuracies.items(), unknown, strict=True):
        counts = [n_read(shares) for shares in of_starts]
        n_parameters = sum(parameter.numel() for parameter in readers[n_heads][0].parameters())
        mean = sum(counts) / len(counts)
        for measurement, value, unit, label in (
            ("read", mean, "places", "places read, mean of the starts"),
            ("best", max(counts), "places", "places read, best start"),
            ("worst", min(counts), "places", "places read, worst start"),
            ("unknown", missing, "bits", "bits not known, mean of the starts"),
            ("parameters", n_parameters, "", "parameters"),
        ):
            yield Measurement(f"{measurement}_h{n_heads}", value, unit, f"{label}, {name(n_heads)}")
        each = " ".join(str(count) for count in counts)
        rows.append((n_heads, budget.d_model // n_heads, n_parameters, each, mean))
    columns = ("heads", "width of a head", "parameters", "places read, by start", "mean")
    yield Table(f"Places read of {N_PLACES}, after {budget.n_steps} steps", columns, rows)


def what_a_head_holds(
    readers: Sequence[Reader], accuracies: Sequence[Sequence[float]], batch: Batch
) -> Iterator[Event]:
    """Remove each of four heads alone: which places die, which removals cost nothing."""
    held, free, one_each = [], [], []
    for reader, before in zip(readers, accuracies, strict=True):
        n_heads = reader.attention.n_heads
        after = [accuracy(without(reader, [head]), batch) for head in range(n_heads)]
        read = [place for place in range(N_PLACES) if before[place] > READ]
        lost = [{place for place in read if shares[place] <= LOST} for shares in after]
        held.append(len(set().union(*lost)))
        free.append(sum(all(shares[place] > READ for place in read) for shares in after))
        one_each.append(all(len(places) == 1 for places in lost) and held[-1] == N_PLACES)
    for measurement, values, unit, label in (
        ("held_h4", held, "places", "places lost with a single head, of four heads"),
        ("free_h4", free, "heads", "heads whose removal loses no place, of four"),
        ("one_each_h4", one_each, "", "share of starts with one head for each place"),
    ):
        yield Measurement(measurement, sum(values) / len(values), unit, f"{label}, mean")


def what_pruning_leaves(readers: Sequence[Reader], batch: Batch) -> Iterator[Event]:
    """Remove heads one by one, the least needed first, and count what is still read."""
    curves = [prune(reader, batch) for reader in readers]
    means = [sum(counts) / len(counts) for counts in zip(*curves, strict=True)]
    yield Curve(
        "Places still read", "of 8 heads", list(range(len(means))), means, "heads removed", "places"
    )
    half = readers[0].attention.n_heads // 2
    label = "places read after four of eight heads are removed, mean of the starts"
    yield Measurement("pruned_h8", means[half], "places", label)


def prune(reader: Reader, batch: Batch) -> list[int]:
    """Places read without 0, 1, 2 … heads, up to half of them."""
    removed: list[int] = []
    counts = [n_read(accuracy(reader, batch))]
    n_heads = reader.attention.n_heads
    while len(removed) < n_heads // 2:
        left = [head for head in range(n_heads) if head not in removed]
        after = {head: accuracy(without(reader, [*removed, head]), batch) for head in left}
        # The weakest place decides, so that no place is given up while another can spare a head.
        least_needed = max(left, key=lambda head: min(after[head]))
        removed.append(least_needed)
        counts.append(n_read(after[least_needed]))
    return counts


def pictures(
    names: Sequence[str], alone: Reader, reader: Reader, batch: Batch, sources: Tensor
) -> Iterator[Event]:
    """Where the only head and each of four heads look, and what removing one of four costs."""
    heads = [f"head {head + 1} of 4" for head in range(reader.attention.n_heads)]
    looks = shares_of_attention(alone, batch, sources)
    looks += shares_of_attention(reader, batch, sources)
    rows = ("the only head", *heads)
    yield HeatMap("Where the heads look", rows, (*names, "elsewhere"), looks, "share")
    right = [accuracy(reader, batch)]
    right += [accuracy(without(reader, [head]), batch) for head in range(len(heads))]
    title = "Right answers when one of four heads is removed"
    yield HeatMap(title, ("none removed", *heads), names, right, "share")


def shares_of_attention(reader: Reader, batch: Batch, sources: Tensor) -> list[list[float]]:
    """How much of each head's attention goes to each place, and elsewhere."""
    weights = attention_weights(reader, reader.attention, batch[0])[:, :, FIRST_ASKED:]
    # weights: (batch, n_heads, asked, seq_len); sources: (batch, seq_len, N_PLACES)
    index = sources[:, None, FIRST_ASKED:].expand(-1, weights.shape[1], -1, -1)
    at_places = weights.gather(-1, index).mean(dim=(0, 2))  # (n_heads, N_PLACES)
    elsewhere = 1 - at_places.sum(dim=1, keepdim=True)
    shares: list[list[float]] = torch.cat((at_places, elsewhere), dim=1).tolist()
    return shares


def verdict(m: Mapping[str, float]) -> dict[str, bool | None]:
    """Which claims the measurements of one seed bear out.

    A model that diverged reads nothing, which is an outcome: counts are never NaN. What is lost
    by removing heads cannot be judged where nothing was read.
    """
    lost = m["read_h8"] - m["pruned_h8"]
    return {
        "several": m["read_h8"] - m["read_h1"] >= 2,
        "one_head_few": m["best_h1"] <= 2,
        "one_head_three": m["best_h1"] == 3,
        "one_head_all": m["best_h1"] == 4,
        "exactly_one": m["best_h1"] == m["worst_h1"] == 1,
        "more_parameters": m["parameters_h8"] > m["parameters_h1"],
        "four_always": m["worst_h4"] == 4,
        "four_sometimes": m["worst_h4"] < 4 and m["best_h4"] == 4,
        "four_never": m["best_h4"] < 4,
        "eight_enough": m["read_h8"] >= 3.5,
        "redundant": m["free_h4"] == 4 if m["read_h4"] else None,
        "one_job": m["one_each_h4"] == 1,
        "mixed_jobs": m["held_h4"] >= 1 and m["one_each_h4"] < 1,
        "prune_cheap": lost < 1 if m["read_h8"] else None,
        "prune_half": 1 <= lost < 3,
        "prune_ruins": lost >= 3,
    }
