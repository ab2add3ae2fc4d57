"""Sharing keys and values from the start costs little; doing it to trained heads needs training.

A model with multi-head attention (MHA) is to become one with multi-query attention (MQA), to decode
from a smaller cache. Its trained heads of keys and values can be merged into their mean, all but
the first thrown away, or replaced by random weights. The lab trains small decoders with MHA,
grouped queries (GQA) and MQA, with as many parameters, on letters of docstrings. Then it converts
the trained MHA model in these three ways, and trains each for a tenth of the steps more
(uptraining, Ainslie et al. 2023), at the learning rate at which training ended. The MHA model
itself gets the same steps.

How to read it. All losses are on held-out text. A difference is the loss of one model less that of
another, from the same seed; its interval says whether so many seeds can tell the two apart at all.
What is merged in MQA is saved, so its feed-forward network is wider instead: else a smaller model
would be compared. The MQA model that was trained as such is the yardstick of the converted ones.

What the literature reports. See the notes beside the claims.

Out of scope: large models. These have four heads in one layer, which learn rather different things;
the fewer and the more different heads are, the less their mean is worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

import torch
from torch import Generator, Tensor

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.text import Letters
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.interventions import self_attentions
from labs.transformer.train import ModelStack
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "Can trained heads of keys and values be merged, and what does that cost?"
POINTS = ("5.4.1", "5.4.2", "5.4.3")
CLAIMS = {
    "close": "Trained as such with as many parameters, GQA and MQA end within 0.1 nats of MHA.",
    "broken": "Right after merging, the model loses over 0.1 nats more than one trained as MQA.",
    "whole": "Training on takes away over four fifths of what merging by the mean costs.",
    "part": "Training on takes away a fifth to four fifths of what merging by the mean costs.",
    "little": "Training on takes away less than a fifth of what merging by the mean costs.",
    "random": "Trained on, heads of random weights are still behind merged ones and behind the "
    "first head.",
}
HOLDS_IF = {
    "close": "max(abs(gqa_less_mha), abs(mqa_less_mha)) < 0.1",
    "broken": "broken_mean > loss_mqa + 0.1",
    "whole": "left_of_damage < 0.2",
    "part": "0.2 <= left_of_damage <= 0.8",
    "little": "left_of_damage > 0.8",
    "random": "uptrained_random > max(uptrained_mean, uptrained_first)",
}
KNOBS = {"extra": (0.1, 0.5)}
KNOB_HELP = {"extra": "steps after the conversion, as a share of those before it"}
DIFFERENCES = ("gqa_less_mha", "mqa_less_mha", "mended_less_mha", "mean_less_first")
SEEDS = 3
SECONDS = {"cpu": 7}
LITERATURE = {
    "close": "T5-XXL scored 47.2 in the mean of its tasks with MHA, 47.1 with GQA of 8 heads and "
    "46.6 with MQA, the latter two uptrained (Ainslie et al. 2023, Table 1).",
    "random": "T5-Large as MQA, after 5 % more training, scored about 55.6 with the mean of heads, "
    "55.1 with the first and 54.6 with a random one (read off Ainslie et al. 2023, Fig. 4).",
}

Method: TypeAlias = Literal["mean", "first", "random"]

BUDGET = Budget(n_steps=200, batch_size=16, n_held_out=512, n_evaluations=8)
FINAL_SHARE = 0.1
"""Of the learning rate at the end of training, and all through uptraining."""
LEARNING_RATE = 0.03
SEQ_LEN = 32
D_MODEL, N_HEADS, D_FF = 32, 4, 88
MHA = TransformerConfig(
    vocab_size=1,  # the text's, once it is known
    seq_len=SEQ_LEN,
    n_layers=1,
    d_model=D_MODEL,
    n_heads=N_HEADS,
    d_ff=D_FF,
    norm_kind="rmsnorm",
    biases="off",
    positions="rope",
    rope_base=100.0,
    feedforward="gated",
    activation="silu",
)
KINDS: Mapping[str, tuple[str, int]] = {
    "mha": ("MHA", N_HEADS),
    "gqa": ("GQA, 2 heads of keys and values", 2),
    "mqa": ("MQA", 1),
}
METHODS: Mapping[Method, str] = {
    "mean": "mean of the heads",
    "first": "first head",
    "random": "random weights",
}


def shared(n_kv_heads: int) -> TransformerConfig:
    """MHA's configuration with fewer heads of keys and values, and about as many parameters."""
    # Two projections lose d_model · head_dim each for every head that is saved; three matrices of
    # the feed-forward network gain d_model for every unit.
    saved = 2 * D_MODEL * MHA.head_dim * (N_HEADS - n_kv_heads)
    return replace(MHA, n_kv_heads=n_kv_heads, d_ff=D_FF + round(saved / (3 * D_MODEL)))


