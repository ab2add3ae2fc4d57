"""Residual connections keep the tokens of a deep stack apart.

A residual connection adds what a layer computes to what went in, so that a stream runs past
every layer from the embeddings to the output. This lab trains the four models with and without
residuals, with and without (pre-) normalisation, from the same starting weights on the same
batches: docstrings of the standard library, letter by letter. Each model is trained at three
learning rates and judged at its best one, on text that it was not trained on.

How to read it. A loss at the letter-frequency entropy means that the model has learned how
often each letter occurs and nothing about their order; at the letter-pair entropy it would know
what usually follows a letter. The curves while training are of the middle learning rate. The
charts by layer show the models before their first step: the length of each layer's gradient, the
size of the stream (RMS), and the diversity of the tokens, ||h - mean over tokens of h|| / ||h||,
which is 0 when all tokens of a sequence have become the same and no later layer can tell them
apart.

What the literature reports. Dong et al. (2021) prove that attention without residuals and
feed-forward networks turns all tokens into one, doubly exponentially with depth, and report that
layer normalisation does not counteract it. He et al. (2023) train deep transformers without
residuals and normalisation to the same quality, with special initialisation and about five times
the steps. Fixup (2019) and T-Fixup (2020) leave normalisation out by initialising with care.

Out of scope: post-norm, the effect of warm-up, long training, large models. The depth at which a
model fails depends on width, initialisation and patience: turn the knobs before you quote a
number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import Generator, Tensor

from labs.tasks import docstrings
from labs.tasks.entropy import bigram_entropy, unigram_entropy
from labs.tasks.windows import all_windows, random_windows
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Init
from labs.transformer.probes import diversity, layer_gradients, rms
from labs.transformer.train import Batch, Evaluation, ModelStack, Recipe, lockstep, train
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "What if I remove the residual connections?"
POINTS = ("1.4.1", "1.4.2", "1.4.3", "1.4.4")
CLAIMS = {
    "trains": "With residuals and normalisation the model ends at least 0.3 nats below the "
    "letter-frequency entropy.",
    "stuck": "Without residuals the model learns letter frequencies only: it ends within 0.05 nats "
    "of their entropy.",
    "slower": "Without residuals the model still learns, only later: it ends more than 0.05 nats "
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
    "highway": "In a residual network of 110 layers most of the gradient comes from paths that are "
    "10 to 34 layers deep (as reported by Veit et al. 2016; images, not text).",
    "collapses": "Attention without residuals and feed-forward networks converges to rank 1, that "
    "is to equal tokens, doubly exponentially with depth (Dong et al. 2021, abstract).",
    "norm_alone": "Layer normalisation does not counteract the collapse of the tokens, and "
    "feed-forward networks only slow it (Dong et al. 2021).",
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
    """Sizes and length of the training: what a run costs, apart from the knobs."""

    n_steps: int = 240
    evaluate_every: int = 20
    batch_size: int = 8
    seq_len: int = 16
    d_model: int = 32
    d_ff: int = 64
    n_held_out: int = 20_480
    """Tokens that decide the final losses."""


def run(*, n_layers: int, init: Init, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which decides the starting weights and the order of the text."""
    return measure(Budget(), n_layers=n_layers, init=init, seed=seed, device=device)


