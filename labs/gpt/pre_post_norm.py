"""With pre-norm the stream runs past the norms, and depth, learning rate and start matter less.

Pre-norm, as in GPT-2, normalises a copy for each sublayer and leaves the stream as it is.
Post-norm, as in the original transformer and in GPT-1, normalises the stream itself after every
sum. The lab compares the two before training, at 2 to 32 layers: how large the gradient of the
last layer is, and how much of a token's embedding is left in the stream after the last layer. Then
it trains both at two learning rates from two kinds of starting weights: four settings, and the
question is in how many of them each placement learns.

How to read it. What is left of the embedding is the cosine between the stream before the first
layer and after the last: 1 if nothing has changed, about 0 if nothing is left. A model *learns* in
a setting if its loss ends at least 0.05 nats below the entropy of the letters' frequencies, the
loss of a model that ignores its context.

What the literature reports. At initialisation the gradient of the last layer does not shrink with
depth under post-norm, and shrinks with 1/√n_layers under pre-norm (Xiong et al. 2020, Theorem 1).
Post-norm trains unstably with ten or more layers and is better with six or fewer (Takase et al.
2022, abstract).

Out of scope: models without norms and the sizes of streams (core/normalisation), gradient clipping,
which hides part of the difference, and long training. Where a model learns depends on patience.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch.nn import functional as F

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.charts import watch
from labs.kit.text import Letters
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Init, Norm
from labs.transformer.train import Batch
from studykit.lab.events import Curve, Event, HeatMap, Measurement

QUESTION = "Why do GPT models normalise before each sublayer and not after it?"
POINTS = ("3.2.1", "3.2.2", "3.2.3", "3.2.4")
CLAIMS = {
    "gradient": "Before training, from 2 to 32 layers, the last layer's gradient falls to less "
    "than half with pre-norm; with post-norm it stays above two thirds of what it was.",
    "path": "With pre-norm the stream after 16 layers still points along the token's embedding "
    "(cosine above 0.12); with post-norm next to nothing is left of it (below 0.1).",
    "robust": "Pre-norm learns in all four settings of learning rate and starting weights.",
    "fragile": "Post-norm learns in two of the four settings at most, and in none of those that "
    "start from Xavier's weights.",
    "shallow": "Post-norm learns in at least three of the four settings.",
}
HOLDS_IF = {
    "gradient": "gradient_pre < 0.5 and gradient_post > 0.67",
    "path": "left_pre > 0.12 and abs(left_post) < 0.1",
    "robust": "learns_pre == 4",
    "fragile": "learns_post <= 2 and learns_post_xavier == 0",
    "shallow": "learns_post >= 3",
}
KNOBS = {"n_layers": (6, 4, 12), "warmup": (0.0, 0.3)}
KNOB_HELP = {
    "n_layers": "layers of each model that is trained",
    "warmup": "share of the steps in which the learning rate rises from 0",
}
SEEDS = 3
SECONDS = {"cpu": 12}
LITERATURE = {
    "fragile": "A post-norm translation model reached 8.45 BLEU without warm-up and about 34 with "
    "it, pre-norm about 34 without (Xiong et al. 2020, Sec. 3.2 and 4; IWSLT14 German-English, "
    "Adam, 4,000 steps of warm-up).",
}

BUDGET = Budget(n_steps=110, batch_size=8, n_held_out=256, n_evaluations=6)
SEQ_LEN = 16
NORMS: tuple[Norm, ...] = ("pre", "post")
INITS: tuple[Init, ...] = ("xavier", "small")
RATES = {"low": 0.003, "high": 0.006}
DEPTHS = (2, 4, 8, 16, 32)


@one_thread
def run(
    *, n_layers: int, warmup: float, seed: int, device: str, budget: float = 1.0
) -> Iterator[Event]:
    """Both placements before training at several depths, then trained in four settings."""
    size = BUDGET.scaled(budget)
    text = Letters(size, seq_len=SEQ_LEN, seed=seed, device=device)
    yardsticks = list(text.yardsticks())
    yield from yardsticks
    base = TransformerConfig(
        vocab_size=text.vocab_size, seq_len=SEQ_LEN, n_layers=n_layers, d_ff=64
    )

    def build(config: TransformerConfig) -> Transformer:
        # The same random numbers for both placements: they start from the same weights.
        return Transformer(config, generator(seed, "weights")).to(device)

    for norm in NORMS:
        models = [build(replace(base, norm=norm, n_layers=depth)) for depth in DEPTHS]
        yield from before_training(norm, models, text.probe)
    labels = {f"{norm}_{init}": f"{norm}-norm, {init}" for norm in NORMS for init in INITS}
    arms = {
        f"{norm}_{init}": [build(replace(base, norm=norm, init=init)) for _ in RATES]
        for norm in NORMS
        for init in INITS
    }
    recipe = size.recipe(warmup=warmup, final_share=0.2, clip_norm=math.inf)
    rates = tuple(RATES.values())
    training = train_arms(arms, rates, text.batches, text.held_out, recipe)
    _, end = yield from watch(training, labels, rates, size.n_steps)
    yield from outcomes(end.of, labels, learnt=yardsticks[1].value - 0.05)


def before_training(norm: Norm, models: Sequence[Transformer], batch: Batch) -> Iterator[Event]:
    """The last layer's gradient and what is left of the embedding, by number of layers."""
    gradients = [last_layer_gradient(model, batch) for model in models]
    left = [left_of_embedding(model, batch) for model in models]
    line = f"{norm}-norm"
    for chart, values, unit in (
        ("Gradient of the last layer before training", gradients, "norm"),
        ("What is left of the embedding after the last layer, before training", left, "cosine"),
    ):
        yield Curve(chart, line, DEPTHS, values, "layers", unit)
    label = f"last layer's gradient, {DEPTHS[-1]} layers / {DEPTHS[0]}, {line}"
    yield Measurement(f"gradient_{norm}", gradients[-1] / gradients[0], "", label)
    label = f"cosine of the stream after 16 layers and the embedding, {line}"
    yield Measurement(f"left_{norm}", left[DEPTHS.index(16)], "", label)


