"""A norm is a volume control: what matters is how loud a layer speaks beside the stream.

A norm brings every vector to one size. Pre-norm does so with a copy for each sublayer, and the
stream keeps growing; post-norm does so with the stream itself. The lab looks at the size of the
stream in two real models, SmolLM2-135M (pre-norm, 30 layers) and MiniLM (post-norm, 6 layers), and
turns the knob in SmolLM2: it multiplies the stream in front of the middle layer, then the
embeddings together with all that sublayers add. Untrained stacks with each placement of norms show
what the wiring does to the size, with residual connections and without, and what happens if every
weight matrix of the layers is doubled.

How to read it. Sizes are root mean squares, in the real models without the first token, which is
unlike all others (core/attention_sink). Costs are the loss with the change less the loss without.
What is left of the first layer is the factor by which later norms have multiplied what stood in the
stream after it, and the size of the stream then as a share of its size at the end.

What the texts are. Three docstrings of Python's standard library, 24 tokens each, other ones for
each seed. The untrained stacks read random symbols.

What the literature reports. See the note beside the claim `too_strong`.

Out of scope: what the placement does to learning (core/normalisation, gpt/pre_post_norm), and a
model without its norms (llama/rms_norm).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import product
from typing import get_args

import torch
from torch import Tensor, nn

from labs.kit.budget import generator
from labs.kit.charts import by_layer
from labs.kit.reading import mean_loss
from labs.kit.stages import stages
from labs.models import load_encoder, load_language_model
from labs.tasks.passages import token_rows
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Norm, Switch
from labs.transformer.model import Stack
from labs.transformer.probes import rms
from studykit.lab.events import Event, Measurement, Table

QUESTION = "What does the volume of the stream do, and what do norms do to it?"
POINTS = ("6.4.1", "6.4.2", "6.4.3", "6.4.4", "6.4.5")
NEEDS = ("model:smollm2", "model:minilm")
CLAIMS = {
    "levels": "From the embeddings to the end the stream of the pre-norm model grows more than "
    "50-fold; that of the post-norm model stays within a factor of 2.",
    "relative": "The embeddings and all that is added multiplied by 10: the loss changes by less "
    "than 0.01 nats. The stream alone multiplied by 4 in the middle: it rises by over 0.3.",
    "drowned": "A quarter of the stream in front of the middle layer costs more than twice as much "
    "as four times the stream.",
    "deafened": "Four times the stream there costs more than twice as much as a quarter of it.",
    "first_layer": "Less than a third of the final stream's size is left of the stream after the "
    "first layer: with post-norm later norms multiply it down, with pre-norm it is outgrown.",
    "too_strong": "Without norms, and with residual connections, the stream of an untrained stack "
    "grows more than a thousandfold; with pre-norm less than twentyfold, with post-norm hardly.",
    "too_weak": "Without norms and residual connections it shrinks more than a thousandfold.",
    "doubled": "With all weight matrices doubled the stream ends over a hundred times as large, or "
    "overflows, without norms; less than ten times with pre-norm; as before with post-norm.",
}
HOLDS_IF = {
    "levels": "growth_pre > 50 and 0.5 < growth_post < 2",
    "relative": "abs(cost_all_scaled) < 0.01 and cost_louder > 0.3",
    "drowned": "cost_quieter > 2 * cost_louder",
    "deafened": "cost_louder > 2 * cost_quieter",
    "first_layer": "max(left_pre, left_post) < 1 / 3",
    "too_strong": "strong_none > 1000 and strong_pre < 20 and 0.8 < strong_post < 1.25",
    "too_weak": "weak_none < 0.001",
    "doubled": "(doubled_none > 100 or diverged(doubled_none)) and doubled_pre < 10"
    " and 0.9 < doubled_post < 1.1",
}
KNOBS = {"n_layers": (24, 8, 48), "factor": (4.0, 2.0, 10.0)}
KNOB_HELP = {
    "n_layers": "layers of the untrained stacks",
    "factor": "which the stream of SmolLM2 is multiplied and divided by in the middle",
}
SEEDS = 3
SECONDS = {"cpu": 6}
LITERATURE = {
    "too_strong": "With pre-norm the mean square of the stream after l layers lies between 1 + l/2 "
    "and 1 + 3l/2 at initialisation (Xiong et al. 2020, Lemma 2; query and key weights 0).",
}

N_TEXTS, N_TOKENS = 3, 24
ALL_SCALED = 10.0
"""Divided instead, the constant that a norm adds to the mean square would begin to matter."""
N_SYMBOLS, N_SEQUENCES, SEQ_LEN = 64, 8, 16
LISTED_EVERY = 4
"""Layers after which the table has the growth."""


@torch.no_grad()
def run(*, n_layers: int, factor: float, seed: int, device: str) -> Iterator[Event]:
    """Sizes by layer of two real models, the knob turned in one, and untrained stacks."""
    parts = {
        "reading with pre-norm": pre_norm(factor, seed, device),
        "reading with post-norm": post_norm(seed, device),
        "untrained stacks": untrained(n_layers, seed, device),
    }
    yield from stages(parts)


def pre_norm(factor: float, seed: int, device: str) -> Iterator[Event]:
    """Sizes of SmolLM2's stream; then the stream is multiplied, alone and with all additions."""
    language = load_language_model("smollm2", device)
    model, encode = language.model, language.tokenizer.encode
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=[language.begin]).to(device)
    stream = model.residual_stream(texts)
    sizes = [rms(resid[:, 1:]) for resid in stream]
    yield by_layer("Size of the stream, trained", "SmolLM2, pre-norm", sizes, "RMS")
    yield Measurement("growth_pre", sizes[-1] / sizes[0], "times", "growth of the stream, pre-norm")
    label = "left of the stream after the first layer, pre-norm"
    yield Measurement("left_pre", sizes[1] / sizes[-1], "", label)
    intact, half = mean_loss(model.read(stream[-1]), texts), len(model.blocks) // 2
    rows = []
    for name, sign, by in (("louder", "×", factor), ("quieter", "÷", 1 / factor)):
        label = f"stream {sign} {factor:g} in the middle"
        cost = mean_loss(model.resume(by * stream[half], half), texts) - intact
        rows.append((label, cost))
        yield Measurement(f"cost_{name}", cost, "nats", f"cost, {label}")
    with additions_scaled(model, ALL_SCALED):
        cost = mean_loss(model.resume(ALL_SCALED * stream[0], 0), texts) - intact
        rows.append((f"embeddings and all additions × {ALL_SCALED:g}", cost))
        yield Measurement("cost_all_scaled", cost, "nats", f"cost, {rows[-1][0]}")
        cost = mean_loss(model.resume(stream[0], 0), texts) - intact
        rows.append((f"all additions × {ALL_SCALED:g}, embeddings as they are", cost))
    yield Table("Cost of turning the volume", ("change", "cost (nats)"), rows)


