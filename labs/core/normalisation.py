"""Normalisation frees a deep stack from its initialisation and learning rate.

A norm brings each token's vector to one size. It stands before each sublayer, on a copy (pre),
behind each sum of sublayer and residual, on the stream itself (post), or nowhere. The lab puts
the three through a range test: from the same weights, on the same letters, each is trained at
three learning rates, tenfold apart, without gradient clipping, which would hide part of the
difference. What counts is less the best loss than at how many of the rates a model learns.

How to read it. A model *learns* if it ends at least 0.05 nats below the entropy of the letters'
frequencies; *stuck* is within 0.05 nats of it: a model that ignores its context, or is slow.
*Diverged* is one that ends above its own start, or not a number; *slow* is all else. The charts by
layer show models before training: the size of the stream, and how large a random change of 1 % of
the embeddings is as a share of the stream. "None, uniform attention" has queries of 0, so that a
token attends to all that it sees alike. Token diversity is 0 once all tokens are equal.

What the literature reports. Post-norm has large gradients near its output at initialisation, and
needs a warm-up that pre-norm does not (Xiong et al. 2020). It is better up to six layers and
unstable from ten (Takase et al. 2022). Fixup (2019) and T-Fixup (2020) do without norms by
starting from special weights.

Out of scope: what residual connections are for (core/residuals), RMSNorm, clipping, and long
training: at a rate of 0.001, in four times the steps, post-norm learns as well. How many rates
work depends on depth, width and patience: turn the knobs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.charts import by_layer, results, watch
from labs.kit.text import Letters
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Init, Norm
from labs.transformer.norms import LayerNorm
from labs.transformer.probes import change_by_layer, diversity, rms
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Table

QUESTION = "What do pre-norm, post-norm and no norm do to a deep stack, and to its learning rate?"
POINTS = ("1.4.3", "1.4.4")
CLAIMS = {
    "amplifies": "Before training the stream grows more than tenfold from first to last layer "
    "without norms, less than fivefold with pre-norm.",
    "sharpens": "Without norms a small change of the embeddings grows more than fivefold relative "
    "to the stream; with pre- or post-norm, or with uniform attention, less than 2.5-fold.",
    "post_stuck": "Pre-norm learns at all three learning rates, post-norm at one at most: at two "
    "or more it ends with nearly equal tokens (diversity below 0.05), in spite of its residual "
    "connections.",
    "better": "The best loss with pre-norm is more than 0.1 nats below the best without norms.",
    "wider": "Without norms the model diverges at more of the learning rates than with pre-norm, "
    "but its best loss is at most 0.1 nats higher.",
    "superfluous": "Without norms the model diverges at no more rates than with pre-norm, and its "
    "best loss is at most 0.1 nats higher.",
    "independent": "What LayerNorm makes of a token does not depend on the rest of the batch (to "
    "within 0.000001); what BatchNorm makes of it does (by more than 0.1).",
}
HOLDS_IF = {
    "amplifies": "growth_none > 10 and growth_pre < 5",
    "sharpens": "change_none > 5 and max(change_pre, change_post, change_uniform) < 2.5",
    "post_stuck": "learns_pre == 3 and learns_post <= 1 and collapsed_post >= 2"
    " and collapsed_pre == 0",
    "better": "diverged(loss_none) or loss_pre < loss_none - 0.1",
    "wider": "diverged_none > diverged_pre and loss_none <= loss_pre + 0.1",
    "superfluous": "diverged_none <= diverged_pre and loss_none <= loss_pre + 0.1",
    "independent": "batch_dependence_layer < 0.000001 and batch_dependence_batch > 0.1",
}
KNOBS = {"n_layers": (8, 2, 4, 12), "init": ("xavier", "small"), "warmup": (0.0, 0.3)}
KNOB_HELP = {
    "n_layers": "layers of each model",
    "init": "starting weights: Xavier, or all normal with a standard deviation of 0.05",
    "warmup": "share of the steps in which the learning rate rises from 0",
}
SEEDS = 3
SECONDS = {"cpu": 20}
LITERATURE = {
    "amplifies": "With pre-norm the mean square of the stream after l layers lies between "
    "1 + l/2 and 1 + 3l/2 at initialisation, so its RMS grows 2.2 to 3.6 times over 8 layers "
    "(Xiong et al. 2020, Lemma 2; one head, Xavier, query and key weights 0).",
    "post_stuck": "A post-norm translation model reached 8.45 BLEU without warm-up and about 34 "
    "with it, pre-norm about 34 without (Xiong et al. 2020, Sec. 3.2 and 4; IWSLT14 German-"
    "English, Adam, 4,000 steps of warm-up). Post-norm trains unstably with ten or more layers "
    "and performs better than pre-norm with six or fewer (Takase et al. 2022, abstract).",
    "wider": "With T-Fixup initialisation an encoder-decoder of 200 + 200 layers trains without "
    "normalisation and without warm-up (Huang et al. 2020, abstract).",
}

NORMS: tuple[Norm, ...] = ("none", "pre", "post")
LABELS: dict[str, str] = {norm: norm for norm in NORMS}
UNTRAINED = {**LABELS, "uniform": "none, uniform attention"}
BUDGET = Budget(n_steps=110, batch_size=8, n_held_out=512, n_evaluations=8)
RATES = (0.003, 0.01, 0.03)
COLUMNS = tuple(f"rate {rate:g}" for rate in RATES)
SEQ_LEN = 16
CHANGE = 0.01
"""Norm of the change of the embeddings, as a share of the embeddings' norm."""


