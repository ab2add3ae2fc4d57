"""Gates and norms of a Llama, compared as they must be: trained alike, at equal parameters.

What a swap costs trained weights says what they rely on, not which part is better. For that, models
have to learn with each part from the start: from the same seed, on the same batches, and with as
many parameters. A gated feed-forward network has three matrices instead of two, so its hidden layer
is two thirds as wide. Small decoders of one layer learn to predict letters of docstrings. The first
has RMSNorm and SwiGLU, as Llama has; each other one differs from it in one part.

How to read it. A difference is the held-out loss of one model less that of another, from the same
seed; below zero the first one named is better. Its interval says whether so many seeds can tell the
two apart: for most of these differences three are too few. "Centred" is RMSNorm with the mean
subtracted, which is LayerNorm without its bias: it tells what the mean is worth from what the bias
is worth. A model without attention could at best reach the loss of letter pairs.

What the literature reports. See the notes beside the claims.

Out of scope: other sizes. One layer, 32 dimensions and 150 steps show how such a comparison is
made, and how large its noise is. The order of parts that lie close together may
differ in large models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional as F

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.text import Letters
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.layers import broadcast
from labs.transformer.norms import RMSNorm
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "Which of Llama's gates and norms pay, where all parts are trained alike?"
POINTS = ("5.1.2", "5.1.3", "5.1.4", "5.3.3", "5.3.4")
CLAIMS = {
    "siblings": "The two gated units, with SiLU and with GELU, come out within 0.04 nats of each "
    "other.",
    "ahead": "SwiGLU comes out ahead of plain ReLU with as many parameters.",
    "small": "What gating gains over plain GELU or ReLU is less than 0.1 nats.",
    "mean": "Subtracting the mean changes the loss by less than 0.06 nats.",
    "bias": "LayerNorm, with its bias, comes out ahead of the same norm without one.",
}
HOLDS_IF = {
    "siblings": "abs(geglu_less_swiglu) < 0.04",
    "ahead": "relu_less_swiglu > 0",
    "small": "max(gelu_less_swiglu, relu_less_swiglu) < 0.1",
    "mean": "abs(centred_less_swiglu) < 0.06",
    "bias": "layer_less_centred < 0",
}
KNOBS = {"learning_rate": (0.03, 0.02, 0.01)}
KNOB_HELP = {"learning_rate": "Adam's, the same for all models"}
DIFFERENCES = (
    "geglu_less_swiglu",
    "gelu_less_swiglu",
    "relu_less_swiglu",
    "centred_less_swiglu",
    "layer_less_centred",
)
SEEDS = 3
SECONDS = {"cpu": 10}
LITERATURE = {
    "ahead": "Trained from the start at equal parameters, T5-base reached 1.997 nats a token with "
    "ReLU, 1.983 with GELU, 1.944 with SwiGLU and 1.942 with GEGLU (Shazeer 2020, Table 1, as "
    "reported).",
}

BUDGET = Budget(n_steps=150, batch_size=16, n_held_out=512, n_evaluations=4)
SEQ_LEN = 32
LLAMA = TransformerConfig(
    vocab_size=1,  # the text's, once it is known
    seq_len=SEQ_LEN,
    n_layers=1,
    d_model=32,
    n_heads=4,
    d_ff=88,
    norm_kind="rmsnorm",
    biases="off",
    positions="rope",
    rope_base=100.0,
    feedforward="gated",
    activation="silu",
)
PLAIN = replace(LLAMA, feedforward="plain", d_ff=132)
"""As many parameters: 2 · 132 = 3 · 88."""
CONFIGS: Mapping[str, TransformerConfig] = {
    "swiglu": LLAMA,
    "geglu": replace(LLAMA, activation="gelu"),
    "gelu": replace(PLAIN, activation="gelu"),
    "relu": replace(PLAIN, activation="relu"),
    "centred": LLAMA,
    "layer": replace(LLAMA, norm_kind="layernorm"),
}
OTHER = {
    "geglu": "swiglu",
    "gelu": "swiglu",
    "relu": "swiglu",
    "centred": "swiglu",
    "layer": "centred",
}
"""The arm that each is compared with."""
LABELS = {
    "swiglu": "SwiGLU and RMSNorm",
    "geglu": "GEGLU",
    "gelu": "plain GELU",
    "relu": "plain ReLU",
    "centred": "RMSNorm, centred",
    "layer": "LayerNorm",
}


class CentredNorm(RMSNorm):
    """RMSNorm of what is left when the mean is subtracted: LayerNorm without a bias."""

    def forward(self, x: Tensor) -> Tensor:
        # x, result: (batch, seq_len, d_model), in a stack with n_models in front
        gain = self.gain if self.gain.dim() == 1 else broadcast(self.gain, x)
        return F.layer_norm(x, x.shape[-1:], eps=self.eps) * gain


@one_thread
def run(*, learning_rate: float, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Train one model of each kind, then compare them with the first."""
    size = BUDGET.scaled(budget)
    text = Letters(size, seq_len=SEQ_LEN, seed=seed, device=device)
    yield from text.yardsticks()
    models = {arm: built(arm, text.vocab_size, seed).to(device) for arm in CONFIGS}
    arms = {arm: [model] for arm, model in models.items()}
    recipe = size.recipe(final_share=0.1)
    for losses in train_arms(arms, (learning_rate,), text.batches, text.held_out, recipe):
        for arm, label in LABELS.items():
            yield Curve("Held-out loss", label, [losses.step], losses.of[arm], "step", "nats")
        yield Progress(losses.step, size.n_steps, f"training {len(arms)} models")
    (llama,) = losses.of["swiglu"]
    yield Measurement("loss", llama, "nats", f"loss, {LABELS['swiglu']}")
    rows: list[tuple[str | float, ...]] = []
    for arm, label in LABELS.items():
        (loss,) = losses.of[arm]
        n_parameters = sum(parameter.numel() for parameter in models[arm].parameters())
        rows.append((label, n_parameters, loss, loss - llama))
        if arm in OTHER:
            name, other = f"{arm}_less_{OTHER[arm]}", LABELS[OTHER[arm]]
            yield Measurement(
                name, loss - losses.of[OTHER[arm]][0], "nats", f"{label} less {other}"
            )
    columns = ("part", "parameters", "loss", "difference")
    yield Table(f"Held-out loss after {losses.step} steps, in nats ({text.source})", columns, rows)


def built(arm: str, vocab_size: int, seed: int) -> Transformer:
    """A model of one arm; models of equal shapes begin with equal weights."""
    config = replace(CONFIGS[arm], vocab_size=vocab_size)
    model = Transformer(config, generator(seed, "weights"))
    return centred(model) if arm == "centred" else model


def centred(model: Transformer) -> Transformer:
    """The model, with a `CentredNorm` in the place of each RMSNorm."""
    for parent in list(model.modules()):
        for name, part in list(parent.named_children()):
            if isinstance(part, RMSNorm):
                norm: nn.Module = CentredNorm(len(part.gain), part.eps)
                setattr(parent, name, norm)
    return model
