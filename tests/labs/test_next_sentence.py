from __future__ import annotations

import pytest
import torch

from labs.bert.next_sentence import draw, far_from, overlap, sentences_of, told


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


def test_partners_of_other_texts_come_from_other_texts() -> None:
    pairs = draw(3, 2, 12)
    for first, following, other, same in zip(
        pairs.first, pairs.following, pairs.other, pairs.same, strict=True
    ):
        assert len({first, following, same}) == 3
        assert other not in (first, following, same)
    assert sorted(pairs.other) == sorted(pairs.following)
