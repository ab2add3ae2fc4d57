"""What is measured of two models side by side."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from labs.kit.assembly import Sizes, assemble, two_models
from labs.kit.budget import Budget
from labs.kit.drills import Drill
from labs.kit.side_by_side import last_loss, layers_of, parts_table, train_both, writing
from labs.transformer import EncoderDecoder, Transformer
from labs.transformer.probes import layer_gradients
from labs.whatif.trained import FAMILIES, KINDS
from studykit.lab.events import Curve, Measurement
from tests.labs.conftest import Randomise

MODELS = {"base": "", "changed": "attention=off"}
BUDGET = Budget(n_steps=4, batch_size=8, n_held_out=64, n_evaluations=2)


def drill(family: str) -> Drill:
    kind = KINDS.get(family, "decoder")
    seq_len = 16 if kind == "decoder" else 8
    return Drill(kind, "letters", BUDGET, seq_len=seq_len, seed=0, device="cpu")


def built(task: Drill, family: str, change: str = "") -> nn.Module:
    sizes = Sizes(
        kind=task.kind,
        vocab_size=task.vocab_size,
        seq_len=task.seq_len,
        n_layers=2,
        d_model=16,
    )
    return assemble(two_models(FAMILIES, family, "", change)[1], sizes, 0)


def test_the_parts_that_differ_are_marked() -> None:
    table = parts_table({"norm": "pre", "mask": "none"}, {"norm": "post", "mask": "none"})
    assert table.rows == [("→ norm", "pre", "post"), ("mask", "none", "none")]


def test_gradients_and_streams_of_a_decoder() -> None:
    task = drill("gpt2")
    model = built(task, "gpt2")
    assert isinstance(model, Transformer)
    inputs, targets = task.held_out
    stream, gradients = layers_of(model, (inputs, targets))
    assert gradients == pytest.approx(layer_gradients(model, (inputs, targets)), rel=1e-4)
    for own, expected in zip(stream, model.residual_stream(inputs), strict=True):
        torch.testing.assert_close(own, expected)


def test_of_an_encoder_decoder_they_are_the_decoder_s() -> None:
    task = drill("transformer")
    model = built(task, "transformer")
    assert isinstance(model, EncoderDecoder)
    source, written, answers = task.held_out
    stream, gradients = layers_of(model, task.held_out)
    expected = model.decoder.residual_stream(written, model.encoder(source))
    torch.testing.assert_close(stream[-1], expected[-1])
    loss = F.cross_entropy(model(source, written).flatten(0, 1), answers.flatten())
    of_first = torch.autograd.grad(loss, list(model.decoder.blocks[0].parameters()))
    assert gradients[0] == pytest.approx(math.hypot(*(float(g.norm()) for g in of_first)), rel=1e-4)


def test_a_layer_without_parameters_has_no_gradient() -> None:
    task = drill("nothing")
    _, gradients = layers_of(built(task, "nothing"), task.held_out)
    assert gradients == [0, 0]


def test_what_is_written_stands_beside_what_was_given(randomise: Randomise) -> None:
    task = drill("gpt2")
    models = {arm: built(task, "gpt2", change) for arm, change in MODELS.items()}
    for model in models.values():  # untrained, they would write the same
        randomise(model)
    table = writing(models, task, 2)
    written = {arm: [task.sample(model, row) for row in range(2)] for arm, model in models.items()}
    assert table.rows == [
        (given, base, changed)
        for (given, base), (_, changed) in zip(written["base"], written["changed"], strict=True)
    ]
    assert all(len(set(row)) == 3 for row in table.rows)


class Fixed(nn.Module):
    """A model that gives these logits, whatever it reads."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, tokens: Tensor) -> Tensor:
        return self.logits


def test_the_last_loss_is_that_of_the_last_symbol_alone() -> None:
    task = drill("gpt2")
    inputs, targets = task.held_out
    logits = 50.0 * F.one_hot(targets, task.vocab_size)
    logits[:, :-1] = 0  # ignorant of all but the last
    assert last_loss(Fixed(logits), (inputs, targets)) == pytest.approx(0, abs=1e-6)
    ignorant = Fixed(logits.zero_())
    assert last_loss(ignorant, (inputs, targets)) == pytest.approx(math.log(task.vocab_size))


def test_the_better_learning_rate_of_each_counts() -> None:
    task = drill("gpt2")
    arms = {arm: [built(task, "gpt2", change) for _ in range(2)] for arm, change in MODELS.items()}
    training = train_both(arms, (1e-9, 0.01), task, BUDGET.recipe())  # the first learns nothing
    events = []
    try:
        while True:
            events.append(next(training))
    except StopIteration as ended:
        found = ended.value
    assert found == {arm: models[1] for arm, models in arms.items()}
    m = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert m["loss_change"] == pytest.approx(m["loss_changed"] - m["loss_base"])
    curves = [event for event in events if isinstance(event, Curve)]
    assert curves[-1].chart == "Held-out loss"  # what a screen shows last
    assert {curve.name for curve in curves if curve.chart == "Token diversity"} == {
        "base",
        "changed",
        "base, before training",
        "changed, before training",
    }
