"""Normalisation frees a deep stack from its initialisation and learning rate.

A norm brings each token's vector to one size. It stands before each sublayer, on a copy (pre),
behind each sum of sublayer and residual, on the stream itself (post), or nowhere. This lab puts
the three through a range test: from the same starting weights, on the same letters, each is
trained at four learning rates, 30-fold apart, without gradient clipping, which would hide part
of the difference. What counts is less the best loss than at how many of the rates it learns.

How to read it. A model *learns* if it ends at least 0.1 nats below the entropy of the letters'
frequencies. There are two ways to fail: *stuck*, within 0.1 nats of that entropy, is a model
that ignores its context, or at the lowest rate one that is slow; *diverged*, above a uniform
guess or not a number, is one that has blown up. What ends in between is *worse*. The first two
charts show models before training. One is the size of the stream, layer by layer. The other
follows a random change of 1 % of the embeddings through the layers, as a share of the stream: a
flat line means that the layers scale stream and change alike. "None, uniform attention" has its
queries set to 0, so that each token attends to all that it sees alike. The diversity of the
tokens, at the end, is 0 when all tokens of a sequence have become the same.

What the literature reports. Xiong et al. (2020) prove that post-norm has large gradients near
its output at initialisation, and train pre-norm without the warm-up that post-norm needs. Takase
et al. (2022) find post-norm better up to six layers and unstable from ten. Fixup (2019) and
T-Fixup (2020) do without norms by starting from special weights.

Out of scope: what residual connections are for (core/residuals), RMSNorm, clipping, long
training. How many rates work depends on depth, width and patience: at 2 layers all three learn
at three rates or more. Turn the knobs before you quote a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from labs.tasks import docstrings
from labs.tasks.entropy import unigram_entropy
from labs.tasks.windows import all_windows, random_windows
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Init, Norm
from labs.transformer.norms import LayerNorm
from labs.transformer.probes import change_by_layer, diversity, rms
from labs.transformer.train import Evaluation, ModelStack, Recipe, lockstep, train
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress, Table

QUESTION = "What do pre-norm, post-norm and no norm do to a deep stack, and to its learning rate?"
POINTS = ("1.4.3", "1.4.4")
CLAIMS = {
    "sharpens": "Without norms a small change of the embeddings grows more than fivefold relative "
    "to the stream, with pre- or post-norm it less than doubles; without norms and with uniform "
    "attention it less than doubles as well.",
    "multiplies": "Without norms a small change of the embeddings grows more than fivefold "
    "relative to the stream, with uniform attention it still doubles or more.",
    "keeps": "Without norms a small change of the embeddings stays below twice its share of the "
    "stream.",
    "post_stuck": "Post-norm learns letter frequencies only: it is stuck at three or more of the "
    "four learning rates and diverges at none.",
    "post_diverges": "Post-norm fails by diverging, at one or more of the four learning rates.",
    "post_like_pre": "Post-norm is as easy to train as pre-norm: it learns at three or more of the "
    "four learning rates and diverges at none.",
    "post_collapses": "In training post-norm makes the tokens the same, in spite of its residual "
    "connections: after the last layer their diversity is below 0.05 at three or more of the four "
    "learning rates, with pre-norm at none.",
    "better": "The best loss with pre-norm is more than 0.1 nats below the best without norms.",
    "wider": "Pre-norm learns at more of the learning rates than no norm, but its best loss is at "
    "most 0.1 nats below.",
    "superfluous": "Without norms the model learns at least at as many rates as with pre-norm, and "
    "its best loss is at most 0.1 nats above.",
    "outgrown": "At the highest learning rate the pre-norm stream grows beyond an RMS of 10 in "
    "training, and the model learns.",
    "held": "At the highest learning rate the pre-norm stream keeps an RMS of at most 10 in "
    "training.",
    "burst": "At the highest learning rate the pre-norm stream grows beyond an RMS of 10 in "
    "training, and the model does not learn.",
    "alone": "What LayerNorm makes of a token does not depend on the rest of the batch (to within "
    "0.000001); what BatchNorm makes of it does (by more than 0.01).",
}
KNOBS = {"n_layers": (8, 2, 4, 12), "init": ("xavier", "small"), "warmup_steps": (0, 60)}
SEEDS = 3
SECONDS = {"cpu": 24}
LITERATURE = {
    "post_stuck": "A post-norm translation model reached 8.45 BLEU without warm-up and about 34 "
    "with it, pre-norm about 34 without (Xiong et al. 2020, Sec. 3.2 and 4; IWSLT14 German-"
    "English, Adam, 4,000 steps of warm-up).",
    "post_like_pre": "Post-norm trains unstably with ten or more layers and performs better than "
    "pre-norm with six or fewer (Takase et al. 2022, abstract).",
    "superfluous": "With T-Fixup initialisation an encoder-decoder of 200 + 200 layers trains "
    "without normalisation and without warm-up (Huang et al. 2020, abstract).",
}

LEARNING_RATES = (0.001, 0.003, 0.01, 0.03)
COLUMNS = tuple(f"rate {rate:g}" for rate in LEARNING_RATES)
NORMS: tuple[Norm, ...] = ("none", "pre", "post")
Arm: TypeAlias = Norm | Literal["uniform"]
LINES: dict[Arm, str] = {**{norm: norm for norm in NORMS}, "uniform": "none, uniform attention"}
SHOWN = 2
"""Place of the learning rate whose losses are drawn while training."""
CHART_TOP = 6.0
"""Losses above are drawn here, in nats: a model that explodes must not flatten the others."""
CHANGE = 0.01
"""Length of the change of the embeddings, as a share of the embeddings' length."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes and length of the training: what a run costs, apart from the knobs."""

    n_steps: int = 200
    evaluate_every: int = 20
    batch_size: int = 8
    seq_len: int = 16
    d_model: int = 32
    d_ff: int = 64
    n_held_out: int = 20_480
    """Tokens that decide the final losses."""


