from __future__ import annotations

import pytest
import torch
from torch import Generator

from labs.kit.budget import generator
from labs.patterns import one_layer_or_two
from labs.patterns.one_layer_or_two import LENGTHS, N_SYMBOLS, SEQ_LEN, build, roles, rounds
from labs.transformer.train import UNCOUNTED
from studykit.lab.events import HeatMap, Measurement


@pytest.mark.parametrize("lengths", [LENGTHS, (8, 8)])
def test_what_can_be_known_is_what_followed_last_time(lengths: tuple[int, int]) -> None:
    tokens, targets = rounds(20, lengths, generator(0, "probe"), "cpu")

    assert tokens.shape == targets.shape == (20, SEQ_LEN)
    seen = set()
    for text, wanted in zip(tokens.tolist(), targets.tolist(), strict=True):
        length = wanted.index(next(target for target in wanted if target != UNCOUNTED))
        seen.add(length)
        assert len(set(text[:length])) == length
        for place in range(length, SEQ_LEN):
            last = max(earlier for earlier in range(place) if text[earlier] == text[place])
            assert wanted[place] == text[last + 1]
    assert min(seen) >= lengths[0]
    assert max(seen) <= lengths[1]
    assert len(seen) == 1 or lengths == LENGTHS


def test_a_head_is_known_by_where_it_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = rounds(3, (8, 8), Generator().manual_seed(0), "cpu")
    maps = [torch.zeros(3, 2, SEQ_LEN, SEQ_LEN) for _ in range(2)]
    places = torch.arange(1, SEQ_LEN)
    maps[0][:, 1, places, places - 1] = 0.75
    again = torch.arange(8, SEQ_LEN)
    maps[1][:, 0, again, again - 7] = 0.5
    monkeypatch.setattr(one_layer_or_two, "attention_maps", lambda model, tokens: maps)

    events = list(roles(build(2, 2, seed=0), batch, "trained"))

    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert measured == {"back_first": pytest.approx(0.75), "followed_second": pytest.approx(0.5)}
    (heat_map,) = (event for event in events if isinstance(event, HeatMap))
    assert heat_map.values[1] == pytest.approx([0.75, 0.0])
    assert heat_map.values[2] == pytest.approx([0.0, 0.5])


def test_a_short_training_yields_all_that_the_claims_name() -> None:
    run = one_layer_or_two.run(n_heads=2, seed=0, device="cpu", budget=0.05)
    measured = {event.name: event.value for event in run if isinstance(event, Measurement)}

    assert measured["untrained"] < 0.2
    assert measured["guess"] == 1 / N_SYMBOLS
    assert {"right_one", "right_two", "right_same", "back_first", "followed_second"} <= set(
        measured
    )
