from __future__ import annotations

import pytest
import torch
from torch import Generator

from labs.core import skip_or_cut
from labs.core.skip_or_cut import Residuals, directions, middle, one_layer
from labs.kit.reading import mean_loss
from labs.models import load_language_model
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.interventions import residual_cut, skipped
from studykit.lab.events import Curve, Measurement, Table
from tests.labs.conftest import Randomise

CONFIG = TransformerConfig(vocab_size=11, seq_len=16, d_model=16, n_layers=12, n_heads=4, d_ff=16)


@torch.no_grad()
def test_a_layer_is_skipped_or_cut_alone(randomise: Randomise) -> None:
    model = Transformer(CONFIG, Generator().manual_seed(0))
    randomise(model)
    texts = torch.randint(0, 11, (2, 9), generator=Generator().manual_seed(1))
    intact = mean_loss(model(texts), texts)

    events = list(one_layer(model, texts, model.residual_stream(texts)))

    costs = {(e.name, e.xs[0] - 1): e.ys[0] for e in events if isinstance(e, Curve)}
    assert {layer for line, layer in costs if line == "layer skipped"} == {0, 1, 3, 5, 7, 9, 11}
    assert {layer for line, layer in costs if line == "connections cut"} == {1, 7}
    block = model.blocks[7]
    with skipped(block, "attention"), skipped(block, "feedforward"):
        skip = mean_loss(model(texts), texts) - intact
    assert costs["layer skipped", 7] == pytest.approx(skip, abs=1e-4)
    with residual_cut(block):
        cut = mean_loss(model(texts), texts) - intact
    assert costs["connections cut", 7] == pytest.approx(cut, abs=1e-4)


def test_directions_are_compared_with_the_layer_before_and_the_embedding() -> None:
    places = [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]
    # The first token, which is left out, never turns.
    stream = [torch.tensor([[[1.0, 0.0], place]]) for place in places]

    events = list(directions(stream))

    curves = {event.name: event.ys for event in events if isinstance(event, Curve)}
    assert curves["the stream before it"] == pytest.approx([0, 0.8])
    assert curves["the embedding"] == pytest.approx([0, 0.6])
    m = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert m["embedding_cosine"] == pytest.approx(0.6)


def test_the_middle_leaves_out_both_ends() -> None:
    assert list(range(30))[middle(30)] == list(range(3, 27))
    assert list(range(6))[middle(6)] == list(range(6))


@pytest.mark.weights("smollm2")
@pytest.mark.parametrize("residuals", ["both", "attention"])
def test_the_real_model_answers_and_is_left_as_it_was(
    residuals: Residuals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(skip_or_cut, "N_TOKENS", 6)
    language = load_language_model()
    tokens = torch.tensor([[language.begin, *language.tokenizer.encode("All is well.")]])
    before = language.model(tokens)

    beginning = "The capital of France is"
    run = skip_or_cut.run(
        residuals=residuals, beginning=beginning, seed=0, device="cpu", model="smollm2"
    )
    events = list(run)

    assert language.model(tokens).equal(before)
    (table,) = (event for event in events if isinstance(event, Table))
    assert table.rows[0] == ("nothing changed", " Paris.↵↵The capital of France")
    assert len({row[1] for row in table.rows}) == len(table.rows) == 4
    measured = {event.name: event for event in events if isinstance(event, Measurement)}
    assert skip_or_cut.CUT[residuals] in measured["loss_all_cut"].label
    assert measured["loss_all_cut"].value > measured["loss"].value