@one_thread
def run(*, extra: float, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Train the three kinds, convert the first into the last, and train on."""
    size = BUDGET.scaled(budget)
    text = Letters(size, seq_len=SEQ_LEN, seed=seed, device=device)
    yield from text.yardsticks()
    models = {
        kind: Transformer(
            replace(shared(n), vocab_size=text.vocab_size), generator(seed, "weights")
        ).to(device)
        for kind, (_, n) in KINDS.items()
    }
    arms = {kind: [model] for kind, model in models.items()}
    recipe = size.recipe(final_share=FINAL_SHARE)
    for losses in train_arms(arms, (LEARNING_RATE,), text.batches, text.held_out, recipe):
        for kind, (label, _) in KINDS.items():
            at, loss = [losses.step], [losses.of[kind][0]]
            yield Curve("Held-out loss", label, at, loss, "step", "nats")
        yield Progress(losses.step, size.n_steps, f"training {len(arms)} models")
    trained = {kind: loss for kind, (loss,) in losses.of.items()}
    for kind, (label, _) in KINDS.items():
        yield Measurement(f"loss_{kind}", trained[kind], "nats", f"loss, {label}")
    for kind in ("gqa", "mqa"):
        less = trained[kind] - trained["mha"]
        yield Measurement(f"{kind}_less_mha", less, "nats", f"{KINDS[kind][0]} less MHA, trained")
    yield from uptrained(models["mha"], trained["mha"], size, text, extra, seed)


def uptrained(
    mha: Transformer, loss_mha: float, size: Budget, text: Letters, extra: float, seed: int
) -> Iterator[Event]:
    """Convert a trained model in each way, then train it and the converted ones a little more."""
    draw = generator(seed, "probe")
    arms = {method: [converted(mha, method, draw)] for method in METHODS} | {"mha": [mha]}
    more = replace(size, n_steps=max(1, round(extra * size.n_steps)), n_evaluations=4)
    rates = (FINAL_SHARE * LEARNING_RATE,)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        stream = text.batches()
        for _ in range(size.n_steps):  # what training has read already
            next(stream)
        yield from stream

    # Before the first step `train_arms` evaluates a part of the held-out text only.
    broken = {method: ModelStack(arms[method]).evaluate(text.held_out)[0] for method in METHODS}
    for losses in train_arms(arms, rates, batches, text.held_out, more.recipe()):
        for method, label in METHODS.items():
            at, loss = [losses.step], [losses.of[method][0]]
            yield Curve("Held-out loss after merging", label, at, loss, "step", "nats")
    rows = []
    for method, label in METHODS.items():
        before, (after,) = broken[method], losses.of[method]
        rows.append((label, before, after))
        yield Measurement(f"broken_{method}", before, "nats", f"loss when converted, {label}")
        yield Measurement(f"uptrained_{method}", after, "nats", f"loss after uptraining, {label}")
    (longer,) = losses.of["mha"]
    rows.append(("MHA itself", loss_mha, longer))
    columns = ("heads of keys and values", "before", f"after {losses.step} steps")
    yield Table("Held-out loss of MHA made MQA, in nats", columns, rows)
    (mean,), (first,) = losses.of["mean"], losses.of["first"]
    less = mean - longer
    yield Measurement("mended_less_mha", less, "nats", "mean, uptrained, less MHA, trained as long")
    left = less / (broken["mean"] - loss_mha)
    yield Measurement("left_of_damage", left, "", "that over the cost of merging, before training")
    yield Measurement("mean_less_first", mean - first, "nats", "mean less first, both uptrained")


@torch.no_grad()
def converted(mha: Transformer, method: Method, draw: Generator) -> Transformer:
    """A model with one head of keys and values, made of a trained one with as many as queries.

    What is "random" has the size of the trained weights.
    """
    mqa = Transformer(replace(mha.config, n_kv_heads=1), Generator())
    kept = {
        name: value
        for name, value in mha.state_dict().items()
        if not name.endswith(("attention.key.weight", "attention.value.weight"))
    }
    mqa.load_state_dict(kept, strict=False)
    mqa = mqa.to(mha.embed.weight.device)
    for old, new in zip(self_attentions(mha), self_attentions(mqa), strict=True):
        for name in ("key", "value"):
            weight: Tensor = getattr(old, name).weight
            heads = weight.view(-1, old.head_dim, D_MODEL)  # (n_heads, head_dim, d_model)
            random = torch.randn(heads.shape[1:], generator=draw).to(weight) * weight.std()
            ways = {"mean": heads.mean(dim=0), "first": heads[0], "random": random}
            getattr(new, name).weight.copy_(ways[method])
    return mqa