@one_thread
def run(
    *, n_layers: int, init: Init, warmup: float, seed: int, device: str, budget: float = 1.0
) -> Iterator[Event]:
    """The three placements before training, while they train, and at the end."""
    size = BUDGET.scaled(budget)
    text = Letters(size, seq_len=SEQ_LEN, seed=seed, device=device)
    yardsticks = list(text.yardsticks())
    yield from yardsticks

    base = TransformerConfig(
        vocab_size=text.vocab_size, seq_len=SEQ_LEN, n_layers=n_layers, d_ff=64, init=init
    )

    def build(norm: Norm) -> Transformer:
        # The same random numbers for every model: all start from the same weights.
        return Transformer(replace(base, norm=norm), generator(seed, "weights")).to(device)

    tokens = text.probe[0]
    untrained: dict[str, Transformer] = {norm: build(norm) for norm in NORMS}
    untrained["uniform"] = build("none")
    attend_uniformly(untrained["uniform"])
    yield from before_training(untrained, tokens, seed)
    yield from batch_dependence(untrained["pre"].residual_stream(tokens)[-1])

    models: dict[str, list[Transformer]] = {norm: [build(norm) for _ in RATES] for norm in NORMS}
    recipe = size.recipe(warmup=warmup, final_share=0.2, clip_norm=math.inf)
    training = train_arms(models, RATES, text.batches, text.held_out, recipe)
    start, end = yield from watch(training, LABELS, RATES, size.n_steps)
    yield from results(start, end, LABELS, RATES, text.source)
    yield from range_test(start.of, end.of, letters=yardsticks[1].value)
    yield from after_training(models, tokens)


@torch.no_grad()
def before_training(
    models: Mapping[str, Transformer], tokens: Tensor, seed: int
) -> Iterator[Event]:
    """Size of the stream and share of a small change in it, layer by layer."""
    for arm, model in models.items():
        line = UNTRAINED[arm]
        sizes = [rms(resid) for resid in model.residual_stream(tokens)]  # n_layers + 1
        shares = change_by_layer(model, tokens, CHANGE, generator(seed, "probe"))  # the same
        yield by_layer("Size of the stream before training", line, sizes, "RMS")
        chart = f"A change of {CHANGE:.0%} of the embeddings, before training"
        yield by_layer(chart, line, shares, "share of the stream")
        label = f"growth of the stream before training, {line}"
        yield Measurement(f"growth_{arm}", sizes[-1] / sizes[0], "times", label)
        label = f"growth of a small change before training, {line}"
        yield Measurement(f"change_{arm}", shares[-1] / shares[0], "times", label)


def attend_uniformly(model: Transformer) -> None:
    """Set the queries of a model that has not been trained to 0: all scores become equal."""
    for name, parameter in model.named_parameters():
        if name.endswith("attention.query.weight"):
            torch.nn.init.zeros_(parameter)


@torch.no_grad()
def batch_dependence(resid: Tensor) -> Iterator[Event]:
    """How much a token's normalised vector depends on the rest of its batch."""
    layer_norm = LayerNorm(resid.shape[-1]).to(resid.device)
    batch_norm = partial(F.batch_norm, running_mean=None, running_var=None, training=True)
    for name, normalise in (("layer", layer_norm), ("batch", batch_norm)):
        # The first sequence among all sequences, and by itself.
        among_all = normalise(resid.flatten(0, 1))[: resid.shape[1]]
        difference = float((among_all - normalise(resid[0])).abs().max())
        label = f"largest difference that the rest of the batch makes after {name} norm"
        yield Measurement(f"batch_dependence_{name}", difference, "", label)


def range_test(
    start: Mapping[str, Sequence[float]], end: Mapping[str, Sequence[float]], *, letters: float
) -> Iterator[Event]:
    """How each placement ends at each learning rate, and how many rates end how."""
    ends = {
        norm: [
            outcome(before, after, letters=letters)
            for before, after in zip(start[norm], end[norm], strict=True)
        ]
        for norm in NORMS
    }
    yield Table("How it ends", ("norm", *COLUMNS), [(norm, *ends[norm]) for norm in NORMS])
    for norm in NORMS:
        for word in ("learns", "diverged"):
            label = f"of {len(RATES)} learning rates, {norm}: {word}"
            yield Measurement(f"{word}_{norm}", ends[norm].count(word), "", label)


def outcome(before: float, after: float, *, letters: float) -> str:
    """How a model ended, in a word; NaN has diverged."""
    if not after <= before:
        return "diverged"
    if after <= letters - 0.05:
        return "learns"
    return "stuck" if after < letters + 0.05 else "slow"


@torch.no_grad()
def after_training(models: Mapping[str, Sequence[Transformer]], tokens: Tensor) -> Iterator[Event]:
    """Diversity and size of the stream after the last layer, at each learning rate."""
    last = {norm: [m.residual_stream(tokens)[-1] for m in models[norm]] for norm in NORMS}
    diversities = {norm: [diversity(resid) for resid in last[norm]] for norm in NORMS}
    title = "Token diversity after the last layer, at the end"
    yield HeatMap(title, NORMS, COLUMNS, list(diversities.values()))
    for norm in NORMS:
        chart, sizes = "Size of the stream after the last layer, at the end", map(rms, last[norm])
        yield Curve(chart, norm, RATES, list(sizes), "learning rate", "RMS", log_y=True)
        n_collapsed = sum(value < 0.05 for value in diversities[norm])
        label = f"of {len(RATES)} learning rates, {norm}: tokens nearly equal"
        yield Measurement(f"collapsed_{norm}", n_collapsed, "", label)
