"""Residual connections keep the tokens of a deep stack apart.

A residual connection adds what a layer computes to what went in, so that one path from the
embeddings to the output stays free of layers. The lab looks into the 2 x 2 of residuals and
(pre-)norms before training, all from the same weights, and trains three of them on the same
letters, each at two learning rates of which the better counts. A fifth model asks for the cause of
what happens without residuals: it has none either, but a bias of 8 on the diagonal of its
attention scores, so that each token attends almost only to itself and tokens are mixed less.

How to read it. A loss at the letter-frequency entropy means that a model knows how often letters
occur and nothing of their order. The charts by layer show models before training: the norm of
each layer's gradient, the RMS of the stream, and the diversity of its tokens,
||h - mean over tokens of h|| / ||h||, which is 0 once all tokens of a sequence are equal.

What the literature reports. Attention alone makes tokens equal, doubly exponentially in depth
(Dong et al. 2021). With special initialisation deep transformers train without residuals and
norms, in about 5 times the steps (He et al. 2023), or without norms (Fixup 2019, T-Fixup 2020).

Out of scope: post-norm (core/normalisation), warm-up, large models. At which depth a model fails
depends on its width, initialisation and patience: turn the knobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from labs.kit.arms import best_place, train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.charts import by_layer, results, watch
from labs.kit.text import Letters
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.attention import CausalMask
from labs.transformer.config import Init
from labs.transformer.probes import diversity, layer_gradients, rms
from labs.transformer.train import Batch
from studykit.lab.events import Event, Measurement

QUESTION = "What if I remove the residual connections?"
POINTS = ("1.4.1", "1.4.2", "1.4.3", "1.4.4")
CLAIMS = {
    "stuck": "Without residuals the model learns letter frequencies only: the loss ends within "
    "0.05 nats of their entropy, with residuals at least 0.2 nats below it.",
    "slower": "Without residuals the model learns part of the letters' order: the loss ends more "
    "than 0.05 nats below the letter-frequency entropy.",
    "arrives": "The gradient arrives at the first layer, with residuals and without: it is at "
    "least a twentieth of the last layer's.",
    "bare_vanishes": "With neither residuals nor norms the gradient vanishes: the first layer's is "
    "less than a thousandth of the last layer's.",
    "collapses": "Without residuals the tokens after the last layer are nearly equal, before "
    "training and after it: their diversity is below 0.05, with residuals above 0.3.",
    "rescued": "Without residuals, but attending mostly to themselves, tokens stay distinct "
    "(diversity above 0.2 after training) and the loss ends at least 0.05 nats lower.",
    "handicapped": "Without norms the loss starts above a uniform guess, falls, and ends more than "
    "0.1 nats above that of the model with norms.",
    "superfluous": "Without norms the loss ends at most 0.1 nats above that of the model with "
    "norms.",
}
HOLDS_IF = {
    "stuck": "abs(loss_no_residual - unigram_entropy) <= 0.05"
    " and loss_base <= unigram_entropy - 0.2",
    "slower": "loss_no_residual < unigram_entropy - 0.05",
    "arrives": "gradient_ratio_base >= 0.05 and gradient_ratio_no_residual >= 0.05",
    "bare_vanishes": "gradient_ratio_bare < 0.001",
    "collapses": "max(diversity_no_residual, trained_diversity_no_residual) < 0.05"
    " and min(diversity_base, trained_diversity_base) > 0.3",
    "rescued": "trained_diversity_self > 0.2 and loss_self <= loss_no_residual - 0.05",
    "handicapped": "start_no_norm > uniform_entropy and loss_base + 0.1 < loss_no_norm"
    " and loss_no_norm < start_no_norm",
    "superfluous": "loss_no_norm <= loss_base + 0.1",
}
KNOBS = {"n_layers": (8, 1, 2, 4, 12, 16), "init": ("xavier", "small")}
KNOB_HELP = {
    "n_layers": "layers of each model",
    "init": "starting weights: Xavier, or all normal with a standard deviation of 0.05",
}
SEEDS = 3
SECONDS = {"cpu": 18}
LITERATURE = {
    "slower": "Without residuals and normalisation, deep transformers with special initialisation "
    "reached the same performance after about 5 times more iterations (He et al. 2023, abstract; "
    "WikiText-103 and C4).",
    "arrives": "In a residual network of 110 layers most of the gradient comes from paths that are "
    "10 to 34 layers deep (as reported by Veit et al. 2016; images, not text).",
    "collapses": "Attention without residuals and feed-forward networks converges to rank 1, that "
    "is to equal tokens, doubly exponentially with depth; layer normalisation does not counteract "
    "it (Dong et al. 2021).",
    "superfluous": "With T-Fixup initialisation an encoder-decoder of 200 + 200 layers trains "
    "without normalisation (Huang et al. 2020, abstract).",
}

LABELS = {
    "base": "residual + norm",
    "no_residual": "norm only",
    "self": "norm only, self-attending",
    "no_norm": "residual only",
}
UNTRAINED = {**LABELS, "bare": "neither"}
BUDGET = Budget(n_steps=120, batch_size=8, n_held_out=512, n_evaluations=8)
RATES = (0.001, 0.003)
SEQ_LEN = 16
SELF_BIAS = 8.0
"""Added to the score that a token gives itself: e⁸ times the weight of another."""


@one_thread
def run(
    *, n_layers: int, init: Init, seed: int, device: str, budget: float = 1.0
) -> Iterator[Event]:
    """Five models, looked into before training; four of them trained and compared."""
    size = BUDGET.scaled(budget)
    text = Letters(size, seq_len=SEQ_LEN, seed=seed, device=device)
    yield from text.yardsticks()
    base = TransformerConfig(
        vocab_size=text.vocab_size, seq_len=SEQ_LEN, n_layers=n_layers, d_ff=64, init=init
    )
    no_residual = replace(base, residual="off")
    configs = {
        "base": base,
        "no_residual": no_residual,
        "self": no_residual,
        "no_norm": replace(base, norm="none"),
        "bare": replace(no_residual, norm="none"),
    }

    def build(arm: str) -> Transformer:
        # The same random numbers for every arm: all start from the same weights.
        model = Transformer(configs[arm], generator(seed, "weights")).to(device)
        if arm == "self":
            attend_to_self(model)
        return model

    for arm in UNTRAINED:
        yield from before_training(arm, build(arm), text.probe)
    arms = {arm: [build(arm) for _ in RATES] for arm in LABELS}
    training = train_arms(arms, RATES, text.batches, text.held_out, size.recipe())
    start, end = yield from watch(training, LABELS, RATES, size.n_steps)
    yield from results(start, end, LABELS, RATES, text.source)
    for arm, models in arms.items():
        stream = models[best_place(end.of[arm])].residual_stream(text.probe[0])
        label = f"token diversity after training, {LABELS[arm]}"
        yield Measurement(f"trained_diversity_{arm}", diversity(stream[-1]), "", label)


def attend_to_self(model: Transformer) -> None:
    """Raise every score on the diagonal of every attention of the model."""
    for module in model.modules():
        if isinstance(module, CausalMask):  # what is added to the scores
            module.mask.diagonal(dim1=-2, dim2=-1).add_(SELF_BIAS)


def before_training(arm: str, model: Transformer, batch: Batch) -> Iterator[Event]:
    """Gradient, size and diversity layer by layer, at the starting weights."""
    label = UNTRAINED[arm]
    gradients = layer_gradients(model, batch)  # n_layers
    stream = model.residual_stream(batch[0])  # n_layers + 1
    sizes, diversities = [rms(resid) for resid in stream], [diversity(resid) for resid in stream]
    yield by_layer("Gradient of each layer before training", label, gradients, "norm", first=1)
    yield by_layer("Size of the stream before training", label, sizes, "RMS")
    yield by_layer("Token diversity before training", label, diversities)
    ratio = gradients[0] / gradients[-1]
    yield Measurement(f"gradient_ratio_{arm}", ratio, "", f"gradient, first / last layer, {label}")
    of_last = f"token diversity before training, {label}"
    yield Measurement(f"diversity_{arm}", diversities[-1], "", of_last)
