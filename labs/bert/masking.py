"""A mask that never changes is learned by heart.

BERT was trained on text whose masks were drawn before training, in ten copies; RoBERTa draws a new
mask each time that a sequence is seen. The lab trains the same encoder from the same weights on the
same 64 sequences for 120 epochs, and changes nothing but the number of different masks a sequence
has: one, ten, thirty or a new one in every epoch. The language has four possible successors for
each token, with probabilities .4, .3, .2 and .1, so that the best possible loss is known.

How to read it. "Held-out" is the loss of hidden tokens in sequences that the model has never seen,
"training" that of its own sequences under a mask that it was trained with. 120 epochs show one mask
120 times, each of ten masks 12 times and each of thirty 4 times.

What the literature reports. BERT's ten copies over 40 epochs show each mask 4 times. RoBERTa's new
masks instead of such copies: SQuAD 2.0 78.7 against 78.3, SST-2 92.9 against 92.5, but MNLI 84.0
against 84.3 (Liu et al. 2019, Table 1, medians of five seeds).

Out of scope: a corpus so large that nothing is seen twice, where all masks are new anyway.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from labs.kit.budget import Budget, generator, one_thread
from labs.tasks.hidden_tokens import choose_hidden, hide
from labs.tasks.toy_languages import build_successor_language
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.train import Batch, ModelStack, lockstep, train
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "What goes wrong when the masks never change?"
POINTS = ("2.4.2",)
CLAIMS = {
    "by_heart": "With one mask for ever the model learns the answers by heart: at most 0.05 nats "
    "in training, worse than a uniform guess on held-out sequences.",
    "few_masks": "Ten masks, each seen 12 times, are too few: the held-out loss ends at least 0.4 "
    "nats above that with new masks.",
    "ten_enough": "Ten masks, each seen 12 times, end less than 0.4 nats above new masks.",
    "many_masks": "Thirty masks, each seen 4 times as BERT's were, come within 0.5 nats of new "
    "ones, and lie below ten masks.",
}
HOLDS_IF = {
    "by_heart": "train_1 <= 0.05 and loss_1 > uniform",
    "few_masks": "loss_10 >= loss_new + 0.4",
    "ten_enough": "loss_10 < loss_new + 0.4",
    "many_masks": "loss_30 <= loss_new + 0.5 and loss_30 < loss_10",
}
KNOBS = {"n_sequences": (64, 16, 256)}
KNOB_HELP = {"n_sequences": "sequences that the models are trained on; the steps stay the same"}
SEEDS = 3
SECONDS = {"cpu": 15}
LITERATURE = {
    "many_masks": "RoBERTa: new masks against ten copies with each mask seen 4 times: SQuAD 2.0 "
    "78.7 against 78.3, MNLI 84.0 against 84.3, SST-2 92.9 against 92.5 (Liu et al. 2019, "
    "Table 1).",
}

BUDGET = Budget(n_steps=240, batch_size=32, n_held_out=512)
LEARNING_RATE = 0.01
VOCAB_SIZE = 16
SEQ_LEN = 16
SUCCESSORS = (0.4, 0.3, 0.2, 0.1)
HIDDEN = 0.2
"""Share of the tokens that are hidden."""
N_MASKS = {"1": 1, "10": 10, "30": 30, "new": 0}
"""Different masks of a sequence; 0: a new one each time."""
LABELS = {"1": "one mask", "10": "10 masks", "30": "30 masks", "new": "new masks"}


@dataclass(frozen=True, slots=True)
class MaskedCorpus:
    """Training sequences that are gone through again and again, with a number of masks each."""

    sequences: Tensor
    """(n_sequences, seq_len)"""
    n_masks: int
    """Different masks of each sequence; 0: a new one each time."""
    seed: int

    def epochs(self) -> Iterator[Batch]:
        """All sequences with one mask each, epoch after epoch without end."""
        dice = generator(self.seed, "batches")
        kept = [self.draw_mask(dice) for _ in range(self.n_masks)]
        number = 0
        while True:
            hidden = kept[number % self.n_masks] if kept else self.draw_mask(dice)
            yield hide(self.sequences, hidden, VOCAB_SIZE)
            number += 1

    def draw_mask(self, dice: Generator) -> Tensor:
        """Which tokens are hidden, (n_sequences, seq_len)."""
        hidden = choose_hidden((len(self.sequences), SEQ_LEN), HIDDEN, dice)
        return hidden.to(self.sequences.device)

    def batches(self, batch_size: int) -> Iterator[Batch]:
        """Batches without end, the sequences in a new order in every epoch."""
        order = generator(self.seed, "probe")
        for inputs, targets in self.epochs():
            places = torch.randperm(len(inputs), generator=order).to(inputs.device)
            for chosen in torch.split(places, batch_size):
                yield inputs[chosen], targets[chosen]


@one_thread
def run(*, n_sequences: int, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Train one model for each number of masks, on the same sequences."""
    size = BUDGET.scaled(budget)
    texts = generator(seed, "held out")
    language = build_successor_language(VOCAB_SIZE, SUCCESSORS, texts)
    tokens = language.sample(size.n_held_out, SEQ_LEN, texts)
    hidden = choose_hidden((size.n_held_out, SEQ_LEN), HIDDEN, texts)
    _, belief = language.beliefs(tokens, hidden)
    floor = float(-belief.gather(-1, tokens[..., None])[..., 0].log()[hidden].mean())
    yield Measurement("uniform", math.log(VOCAB_SIZE), "nats", "uniform guess", yardstick=True)
    yield Measurement("floor", floor, "nats", "best possible predictor", yardstick=True)
    inputs, targets = hide(tokens, hidden, VOCAB_SIZE)
    held_out = (inputs.to(device), targets.to(device))
    sequences = language.sample(n_sequences, SEQ_LEN, texts).to(device)
    corpora = {arm: MaskedCorpus(sequences, n_masks, seed) for arm, n_masks in N_MASKS.items()}

    config = TransformerConfig(
        vocab_size=VOCAB_SIZE + 1,  # the last token stands for a hidden one
        seq_len=SEQ_LEN,
        d_ff=64,
        positions="rope",
        kind="encoder",
    )
    stacks = {
        arm: ModelStack([Transformer(config, generator(seed, "weights")).to(device)])
        for arm in N_MASKS
    }
    recipe = size.recipe(final_share=0.1)
    runs = [
        train(stacks[arm], [LEARNING_RATE], corpus.batches(size.batch_size), held_out, recipe)
        for arm, corpus in corpora.items()
    ]
    for evaluations in lockstep(*runs):
        step = evaluations[0].step
        for arm, evaluation in zip(N_MASKS, evaluations, strict=True):
            loss = evaluation.losses[0]
            known = stacks[arm].evaluate(next(corpora[arm].epochs()))[0]
            yield Curve("Held-out loss", LABELS[arm], [step], [loss], "step", "nats")
            yield Curve("Training loss", LABELS[arm], [step], [known], "step", "nats")
        yield Progress(step, size.n_steps, f"training {len(runs)} models")
    rows = []
    for arm, evaluation in zip(N_MASKS, evaluations, strict=True):
        loss = evaluation.losses[0]
        known = stacks[arm].evaluate(next(corpora[arm].epochs()))[0]
        yield Measurement(f"loss_{arm}", loss, "nats", f"held-out loss, {LABELS[arm]}")
        yield Measurement(f"train_{arm}", known, "nats", f"training loss, {LABELS[arm]}")
        rows.append((LABELS[arm], known, loss, loss - known))
    columns = ("masks of a sequence", "training", "held-out", "gap")
    yield Table(f"Loss after {size.n_steps} steps, in nats", columns, rows)
