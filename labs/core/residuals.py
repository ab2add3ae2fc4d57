"""Residual connections keep the tokens of a deep stack apart.

A residual connection adds what a layer computes to what went in, so that a stream runs past
every layer from the embeddings to the output. This lab trains the four models with and without
residuals, with and without (pre-) normalisation, from the same starting weights on the same
batches: docstrings of the standard library, letter by letter. Each model is trained at three
learning rates and judged at its best one, on text that it was not trained on.

How to read it. A loss at the letter-frequency entropy means that the model has learned how
often each letter occurs and nothing about their order; at the letter-pair entropy it would know
what usually follows a letter. The charts by layer are taken before the first step: the length
of each layer's gradient, the size of the stream (RMS), and the diversity of the tokens, which
is ||h - mean over tokens of h|| / ||h||: 1 when they have nothing in common, 0 when they are
all the same and no later layer can tell them apart.

What the literature reports. Dong et al. (2021) prove that attention without residuals and
feed-forward networks turns all tokens into one, doubly exponentially with depth, and that layer
normalisation does not prevent it. He et al. (2023) train deep transformers without residuals
and normalisation to the same quality, with special initialisation and about five times the
steps. Fixup (2019) and T-Fixup (2020) leave normalisation out by initialising with care.

Out of scope: post-norm, warm-up, long training, large models. The depth at which a model fails
depends on width, initialisation and patience: turn the knobs before you quote a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from labs.tasks import docstrings
from labs.tasks.entropy import bigram_entropy, unigram_entropy
from labs.tasks.windows import all_windows, random_windows
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Init
from labs.transformer.train import Batch, Evaluation, ModelStack, Recipe, lockstep, train
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "What if I remove the residual connections?"
POINTS = ("1.4.1", "1.4.2", "1.4.3", "1.4.4")
CLAIMS = {
    "trains": "With residuals and normalisation the model ends at least 0.3 nats below the "
    "letter-frequency entropy.",
    "stuck": "Without residuals the model learns letter frequencies only: it ends within 0.05 nats "
    "of their entropy.",
    "slower": "Without residuals the model still learns, only later: it ends at least 0.1 nats "
    "below the letter-frequency entropy.",
    "diverges": "Without residuals training diverges: it ends worse than a uniform guess.",
    "highway": "With residuals the gradient reaches the first layer: it is at least a tenth of the "
    "last layer's.",
    "vanishes": "Without residuals the gradient vanishes on its way back: the first layer's is "
    "less than a thousandth of the last layer's.",
    "bare_vanishes": "Without residuals and without normalisation the gradient vanishes: the first "
    "layer's is less than a thousandth of the last layer's.",
    "collapses": "Without residuals the tokens become nearly the same: after the last layer their "
    "diversity is below 0.05, with residuals above 0.3.",
    "norm_alone": "Normalisation makes up for missing residuals: it ends at most 0.1 nats above "
    "the model with both.",
    "residual_alone": "Residuals make up for missing normalisation: it ends at most 0.1 nats above "
    "the model with both.",
    "handicapped": "Residuals without normalisation train, but worse: it ends more than 0.1 nats "
    "above the model with both and better than a uniform guess.",
    "explodes": "Residuals without normalisation fail to train: it ends worse than a uniform "
    "guess.",
    "together": "Only residuals and normalisation together train: with both the model ends at "
    "least 0.3 nats below the letter-frequency entropy, with one of them it does not.",
    "amplifies": "Before training, the stream grows more than tenfold from the first to the last "
    "layer without normalisation, and less than tenfold with it.",
}
KNOBS = {"n_layers": (8, 2, 4, 12, 16), "init": ("xavier", "small")}
SEEDS = 3
SECONDS = {"cpu": 25}
LITERATURE = {
    "slower": "Without residuals and normalisation, deep transformers with special initialisation "
    "reached the same performance after about 5 times more iterations (He et al. 2023, abstract; "
    "WikiText-103 and C4).",
    "highway": "In a 110-layer residual network most of the gradient comes from paths that are "
    "only 10 to 34 layers deep (Veit et al. 2016; images, not text).",
    "collapses": "Attention without residuals and feed-forward networks converges to rank 1, that "
    "is to equal tokens, doubly exponentially with depth (Dong et al. 2021, abstract).",
    "norm_alone": "Layer normalisation does not counteract the collapse of the tokens (Dong et al. "
    "2021).",
    "residual_alone": "With T-Fixup initialisation an encoder-decoder of 200 + 200 layers trains "
    "without normalisation (Huang et al. 2020, abstract).",
    "amplifies": "With pre-norm the mean square of the stream after l layers lies between "
    "1 + l/2 and 1 + 3l/2 at initialisation, so its RMS grows 2.2 to 3.6 times over 8 layers "
    "(Xiong et al. 2020, Lemma 2; one head, Xavier, query and key weights 0).",
}

LEARNING_RATES = (0.001, 0.003, 0.01)
LABELS = {
    "base": "residual + norm",
    "no_residual": "norm only",
    "no_norm": "residual only",
    "bare": "neither",
}
CHART_TOP = 6.0
"""Losses above are drawn here, in nats: a model that explodes must not flatten the others."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How much is spent on one seed; what is left of the lab's sizes once the knobs are set."""

    n_steps: int = 200
    evaluate_every: int = 20
    batch_size: int = 8
    seq_len: int = 16
    d_model: int = 32
    d_ff: int = 64
    n_held_out: int = 20_480
    """Tokens that decide the final losses."""
    n_preview: int = 1_024
    """Of these, the tokens for the curves and for the state before training."""


