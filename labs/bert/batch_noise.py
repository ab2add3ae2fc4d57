"""A larger batch makes the gradient less noisy, and is worth it once noise is what is left.

The gradient of a batch is a mean over its sequences, so that its variance falls as 1 / batch size.
Whether that matters depends on how large the noise is beside the gradient itself. The noise scale
is the batch size at which the two are equal: tr(Σ) / |G|², with Σ the covariance of the gradients
of single sequences and G their mean. The lab computes the gradient of each of 1,024 sequences by
itself, for an encoder that has to find hidden letters in docstrings, before training and after it.

It also asks what a step is worth: along the gradient of a batch it takes the best of several step
sizes, and measures by how much the loss of other sequences falls.

How to read it. Variances are those of the whole gradient, the sum over all its components. A cosine
of 1 is the direction of the mean gradient, 1 / √2 what a batch of the noise scale has.

What the literature reports. The noise scale grows as the loss falls (McCandlish et al. 2018,
abstract, Eq. 2.9). RoBERTa, with equal passes through the data: perplexity 3.99 with 256 sequences
a batch, 3.68 with 2K and 3.77 with 8K (Liu et al. 2019, Table 3, learning rates tuned).

Out of scope: what batches cost in time, and Adam, which rescales the components.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from labs.kit.budget import Budget, generator, one_thread
from labs.kit.text import Letters
from labs.tasks.hidden_tokens import choose_hidden, hide
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.train import UNCOUNTED, Batch, ModelStack, train
from studykit.lab.events import Curve, Event, Measurement, Progress

QUESTION = "When is a larger batch worth it?"
POINTS = ("2.4.1", "2.4.4")
CLAIMS = {
    "inverse": "The variance of the gradient falls as 1 / batch size, before and after training: "
    "the slope in logarithms lies between -1.15 and -0.85.",
    "grows": "The noise scale grows in training, at least 5 times.",
    "fades": "The best step along a batch of 16 lowers the loss by at least 60 % of what the mean "
    "gradient of 1,024 sequences achieves before training, and by at most 50 % after it.",
    "still_enough": "After training the best step along a batch of 16 achieves more than 50 %.",
}
HOLDS_IF = {
    "inverse": "-1.15 < slope_before < -0.85 and -1.15 < slope_after < -0.85",
    "grows": "noise_scale_after >= 5 * noise_scale_before",
    "fades": "gain_16_before >= 0.6 * gain_1024_before and gain_16_after <= 0.5 * gain_1024_after"
    " if gain_1024_after >= 0.005 else unknown",
    "still_enough": "gain_16_after > 0.5 * gain_1024_after"
    " if gain_1024_after >= 0.005 else unknown",
}
KNOBS = {"n_steps": (100, 20, 400)}
KNOB_HELP = {"n_steps": "training steps between the two measurements, 32 sequences each"}
SEEDS = 3
SECONDS = {"cpu": 15}
LITERATURE = {
    "grows": "The noise scale grows as the loss falls, in training of images and games "
    "(McCandlish et al. 2018).",
    "fades": "RoBERTa with equal passes through the data: perplexity 3.99, 3.68 and 3.77 with "
    "256, 2K and 8K sequences a batch: the largest is not the best (Liu et al. 2019, Table 3).",
}

SEQ_LEN = 16
HIDDEN = 0.2
N_SEQUENCES = 1024
BATCHES = (4, 16, 64, 256)
STEP_SIZES = (0.02, 0.05, 0.12, 0.3, 0.8)
"""Plain steps along the negative gradient; the best of them counts."""
N_DIRECTIONS = 6
"""Batches of each size along which steps are taken."""
LABELS = {"before": "before training", "after": "after training"}


@one_thread
def run(*, n_steps: int, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Noise and gain of batches of several sizes, at two moments of a training."""
    size = Budget(n_steps=n_steps, batch_size=32, n_held_out=256).scaled(budget)
    text = Letters(size, seq_len=SEQ_LEN, seed=seed, device=device)
    mask_token = text.vocab_size
    dice = generator(seed, "probe")

    def masked(tokens: Tensor) -> Batch:
        hidden = choose_hidden((len(tokens), SEQ_LEN), HIDDEN, dice)
        return hide(tokens, hidden.to(tokens.device), mask_token)

    supply = text.batches()
    n_batches = N_SEQUENCES // size.batch_size
    sequences = masked(torch.cat([next(supply)[0] for _ in range(n_batches)]))
    judged = masked(text.held_out[0])
    config = TransformerConfig(
        vocab_size=text.vocab_size + 1,
        seq_len=SEQ_LEN,
        d_ff=64,
        positions="rope",
        kind="encoder",
    )
    model = Transformer(config, generator(seed, "weights")).to(device)
    yield Progress(0, 4, "gradients before training")
    yield from look_at(model, "before", sequences, judged)
    yield Progress(2, 4, "training")
    batches = (masked(tokens) for tokens, _ in supply)
    for evaluation in train(ModelStack([model]), [0.01], batches, judged, size.recipe()):
        loss = evaluation.losses[0]
        yield Curve("Loss of hidden letters", "encoder", [evaluation.step], [loss], "step", "nats")
    yield Progress(3, 4, "gradients after training")
    yield from look_at(model, "after", sequences, judged)


