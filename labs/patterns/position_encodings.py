"""Five ways to tell where a token stands, within the length of training and beyond it.

Attention compares contents, and nothing in it knows an order. Decoders of one layer learn to say
which token stood just before, or three places back: without positions, with sinusoidal or learned
vectors that are added to the embeddings, with queries and keys that are turned (RoPE), or with
scores that fall with the distance (ALiBi). All train on 16 tokens. Then they read texts twice and
four times as long. Models with positions that can be told are also asked about 16 tokens that stand
16 places further on.

How to read it. The share of right answers counts the second half of each text; guessing gets 1/16.
Rows of a learned table beyond 16 were never trained. "Changed" is the largest difference of the
logits over the largest logit.

What the literature reports. Learned and sinusoidal positions translate equally well, at 25.7 and
25.8 BLEU (Vaswani et al. 2017, Table 3, E). Beyond the training length a language model with
sinusoidal positions gains from 20 to 50 tokens more, one with rotary from 100 to 200 (Press et al.
2022, Section 2.2). On small reasoning tasks a decoder without any positions generalised to more
tokens best, ahead of ALiBi (Kazemnejad et al. 2023, Section 3): the order depends on the task.

Out of scope: long training on long texts, and RoPE with a changed base, which large models use to
reach further. One layer of small heads cannot learn every offset with every kind of position.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Generator, Tensor

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Positions
from labs.transformer.interventions import positions_replaced
from labs.transformer.train import UNCOUNTED, Batch
from studykit.lab.events import Curve, Event, Measurement, Progress

QUESTION = "Which positions hold beyond the length that a model was trained on?"
POINTS = ("7.4.1", "7.4.2", "7.4.3", "7.4.4")
CLAIMS = {
    "bag": "Without positions the vectors of an encoder's tokens do not depend on their order; a "
    "decoder's do, since its mask lets later tokens see more.",
    "within": "At the length of training sinusoidal, learned and rotary positions all answer at "
    "least 95 % rightly.",
    "twice": "At twice the length rotary positions still answer at least 90 % rightly, sinusoidal "
    "and learned ones less than half.",
    "four_times": "At four times the length rotary positions answer less than 60 % rightly, but at "
    "least 95 % if each token sees only the last 16.",
    "kept": "At four times the length ALiBi keeps at least two thirds of the right answers that it "
    "had, rotary positions less.",
    "shifted": "16 places further on rotary positions leave every logit as it was, to a "
    "thousandth; with learned and sinusoidal ones less than half of the answers are right.",
}
HOLDS_IF = {
    "bag": "bag_encoder < 1e-9 and bag_decoder > 0.001",
    "within": "min(right_sinusoidal_1, right_learned_1, right_rope_1) >= 0.95",
    "twice": "right_rope_2 >= 0.9 and max(right_sinusoidal_2, right_learned_2) < 0.5",
    "four_times": "right_rope_4 < 0.6 and right_window >= 0.95",
    "kept": "right_alibi_4 >= 2 / 3 * right_alibi_1 and right_rope_4 < 2 / 3 * right_rope_1",
    "shifted": "changed_rope < 0.001 and max(shifted_sinusoidal, shifted_learned) < 0.5",
}
KNOBS = {"offset": (1, 3)}
KNOB_HELP = {"offset": "how many places back the token stands that is asked for"}
SEEDS = 3
SECONDS = {"cpu": 8}

BUDGET = Budget(n_steps=220, batch_size=16, n_held_out=64, n_evaluations=8)
LEARNING_RATE = 0.01
VOCAB_SIZE = 16
SEQ_LEN = 16
LENGTHS = (1, 2, 4)
"""Times the length of training."""
KINDS: Mapping[Positions, str] = {
    "none": "no positions",
    "sinusoidal": "sinusoidal",
    "learned": "learned",
    "rope": "RoPE",
    "alibi": "ALiBi",
}
MOVABLE: tuple[Positions, ...] = ("sinusoidal", "learned", "rope")
"""Kinds that can be told where a token stands."""
BASE = TransformerConfig(
    vocab_size=VOCAB_SIZE, seq_len=SEQ_LEN * max(LENGTHS), n_layers=1, n_heads=4, d_ff=64
)


@one_thread
def run(*, offset: int, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Train a decoder with each kind of position, then let it read longer texts."""
    size = BUDGET.scaled(budget)
    yield Measurement("guess", 1 / VOCAB_SIZE, "", "right answers by guessing", yardstick=True)
    yield from reordered(seed)
    models = {
        kind: Transformer(replace(BASE, positions=kind), generator(seed, "weights")).to(device)
        for kind in KINDS
    }

    def batches() -> Iterator[Batch]:
        stream = generator(seed, "batches")
        while True:
            yield drawn(size.batch_size, SEQ_LEN, offset, stream, device)

    held_out = drawn(size.n_held_out, SEQ_LEN, offset, generator(seed, "held out"), device)
    arms: dict[str, list[Transformer]] = {kind: [model] for kind, model in models.items()}
    recipe = size.recipe(final_share=0.05)
    for losses in train_arms(arms, (LEARNING_RATE,), batches, held_out, recipe):
        for kind, label in KINDS.items():
            at, loss = [losses.step], [losses.of[kind][0]]
            yield Curve("Held-out loss", label, at, loss, "step", "nats")
        yield Progress(losses.step, size.n_steps, f"training {len(arms)} models")
    stream = generator(seed, "probe")
    tests = {times: drawn(64, times * SEQ_LEN, offset, stream, device) for times in LENGTHS}
    for kind, label in KINDS.items():
        right = [right_share(models[kind], tests[times]) for times in LENGTHS]
        lengths = [times * SEQ_LEN for times in LENGTHS]
        yield Curve("Right answers by length of the text", label, lengths, right, "tokens", "share")
        for times, share in zip(LENGTHS, right, strict=True):
            what = f"right answers, {label}, {times * SEQ_LEN} tokens"
            yield Measurement(f"right_{kind}_{times}", share, "", what)
    label = f"right answers, RoPE, {max(LENGTHS) * SEQ_LEN} tokens of which each sees {SEQ_LEN}"
    share = right_share(models["rope"], windows(tests[max(LENGTHS)]))
    yield Measurement("right_window", share, "", label)
    for kind in MOVABLE:
        yield from moved(kind, models[kind], tests[1])


