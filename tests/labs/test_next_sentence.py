from __future__ import annotations

import pytest
import torch

from labs.bert import next_sentence
from labs.bert.next_sentence import PER_TEXT, draw, far_from, overlap, sentences_of, told


def test_pairs_told_is_the_share_of_true_ones_above_false_ones() -> None:
    true, false = torch.tensor([0.9, 0.5]), torch.tensor([0.1, 0.5, 0.7])
    assert told(true, false) == pytest.approx((3 + 1.5) / 6)
    assert told(true, true) == 0.5


def test_shared_words_do_not_depend_on_the_order() -> None:
    assert overlap("The red house.", "A house, red!") == 2 / 4
    assert overlap("One, two", "three") == 0


def test_sentences_are_whole_and_neither_long_nor_short() -> None:
    text = (
        "This is the first of them. Too short. And this is\n    the second, on two lines.\n\n"
        "A paragraph that ends in a list:\n\nThis one is of its own paragraph."
    )
    assert sentences_of(text) == [
        "This is the first of them.",
        "And this is the second, on two lines.",
        "This one is of its own paragraph.",
    ]
    assert sentences_of("word " * 30 + "end.") == []


def test_a_false_partner_stands_away_from_both_of_a_pair() -> None:
    sentences = [f"s{n}" for n in range(9)]
    assert far_from(4, sentences, 2) == [1, 2, 7, 8]
    assert far_from(4, sentences, 4) == []
    assert 0 not in far_from(8, sentences, 2)


def test_partners_come_from_the_texts_that_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = ["zero", "one", "two", "three", "four", "five", "six", "seven"]
    texts = [
        " ".join(f"This is text {text}, sentence {number}." for number in numbers)
        for text in numbers
    ]
    monkeypatch.setattr(next_sentence, "passages", lambda seed, min_characters: iter(texts))

    pairs = draw(3, 2, 3 * PER_TEXT)

    def places(sentences: list[str]) -> list[tuple[int, int]]:
        named = [sentence.rstrip(".").replace(",", "").split() for sentence in sentences]
        return [(numbers.index(words[3]), numbers.index(words[5])) for words in named]

    first, following, other, same = map(
        places, (pairs.first, pairs.following, pairs.other, pairs.same)
    )
    assert following == [(text, number + 1) for text, number in first]
    assert all(a[0] != b[0] for a, b in zip(first, other, strict=True))
    assert sorted(other) == sorted(following)
    for (text, number), (its_text, its_number) in zip(first, same, strict=True):
        assert text == its_text
        assert min(abs(its_number - number), abs(its_number - number - 1)) >= 2
