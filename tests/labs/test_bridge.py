from __future__ import annotations

import pytest
import torch
from torch import Generator

from labs.core import bridge
from labs.core.bridge import LABELS, bridges, shuffled, written
from labs.models import load_translator
from studykit.lab.events import Measurement, Table


def test_only_the_first_places_of_a_row_are_mixed() -> None:
    order = shuffled(torch.tensor([[3], [6]]), 7, Generator().manual_seed(0))

    assert sorted(order[0, :3].tolist()) == [0, 1, 2]
    assert order[0, 3:].tolist() == [3, 4, 5, 6]
    assert sorted(order[1, :6].tolist()) == list(range(6))
    assert order[1].tolist() != list(range(7))


@pytest.mark.weights("translator")
@torch.no_grad()
def test_each_bridge_hands_over_what_it_says() -> None:
    translator = load_translator("enpt")
    texts = ["The red house is near the old church.", "She laughed."]
    pairs = translator.pairs(texts, translator.translate(texts))

    over = bridges(translator, pairs, Generator().manual_seed(0))

    assert over.keys() == LABELS.keys()
    full, visible = over["full"]
    assert written(translator, full[:1], visible[:1]) == translator.translate(texts)[0]
    n_tokens = int(visible[1].sum())
    assert over["mean"][0][1, 0].allclose(full[1, :n_tokens].mean(dim=0), atol=1e-5)
    assert over["end"][0][1, 0].equal(full[1, n_tokens - 1])
    other, seen = over["other"]
    assert other[0, :n_tokens].equal(full[1, :n_tokens])
    assert int(seen[0].sum()) == n_tokens
    mixed = over["shuffled"][0][0]
    assert not mixed.equal(full[0])
    assert mixed.sort(dim=0).values.equal(full[0].sort(dim=0).values)


@pytest.mark.weights("translator")
def test_a_sentence_of_ones_own_is_translated_over_every_bridge() -> None:
    events = list(bridge.run(sentence="The cat sleeps.", model="translator", seed=0, device="cpu"))

    (table,) = (event for event in events if isinstance(event, Table))
    assert [row[0] for row in table.rows] == list(LABELS.values())
    by_bridge = {str(label): text for label, text in table.rows}
    assert by_bridge[LABELS["full"]] == by_bridge[LABELS["shuffled"]] == "O gato dorme."
    assert "médico" in str(by_bridge[LABELS["other"]])
    measured = {event.name: event.value for event in events if isinstance(event, Measurement)}
    assert measured["loss_shuffled"] == pytest.approx(measured["loss_full"], abs=1e-4)
    assert measured["loss_words_shuffled"] > measured["loss_full"] + 2
