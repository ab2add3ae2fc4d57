"""RMSNorm leaves out LayerNorm's subtraction of the mean, and little is missed.

A LayerNorm subtracts the mean of a token's vector and divides by what is left of its size. RMSNorm
only divides. The lab asks three things of the difference. Is it faster: both are timed, written out
as separate operations and as the functions that PyTorch offers. Is the mean needed: SmolLM2-135M,
which was trained with RMSNorm, gets LayerNorms with the gains of its own. And what of the other
half: the division is taken out, of one layer in the middle and of all.

How to read it. Ratios of times are RMSNorm's over LayerNorm's, each the least processor time of a
few rounds on one core, over 256 vectors of 576 numbers. The mean's share is |mean| over root mean
square of the stream's vectors, before every layer; for independent numbers it would be about
0.8 / √576 ≈ 0.03. Costs are the loss with the change less the loss without, on the same tokens.

What the texts are. Four docstrings of Python's standard library, 32 tokens each, other ones for
each seed.

What the literature reports. See the notes beside the claims.

Out of scope: training with either norm, and where norms stand (gpt/pre_post_norm).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from labs.kit.reading import mean_loss
from labs.machine.stopwatch import fastest, one_core
from labs.models import load_language_model
from labs.tasks.passages import token_rows
from labs.transformer import Transformer
from labs.transformer.interventions import modules_swapped
from labs.transformer.norms import RMSNorm
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "What does RMSNorm save, and is the mean that it leaves in ever missed?"
POINTS = ("5.1.1", "5.1.2", "5.1.3", "5.1.4")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "fewer": "Written out operation by operation, RMSNorm takes at most 0.8 of LayerNorm's time.",
    "kernel": "As PyTorch's own functions on this device, RMSNorm takes longer than LayerNorm.",
    "mean": "Subtracting the mean in all norms of a model trained with RMSNorm costs less than 0.5 "
    "nats: the mean of a vector is below a tenth of its size.",
    "size": "Without the division the norm of one middle layer costs over 5 nats, and without it "
    "in all layers the output is no number.",
}
HOLDS_IF = {
    "fewer": "written_ratio <= 0.8 if not 0.75 < written_ratio < 0.9 else unknown",
    "kernel": "fused_ratio > 1 if not 0.8 < fused_ratio < 1.25 else unknown",
    "mean": "cost_centred < 0.5 and mean_share < 0.1",
    "size": "cost_one > 5 and diverged(loss_bare)",
}
KNOBS = {"n_vectors": (256, 1, 2048)}
KNOB_HELP = {"n_vectors": "vectors that are normalised at once, for the times"}
SEEDS = 3
SECONDS = {"cpu": 6}
ALONE = True
LITERATURE = {
    "fewer": "A Transformer for translation trained 6.9 % faster with RMSNorm, recurrent networks "
    "up to 41 % (Zhang and Sennrich 2019, as reported).",
}

N_TEXTS = 4
N_TOKENS = 32
WIDTH = 576
"""Of the timed vectors: SmolLM2's."""
EPS = 1e-5


class LayerNormed(nn.Module):
    """LayerNorm with the gain of an RMSNorm and without a bias."""

    def __init__(self, norm: RMSNorm) -> None:
        super().__init__()
        self._norm = norm

    def forward(self, x: Tensor) -> Tensor:
        # x, result: (batch, seq_len, d_model)
        return F.layer_norm(x, x.shape[-1:], self._norm.gain, eps=self._norm.eps)


class GainOnly(nn.Module):
    """What is left of an RMSNorm that does not divide."""

    def __init__(self, norm: RMSNorm) -> None:
        super().__init__()
        self._norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return self._norm.gain * x


@torch.no_grad()
def run(*, n_vectors: int, seed: int, device: str, model: str) -> Iterator[Event]:
    """The times, then SmolLM2 with the mean subtracted and with the division left out."""
    yield from times(n_vectors, seed, device)
    language = load_language_model(model, device)
    encode, begin = language.tokenizer.encode, [language.begin]
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=begin).to(device)
    yield Progress(1, 2, "changing norms")
    yield from changed(language.model, texts)


