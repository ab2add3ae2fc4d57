from __future__ import annotations

import math
from random import Random

import pytest
import torch

from labs.kit.reading import losses, mean_loss, written
from labs.kit.words import words_twice
from labs.models import load_language_model


def test_a_token_costs_what_the_position_before_it_expects() -> None:
    """Chances of the next of three tokens, written down; the last row predicts nothing here."""
    chances = torch.tensor([[[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]]])
    tokens = torch.tensor([[0, 1, 2]])
    expected = [-math.log(0.25), -math.log(0.8)]
    assert losses(chances.log(), tokens)[0].tolist() == pytest.approx(expected)
    assert mean_loss(chances.log(), tokens) == pytest.approx(sum(expected) / 2)


@pytest.mark.weights("smollm2")
def test_words_are_different_and_come_twice() -> None:
    language = load_language_model()
    rows = words_twice(language, Random(0), n_rows=3, n_words=7)
    assert rows.shape == (3, 15)
    assert set(rows[:, 0].tolist()) == {language.begin}
    assert torch.equal(rows[:, 1:8], rows[:, 8:])
    for row in rows:
        words = [language.tokenizer.decode([token]) for token in row[1:8].tolist()]
        assert len(set(words)) == 7
        assert all(word[0] == " " and word[1:].isalpha() and word.islower() for word in words)


@pytest.mark.weights("smollm2")
def test_what_is_written_stands_on_one_line() -> None:
    text = written(load_language_model(), "One\nTwo\nThree\n", 4)
    assert text.startswith("Four↵")
    assert "\n" not in text
