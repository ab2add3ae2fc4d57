"""A layer of a trained model adds a little to a stream that must go on.

In SmolLM2-135M (30 layers, pre-norm) a layer is taken out in two ways. Skipped, it adds nothing,
and the residual stream goes on as it came. With its residual connections cut, it does all of its
work, and what it adds is all that goes on. The first loses what the layer computes, the second what
all layers below have computed. Then the connections are cut in every layer: around attention,
around the feed-forward networks, or both, which is a knob.

How to read it. Costs are the loss with the change less the loss without, on the same tokens. A
model that knows nothing loses ln V; a broken one is sure of the wrong tokens, and loses more. The
cosines say how far a layer turns the stream, and how much of the embedding's direction is left in
it; the first token is left out of them, as its vectors are unlike all others (core/attention_sink).
The table shows what the model writes after a beginning, which may be your own: the likeliest token,
again and again.

What the texts are. Two docstrings of Python's standard library, 24 tokens each, other ones for each
seed. They may have been in the training data: compare losses with one another only.

What the literature reports. Deleting one block of a residual network that knows images hardly
matters; deleting one layer of a plain network leaves chance (Veit et al. 2016).

Out of scope: training. The model learned with its residual connections, so that it cannot do
without them says nothing of what one trained without them could do: that is core/residuals.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from itertools import pairwise
from statistics import median
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from labs.kit.reading import mean_loss, written
from labs.kit.stages import stages
from labs.models import LanguageModel, load_language_model
from labs.tasks.passages import token_rows
from labs.transformer import Transformer
from labs.transformer.interventions import residual_cut, skipped
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "What if I take a layer, or its residual connections, out of a real model?"
POINTS = ("1.4.1", "1.4.2")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "spare": "Skipping a layer in the middle of the model costs less than 0.5 nats in the median; "
    "cutting its residual connections costs over 5 nats in each that was tried.",
    "exceptions": "Skipping the first or the last layer costs over 1 nat, and so does one layer in "
    "the middle.",
    "worse_than_nothing": "With the residual connections cut in all layers the loss is above ln V: "
    "the model does worse than a uniform guess.",
    "turns": "A layer in the middle turns the stream little (cosine of before and after above 0.9 "
    "in the median), yet the embedding's direction is gone from the first layer on (below 0.2).",
}
HOLDS_IF = {
    "spare": "skip_median < 0.5 and cut_lowest > 5",
    "exceptions": "min(skip_first, skip_last, skip_highest) > 1",
    "worse_than_nothing": "loss_all_cut > uniform_entropy",
    "turns": "step_cosine > 0.9 and embedding_cosine < 0.2",
}
KNOBS = {
    "residuals": ("both", "attention", "feedforward"),
    "beginning": ("The capital of France is", "def fibonacci(n):", "Once upon a time"),
}
TEXT_KNOBS = ("beginning",)
KNOB_HELP = {
    "residuals": "which residual connections of all layers are cut",
    "beginning": "of a text, for the table: one of these, or one of your own",
}
SEEDS = 3
SECONDS = {"cpu": 9}
LITERATURE = {
    "spare": "Deleting one block of a residual network of 110 layers had minimal effect; a plain "
    "network with one layer deleted was left at chance (Veit et al. 2016, Section 4.1; images).",
}

Residuals: TypeAlias = Literal["both", "attention", "feedforward"]
CUT: Mapping[Residuals, str] = {
    "both": "residual connections",
    "attention": "residual connections around attention",
    "feedforward": "residual connections around feed-forward networks",
}
N_TEXTS = 2
N_TOKENS = 24
N_WRITTEN = 8
CUT_EVERY = 3
"""Of the middle layers that are skipped, every third is cut as well."""


@torch.no_grad()
def run(
    *, residuals: Residuals, beginning: str, seed: int, device: str, model: str
) -> Iterator[Event]:
    """Take out layers one at a time, then all residual connections; the same texts each time."""
    language = load_language_model(model, device)
    encode, begin = language.tokenizer.encode, [language.begin]
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=begin).to(device)
    uniform = math.log(language.model.config.vocab_size)
    yield Measurement("uniform_entropy", uniform, "nats", "uniform guess", yardstick=True)
    stream = language.model.residual_stream(texts)  # n_layers + 1
    parts = {
        "taking out one layer": one_layer(language.model, texts, stream),
        "comparing directions": directions(stream),
        "writing": samples(language, beginning, residuals),
    }
    yield from stages(parts)
    with cut_everywhere(language.model, residuals):
        broken = mean_loss(language.model(texts), texts)
    yield Measurement("loss_all_cut", broken, "nats", f"loss, all {CUT[residuals]} cut")


def one_layer(model: Transformer, texts: Tensor, stream: Sequence[Tensor]) -> Iterator[Event]:
    """What it costs to skip every other layer, and to cut both connections of some."""
    intact = mean_loss(model.read(stream[-1]), texts)
    n_layers, chart = len(model.blocks), "Cost of taking out a layer"
    skip: dict[int, float] = {}
    cut: dict[int, float] = {}
    tried = sorted({0, *range(1, n_layers, 2), n_layers - 1})
    inner = [layer for layer in tried if layer in range(n_layers)[middle(n_layers)]]
    for number, layer in enumerate(tried):
        # Skipping a layer is going on behind it with the stream before it.
        skip[layer] = mean_loss(model.resume(stream[layer], layer + 1), texts) - intact
        yield Curve(chart, "layer skipped", [layer + 1], [skip[layer]], "layer", "nats")
        if layer in inner[::CUT_EVERY]:
            with residual_cut(model.blocks[layer]):
                cut[layer] = mean_loss(model.resume(stream[layer], layer), texts) - intact
            yield Curve(chart, "connections cut", [layer + 1], [cut[layer]], "layer", "nats")
        yield Progress(number + 1, len(tried))
    skip_inner = [skip[layer] for layer in inner]
    yield Measurement("loss", intact, "nats", "loss, nothing changed")
    for name, cost, label in (
        ("skip_median", median(skip_inner), "a middle layer skipped, median"),
        ("skip_highest", max(skip_inner), "a middle layer skipped, highest"),
        ("skip_first", skip[0], "first layer skipped"),
        ("skip_last", skip[n_layers - 1], "last layer skipped"),
        ("cut_lowest", min(cut.values()), "connections of a middle layer cut, lowest"),
    ):
        yield Measurement(name, cost, "nats", f"cost, {label}")


def directions(stream: Sequence[Tensor]) -> Iterator[Event]:
    """How far each layer turns the stream, and what is left of the embedding's direction."""
    rest = [resid[:, 1:] for resid in stream]  # (batch, seq_len - 1, d_model) each
    steps = [cosine(before, after) for before, after in pairwise(rest)]
    to_embedding = [cosine(rest[0], after) for after in rest[1:]]
    layers = list(range(1, len(stream)))
    for line, cosines in (("the stream before it", steps), ("the embedding", to_embedding)):
        yield Curve("Cosine of the stream after a layer", line, layers, cosines, "layer")
    turn = median(steps[middle(len(steps))])
    yield Measurement("step_cosine", turn, "", "cosine of before and after a middle layer, median")
    left = max(to_embedding)
    yield Measurement("embedding_cosine", left, "", "cosine with the embedding, highest of a layer")


