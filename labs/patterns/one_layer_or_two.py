"""Nobody asks for a head that looks back, and two layers grow one because the task pays for it.

Twelve symbols stand in a random order, and the first few of them are repeated again and again:
after the first round every symbol can be predicted by looking for its last occurrence and reading
what followed. How many symbols there are in a round differs from text to text. A decoder of one
layer and one of two learn to predict, from the same texts, with nothing but the loss to say what
heads are for. A third one, of one layer again, gets texts whose rounds are all eight symbols long.

How to read it. Right answers count the symbols that can be predicted. A head looks back if it
attends to the token before; it looks for what followed if it attends to the token behind the last
occurrence of its own. The heat map has both for each head of the two layers, before training and
after.

What the literature reports. In 34 language models heads that look for what followed form within a
short stretch of training, in models of two layers and more, and late tokens of a text become easier
than early ones at the same time; one layer does not, unless its keys are mixed with those of the
token before (Olsson et al. 2022, Argument 1).

Out of scope: language, and wide models of one layer, which may find other ways.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.probes import attention_maps
from labs.transformer.train import UNCOUNTED, Batch
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress

QUESTION = "What do two layers of attention learn that one cannot?"
POINTS = ("7.2.2", "7.2.3")
CLAIMS = {
    "two_layers": "With rounds of different length two layers predict at least 90 % rightly, one "
    "layer less than half.",
    "roles": "Untrained, no head pays a fifth of its attention to the token before or to what "
    "followed; trained, a head of the first layer pays over 30 % to the former, one of the "
    "second over half to the latter.",
    "same_length": "With rounds of one length one layer predicts at least 70 % rightly.",
}
HOLDS_IF = {
    "two_layers": "right_two >= 0.9 and right_one < 0.5",
    "roles": "untrained < 0.2 and back_first > 0.3 and followed_second > 0.5",
    "same_length": "right_same >= 0.7",
}
KNOBS = {"n_heads": (2, 4)}
KNOB_HELP = {"n_heads": "heads in each layer"}
SEEDS = 3
SECONDS = {"cpu": 10}

BUDGET = Budget(n_steps=260, batch_size=24, n_held_out=64, n_evaluations=10)
LEARNING_RATE = 0.006
ROPE_BASE = 10_000.0
"""Turns that tell the distances of a short text apart."""
N_SYMBOLS = 12
SEQ_LEN = 24
LENGTHS = (4, 12)
"""Of a round, the shortest and the longest."""
SAME_LENGTH = (8, 8)


@one_thread
def run(*, n_heads: int, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Train one layer and two on rounds of different length, one on rounds of one length."""
    size = BUDGET.scaled(budget)
    yield Measurement("guess", 1 / N_SYMBOLS, "", "right answers by guessing", yardstick=True)
    models = {
        label: build(n_layers, n_heads, seed).to(device)
        for label, n_layers in (("one", 1), ("two", 2), ("same", 1))
    }
    different = rounds(64, LENGTHS, generator(seed, "probe"), device)
    yield from roles(models["two"], different, "untrained")
    labels = {"one": "one layer", "two": "two layers", "same": "one layer, rounds of one length"}
    done = 0
    for lengths, trained in ((LENGTHS, ("one", "two")), (SAME_LENGTH, ("same",))):

        def batches(lengths: tuple[int, int] = lengths) -> Iterator[Batch]:
            stream = generator(seed, "batches")
            while True:
                yield rounds(size.batch_size, lengths, stream, device)

        held_out = rounds(size.n_held_out, lengths, generator(seed, "held out"), device)
        arms = {name: [models[name]] for name in trained}
        recipe = size.recipe(final_share=0.1)
        for losses in train_arms(arms, (LEARNING_RATE,), batches, held_out, recipe):
            for name in trained:
                at, loss = [losses.step], [losses.of[name][0]]
                yield Curve("Held-out loss", labels[name], at, loss, "step", "nats")
            yield Progress(done + losses.step, 2 * size.n_steps, "training")
        done += size.n_steps
        for name in trained:
            share = right_share(models[name], held_out)
            yield Measurement(f"right_{name}", share, "", f"right answers, {labels[name]}")
    yield from roles(models["two"], different, "trained")


def build(n_layers: int, n_heads: int, seed: int) -> Transformer:
    """A decoder that can tell how far away a token stands, but not where."""
    config = TransformerConfig(
        vocab_size=N_SYMBOLS,
        seq_len=SEQ_LEN,
        n_layers=n_layers,
        n_heads=n_heads,
        d_ff=64,
        positions="rope",
        rope_base=ROPE_BASE,
    )
    return Transformer(config, generator(seed, "weights"))


def rounds(n: int, lengths: tuple[int, int], stream: Generator, device: str) -> Batch:
    """Rounds of different symbols, and what follows each from the second round on.

    Both are (n, SEQ_LEN); a round has from ``lengths[0]`` to ``lengths[1]`` symbols.
    """
    shortest, longest = lengths
    length = torch.randint(shortest, longest + 1, (n, 1), generator=stream)
    symbols = torch.rand(n, N_SYMBOLS, generator=stream).argsort(dim=1)
    places = torch.arange(SEQ_LEN + 1).expand(n, -1)
    text = symbols.gather(1, places % length)
    # The last symbol of the first round is the first that has not been followed before.
    targets = text[:, 1:].masked_fill(places[:, :-1] < length, UNCOUNTED)
    return text[:, :-1].to(device), targets.to(device)


@torch.no_grad()
def right_share(model: Transformer, batch: Batch) -> float:
    """Share of right answers among those that can be known."""
    tokens, targets = batch
    known = targets != UNCOUNTED
    right = model(tokens).argmax(dim=-1) == targets
    return float(right[known].double().mean())


def roles(model: Transformer, batch: Batch, when: str) -> Iterator[Event]:
    """How much each head attends to the token before and to what followed its own."""
    tokens, targets = batch
    known = targets != UNCOUNTED  # (n, query)
    same = tokens[:, :, None] == tokens[:, None, :]  # (n, query, key)
    followed = same.roll(1, dims=2).tril()  # the token behind any earlier occurrence of its own
    followed[:, :, 0] = False
    before = torch.eye(SEQ_LEN, dtype=torch.bool, device=tokens.device).roll(-1, dims=1).tril()
    rows: dict[str, list[float]] = {}
    for layer, weights in enumerate(attention_maps(model, tokens), start=1):
        for head in range(weights.shape[1]):
            asked = weights[:, head]  # (n, query, key)
            looks = [(asked * of).sum(dim=-1)[known].mean() for of in (before, followed)]
            rows[f"layer {layer}, head {head + 1}"] = [float(share) for share in looks]
    yield HeatMap(
        f"Attention of the heads, {when}",
        list(rows),
        ("to the token before", "to what followed"),
        list(rows.values()),
        "share",
    )
    if when == "untrained":
        highest = max(max(looks) for looks in rows.values())
        yield Measurement("untrained", highest, "", "highest share of a head before training")
        return
    back = max(looks[0] for name, looks in rows.items() if name.startswith("layer 1"))
    reads = max(looks[1] for name, looks in rows.items() if name.startswith("layer 2"))
    yield Measurement("back_first", back, "", "to the token before, a head of the first layer")
    yield Measurement("followed_second", reads, "", "to what followed, a head of the second layer")