@contextmanager
def additions_scaled(model: Stack, factor: float) -> Iterator[None]:
    """Multiply what every sublayer adds to the stream."""
    with ExitStack() as hooks:
        for block, name in product(model.blocks, ("attention", "feedforward")):
            hook = block.get_submodule(name).register_forward_hook(lambda *call: factor * call[-1])
            hooks.callback(hook.remove)
        yield


def post_norm(seed: int, device: str) -> Iterator[Event]:
    """Sizes of MiniLM's stream, and what its norms multiply the first layer's stream with."""
    encoder = load_encoder("minilm", device)
    model, encode = encoder.model, encoder.tokenizer.encode
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=[encoder.begin]).to(device)
    factors: list[float] = []

    def divide(norm: nn.Module, args: tuple[Tensor]) -> None:
        # A LayerNorm multiplies by its gain and divides by the standard deviation.
        deviation = args[0][:, 1:].std(dim=-1, correction=0, keepdim=True)
        assert isinstance(norm.gain, Tensor)
        factors.append(float((norm.gain / deviation).square().mean().sqrt()))

    with ExitStack() as hooks:
        for block, place in product(model.blocks[1:], ("attention", "feedforward")):
            norm = block.get_submodule(f"{place}_post_norm")
            hooks.callback(norm.register_forward_pre_hook(divide).remove)
        stream = model.residual_stream(texts)
    sizes = [rms(resid[:, 1:]) for resid in stream]
    yield by_layer("Size of the stream, trained", "MiniLM, post-norm", sizes, "RMS")
    growth = sizes[-1] / sizes[0]
    yield Measurement("growth_post", growth, "times", "growth of the stream, post-norm")
    left, what = math.prod(factors) * sizes[1] / sizes[-1], "left of the stream after the first"
    yield Measurement("left_post", left, "", f"{what} layer, post-norm")


def untrained(n_layers: int, seed: int, device: str) -> Iterator[Event]:
    """Sizes by layer for each placement, with residuals and without, and with doubled weights."""
    shape = (N_SEQUENCES, SEQ_LEN)
    symbols = torch.randint(N_SYMBOLS, shape, generator=generator(seed, "probe")).to(device)
    sizes = TransformerConfig(vocab_size=N_SYMBOLS, seq_len=SEQ_LEN, d_model=64, n_layers=n_layers)
    rows, ends = [], {}
    for norm, residual, weights in product(get_args(Norm), get_args(Switch), (1, 2)):
        config = replace(sizes, norm=norm, residual=residual)
        stack = Transformer(config, generator(seed, "weights")).to(device)
        for parameter in stack.blocks.parameters():
            if parameter.dim() == 2:  # a matrix, neither a bias nor a gain
                parameter.mul_(weights)
        levels = [rms(resid) for resid in stack.residual_stream(symbols)]
        ends[norm, residual, weights] = levels[-1] / levels[0]
        line = "no norm" if norm == "none" else f"{norm}-norm"
        line += ", no residuals" if residual == "off" else ""
        doubled = ", weights doubled" if weights == 2 else ""
        for layer in range(LISTED_EVERY, n_layers + 1, LISTED_EVERY):
            rows.append((line + doubled, str(layer), levels[layer] / levels[0]))
        if not doubled:
            yield by_layer("Size of the stream, untrained", line, levels, "RMS")
            name, growth = "strong" if residual == "on" else "weak", levels[-1] / levels[0]
            yield Measurement(f"{name}_{norm}", growth, "times", f"growth of the stream, {line}")
    for norm in get_args(Norm):
        label = f"times as large at the end with doubled weights, norm: {norm}"
        ratio = ends[norm, "on", 2] / ends[norm, "on", 1]
        yield Measurement(f"doubled_{norm}", ratio, "times", label)
    yield Table("Growth of untrained streams", ("stack", "layers", "times"), rows)
