"""[CLS] collects, [SEP] and segments divide.

BERT's inputs begin with [CLS], whose output vector is read by the classifier, and may have two
parts. Where one ends and the other begins is told twice: a [SEP] token stands between them, and
every token has a segment embedding added, one for each part. The lab takes the marks away one at a
time. Inputs are random tokens in two parts of random lengths, one token is marked, and a linear
layer on [CLS] has to say in which part that is. A length tells nothing: all inputs are as long.

One more model reads its answer from an ordinary token instead of [CLS]. And two have no positions:
attention then sees a set of tokens, in which nothing stands before or after [SEP].

How to read it. Half of the answers are right by guessing. Without any mark the place of the marked
token still tells something, a late one is likely in the second part; the best share that can be
had in this way is computed exactly. The heat map shows where [CLS] looks, in a model with [SEP].

What the literature reports. The configuration of RoBERTa knows one segment only, so that nothing
but separators divides its inputs. BERT-base's heads give over half of their attention to [SEP] in
layers 6 to 10, which these inputs give no reason for (Clark et al. 2019, Section 3.2).

Out of scope: what [CLS] learns in pre-training. Here one task trains everything from the start.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor, nn

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.tasks.two_parts import CLS, MARK, SEP, VOCAB_SIZE, Inputs, TwoParts
from labs.transformer import TransformerConfig
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.init import initialise
from labs.transformer.layers import Embedding, Linear
from labs.transformer.model import Stack
from labs.transformer.probes import attention_weights
from labs.transformer.train import Batch
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress

QUESTION = "What do [CLS], [SEP] and segment embeddings each contribute?"
POINTS = ("2.2.1", "2.2.2")
CLAIMS = {
    "either": "Either mark is enough: with [SEP] alone and with segments alone at least 97 % are "
    "right, without both no more than 3 points above what places alone allow.",
    "needs_places": "Without positions [SEP] is worth nothing, at most 60 % are right; segments "
    "are worth as much as before, at least 97 %.",
    "set_enough": "Without positions [SEP] is worth as much as before, at least 97 % right.",
    "severed": "A [CLS] that sees no other token answers at chance: at most 56 % are right.",
    "anyone": "An ordinary token collects as well as [CLS]: with the answer read from it at least "
    "97 % are right.",
}
HOLDS_IF = {
    "either": "min(right_sep, right_segments) >= 0.97 and right_none <= best_unmarked + 0.03",
    "needs_places": "right_sep_set <= 0.6 and right_segments_set >= 0.97",
    "set_enough": "right_sep_set >= 0.97",
    "severed": "severed <= 0.56 if right_sep >= 0.97 else unknown",
    "anyone": "right_ordinary >= 0.97",
}
KNOBS = {"n_tokens": (14, 8, 24)}
KNOB_HELP = {"n_tokens": "tokens of an input, without [CLS]"}
SEEDS = 3
SECONDS = {"cpu": 11}
LITERATURE = {
    "either": "RoBERTa's configuration has one segment type (type_vocab_size 1): separators are "
    "all that divides its inputs.",
}

BUDGET = Budget(n_steps=140, batch_size=32, n_held_out=1024, n_evaluations=10)
LEARNING_RATE = 0.01
ORDINARY = 4
"""Place of the ordinary token that is read instead of [CLS]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What one model gets to see, and where its answer is read."""

    label: str
    separator: bool = False
    segments: bool = False
    places: bool = True
    read_from: int = 0


ARMS = {
    "none": Arm(label="no marks"),
    "sep": Arm(label="[SEP]", separator=True),
    "segments": Arm(label="segments", segments=True),
    "ordinary": Arm(label="[SEP], read from a word", separator=True, read_from=ORDINARY),
    "sep_set": Arm(label="[SEP], no positions", separator=True, places=False),
    "segments_set": Arm(label="segments, no positions", segments=True, places=False),
}


class Judge(nn.Module):
    """An encoder with one linear layer, which reads one token and says: first or second part."""

    separator: Tensor
    segments: Tensor
    reader: Tensor

    def __init__(self, arm: Arm, config: TransformerConfig, weights: Generator) -> None:
        super().__init__()
        self.stack = Stack(replace(config, positions="rope" if arm.places else "none"))
        self.segment_embed = Embedding(2, config.d_model)
        self.answer = Linear(config.d_model, 2)
        # What differs between arms are numbers, so that they can share a stack.
        self.register_buffer("separator", torch.full((1, 1, 1), float(arm.separator)))
        self.register_buffer("segments", torch.full((1, 1, 1), float(arm.segments)))
        self.register_buffer("reader", torch.eye(config.seq_len)[arm.read_from][None, None])
        initialise(self, config.init, weights)

    def forward(self, unmarked: Tensor, separated: Tensor, segments: Tensor) -> Tensor:
        # unmarked, separated, segments: (batch, seq_len) -> logits: (batch, 2)
        plain, marked = self.stack.embed(unmarked), self.stack.embed(separated)
        resid = plain + self.separator * (marked - plain)
        resid = resid + self.segments * self.segment_embed(segments)  # (batch, seq_len, d_model)
        for block in self.stack.blocks:
            resid = block(resid)
        read = self.reader[..., : resid.shape[-2]] @ self.stack.final_norm(resid)
        logits: Tensor = self.answer(read).squeeze(-2)
        return logits


@one_thread
def run(*, n_tokens: int, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Train a model for each way of marking the boundary, and cut one's [CLS] off."""
    size = BUDGET.scaled(budget)
    task = TwoParts(n_tokens)
    label = "best without marks, by the place alone"
    yield Measurement("best_unmarked", task.best_unmarked, "", label, yardstick=True)
    yield Measurement("chance", 0.5, "", "guessing", yardstick=True)
    config = TransformerConfig(vocab_size=VOCAB_SIZE, seq_len=task.seq_len, d_ff=64, kind="encoder")
    judges = {
        name: Judge(arm, config, generator(seed, "weights")).to(device)
        for name, arm in ARMS.items()
    }
    held_out = Inputs(*(part.to(device) for part in draw(task, size.n_held_out, seed)))

    def batches() -> Iterator[Batch]:
        inputs = generator(seed, "batches")
        while True:
            yield tuple(part.to(device) for part in task.draw(size.batch_size, inputs))

    arms = {name: [judge] for name, judge in judges.items()}
    recipe = size.recipe(final_share=0.1)
    for losses in train_arms(arms, [LEARNING_RATE], batches, held_out, recipe):
        for name, arm in ARMS.items():
            loss = losses.of[name][0]
            yield Curve("Held-out loss", arm.label, [losses.step], [loss], "step", "nats")
        yield Progress(losses.step, size.n_steps, f"training {len(ARMS)} models")
    for name, arm in ARMS.items():
        right = share_right(judges[name], held_out)
        yield Measurement(f"right_{name}", right, "", f"right, {arm.label}")
    # Alone in its sequence, [CLS] attends to itself only, in every layer.
    unmarked, separated, segments = (part[:, :1] for part in held_out[:3])
    alone = Inputs(unmarked, separated, segments, held_out.answers)
    severed = share_right(judges["sep"], alone)
    yield Measurement("severed", severed, "", "right, [SEP], [CLS] sees no other token")
    yield where_cls_looks(judges["sep"], held_out)


def draw(task: TwoParts, n_inputs: int, seed: int) -> Inputs:
    """Inputs to be judged on."""
    return task.draw(n_inputs, generator(seed, "held out"))


@torch.no_grad()
def share_right(judge: Judge, inputs: Inputs) -> float:
    """Share of right answers."""
    answers = judge(*inputs[:3]).argmax(dim=-1)  # (n,)
    return float((answers == inputs.answers).float().mean())


def where_cls_looks(judge: Judge, inputs: Inputs) -> HeatMap:
    """The attention of [CLS] in one input, head by head."""
    one = [part[:1] for part in inputs[:3]]
    rows, shares = [], []
    for layer, block in enumerate(judge.stack.blocks):
        attention = block.attention
        assert isinstance(attention, MultiHeadAttention)
        weights = attention_weights(judge, attention, *one)[0, :, 0]  # (n_heads, seq_len)
        for head, row in enumerate(weights.tolist()):
            rows.append(f"layer {layer + 1} head {head + 1}")
            shares.append(row)
    names = {CLS: "[CLS]", MARK: "marked", SEP: "[SEP]"}
    columns = [names.get(token, "·") for token in one[1][0].tolist()]
    return HeatMap("Where [CLS] looks", rows, columns, shares, "share")