def run(*, n_layers: int, init: Init, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed: it decides the starting weights and the order of the text."""
    return measure(Budget(), n_layers=n_layers, init=init, seed=seed, device=device)


def measure(
    budget: Budget, *, n_layers: int, init: Init, seed: int, device: str
) -> Iterator[Event]:
    """The experiment: the four models before training, while they train, and at the end."""
    yield Progress(0, budget.n_steps, "reading docstrings")
    text = docstrings.load()
    held_out_tokens = text.held_out[: budget.n_held_out + 1].to(device)
    held_out = all_windows(held_out_tokens, seq_len=budget.seq_len)
    n_windows = budget.n_preview // budget.seq_len
    preview = (held_out[0][:n_windows], held_out[1][:n_windows])
    yield from yardsticks(held_out_tokens, text.vocab_size)

    base = TransformerConfig(
        vocab_size=text.vocab_size,
        seq_len=budget.seq_len,
        d_model=budget.d_model,
        n_layers=n_layers,
        d_ff=budget.d_ff,
        init=init,
    )
    arms = {
        "base": base,
        "no_residual": replace(base, residual="off"),
        "no_norm": replace(base, norm="none"),
        "bare": replace(base, norm="none", residual="off"),
    }

    def build(arm: str) -> Transformer:
        # The same seed for every arm: all start from the same weights.
        return Transformer(arms[arm], Generator().manual_seed(2 * seed)).to(device)

    for arm in arms:
        yield from before_training(arm, build(arm), preview)

    # Models with the same parameters share a stack: with normalisation, and without.
    groups = (("base", "no_residual"), ("no_norm", "bare"))
    stacks = [ModelStack([build(arm) for arm in group for _ in LEARNING_RATES]) for group in groups]
    recipe = Recipe(
        n_steps=budget.n_steps,
        warmup_steps=budget.n_steps // 6,
        clip_norm=1.0,
        evaluate_every=budget.evaluate_every,
    )
    runs = [
        train(
            stack,
            LEARNING_RATES * len(group),
            random_windows(
                text.train.to(device),
                batch_size=budget.batch_size,
                seq_len=budget.seq_len,
                generator=Generator().manual_seed(2 * seed + 1),
            ),
            preview,
            recipe,
        )
        for stack, group in zip(stacks, groups, strict=True)
    ]
    for evaluations in lockstep(*runs):
        yield from while_training(by_arm(groups, [e.losses for e in evaluations]), evaluations[0])
        yield Progress(evaluations[0].step, budget.n_steps, "training 12 models")

    losses = by_arm(groups, [stack.evaluate(held_out) for stack in stacks])
    for arm in arms:
        label = f"{LABELS[arm]}, best of {len(LEARNING_RATES)} learning rates"
        yield Measurement(f"loss_{arm}", best(losses[arm]), "nats", label)
    yield Table(
        f"Held-out loss after {budget.n_steps} steps, in nats ({text.source})",
        ("model", *(f"rate {rate:g}" for rate in LEARNING_RATES), "best"),
        [(LABELS[arm], *losses[arm], best(losses[arm])) for arm in arms],
    )


def yardsticks(tokens: Tensor, vocab_size: int) -> Iterator[Event]:
    """What predictors of known strength lose on the held-out text."""
    for name, value, label in (
        ("uniform_entropy", math.log(vocab_size), "uniform guess"),
        ("unigram_entropy", unigram_entropy(tokens), "letter frequencies"),
        ("bigram_entropy", bigram_entropy(tokens), "letter pairs"),
    ):
        yield Measurement(name, value, "nats", label, yardstick=True)


def before_training(arm: str, model: Transformer, batch: Batch) -> Iterator[Event]:
    """Gradient, size and diversity by layer of a model with its starting weights."""
    inputs, targets = batch
    stream = model.residual_stream(inputs)  # n_layers + 1 of (batch, seq_len, d_model)
    loss = F.cross_entropy(model.read(stream[-1]).flatten(0, 1), targets.flatten())
    by_parameter = iter(torch.autograd.grad(loss, list(model.blocks.parameters())))
    gradients = [
        math.hypot(*(float(next(by_parameter).norm()) for _ in block.parameters()))
        for block in model.blocks
    ]
    stream = [resid.detach() for resid in stream]
    sizes = [float(resid.square().mean().sqrt()) for resid in stream]
    diversities = [diversity(resid) for resid in stream]

    charts = (
        ("Gradient of each layer before training", gradients, "norm", True, 1),
        ("Size of the stream before training", sizes, "RMS", True, 0),
        ("Token diversity before training", diversities, "", True, 0),
    )
    for chart, values, unit, log_y, first in charts:
        layers = range(first, first + len(values))
        yield Curve(chart, LABELS[arm], layers, values, "layer", unit, log_y)
    yield Measurement(f"gradient_ratio_{arm}", gradients[0] / gradients[-1], "", "first / last")
    yield Measurement(f"growth_{arm}", sizes[-1] / sizes[0], "", "RMS last / first")
    yield Measurement(f"diversity_{arm}", diversities[-1], "", "after the last layer")


def diversity(resid: Tensor) -> float:
    """Share of each sequence's stream in which its tokens differ: 0, all the same, to 1."""
    # resid: (batch, seq_len, d_model)
    own = resid - resid.mean(dim=1, keepdim=True)
    return float((own.norm(dim=(1, 2)) / resid.norm(dim=(1, 2))).mean())


def by_arm(
    groups: Sequence[Sequence[str]], losses: Sequence[Sequence[float]]
) -> dict[str, tuple[float, ...]]:
    """The losses of the stacks, taken apart: for each arm, one a learning rate."""
    n_rates = len(LEARNING_RATES)
    return {
        arm: tuple(stack_losses[i * n_rates : (i + 1) * n_rates])
        for group, stack_losses in zip(groups, losses, strict=True)
        for i, arm in enumerate(group)
    }


def while_training(
    losses: Mapping[str, Sequence[float]], evaluation: Evaluation
) -> Iterator[Event]:
    """One more point of each curve, at the middle learning rate."""
    middle = len(LEARNING_RATES) // 2
    chart = f"Held-out loss at learning rate {LEARNING_RATES[middle]:g}"
    for arm, label in LABELS.items():
        loss = losses[arm][middle]
        shown = loss if math.isnan(loss) else min(loss, CHART_TOP)
        yield Curve(chart, label, [evaluation.step], [shown], "step", f"nats, ≤ {CHART_TOP:g}")


def best(losses: Sequence[float]) -> float:
    """The lowest loss; NaN if every learning rate ended in NaN."""
    return min((loss for loss in losses if not math.isnan(loss)), default=math.nan)


def verdict(m: Mapping[str, float]) -> dict[str, bool | None]:
    """Which claims the measurements of one seed bear out.

    A loss of NaN is a model that diverged, which answers every question about it; only a
    comparison with a base that diverged, and a ratio that is NaN, cannot be judged.
    """
    letters, uniform = m["unigram_entropy"], m["uniform_entropy"]
    base, no_residual, no_norm = m["loss_base"], m["loss_no_residual"], m["loss_no_norm"]
    no_norm_fails = not no_norm <= uniform

    def learns(loss: float) -> bool:
        return loss <= letters - 0.3

    def known(holds: bool, *values: float) -> bool | None:
        return None if any(math.isnan(value) for value in values) else holds

    return {
        "trains": learns(base),
        "stuck": abs(no_residual - letters) <= 0.05,
        "slower": no_residual <= letters - 0.1,
        "diverges": not no_residual <= uniform,
        "highway": known(m["gradient_ratio_base"] >= 0.1, m["gradient_ratio_base"]),
        "vanishes": known(m["gradient_ratio_no_residual"] < 1e-3, m["gradient_ratio_no_residual"]),
        "bare_vanishes": known(m["gradient_ratio_bare"] < 1e-3, m["gradient_ratio_bare"]),
        "collapses": known(
            m["diversity_no_residual"] < 0.05 and m["diversity_base"] > 0.3,
            m["diversity_no_residual"],
            m["diversity_base"],
        ),
        "norm_alone": known(no_residual <= base + 0.1, base),
        "residual_alone": known(no_norm <= base + 0.1, base),
        "handicapped": known(base + 0.1 < no_norm <= uniform, base),
        "explodes": no_norm_fails,
        "together": learns(base) and not learns(no_residual) and not learns(no_norm),
        "amplifies": known(
            m["growth_no_norm"] > 10 and m["growth_base"] < 10,
            m["growth_no_norm"],
            m["growth_base"],
        ),
    }