def measure(
    budget: Budget, *, n_layers: int, init: Init, seed: int, device: str
) -> Iterator[Event]:
    """The experiment: four models before training, while they train, and at the end."""
    yield Progress(0, budget.n_steps, "reading docstrings")
    text = docstrings.load()
    held_out_tokens = text.held_out[: budget.n_held_out + 1].to(device)
    held_out = all_windows(held_out_tokens, seq_len=budget.seq_len)
    yield from yardsticks(held_out_tokens, text.vocab_size)

    base = TransformerConfig(
        vocab_size=text.vocab_size,
        seq_len=budget.seq_len,
        d_model=budget.d_model,
        n_layers=n_layers,
        d_ff=budget.d_ff,
        init=init,
    )
    no_norm = replace(base, norm="none")
    arms = {
        "base": base,
        "no_residual": replace(base, residual="off"),
        "no_norm": no_norm,
        "bare": replace(no_norm, residual="off"),
    }

    def build(arm: str) -> Transformer:
        # The same seed for every arm: all start from the same weights.
        return Transformer(arms[arm], Generator().manual_seed(2 * seed)).to(device)

    for arm in arms:
        yield from before_training(arm, build(arm), (held_out[0][:64], held_out[1][:64]))

    recipe = Recipe(
        n_steps=budget.n_steps,
        warmup_steps=budget.n_steps // 20,
        clip_norm=1.0,
        evaluate_every=budget.evaluate_every,
    )

    def train_pair(*pair: str) -> Iterator[Evaluation]:
        """Two arms with the same parameters in one stack, on the batches that all arms get."""
        batches = random_windows(
            text.train.to(device),
            batch_size=budget.batch_size,
            seq_len=budget.seq_len,
            generator=Generator().manual_seed(2 * seed + 1),
        )
        stack = ModelStack([build(arm) for arm in pair for _ in LEARNING_RATES])
        return train(stack, LEARNING_RATES * len(pair), batches, held_out, recipe)

    # Losses come arm by arm, in the order of `arms`, one learning rate after the other.
    n_rates = len(LEARNING_RATES)
    for pairs in lockstep(train_pair("base", "no_residual"), train_pair("no_norm", "bare")):
        flat = [loss for evaluation in pairs for loss in evaluation.losses]
        losses = {arm: flat[i * n_rates : (i + 1) * n_rates] for i, arm in enumerate(arms)}
        yield from while_training(pairs[0].step, losses)
        yield Progress(pairs[0].step, budget.n_steps, f"training {len(flat)} models")

    for arm in arms:
        label = f"loss, {LABELS[arm]}, best of {n_rates} learning rates"
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
    """Gradient, size and diversity, layer by layer, of a model with its starting weights."""
    label = LABELS[arm]
    gradients = layer_gradients(model, batch)  # n_layers
    stream = model.residual_stream(batch[0])  # n_layers + 1
    sizes = [rms(resid) for resid in stream]
    diversities = [diversity(resid) for resid in stream]
    layers = list(range(len(stream)))
    for chart, xs, ys, unit, log_y in (
        ("Gradient of each layer before training", layers[1:], gradients, "norm", True),
        ("Size of the stream before training", layers, sizes, "RMS", True),
        ("Diversity of the tokens before training", layers, diversities, "", False),
    ):
        yield Curve(chart, label, xs, ys, "layer", unit, log_y)
    for name, value, meaning in (
        ("gradient_ratio", gradients[0] / gradients[-1], "gradient of first / last layer"),
        ("growth", sizes[-1] / sizes[0], "size of the stream, last / first"),
        ("diversity", diversities[-1], "diversity after the last layer"),
    ):
        yield Measurement(f"{name}_{arm}", value, "", f"{meaning}, {label}")


def while_training(step: int, losses: Mapping[str, Sequence[float]]) -> Iterator[Event]:
    """One more point of each curve, at the middle learning rate."""
    middle = len(LEARNING_RATES) // 2
    chart = f"Held-out loss at learning rate {LEARNING_RATES[middle]:g}"
    for arm, label in LABELS.items():
        loss = losses[arm][middle]
        shown = loss if math.isnan(loss) else min(loss, CHART_TOP)
        yield Curve(chart, label, [step], [shown], "step", f"nats, cut off at {CHART_TOP:g}")


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

    def learns(loss: float) -> bool:
        return loss <= letters - 0.3

    def unless_nan(holds: bool, *names: str) -> bool | None:
        return None if any(math.isnan(m[name]) for name in names) else holds

    def vanishes(ratio: str) -> bool | None:
        return unless_nan(m[ratio] < 1e-3, ratio)

    return {
        "trains": learns(base),
        "stuck": abs(no_residual - letters) <= 0.05,
        "slower": no_residual < letters - 0.05,
        "diverges": not no_residual <= uniform,
        "highway": unless_nan(m["gradient_ratio_base"] >= 0.1, "gradient_ratio_base"),
        "vanishes": vanishes("gradient_ratio_no_residual"),
        "bare_vanishes": vanishes("gradient_ratio_bare"),
        "collapses": unless_nan(
            m["diversity_no_residual"] < 0.05 and m["diversity_base"] > 0.3,
            "diversity_no_residual",
            "diversity_base",
        ),
        "norm_alone": unless_nan(no_residual <= base + 0.1, "loss_base"),
        "residual_alone": unless_nan(no_norm <= base + 0.1, "loss_base"),
        "handicapped": unless_nan(base + 0.1 < no_norm <= uniform, "loss_base"),
        "explodes": not no_norm <= uniform,
        "together": learns(base) and not learns(no_residual) and not learns(no_norm),
        "amplifies": unless_nan(
            m["growth_no_norm"] > 10 and m["growth_base"] < 10, "growth_no_norm", "growth_base"
        ),
    }
