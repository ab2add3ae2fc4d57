from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Generator

from labs.kit.reading import mean_loss
from labs.models import load_language_model
from labs.patterns import layer_order
from labs.patterns.layer_order import Reading, doubled, exchanged
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.interventions import layers_reordered
from studykit.lab.events import Measurement, Table
from tests.labs.conftest import Randomise

CONFIG = TransformerConfig(vocab_size=11, seq_len=16, d_model=16, n_layers=4, n_heads=4, d_ff=16)


def test_two_layers_change_places_or_one_runs_twice() -> None:
    assert exchanged(4, 1) == [0, 2, 1, 3]
    assert doubled(4, 1) == [0, 1, 1, 2, 3]


@torch.no_grad()
@pytest.mark.parametrize(
    "order", [[0, 1, 2, 3], [0, 1, 3, 2], [3, 2, 1, 0], [0, 1], [0, 1, 1, 2, 3]]
)
def test_going_on_from_the_first_moved_layer_is_running_the_whole_model(
    order: list[int], randomise: Randomise
) -> None:
    model = Transformer(CONFIG, Generator().manual_seed(0))
    randomise(model)
    texts = torch.randint(0, 11, (2, 9), generator=Generator().manual_seed(1))
    intact = mean_loss(model(texts), texts)

    cost = Reading(model, texts).cost(order)

    with layers_reordered(model, order):
        assert cost == pytest.approx(mean_loss(model(texts), texts) - intact, abs=1e-4)


@torch.no_grad()
def test_reading_after_the_last_layer_is_what_the_model_predicts(randomise: Randomise) -> None:
    model = Transformer(CONFIG, Generator().manual_seed(0))
    randomise(model)
    texts = torch.randint(0, 11, (2, 9), generator=Generator().manual_seed(1))
    reading = Reading(model, texts)

    assert reading.early(4) == pytest.approx(reading.intact)
    assert reading.early(2) != pytest.approx(reading.intact, abs=1e-2)


def test_the_orders_that_are_tried_are_those_of_the_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Transformer(replace(CONFIG, n_layers=30), Generator().manual_seed(0))
    texts = torch.randint(0, 11, (1, 3), generator=Generator().manual_seed(1))
    tried: list[list[int]] = []

    def numbered(reading: Reading, order: Sequence[int]) -> float:
        tried.append(list(order))
        return float(len(tried) - 1)

    monkeypatch.setattr(Reading, "cost", numbered)
    with torch.no_grad():
        events = list(layer_order.orders(Reading(model, texts)))

    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    of = {name: tried[int(measured[name])] for name in ("swap_first", "swap_last", "twice_first")}
    assert of["swap_first"] == exchanged(30, 0)
    assert of["swap_last"] == exchanged(30, 28)
    assert of["twice_first"] == doubled(30, 0)
    reversed_, left_out = (
        tried[int(measured[name])] for name in ("cost_reversed", "cost_left_out")
    )
    span = [layer for layer in range(30) if layer not in left_out]
    assert span == list(range(12, 22))
    assert left_out == sorted(left_out)
    assert reversed_ == [*range(12), *reversed(span), *range(22, 30)]


@pytest.mark.weights("smollm2")
def test_the_real_model_answers_and_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer_order, "N_TOKENS", 8)
    language = load_language_model()
    tokens = torch.tensor([[language.begin, *language.tokenizer.encode("All is well.")]])
    before = language.model(tokens)

    run = layer_order.run(
        beginning="The capital of France is", seed=0, device="cpu", model="smollm2"
    )
    events = list(run)

    assert language.model(tokens).equal(before)
    (table,) = (event for event in events if isinstance(event, Table))
    assert table.rows[0] == ("in order", " Paris.↵↵The capital of France")
    assert len({row[1] for row in table.rows}) == len(table.rows) == 4
    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert measured["swap_first"] > measured["swap_median"]
