"""Two models on one chart: how they train, what goes on inside them, what they write."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labs.kit.arms import Arms, best_place, train_arms
from labs.kit.charts import by_layer, cut_off
from labs.kit.drills import Drill
from labs.transformer import EncoderDecoder, Transformer
from labs.transformer.probes import diversity, gradient_norms, rms
from labs.transformer.train import UNCOUNTED, Batch, Recipe
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

LINES = {"base": "base", "changed": "changed"}
"""Arm -> its line in every chart."""
N_PROBED = 32
"""Held-out rows that are read to look inside a model."""


def parts_table(base: Mapping[str, str], changed: Mapping[str, str]) -> Table:
    """What the two models are made of; ``→`` marks where they differ."""
    rows = [
        (f"→ {part}" if value != changed[part] else part, value, changed[part])
        for part, value in base.items()
    ]
    return Table("The two models", ("part", *LINES), rows)


def train_both(
    arms: Arms, rates: tuple[float, ...], drill: Drill, recipe: Recipe
) -> Generator[Event, None, dict[str, nn.Module]]:
    """Train both models at each learning rate, draw them while they train, and compare the ends.

    `arms` has a model for each rate. Looks into both before training and after it. Yields
    ``loss_base``, ``loss_changed`` and their difference ``loss_change``, of the better learning
    rate of each; returns the better models.
    """
    untrained = {arm: models[0] for arm, models in arms.items()}
    yield from look_inside(untrained, drill.held_out, when="before training")
    for losses in train_arms(arms, rates, drill.batches, drill.held_out, recipe):
        places = {arm: best_place(losses.of[arm]) for arm in LINES}
        if losses.step == recipe.n_steps:  # so that the chart of the training is the last one drawn
            found = {arm: arms[arm][place] for arm, place in places.items()}
            yield from look_inside(found, drill.held_out)
        for arm, line in LINES.items():
            loss = cut_off(losses.of[arm][places[arm]])
            yield Curve("Held-out loss", line, [losses.step], [loss], "step", "nats")
        yield Progress(losses.step, recipe.n_steps, "training both models")
    ends = {arm: losses.of[arm][place] for arm, place in places.items()}
    rule = f", best of {len(rates)} learning rates" if rates[1:] else ""
    for arm, loss in ends.items():
        yield Measurement(f"loss_{arm}", loss, "nats", f"loss, {arm}{rule}")
    change = ends["changed"] - ends["base"]
    yield Measurement("loss_change", change, "nats", "loss, changed less base")
    return found


def look_inside(
    models: Mapping[str, nn.Module], batch: Batch, *, when: str = ""
) -> Iterator[Event]:
    """Gradient, size and diversity of both models, layer by layer; `when` tells the lines apart."""
    probed = tuple(tokens[:N_PROBED] for tokens in batch)
    for arm, name in LINES.items():
        line = f"{name}, {when}" if when else name
        stream, gradients = layers_of(models[arm], probed)
        yield by_layer("Gradient of each layer", line, gradients, "norm", first=1)
        yield by_layer("Size of the stream", line, [rms(resid) for resid in stream], "RMS")
        yield by_layer("Token diversity", line, [diversity(resid) for resid in stream])


def layers_of(model: nn.Module, batch: Batch) -> tuple[list[Tensor], list[float]]:
    """The stream before the first layer and after each, and the gradient's norm of each layer.

    The stream is (batch, seq_len, d_model) each time. Of an encoder-decoder they are the decoder's.
    """
    *inputs, targets = batch
    stack = model if isinstance(model, Transformer) else model.get_submodule("decoder")
    assert isinstance(stack, Transformer)
    encoded = model.encoder(inputs[0]) if isinstance(model, EncoderDecoder) else None
    stream = stack.residual_stream(inputs[-1], encoded)
    logits = stack.read(stream[-1])
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=UNCOUNTED)
    return [resid.detach() for resid in stream], gradient_norms(stack, loss)


def last_losses(models: Mapping[str, nn.Module], batch: Batch) -> Iterator[Measurement]:
    """The loss of the last symbol of each row, which no input shows, however a model is masked."""
    losses = {arm: last_loss(model, batch) for arm, model in models.items()}
    label = "loss of the last symbol of a row"
    for arm, loss in losses.items():
        yield Measurement(f"last_{arm}", loss, "nats", f"{label}, {arm}")
    change = losses["changed"] - losses["base"]
    yield Measurement("last_change", change, "nats", f"{label}, change")


@torch.no_grad()
def last_loss(model: nn.Module, batch: Batch) -> float:
    """Mean loss of the last answer of each row, in nats."""
    *inputs, targets = batch
    return float(F.cross_entropy(model(*inputs)[:, -1], targets[:, -1]))


def writing(models: Mapping[str, nn.Module], drill: Drill, n_rows: int) -> Table:
    """What each model makes of the same held-out rows."""
    rows = []
    for row in range(n_rows):
        written = {arm: drill.sample(model, row) for arm, model in models.items()}
        rows.append((written["base"][0], *(made for _, made in written.values())))
    return Table("What they write", ("given", *LINES), rows)
