from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any

import pytest
from torch import nn

from labs.kit.arms import Arms
from labs.kit.assembly import settings
from labs.kit.side_by_side import train_both
from labs.transformer.model import Stack
from labs.whatif import real, trained
from studykit.lab.events import Curve, Event, Measurement, Table

DEFAULTS = {name: values[0] for name, values in trained.KNOBS.items()}


def events_of(*, budget: float = 1.0, **knobs: object) -> list[Event]:
    arguments: dict[str, Any] = {**DEFAULTS, "n_layers": 1, **knobs}
    return list(trained.run(**arguments, seed=0, device="cpu", budget=budget))


def measured(events: list[Event]) -> dict[str, float]:
    return {event.name: event.value for event in events if isinstance(event, Measurement)}


@pytest.mark.parametrize("family", trained.FAMILIES)
def test_two_models_of_the_same_parts_train_alike(family: str) -> None:
    events = events_of(family=family, change="", budget=0.02)
    m = measured(events)
    assert math.isfinite(m["loss_base"]) and m["loss_change"] == 0
    tables = {event.title: event for event in events if isinstance(event, Table)}
    assert not any(str(row[0]).startswith("→") for row in tables["The two models"].rows)
    assert all(row[1] == row[2] for row in tables["What they write"].rows)
    training = [e for e in events if isinstance(e, Curve) and e.chart == "Held-out loss"]
    assert {(tuple(curve.xs), curve.name) for curve in training} >= {
        ((step,), line) for step in (0, 3) for line in ("base", "changed")
    }


def test_a_change_of_the_base_alone_changes_both() -> None:
    m = measured(events_of(base="attention=off", change="", budget=0.05))
    assert m["loss_change"] == 0
    assert m["loss_base"] != measured(events_of(change="", budget=0.05))["loss_base"]


def test_copying_takes_attention_and_the_last_symbol_tells_of_a_leak() -> None:
    m = measured(events_of(change="attention=off"))
    assert m["loss_base"] < 0.5
    assert m["loss_changed"] > m["no_context"] - 0.1  # the other symbols say nothing of this one
    assert m["loss_change"] == pytest.approx(m["loss_changed"] - m["loss_base"])
    leak = measured(events_of(change="mask=none", base="positions=rope", task="letters"))
    assert leak["loss_change"] < -0.5
    assert leak["last_changed"] > leak["loss_changed"] + 0.5


def test_two_learning_rates_and_half_of_the_layers_for_each_stack(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[float, ...]] = []
    n_layers: set[int] = set()

    def recorded(
        arms: Arms, rates: tuple[float, ...], *rest: Any
    ) -> Generator[Event, None, dict[str, nn.Module]]:
        seen.append(rates)
        n_layers.update(
            len(part.blocks)
            for models in arms.values()
            for model in models
            for part in model.modules()
            if isinstance(part, Stack)
        )
        return train_both(arms, rates, *rest)

    monkeypatch.setattr(trained, "train_both", recorded)
    events_of(family="transformer", change="", n_layers=4, learning_rate=0.03, budget=0.02)
    assert seen == [pytest.approx((0.03, 0.01))]
    assert n_layers == {2}  # each of encoder and decoder


def test_a_part_that_is_not_there_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="gpt2 has no segments"):
        events_of(change="segments=two")


@pytest.mark.parametrize("lab", [trained, real])
def test_every_change_that_can_be_asked_for_has_words_of_its_own(lab: Any) -> None:
    starts = [settings(text) for text in lab.FAMILIES.values()]
    changes = {
        f"{part}={value}"
        for part, values in lab.PARTS.items()
        for value in values
        if any(start.get(part, value) != value for start in starts)
    }
    assert changes <= lab.WORDS.keys()
    phrases = [phrase.casefold() for words in lab.WORDS.values() for phrase in words]
    assert len(phrases) == len(set(phrases))