def run(*, n_layers: int, init: Init, warmup_steps: int, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which decides the starting weights, the text's order and the change."""
    return measure(
        Budget(), n_layers=n_layers, init=init, warmup_steps=warmup_steps, seed=seed, device=device
    )


def measure(
    budget: Budget, *, n_layers: int, init: Init, warmup_steps: int, seed: int, device: str
) -> Iterator[Event]:
    """The experiment: the three placements before training, while they train, and at the end."""
    yield Progress(0, budget.n_steps, "reading docstrings")
    text = docstrings.load()
    held_out_tokens = text.held_out[: budget.n_held_out + 1].to(device)
    held_out = all_windows(held_out_tokens, seq_len=budget.seq_len)
    letters, uniform = unigram_entropy(held_out_tokens), math.log(text.vocab_size)
    yield Measurement("uniform_entropy", uniform, "nats", "uniform guess", yardstick=True)
    yield Measurement("unigram_entropy", letters, "nats", "letter frequencies", yardstick=True)

    def build(norm: Norm) -> Transformer:
        config = TransformerConfig(
            vocab_size=text.vocab_size,
            seq_len=budget.seq_len,
            d_model=budget.d_model,
            n_layers=n_layers,
            d_ff=budget.d_ff,
            norm=norm,
            init=init,
        )
        # The same seed for every model: all start from the same weights.
        return Transformer(config, Generator().manual_seed(3 * seed)).to(device)

    probe = held_out[0][:64]  # (64, seq_len)
    untrained = {arm: build("none" if arm == "uniform" else arm) for arm in LINES}
    attend_to_all_alike(untrained["uniform"])
    yield from before_training(untrained, probe, noise_seed=3 * seed + 1)
    yield from company(untrained["pre"].residual_stream(probe)[-1])

    recipe = Recipe(
        n_steps=budget.n_steps,
        warmup_steps=warmup_steps,
        final_share=0.2,
        clip_norm=math.inf,
        evaluate_every=budget.evaluate_every,
    )
    models = {norm: [build(norm) for _ in LEARNING_RATES] for norm in NORMS}

    def train_at_all_rates(norm: Norm) -> Iterator[Evaluation]:
        batches = random_windows(
            text.train.to(device),
            batch_size=budget.batch_size,
            seq_len=budget.seq_len,
            generator=Generator().manual_seed(3 * seed + 2),
        )
        return train(ModelStack(models[norm]), LEARNING_RATES, batches, held_out, recipe)

    for evaluations in lockstep(*map(train_at_all_rates, NORMS)):
        losses = {norm: e.losses for norm, e in zip(NORMS, evaluations, strict=True)}
        step = evaluations[0].step
        chart = f"Held-out loss at learning rate {LEARNING_RATES[SHOWN]:g}"
        for norm in NORMS:
            shown = cut_off(losses[norm][SHOWN])
            yield Curve(chart, norm, [step], [shown], "step", f"nats, cut off at {CHART_TOP:g}")
        yield Progress(step, budget.n_steps, f"training {len(NORMS) * len(LEARNING_RATES)} models")

    yield from range_test(losses, letters=letters, uniform=uniform)
    yield from after_training(models, probe)
    yield Measurement("loss_pre_highest", losses["pre"][-1], "nats", "pre-norm, highest rate")


@torch.no_grad()
def before_training(
    models: Mapping[Arm, Transformer], tokens: Tensor, noise_seed: int
) -> Iterator[Event]:
    """Size of the stream and share of a small change in it, layer by layer."""
    for arm, model in models.items():
        line = LINES[arm]
        sizes = [rms(resid) for resid in model.residual_stream(tokens)]  # n_layers + 1
        noise = Generator().manual_seed(noise_seed)  # the same for all
        shares = change_by_layer(model, tokens, CHANGE, noise)  # n_layers + 1
        layers = list(range(len(sizes)))
        chart = "Size of the stream before training"
        yield Curve(chart, line, layers, sizes, "layer", "RMS", log_y=True)
        chart = f"A change of {CHANGE:.0%} of the embeddings, before training"
        yield Curve(chart, line, layers, shares, "layer", "share of the stream", log_y=True)
        label = f"RMS after the last layer before training, {line}"
        yield Measurement(f"size_{arm}", sizes[-1], "", label)
        label = f"growth of a small change before training, {line}"
        yield Measurement(f"change_{arm}", shares[-1] / shares[0], "times", label)


def attend_to_all_alike(model: Transformer) -> None:
    """Set the queries of a model that has not been trained to 0: all scores become equal."""
    for name, parameter in model.named_parameters():
        if name.endswith("attention.query.weight"):
            torch.nn.init.zeros_(parameter)


@torch.no_grad()
def company(resid: Tensor) -> Iterator[Event]:
    """How much a token's normalised vector depends on the other tokens of its batch."""
    layer_norm = LayerNorm(resid.shape[-1]).to(resid.device)
    batch_norm = partial(F.batch_norm, running_mean=None, running_var=None, training=True)
    for name, normalise in (("layer", layer_norm), ("batch", batch_norm)):
        # The first sequence among all sequences, and by itself.
        among_all = normalise(resid.flatten(0, 1))[: resid.shape[1]]
        difference = float((among_all - normalise(resid[0])).abs().max())
        label = f"largest difference that company makes to a token after {name} norm"
        yield Measurement(f"company_{name}", difference, "", label)


def range_test(
    losses: Mapping[Norm, Sequence[float]], *, letters: float, uniform: float
) -> Iterator[Event]:
    """How each placement ends at each learning rate, and how many rates end how."""
    ends = {
        norm: [outcome(loss, letters=letters, uniform=uniform) for loss in losses[norm]]
        for norm in NORMS
    }
    values = [[cut_off(loss) for loss in losses[norm]] for norm in NORMS]
    unit = f"nats, cut off at {CHART_TOP:g}"
    yield HeatMap("Held-out loss at the end", NORMS, COLUMNS, values, unit)
    yield Table("How it ends", ("norm", *COLUMNS), [(norm, *ends[norm]) for norm in NORMS])
    for norm in NORMS:
        for end in ("learns", "stuck", "diverged"):
            label = f"of {len(LEARNING_RATES)} learning rates, {norm}: {end}"
            yield Measurement(f"{end}_{norm}", ends[norm].count(end), "", label)
        finite = [loss for loss in losses[norm] if not math.isnan(loss)]
        label = f"loss, {norm}, best of {len(LEARNING_RATES)} learning rates"
        yield Measurement(f"best_{norm}", min(finite, default=math.nan), "nats", label)


@torch.no_grad()
def after_training(models: Mapping[Norm, Sequence[Transformer]], tokens: Tensor) -> Iterator[Event]:
    """Diversity and size of the stream after the last layer, at each learning rate."""
    last = {norm: [m.residual_stream(tokens)[-1] for m in models[norm]] for norm in NORMS}
    diversities = {norm: [diversity(resid) for resid in last[norm]] for norm in NORMS}
    title = "Diversity of the tokens after the last layer, at the end"
    yield HeatMap(title, NORMS, COLUMNS, list(diversities.values()))
    for norm in NORMS:
        chart, sizes = "Size of the stream after the last layer, at the end", map(rms, last[norm])
        yield Curve(chart, norm, LEARNING_RATES, list(sizes), "learning rate", "RMS", log_y=True)
        n_collapsed = sum(value < 0.05 for value in diversities[norm])
        label = f"of {len(LEARNING_RATES)} learning rates, {norm}: tokens all the same"
        yield Measurement(f"collapsed_{norm}", n_collapsed, "", label)
    label = "RMS after the last layer and training, pre-norm, highest rate"
    yield Measurement("size_pre_trained", rms(last["pre"][-1]), "", label)


def cut_off(loss: float) -> float:
    """The loss as it is drawn; NaN stays NaN."""
    return loss if math.isnan(loss) else min(loss, CHART_TOP)


def outcome(loss: float, *, letters: float, uniform: float) -> str:
    """How a model ended, in a word; NaN has diverged."""
    if not loss <= uniform:
        return "diverged"
    if loss <= letters - 0.1:
        return "learns"
    return "stuck" if loss < letters + 0.1 else "worse"


def verdict(m: Mapping[str, float]) -> dict[str, bool | None]:
    """Which claims the measurements of one seed bear out.

    A model that diverged counts as such and cannot be compared: where pre-norm, the measure of
    the others, has no loss or a stream is not a number, there is nothing to say.
    """

    def unless_nan(holds: bool, *names: str) -> bool | None:
        return None if any(math.isnan(m[name]) for name in names) else holds

    grows = m["change_none"] > 5
    damped = m["change_pre"] < 2 and m["change_post"] < 2
    changes = ("change_none", "change_uniform", "change_pre", "change_post")
    level = m["best_none"] <= m["best_pre"] + 0.1  # False for NaN
    more = m["learns_pre"] > m["learns_none"]
    large = m["size_pre_trained"] > 10
    learns = m["loss_pre_highest"] <= m["unigram_entropy"] - 0.1
    return {
        "sharpens": unless_nan(grows and damped and m["change_uniform"] < 2, *changes),
        "multiplies": unless_nan(grows and m["change_uniform"] >= 2, *changes[:2]),
        "keeps": unless_nan(m["change_none"] < 2, "change_none"),
        "post_stuck": m["stuck_post"] >= 3 and m["diverged_post"] == 0,
        "post_diverges": m["diverged_post"] >= 1,
        "post_like_pre": m["learns_post"] >= 3 and m["diverged_post"] == 0,
        "post_collapses": m["collapsed_post"] >= 3 and m["collapsed_pre"] == 0,
        "better": unless_nan(not level, "best_pre"),
        "wider": unless_nan(level and more, "best_pre"),
        "superfluous": unless_nan(level and not more, "best_pre"),
        "outgrown": unless_nan(large and learns, "size_pre_trained"),
        "held": unless_nan(not large, "size_pre_trained"),
        "burst": unless_nan(large and not learns, "size_pre_trained"),
        "alone": unless_nan(
            m["company_layer"] < 1e-6 and m["company_batch"] > 0.01,
            "company_layer",
            "company_batch",
        ),
    }
