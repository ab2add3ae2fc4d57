"""A hidden token is told by both of its sides.

An encoder's tokens see each other in both directions, a decoder's only what stands before them.
The lab hides tokens of a language in which each token has four possible successors, with
probabilities .4, .3, .2 and .1, and trains one model of each kind, equal but for the causal mask,
to find the hidden ones. For such a language the best possible predictor can be computed, with the
left side only and with both, by the forward-backward algorithm: no model of any size does better.

A third model has the causal mask as well, sees every token and is asked for the next one at every
position, as GPT is. It has the same side to go by and several times the targets in a sequence.

How to read it. Losses are in nats for each hidden token. The lines of the best predictors are
floors: what lies between the two is information that a causal model does not get, not skill that
it lacks. The second chart shows losses by the place of the hidden token; the last one has nothing
to its right. The third shows how far above their floors the two causal models are.

What the literature reports. BERT-base with and without the right side, without next-sentence
prediction: MNLI 83.9 and 82.1, MRPC 86.5 and 77.5, SQuAD F1 87.9 and 77.8 (Devlin et al. 2019,
Table 5, development sets); SST-2 hardly moves, 92.6 and 92.1.

Out of scope: real language (bert/later_words), and writing a text, which the encoder cannot.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.tasks.hidden_tokens import choose_hidden, hide
from labs.tasks.toy_languages import MarkovLanguage, build_successor_language
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.train import Batch
from studykit.lab.events import Curve, Event, Measurement, Progress

QUESTION = "What does a token's right side tell that its left side does not?"
POINTS = ("2.1.1", "2.1.2", "2.1.3")
CLAIMS = {
    "beyond": "Seeing both sides, the model ends at least 0.3 nats below the floor of every "
    "predictor that sees the left side only.",
    "at_floor": "Seeing the left side only, the model ends within 0.2 nats of its own floor: what "
    "it lacks is information, not training.",
    "last": "The advantage is gone where there is no right side: on a hidden last token the two "
    "losses differ by at most 0.35 nats, elsewhere by more than 0.4.",
    "more_targets": "Asked for the next token at every position, a causal model needs at most half "
    "the steps to come within 0.25 nats of its floor.",
    "no_faster": "Asked for the next token at every position, it needs more than half the steps.",
}
HOLDS_IF = {
    "beyond": "loss_both <= floor_left - 0.3",
    "at_floor": "loss_left <= floor_left + 0.2",
    "last": "abs(last_left - last_both) <= 0.35 and elsewhere_left - elsewhere_both > 0.4",
    "more_targets": "steps_next <= steps_left / 2",
    "no_faster": "steps_next > steps_left / 2",
}
KNOBS = {"hidden": (0.2, 0.05, 0.4, 0.8)}
KNOB_HELP = {"hidden": "share of the tokens that are hidden; BERT hides 0.15"}
SEEDS = 3
SECONDS = {"cpu": 15}
LITERATURE = {
    "beyond": "BERT-base with both sides and with the left side only: SQuAD F1 87.9 and 77.8, "
    "MRPC 86.5 and 77.5, but SST-2 92.6 and 92.1 (Devlin et al. 2019, Table 5).",
}

BUDGET = Budget(n_steps=260, batch_size=32, n_held_out=1024, n_evaluations=26)
LEARNING_RATE = 0.01
VOCAB_SIZE = 16
SEQ_LEN = 16
SUCCESSORS = (0.4, 0.3, 0.2, 0.1)
NEAR = 0.25
"""Nats above its floor at which a causal model counts as arrived."""
LABELS = {"both": "sees both sides", "left": "sees the left side"}


@dataclass(frozen=True, slots=True)
class Hidden:
    """Sequences of the language with hidden tokens, and what each of those costs at least."""

    batch: Batch
    floors: dict[str, Tensor]
    """For each side of LABELS, (n_sequences, seq_len), in nats; for hidden tokens only."""

    @property
    def hidden(self) -> Tensor:
        """(n_sequences, seq_len): which tokens are asked for."""
        return self.batch[0] == VOCAB_SIZE


@one_thread
def run(*, hidden: float, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Two models that find hidden tokens, one that predicts the next, and their floors."""
    size = BUDGET.scaled(budget)
    language = build_successor_language(VOCAB_SIZE, SUCCESSORS, generator(seed, "probe"))
    held_out = draw_held_out(language, hidden, size.n_held_out, seed, device)
    encoder = TransformerConfig(
        vocab_size=VOCAB_SIZE + 1,  # the last token stands for a hidden one
        seq_len=SEQ_LEN,
        d_ff=64,
        positions="rope",
        kind="encoder",
    )
    decoder = replace(encoder, kind="decoder")
    models = {
        arm: Transformer(config, generator(seed, "weights")).to(device)
        for arm, config in (("both", encoder), ("left", decoder), ("next", decoder))
    }

    def hidden_batches() -> Iterator[Batch]:
        texts = generator(seed, "batches")
        while True:
            tokens = language.sample(size.batch_size, SEQ_LEN, texts)
            chosen = choose_hidden((size.batch_size, SEQ_LEN), hidden, texts)
            yield tuple(part.to(device) for part in hide(tokens, chosen, VOCAB_SIZE))

    def next_batches() -> Iterator[Batch]:
        texts = generator(seed, "batches")
        while True:
            tokens = language.sample(size.batch_size, SEQ_LEN + 1, texts).to(device)
            yield tokens[:, :-1], tokens[:, 1:]

    floors = {side: float(each[held_out.hidden].mean()) for side, each in held_out.floors.items()}
    yield Measurement("uniform", math.log(VOCAB_SIZE), "nats", "uniform guess", yardstick=True)
    for side, floor in floors.items():
        label = f"best possible predictor, {LABELS[side]}"
        yield Measurement(f"floor_{side}", floor, "nats", label, yardstick=True)

    recipe, n_steps = size.recipe(final_share=0.1), size.n_steps
    arms = {arm: [models[arm]] for arm in LABELS}
    steps_left = steps_next = math.inf
    for losses in train_arms(arms, [LEARNING_RATE], hidden_batches, held_out.batch, recipe):
        for arm, label in LABELS.items():
            loss = losses.of[arm][0]
            yield Curve("Loss of hidden tokens", label, [losses.step], [loss], "step", "nats")
            yield Curve("Loss of hidden tokens", f"floor, {label}", [losses.step], [floors[arm]])
        above = losses.of["left"][0] - floors["left"]
        yield from progress_above("hidden tokens", losses.step, above)
        if above <= NEAR:
            steps_left = min(steps_left, losses.step)
        yield Progress(losses.step, 2 * n_steps, "training with hidden tokens")
    for arm, label in LABELS.items():
        yield Measurement(f"loss_{arm}", losses.of[arm][0], "nats", f"loss, {label}")

    texts = language.sample(size.n_held_out, SEQ_LEN + 1, generator(seed, "held out")).to(device)
    judged = (texts[:, :-1], texts[:, 1:])
    training = train_arms({"next": [models["next"]]}, [LEARNING_RATE], next_batches, judged, recipe)
    for losses in training:
        above = losses.of["next"][0] - language.entropy_rate
        yield from progress_above("next token", losses.step, above)
        if above <= NEAR:
            steps_next = min(steps_next, losses.step)
        yield Progress(n_steps + losses.step, 2 * n_steps, "training with next tokens")
    for name, steps, label in (
        ("left", steps_left, "asked for hidden tokens"),
        ("next", steps_next, "asked for the next token"),
    ):
        what = f"steps to {NEAR:g} nats above the floor, left side, {label}"
        yield Measurement(f"steps_{name}", steps, "steps", what)
    yield from by_place(models, held_out)


