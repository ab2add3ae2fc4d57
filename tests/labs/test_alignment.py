from __future__ import annotations

import pytest
import torch

from labs.core import alignment
from labs.core.alignment import Word, costs_of_hiding, place
from labs.models import load_translator
from labs.models.translator import Alignment
from studykit.lab.events import HeatMap, Measurement


def aligned(source: str, target: str) -> Alignment:
    return Alignment(source.split(), target.split(), [])


def test_a_word_is_read_and_written_once() -> None:
    found = aligned("The red house is near the old house .", "A casa vermelha é … antiga casa .")

    assert place(found, "red") == Word(read=1, written=2)
    assert place(found, "old") == Word(read=6, written=5)
    assert place(found, "house") is None  # twice
    assert place(aligned("The red house .", "A habitação rubra ."), "red") is None


@pytest.mark.weights("translator")
@torch.no_grad()
def test_hiding_a_word_is_felt_where_it_is_translated() -> None:
    translator = load_translator("enpt")
    source = "The red house is near the old church."
    (target,) = translator.translate([source])
    found = translator.alignment(source, target)
    house = found.target.index("casa")

    ((own, others), *_) = costs_of_hiding(translator, (source, target), [Word(2, house)])
    ((elsewhere, _), *_) = costs_of_hiding(translator, (source, target), [Word(7, house)])

    assert own > 2 > others
    assert abs(elsewhere) < 1  # the church is not needed for it


@pytest.mark.weights("translator")
def test_the_map_is_that_of_the_sentence_and_head_asked_for() -> None:
    maps = {}
    for head in (1, 4):
        events = list(
            alignment.run(
                sentence="A cat sleeps.", head=head, model="translator", seed=0, device="cpu"
            )
        )
        maps[head] = next(e for e in events if isinstance(e, HeatMap))
        measured = {e.name: e.value for e in events if isinstance(e, Measurement)}
        assert measured["n_crossed"] >= 8

    assert f"head {4}" in maps[4].title
    assert "cat" in maps[1].columns
    assert maps[1].values != maps[4].values
    for row in maps[1].values:
        assert sum(share or 0 for share in row) == pytest.approx(1, abs=1e-4)
