"""All layers are built alike, and in the middle of the stack they can nearly change places.

A transformer repeats one block. Does it matter which of them comes when? In SmolLM2-135M (30
layers) two neighbouring layers change places, or a layer runs twice. Then ten layers in the middle
run in reverse order, or are left out. And the stream is read early: after each layer the final
norm and the output layer turn it into predictions, as if there were no further layers.

How to read it. Costs are the loss with the change less the loss without, on the same tokens. The
table shows what the model writes after a beginning, which may be your own: the likeliest token,
again and again. Weights are never changed, and nothing is trained again.

What the texts are. Two docstrings of Python's standard library, 24 tokens each, other ones for each
seed. They may have been in the training data: compare losses with one another only.

What the literature reports. Deleting one block of a residual network that knows images hardly
matters (Veit et al. 2016). What skipping a layer costs in this model is in core/skip_or_cut.

Out of scope: a model that was trained with its layers in changing order. Reading early with the
last norm underrates what an early layer knows, as it writes for the next layer, not for the output.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from statistics import median

import torch
from torch import Tensor

from labs.kit.reading import mean_loss, written
from labs.kit.stages import stages
from labs.models import LanguageModel, load_language_model
from labs.tasks.passages import token_rows
from labs.transformer import Transformer
from labs.transformer.interventions import layers_reordered
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "What if the layers of a real model run in another order?"
POINTS = ("7.1.4", "7.1.5", "7.2.4")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "neighbours": "In the median it costs less than 0.3 nats if two neighbouring layers of the "
    "middle change places, and if one runs twice; exchanging the first two or the last two costs "
    "more than 2.",
    "reversed": "Ten layers of the middle in reverse order cost at least three times as much as "
    "two neighbours that change places, and less than leaving the ten out.",
    "worse_than_none": "Ten layers of the middle in reverse order cost more than leaving them out.",
    "early": "Read before the last fifth of its layers, the stream predicts at least 4 nats worse "
    "than at the end.",
}
HOLDS_IF = {
    "neighbours": "max(swap_median, twice_median) < 0.3 and min(swap_first, swap_last) > 2",
    "reversed": "3 * swap_median <= cost_reversed < cost_left_out",
    "worse_than_none": "cost_reversed > cost_left_out",
    "early": "early - loss >= 4",
}
KNOBS = {"beginning": ("The capital of France is", "def fibonacci(n):", "Once upon a time")}
TEXT_KNOBS = ("beginning",)
KNOB_HELP = {"beginning": "of a text, for the table: one of these, or one of your own"}
SEEDS = 3
SECONDS = {"cpu": 10}

N_TEXTS = 2
N_TOKENS = 24
N_WRITTEN = 8
TRIED_EVERY = 4


@torch.no_grad()
def run(*, beginning: str, seed: int, device: str, model: str) -> Iterator[Event]:
    """Change the order of layers in several ways; the same texts each time."""
    language = load_language_model(model, device)
    encode, begin = language.tokenizer.encode, [language.begin]
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=begin).to(device)
    uniform = math.log(language.model.config.vocab_size)
    yield Measurement("uniform_entropy", uniform, "nats", "uniform guess", yardstick=True)
    parts = {
        "changing the order": orders(Reading(language.model, texts)),
        "writing": samples(language, beginning),
    }
    yield from stages(parts)


class Reading:
    """Texts, and what the model loses on them with its layers in any order."""

    def __init__(self, model: Transformer, texts: Tensor) -> None:
        self.model, self.texts = model, texts
        self.stream = model.residual_stream(texts)  # n_layers + 1
        self.intact = mean_loss(model.read(self.stream[-1]), texts)

    def cost(self, order: Sequence[int]) -> float:
        """What the loss rises by, in nats."""
        # Below the first layer that is not in its place the stream is as it was.
        moved = (place for place, layer in enumerate(order) if place != layer)
        first = next(moved, len(order))
        with layers_reordered(self.model, order):
            return mean_loss(self.model.resume(self.stream[first], first), self.texts) - self.intact

    def early(self, layer: int) -> float:
        """The loss, in nats, of predictions that are read from the stream after so many layers."""
        return mean_loss(self.model.read(self.stream[layer]), self.texts)


def orders(reading: Reading) -> Iterator[Event]:
    """Neighbours exchanged, layers run twice, a span reversed or left out, the end left out."""
    n_layers = len(reading.model.blocks)
    yield Measurement("loss", reading.intact, "nats", "loss, nothing changed")
    fifth = n_layers - n_layers // 5
    read_after = [*range(2, fifth, 5), *range(fifth, n_layers + 1, 2)]
    losses = [reading.early(layer) for layer in read_after]
    yield Curve("Loss if the stream is read early", "read", read_after, losses, "layer", "nats")
    early = losses[read_after.index(fifth)]
    yield Measurement("early", early, "nats", f"loss, read after layer {fifth} of {n_layers}")
    middle = range(n_layers // 10 + 1, n_layers - n_layers // 5, TRIED_EVERY)
    swap: dict[int, float] = {}
    twice: dict[int, float] = {}
    tried = (0, *middle, n_layers - 2)
    for number, layer in enumerate(tried):
        swap[layer] = reading.cost(exchanged(n_layers, layer))
        twice[layer] = reading.cost(doubled(n_layers, layer))
        for line, found in (("changes places with the next", swap), ("runs twice", twice)):
            yield Curve("Cost of a layer that", line, [layer + 1], [found[layer]], "layer", "nats")
        yield Progress(number + 1, len(tried))
    start = n_layers // 3 + n_layers // 15
    span = range(start, start + n_layers // 3)
    before, after = list(range(span.start)), list(range(span.stop, n_layers))
    of = f"layers {span.start + 1} to {span.stop}"
    for name, cost, label in (
        ("swap_median", median(swap[layer] for layer in middle), "two middle layers exchanged"),
        ("swap_first", swap[0], "first two layers exchanged"),
        ("swap_last", swap[n_layers - 2], "last two layers exchanged"),
        ("twice_median", median(twice[layer] for layer in middle), "a middle layer twice"),
        ("twice_first", twice[0], "first layer twice"),
        ("cost_reversed", reading.cost([*before, *reversed(span), *after]), f"{of} reversed"),
        ("cost_left_out", reading.cost([*before, *after]), f"{of} left out"),
    ):
        label += ", median" if name.endswith("median") else ""
        yield Measurement(name, cost, "nats", f"cost, {label}")


def exchanged(n_layers: int, layer: int) -> list[int]:
    """All layers in order, but this one and the next exchanged."""
    order = list(range(n_layers))
    order[layer], order[layer + 1] = order[layer + 1], order[layer]
    return order


def doubled(n_layers: int, layer: int) -> list[int]:
    """All layers in order, and this one once more after itself."""
    order = list(range(n_layers))
    return [*order[: layer + 1], *order[layer:]]


def samples(language: LanguageModel, beginning: str) -> Iterator[Event]:
    """What the model writes after the beginning, its layers in order and out of it."""
    rows = list(written_in_each(language, beginning))
    yield Table(f"What follows “{beginning}”", ("layers", "writes"), rows)


@lru_cache(maxsize=1)  # the same for every seed
def written_in_each(language: LanguageModel, beginning: str) -> tuple[tuple[str, str], ...]:
    """Pairs of an order, in words, and what is written in it."""
    n_layers = len(language.model.blocks)
    half = n_layers // 2
    rows = []
    for label, order in (
        ("in order", range(n_layers)),
        (f"{half + 1} and {half + 2} exchanged", exchanged(n_layers, half)),
        ("1 and 2 exchanged", exchanged(n_layers, 0)),
        ("all reversed", range(n_layers - 1, -1, -1)),
    ):
        with layers_reordered(language.model, order):
            rows.append((label, written(language, beginning, N_WRITTEN)))
    return tuple(rows)