def look_at(model: nn.Module, when: str, sequences: Batch, judged: Batch) -> Iterator[Event]:
    """How noisy the gradients of batches are, and what a step along them is worth."""
    label = LABELS[when]
    gradients = of_each_sequence(model, sequences)  # (n_sequences, n_parameters)
    mean = gradients.mean(dim=0)
    spread = total_variance(gradients)
    # The squared norm of a mean of n has the noise of the mean in it: spread / n too much.
    squared_norm = float(mean.square().sum()) - spread / len(gradients)
    scale = spread / squared_norm if squared_norm > 0 else math.inf
    yield Measurement(f"noise_scale_{when}", scale, "sequences", f"noise scale, {label}")
    variances, cosines = [], []
    for batch_size in BATCHES:
        batches = gradients.view(-1, batch_size, gradients.shape[1]).mean(dim=1)
        variances.append(total_variance(batches))
        cosines.append(float(F.cosine_similarity(batches, mean[None]).mean()))
    xs = list(map(float, BATCHES))
    yield Curve("Variance of the gradient", label, xs, variances, "batch size", "", log_y=True)
    yield Curve("Cosine to the mean gradient", label, xs, cosines, "batch size")
    slope = math.log(variances[-1] / variances[0]) / math.log(BATCHES[-1] / BATCHES[0])
    yield Measurement(f"slope_{when}", slope, "", f"slope of log variance, {label}")

    sizes = (*BATCHES, len(gradients))
    gains = [gain(model, gradients, batch_size, judged) for batch_size in sizes]
    xs = list(map(float, sizes))
    yield Curve("What the best step is worth", label, xs, gains, "batch size", "nats", log_y=True)
    for batch_size, worth in zip(sizes, gains, strict=True):
        what = f"loss saved by the best step, batch of {batch_size:,}, {label}"
        yield Measurement(f"gain_{batch_size}_{when}", worth, "nats", what)


def of_each_sequence(model: nn.Module, sequences: Batch) -> Tensor:
    """The gradient of every sequence by itself: (n_sequences, n_parameters)."""
    parameters = {name: value.detach() for name, value in model.named_parameters()}

    def loss(values: dict[str, Tensor], tokens: Tensor, targets: Tensor) -> Tensor:
        logits = functional_call(model, values, (tokens[None],))[0]  # (seq_len, vocab_size)
        each = F.cross_entropy(logits, targets, ignore_index=UNCOUNTED, reduction="sum")
        return each / (HIDDEN * SEQ_LEN)

    gradient = vmap(grad(loss), in_dims=(None, 0, 0))
    parts = zip(*(torch.split(tokens, 128) for tokens in sequences), strict=True)
    rows = [
        torch.cat([value.flatten(1) for value in gradient(parameters, *part).values()], dim=1)
        for part in parts
    ]
    return torch.cat(rows)


def total_variance(rows: Tensor) -> float:
    """The sum of the variances of all columns: the trace of the covariance."""
    return float(rows.var(dim=0).sum())


@torch.no_grad()
def gain(model: nn.Module, gradients: Tensor, batch_size: int, judged: Batch) -> float:
    """Nats by which the best step lowers the loss of `judged`; the mean over batches."""
    inputs, targets = judged
    start = nn.utils.parameters_to_vector(model.parameters())

    def loss_at(values: Tensor) -> float:
        nn.utils.vector_to_parameters(values, model.parameters())
        logits = model(inputs).flatten(0, 1)
        return float(F.cross_entropy(logits, targets.flatten(), ignore_index=UNCOUNTED))

    try:
        here, gains = loss_at(start), []
        for batch in torch.split(gradients, batch_size)[:N_DIRECTIONS]:
            direction = batch.mean(dim=0)
            losses = [loss_at(start - step * direction) for step in STEP_SIZES]
            gains.append(max(0.0, here - min(losses)))
    finally:
        nn.utils.vector_to_parameters(start, model.parameters())
    return sum(gains) / len(gains)
