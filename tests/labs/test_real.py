from __future__ import annotations

import math
from typing import Any

import pytest

from labs.kit import patients
from labs.models import load_translator
from labs.whatif import real
from studykit.lab.events import Curve, Event, Measurement, Table

DEFAULTS = {name: values[0] for name, values in real.KNOBS.items()}


@pytest.fixture(autouse=True)
def short_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patients, "N_WRITTEN", 2)
    monkeypatch.setattr(patients, "N_SENTENCES", 2)


def events_of(**knobs: object) -> list[Event]:
    arguments: dict[str, Any] = {**DEFAULTS, "model": "smollm2", **knobs}
    return list(real.run(**arguments, seed=0, device="cpu"))


def measured(events: list[Event]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


def told(events: list[Event]) -> Table:
    """The table of what the models make of the text."""
    return [event for event in events if isinstance(event, Table)][-1]


@pytest.mark.weights("smollm2")
def test_a_language_model_without_residual_connections_is_worse_than_a_guess() -> None:
    events = events_of(text="The capital of France is")
    m = measured(events)
    assert m["loss_base"] < m["uniform_entropy"] < m["loss_changed"]
    assert m["loss_change"] == pytest.approx(m["loss_changed"] - m["loss_base"])
    assert m["score_base"] == pytest.approx(math.exp(m["loss_base"]))
    curves = {(e.chart, e.name): e.ys for e in events if isinstance(e, Curve)}
    assert {chart for chart, _ in curves} == {"Size of the stream", "Token diversity"}
    for chart, _ in curves:
        first, *rest = curves[chart, "base"]
        assert (curves[chart, "changed"][0], len(rest)) == (first, 30)
        assert curves[chart, "changed"][1:] != rest
    ((whole, broken),) = told(events).rows
    assert whole == " Paris." and broken != whole
    again = measured(events_of(change="", text="x"))
    assert (again["loss_base"], again["loss_change"]) == (m["loss_base"], 0)


@pytest.mark.weights("smollm2")
def test_one_layer_costs_less_than_all() -> None:
    one, all_layers = (
        measured(events_of(change="attention=off", layers=layers, text="x"))
        for layers in ("middle", "all")
    )
    assert 0 < one["loss_change"] < all_layers["loss_change"]


@pytest.mark.weights("minilm")
def test_an_encoder_finds_the_other_half_and_the_nearest_sentence() -> None:
    events = events_of(family="bert", change="norm=off", text="A tired animal")
    m = measured(events)
    assert m["loss_base"] < m["uniform_entropy"] - 0.5
    assert m["loss_changed"] == pytest.approx(m["uniform_entropy"], abs=0.05)  # all vectors alike
    assert m["score_base"] > 0.4 > m["score_changed"]
    assert str(told(events).rows[0][0]).startswith("An animal has no strength left.")


@pytest.mark.weights("translator")
def test_a_translator_without_cross_attention_translates_nothing() -> None:
    text = "The old house stands near the river."
    events = events_of(family="transformer", change="cross_attention=off", text=text)
    m = measured(events)
    assert m["loss_base"] < 0.5 < 5 < m["loss_changed"]
    ((whole, severed),) = told(events).rows
    assert "casa" in str(whole) and "casa" not in str(severed)
    assert load_translator().translate([text]) == [whole]


def test_a_part_that_a_model_has_not_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="bert has no gates"):
        events_of(family="bert", change="gates=off")