def last_layer_gradient(model: Transformer, batch: Batch) -> float:
    """Norm of the loss's gradient with respect to the parameters of the last layer."""
    inputs, targets = batch
    loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    gradients = torch.autograd.grad(loss, list(model.blocks[-1].parameters()))
    return math.hypot(*(float(gradient.norm()) for gradient in gradients))


@torch.no_grad()
def left_of_embedding(model: Transformer, batch: Batch) -> float:
    """Mean cosine between the stream before the first layer and after the last."""
    stream = model.residual_stream(batch[0])  # n_layers + 1 of (batch, seq_len, d_model)
    return float(F.cosine_similarity(stream[0], stream[-1], dim=-1).mean())


def outcomes(
    losses: Mapping[str, Sequence[float]], labels: Mapping[str, str], *, learnt: float
) -> Iterator[Event]:
    """The loss of each setting, and in how many a placement learns."""
    columns = tuple(f"rate {rate:g}" for rate in RATES.values())
    values = [list(losses[arm]) for arm in labels]
    yield HeatMap("Held-out loss at the end", list(labels.values()), columns, values, "nats")
    for arm, label in labels.items():
        for name, loss in zip(RATES, losses[arm], strict=True):
            what = f"loss, {label}, rate {RATES[name]:g}"
            yield Measurement(f"loss_{arm}_{name}", loss, "nats", what)
    for norm in NORMS:
        learns = {init: sum(loss <= learnt for loss in losses[f"{norm}_{init}"]) for init in INITS}
        total = sum(learns.values())
        yield Measurement(f"learns_{norm}", total, "", f"settings of four in which {norm} learns")
        label = f"settings of two in which {norm} learns from Xavier's weights"
        yield Measurement(f"learns_{norm}_xavier", learns["xavier"], "", label)
