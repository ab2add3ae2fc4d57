from __future__ import annotations

import pytest
import torch
from torch import Generator

from labs.core import attention_sink
from labs.core.attention_sink import Window, received, values_zeroed, without_number
from labs.kit.reading import mean_loss
from labs.models import load_language_model
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.interventions import self_attentions
from studykit.lab.events import HeatMap, Measurement
from tests.labs.conftest import Randomise

CONFIG = TransformerConfig(vocab_size=11, seq_len=16, d_model=16, n_layers=3, n_heads=4, d_ff=16)


def test_a_window_shows_the_last_tokens_and_the_first() -> None:
    shown = Window(2, 1)(torch.zeros(1, 1, 4, 4))[0, 0] == 0

    assert shown.int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 1, 1]]
    assert Window(2, 0)(torch.zeros(1, 1, 4, 4))[0, 0, 3].tolist()[:2] == [-torch.inf, -torch.inf]


def test_one_number_of_the_first_token_is_taken() -> None:
    resid = torch.ones(2, 3, 4)

    changed = without_number(1)(resid)

    assert changed[0].tolist() == [[1, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1]]
    assert resid.eq(1).all()


@torch.no_grad()
def test_only_looks_at_the_first_token_lose_its_values(randomise: Randomise) -> None:
    model = Transformer(CONFIG, Generator().manual_seed(0))
    randomise(model)
    tokens = torch.randint(0, 11, (2, 5), generator=Generator().manual_seed(1))
    before = model(tokens)

    with values_zeroed(model, [2]):
        changed = model(tokens)

    assert not changed[:, 1:].allclose(before[:, 1:])
    assert model(tokens).equal(before)
    # In a model whose values are zero anyway nothing is lost.
    for parameter in self_attentions(model)[2].value.parameters():
        parameter.zero_()
    without = model(tokens)
    with values_zeroed(model, [2]):
        assert model(tokens).equal(without)


@torch.no_grad()
def test_numbers_and_values_are_taken_where_the_labels_say(randomise: Randomise) -> None:
    model = Transformer(CONFIG, Generator().manual_seed(0))
    randomise(model)
    texts = torch.randint(0, 11, (2, 9), generator=Generator().manual_seed(1))
    intact = mean_loss(model(texts), texts)

    events = attention_sink.costs(model, texts, window=2)

    m = {event.name: event.value for event in events if isinstance(event, Measurement)}
    for name, layer in (("middle", 1), ("last", 2)):
        with values_zeroed(model, [layer]):
            cost = mean_loss(model(texts), texts) - intact
        assert m[f"cost_values_{name}"] == pytest.approx(cost, abs=1e-4)
    resid = model.residual_stream(texts)[1]
    largest = resid[:, 0].abs().mean(dim=0).argmax()
    changed = without_number(int(largest))(resid)
    cost = mean_loss(model.resume(changed, 1), texts) - intact
    assert m["cost_largest"] == pytest.approx(cost, abs=1e-4)
    assert m["cost_second_largest"] != pytest.approx(cost, abs=1e-4)


@pytest.mark.weights("smollm2")
@torch.no_grad()
def test_a_text_of_ones_own_shows_its_first_token_as_the_sink() -> None:
    shown = received(load_language_model(), "Colourless green ideas sleep.", "cpu")

    assert isinstance(shown, HeatMap)
    assert shown.columns[0] == "<|endoftext|>"
    middle = shown.values[len(shown.values) // 2]
    assert middle[-1] is None
    assert max(share for share in middle if share is not None) == middle[0]


@pytest.mark.weights("smollm2")
def test_the_model_is_left_as_it_was_and_the_window_is_that_of_the_knob(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attention_sink, "N_TOKENS", 12)
    language = load_language_model()
    tokens = torch.tensor([[language.begin, *language.tokenizer.encode("All is well.")]])
    before = language.model(tokens)
    costs = {}

    for window in (2, 16):
        events = attention_sink.run(
            text="No.", window=window, seed=0, device="cpu", model="smollm2"
        )
        measured = {e.name: e.value for e in events if isinstance(e, Measurement)}
        costs[window] = measured["cost_window"]
        assert min(measured["share_first"], measured["share_bare"]) > 2 * measured["share_even"]

    assert language.model(tokens).equal(before)
    assert costs[2] > 1
    assert costs[16] == pytest.approx(0, abs=1e-4)  # all of the 12 tokens