def samples(language: LanguageModel, beginning: str, residuals: Residuals) -> Iterator[Event]:
    """What the model writes after the beginning, whole and with parts taken out."""
    rows = list(written_by_each(language, beginning, residuals).items())
    yield Table(f"What follows “{beginning}”", ("model", "writes"), rows)


@lru_cache(maxsize=1)  # the same for every seed
def written_by_each(
    language: LanguageModel, beginning: str, residuals: Residuals
) -> Mapping[str, str]:
    """Model, in words -> what it writes."""
    half = len(language.model.blocks) // 2
    block = language.model.blocks[half]
    found = {"nothing changed": written(language, beginning, N_WRITTEN)}
    with skipped(block, "attention"), skipped(block, "feedforward"):
        found[f"layer {half + 1} skipped"] = written(language, beginning, N_WRITTEN)
    with residual_cut(block):
        label = f"layer {half + 1}, connections cut"
        found[label] = written(language, beginning, N_WRITTEN)
    with cut_everywhere(language.model, residuals):
        found[f"all {CUT[residuals]} cut"] = written(language, beginning, N_WRITTEN)
    return found


@contextmanager
def cut_everywhere(model: Transformer, residuals: Residuals) -> Iterator[None]:
    """Cut residual connections in every layer."""
    with ExitStack() as cuts:
        for block in model.blocks:
            cuts.enter_context(residual_cut(block, residuals))
        yield


def cosine(before: Tensor, after: Tensor) -> float:
    """Mean over all tokens of the cosine of their vectors."""
    return float(F.cosine_similarity(before, after, dim=-1).mean())


def middle(n_layers: int) -> slice:
    """The layers without the first and the last tenth."""
    return slice(n_layers // 10, n_layers - n_layers // 10)
