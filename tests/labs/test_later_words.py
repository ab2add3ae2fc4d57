from __future__ import annotations

import pytest
import torch

from labs.bert.later_words import PAIRS, pairs_right, to_beginnings, your_sentence
from labs.models import load_translator
from labs.transformer.interventions import made_causal
from studykit.lab.events import HeatMap, Table


def test_a_pair_is_right_if_both_translations_have_their_word() -> None:
    wanted = ["margem", "banco", "professora", "professor "]
    assert pairs_right(["A margem", "O banco", "A Professora", "O professor"], wanted) == [
        True,
        True,
    ]
    assert pairs_right(["O banco", "O banco", "A professora", "A professora"], wanted) == [
        False,
        False,
    ]


def test_no_word_that_is_wanted_is_a_part_of_its_partner() -> None:
    """Else one translation would pass for either meaning."""
    for _, first, _, second in PAIRS:
        assert first not in second
        assert second not in first


@pytest.mark.weights("translator")
def test_in_a_causal_encoder_no_later_word_moves_an_earlier_one() -> None:
    translator = load_translator()
    sentence = "The bank of the river was closed."
    tokens, _ = translator.encode([sentence])
    before = translator.model.encoder(tokens)

    moved, told = your_sentence(translator, sentence)
    assert isinstance(moved, HeatMap) and isinstance(told, Table)
    n_words = len(moved.rows)
    for row in range(n_words):
        for column in range(n_words):
            assert (moved.values[row][column] is None) is (column <= row)
    assert max(value for row in moved.values for value in row if value is not None) > 0.01
    assert [row[0] for row in told.rows] == ["full", "causal"]
    assert told.rows[0][1] != told.rows[1][1]

    assert to_beginnings(translator, [sentence]) < 0.99
    with made_causal(translator.model.encoder):
        assert to_beginnings(translator, [sentence]) == pytest.approx(1, abs=1e-5)
    assert torch.equal(before, translator.model.encoder(tokens))