def draw_held_out(
    language: MarkovLanguage, share: float, n_sequences: int, seed: int, device: str
) -> Hidden:
    """Sequences to be judged on, with the cost of each token for the best predictors."""
    texts = generator(seed, "held out")
    tokens = language.sample(n_sequences, SEQ_LEN, texts)
    hidden = choose_hidden((n_sequences, SEQ_LEN), share, texts)
    left, both = language.beliefs(tokens, hidden)
    floors = {
        side: -belief.gather(-1, tokens[..., None])[..., 0].log().to(device, torch.float32)
        for side, belief in (("both", both), ("left", left))
    }
    inputs, targets = hide(tokens, hidden, VOCAB_SIZE)
    return Hidden((inputs.to(device), targets.to(device)), floors)


def progress_above(asked: str, step: int, above: float) -> Iterator[Curve]:
    """How far a causal model still is from its floor."""
    yield Curve("Causal models: loss above the floor", asked, [step], [above], "step", "nats")


@torch.no_grad()
def by_place(models: dict[str, Transformer], held_out: Hidden) -> Iterator[Event]:
    """The loss of hidden tokens place by place; the last place has no right side."""
    inputs, targets = held_out.batch
    hidden = held_out.hidden
    for arm, label in LABELS.items():
        found = models[arm](inputs).log_softmax(dim=-1)  # (n_sequences, seq_len, vocab_size)
        losses = -found.gather(-1, targets.clamp(min=0)[..., None])[..., 0]
        for line, each in ((label, losses), (f"floor, {label}", held_out.floors[arm])):
            means = [float(each[:, p][hidden[:, p]].mean()) for p in range(SEQ_LEN)]
            places = list(range(1, SEQ_LEN + 1))
            yield Curve("Loss by place", line, places, means, "place", "nats")
        last = float(losses[:, -1][hidden[:, -1]].mean())
        elsewhere = float(losses[:, :-1][hidden[:, :-1]].mean())
        yield Measurement(f"last_{arm}", last, "nats", f"loss of a hidden last token, {label}")
        yield Measurement(f"elsewhere_{arm}", elsewhere, "nats", f"loss elsewhere, {label}")