def drawn(n: int, seq_len: int, offset: int, stream: Generator, device: str) -> Batch:
    """Random tokens, and for each the one `offset` places before: (n, seq_len) each."""
    tokens = torch.randint(VOCAB_SIZE, (n, seq_len), generator=stream)
    targets = tokens.roll(offset, dims=1)
    targets[:, :offset] = UNCOUNTED
    return tokens.to(device), targets.to(device)


def windows(batch: Batch) -> Batch:
    """Every stretch of the training length in the second half, which is asked for its end only."""
    # With RoPE it does not matter where a stretch stands, so this is a mask that hides the rest.
    tokens, targets = (rows[:, rows.shape[1] // 2 - SEQ_LEN + 1 :] for rows in batch)
    stretches = tokens.unfold(1, SEQ_LEN, 1).flatten(0, 1)  # (n · stretches of a row, SEQ_LEN)
    ends = targets.unfold(1, SEQ_LEN, 1).flatten(0, 1).clone()
    ends[:, :-1] = UNCOUNTED
    return stretches, ends


@torch.no_grad()
def right_share(model: Transformer, batch: Batch) -> float:
    """Share of right answers in the second half of the texts."""
    tokens, targets = batch
    asked = targets != UNCOUNTED
    asked[:, : tokens.shape[1] // 2] = False
    right = model(tokens).argmax(dim=-1) == targets
    return float(right[asked].double().mean())


@torch.no_grad()
def moved(kind: Positions, model: Transformer, batch: Batch) -> Iterator[Event]:
    """The same texts, told that they stand one training length further on."""
    before = model(batch[0])
    with positions_replaced(model, torch.arange(SEQ_LEN, 2 * SEQ_LEN)):
        after, right = model(batch[0]), right_share(model, batch)
    changed = float((after - before).abs().max() / before.abs().max())
    label = KINDS[kind]
    yield Measurement(f"changed_{kind}", changed, "", f"logits changed, {label}, {SEQ_LEN} on")
    yield Measurement(f"shifted_{kind}", right, "", f"right answers, {label}, {SEQ_LEN} on")


@torch.no_grad()
def reordered(seed: int) -> Iterator[Event]:
    """What an order of the tokens changes in models without positions, before any training."""
    stream = generator(seed, "weights")
    tokens = torch.randint(VOCAB_SIZE, (8, SEQ_LEN), generator=stream)
    order = torch.randperm(SEQ_LEN, generator=stream)
    for kind in ("encoder", "decoder"):
        config = replace(BASE, positions="none", n_layers=2, kind=kind)
        model = Transformer(config, generator(seed, "weights")).double()
        there: Tensor = model(tokens)[:, order]
        changed = float((model(tokens[:, order]) - there).abs().max() / there.abs().max())
        label = f"logits changed by reordering, {kind} without positions"
        yield Measurement(f"bag_{kind}", changed, "", label)
