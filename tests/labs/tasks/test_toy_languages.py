from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Generator

from labs.tasks.entropy import bigram_entropy, unigram_entropy
from labs.tasks.toy_languages import (
    MarkovLanguage,
    build_markov_language,
    build_successor_language,
)


def build(seed: int = 0) -> MarkovLanguage:
    return build_markov_language(12, spread=0.7, generator=Generator().manual_seed(seed))


def test_the_entropy_of_a_coin_with_memory_is_known() -> None:
    """Stay with probability 0.9 in either state: both are equally frequent."""
    language = MarkovLanguage(torch.tensor([[0.9, 0.1], [0.1, 0.9]], dtype=torch.double))
    assert language.unigram_entropy == pytest.approx(math.log(2))
    assert language.entropy_rate == pytest.approx(-0.9 * math.log(0.9) - 0.1 * math.log(0.1))


def test_one_more_step_leaves_the_shares_as_they_are() -> None:
    """With transitions that are all possible, only one distribution does that."""
    language = build()
    assert float(language.stationary.sum()) == pytest.approx(1)
    torch.testing.assert_close(language.stationary @ language.transitions, language.stationary)
    assert float(language.stationary.std()) > 0.01


def test_a_long_text_has_the_entropy_of_the_language() -> None:
    language = build()
    # The one pair in a thousand that straddles two texts does not matter.
    tokens = language.sample(60, 1_000, Generator().manual_seed(1)).flatten()
    assert unigram_entropy(tokens) == pytest.approx(language.unigram_entropy, abs=0.01)
    assert bigram_entropy(tokens) == pytest.approx(language.entropy_rate, abs=0.01)
    assert language.entropy_rate < language.unigram_entropy - 0.1


def test_the_seed_decides_language_and_text() -> None:
    assert torch.equal(build().transitions, build().transitions)
    assert not torch.equal(build(0).transitions, build(1).transitions)
    first, again, other = (
        build().sample(3, 9, Generator().manual_seed(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_beliefs_are_those_of_counting_all_texts() -> None:
    language = build_markov_language(3, spread=0.7, generator=Generator().manual_seed(3))
    tokens = torch.tensor([[0, 2, 1, 2], [1, 1, 0, 0]])
    hidden = torch.tensor([[False, True, True, False], [True, False, True, True]])
    left, both = language.beliefs(tokens, hidden)

    for row in range(2):
        for place in range(4):
            for side, belief in ((place, left), (4, both)):
                counted = torch.zeros(3, dtype=torch.double)
                for text in itertools.product(range(3), repeat=4):
                    seen = [n for n in range(side) if n != place and not hidden[row, n]]
                    if all(text[n] == tokens[row, n] for n in seen):
                        chance = language.stationary[text[0]]
                        for before, after in itertools.pairwise(text):
                            chance = chance * language.transitions[before, after]
                        counted[text[place]] += chance
                torch.testing.assert_close(belief[row, place], counted / counted.sum())


def test_each_token_has_the_successors_that_were_asked_for() -> None:
    shares = (0.5, 0.3, 0.2)
    language = build_successor_language(7, shares, Generator().manual_seed(4))

    for row in language.transitions:
        assert sorted(row[row > 0].tolist(), reverse=True) == list(shares)
    expected = -sum(share * math.log(share) for share in shares)
    assert math.isclose(language.entropy_rate, expected, abs_tol=1e-9)