def times(n_vectors: int, seed: int, device: str) -> Iterator[Event]:
    """Both norms, written out and as PyTorch's functions."""
    draw = Generator().manual_seed(seed)
    x = torch.randn(n_vectors, WIDTH, generator=draw).to(device)
    gain, bias = torch.rand(2, WIDTH, generator=draw).to(device)

    ways = (
        lambda: written_layer_norm(x, gain, bias),
        lambda: written_rms_norm(x, gain),
        lambda: F.layer_norm(x, (WIDTH,), gain, bias, EPS),
        lambda: F.rms_norm(x, (WIDTH,), gain, EPS),
    )
    with one_core():
        seconds = fastest(ways, device, n_rounds=5, at_least_s=0.01)
    layer_written, rms_written, layer, rms = (1e6 * each for each in seconds)
    columns = ("in µs", "LayerNorm", "RMSNorm")
    rows = [("written out", layer_written, rms_written), ("PyTorch's function", layer, rms)]
    yield Table(f"Time for {n_vectors} vectors of {WIDTH} numbers", columns, rows)
    what = "RMSNorm's time / LayerNorm's"
    yield Measurement("written_ratio", rms_written / layer_written, "", f"{what}, written out")
    yield Measurement("fused_ratio", rms / layer, "", f"{what}, PyTorch's functions")


def written_layer_norm(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    """LayerNorm, operation by operation: (n_vectors, WIDTH) as it came."""
    centred = x - x.mean(dim=-1, keepdim=True)
    scale: Tensor = (centred.square().mean(dim=-1, keepdim=True) + EPS).rsqrt()
    return centred * scale * gain + bias


def written_rms_norm(x: Tensor, gain: Tensor) -> Tensor:
    """RMSNorm, operation by operation: (n_vectors, WIDTH) as it came."""
    scale: Tensor = (x.square().mean(dim=-1, keepdim=True) + EPS).rsqrt()
    return x * scale * gain


def changed(model: Transformer, texts: Tensor) -> Iterator[Event]:
    """What is lost with other norms, and how large the mean is."""
    stream = model.residual_stream(texts)  # n_layers + 1
    intact = mean_loss(model.read(stream[-1]), texts)
    yield Measurement("loss", intact, "nats", "loss, nothing changed")
    shares = [mean_share(resid) for resid in stream]
    layers = list(range(len(shares)))
    yield Curve("|mean| / root mean square of a vector", "stream", layers, shares, "layer")
    average = sum(shares) / len(shares)
    yield Measurement("mean_share", average, "", "|mean| / root mean square, mean of all layers")
    parts = norms(model)
    with modules_swapped([(parent, name, LayerNormed(norm)) for parent, name, norm in parts]):
        cost = mean_loss(model(texts), texts) - intact
    yield Measurement("cost_centred", cost, "nats", "cost, mean subtracted in all norms")
    half = len(model.blocks) // 2
    undivided = [(parent, name, GainOnly(norm)) for parent, name, norm in parts]
    middle = [part for part in undivided if part[0] is model.blocks[half]]
    with modules_swapped(middle):
        cost = mean_loss(model.resume(stream[half], half), texts) - intact
    yield Measurement("cost_one", cost, "nats", "cost, no division in one middle layer")
    with modules_swapped(undivided):
        bare = mean_loss(model(texts), texts)
    yield Measurement("loss_bare", bare, "nats", "loss, no division in any layer")


def norms(model: Transformer) -> list[tuple[nn.Module, str, RMSNorm]]:
    """Where each norm stands, and the norm: two in every layer and the last."""
    return [
        (parent, name, part)
        for parent in model.modules()
        for name, part in parent.named_children()
        if isinstance(part, RMSNorm)
    ]


def mean_share(resid: Tensor) -> float:
    """The size of a vector's mean over its root mean square, in the mean of all tokens."""
    # resid: (batch, seq_len, d_model)
    return float((resid.mean(dim=-1).abs() / resid.square().mean(dim=-1).sqrt()).mean())
