"""SwiGLU multiplies what a feed-forward network reads by a gate, which may also be negative.

In a plain network a hidden unit is activation(up(x)). In a gated one it is activation(gate(x)) ·
up(x): one half of the matrices reads, the other decides how much of it counts. With SiLU, x ·
sigmoid(x), as the activation this is SwiGLU, and SmolLM2-135M has it in all 30 layers. The lab
swaps the activation of all gates for others, without any training: some of nearly the same shape,
and two that differ from SiLU on one side of zero only.

How to read it. SiLU dips below zero for negative inputs, to -0.28 at most, and comes back to zero.
"Without the dip" is SiLU where it is positive and 0 elsewhere; "straight above zero" is ReLU's line
for positive inputs and SiLU for negative ones. ReLU is both at once. Costs are the loss with the
change less the loss without, on the same tokens. The last chart has the share of gates below zero.

What the texts are. Three docstrings of Python's standard library, 32 tokens each, other ones for
each seed.

What the literature reports. See the note beside the claim.

Out of scope: what another activation would do if it were trained with. Swaps show what a trained
model relies on, not which activation is best.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labs.kit.reading import mean_loss
from labs.models import load_language_model
from labs.tasks.passages import token_rows
from labs.transformer import Transformer
from labs.transformer.interventions import modules_swapped
from studykit.lab.events import Curve, Event, Measurement, Progress

QUESTION = "What does a trained model rely on in the gates of its feed-forward networks?"
POINTS = ("5.3.1", "5.3.2", "5.3.3", "5.3.4")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "gate": "Without the gates, all of them 1, the model does worse than a uniform guess.",
    "shape": "ReLU in place of SiLU costs over 2 nats, hard-swish, of nearly SiLU's shape, less "
    "than 0.5.",
    "dip": "It is the negative side that counts: SiLU without its dip below zero costs over 2 "
    "nats, SiLU with ReLU's straight line above zero less than 1.",
    "below_zero": "Over half of all gates are below zero, where ReLU would be 0 and pass no "
    "gradient.",
}
HOLDS_IF = {
    "gate": "loss_ungated > uniform_entropy",
    "shape": "cost_relu > 2 and cost_hardswish < 0.5",
    "dip": "cost_no_dip > 2 and cost_straight < 1",
    "below_zero": "share_below > 0.5",
}
KNOBS = {"layers": ("all", "first third", "middle third", "last third")}
KNOB_HELP = {"layers": "in which the activation is swapped"}
SEEDS = 3
SECONDS = {"cpu": 7}
LITERATURE = {
    "shape": "Trained from the start at equal parameters, T5-base reached 1.997 nats a token with "
    "ReLU, 1.983 with GELU and 1.944 with SwiGLU; the standard deviation over four runs was up to "
    "0.010 (Shazeer 2020, Table 1, as reported).",
}

N_TEXTS = 3
N_TOKENS = 32
THIRDS = ("first third", "middle third", "last third")


class Ungated(nn.Module):
    """A gate of 1, whatever comes in."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ones_like(x)


class NoDip(nn.Module):
    """SiLU where it is positive, else 0."""

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x).clamp(min=0)


class StraightAbove(nn.Module):
    """The identity for positive inputs, SiLU for negative ones."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, F.silu(x))


@torch.no_grad()
def run(*, layers: str, seed: int, device: str, model: str) -> Iterator[Event]:
    """Swap the activations, then count the gates below zero."""
    language = load_language_model(model, device)
    if (found := language.model.config).feedforward != "gated" or found.activation != "silu":
        raise ValueError(f"{model}: its feed-forward networks are no SwiGLU, give a Llama")
    encode, begin = language.tokenizer.encode, [language.begin]
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=begin).to(device)
    uniform = torch.tensor(float(language.model.config.vocab_size)).log()
    yield Measurement("uniform_entropy", float(uniform), "nats", "uniform guess", yardstick=True)
    yield from shapes()
    yield Progress(0, 2, "swapping activations")
    yield from swaps(language.model, texts, layers)
    yield Progress(1, 2, "counting gates")
    shares = below_zero(language.model, texts)
    numbers = list(range(1, len(shares) + 1))
    yield Curve("Gates below zero", "share", numbers, shares, "layer")
    average = sum(shares) / len(shares)
    yield Measurement("share_below", average, "", "share of gates below zero")


def shapes() -> Iterator[Event]:
    """The activations near zero."""
    inputs = torch.linspace(-5, 3, 33)
    shown = {"SiLU": nn.SiLU(), "hard-swish": nn.Hardswish(), "ReLU": nn.ReLU()}
    for label, activation in shown.items():
        values = activation(inputs).tolist()
        yield Curve("Activation of a gate", label, inputs.tolist(), values, "input")


def swaps(model: Transformer, texts: Tensor, layers: str) -> Iterator[Event]:
    """What it costs to gate in other ways, in the layers of the knob."""
    n_layers = len(model.blocks)
    first, last = 0, n_layers
    if layers in THIRDS:
        first, last = (round((THIRDS.index(layers) + end) * n_layers / 3) for end in (0, 1))
    resid = model.residual_stream(texts)[first]  # (batch, seq_len, d_model)
    intact = mean_loss(model.resume(resid, first), texts)
    yield Measurement("loss", intact, "nats", "loss, nothing changed")
    networks = [block.get_submodule("feedforward") for block in model.blocks[first:last]]
    for name, label, activation in (
        ("relu", "ReLU", nn.ReLU()),
        ("hardswish", "hard-swish", nn.Hardswish()),
        ("gelu", "GELU", nn.GELU()),
        ("no_dip", "SiLU without the dip below zero", NoDip()),
        ("straight", "SiLU, straight above zero", StraightAbove()),
    ):
        with modules_swapped([(network, "activation", activation) for network in networks]):
            cost = mean_loss(model.resume(resid, first), texts) - intact
        yield Measurement(f"cost_{name}", cost, "nats", f"cost, {label}")
    with modules_swapped([(network, "activation", Ungated()) for network in networks]):
        ungated = mean_loss(model.resume(resid, first), texts)
    yield Measurement("loss_ungated", ungated, "nats", "loss, all gates 1")


def below_zero(model: Transformer, texts: Tensor) -> list[float]:
    """The share of gates below zero before the activation, layer by layer."""
    shares: list[float] = []

    def count(activation: nn.Module, args: tuple[Tensor], out: Tensor) -> None:
        shares.append(float((args[0] < 0).float().mean()))  # (batch, seq_len, d_ff)

    with ExitStack() as hooks:
        for block in model.blocks:
            activation = block.get_submodule("feedforward.activation")
            hooks.callback(activation.register_forward_hook(count).remove)
        model.residual_stream(texts)
    return shares
