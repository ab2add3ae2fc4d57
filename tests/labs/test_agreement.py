from __future__ import annotations

from random import Random

import pytest
import torch

from labs.core import agreement
from labs.core.agreement import Sentences, draw_sentences, your_sentence
from labs.models import LanguageModel, load_language_model
from labs.transformer.interventions import silenced_heads

WORDS = [("The", "keys", "near", "the", "cabinet"), ("The", "key", "near", "the", "cabinets")]


@pytest.fixture
def language() -> LanguageModel:
    return load_language_model()


@pytest.mark.weights("smollm2")
@torch.no_grad()
@pytest.mark.parametrize("heads", [[], [(27, 8), (26, 0)]])
def test_the_margin_is_that_of_the_whole_model(
    language: LanguageModel, heads: list[tuple[int, int]]
) -> None:
    tokenizer = language.tokenizer
    tokens = torch.tensor([[language.begin, *tokenizer.encode(" ".join(row))] for row in WORDS])
    with silenced_heads(language.model, heads):
        logits = language.model(tokens)[:, -1]
    is_, are = tokenizer.encode(" is")[0], tokenizer.encode(" are")[0]
    plural_less_singular = logits[:, are] - logits[:, is_]

    margins = Sentences(language, WORDS, "cpu").margins(heads)

    expected = plural_less_singular * torch.tensor([1.0, -1.0])
    torch.testing.assert_close(margins, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.weights("smollm2")
@torch.no_grad()
def test_attention_is_that_of_the_place_before_the_verb(
    language: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = torch.zeros(30, len(WORDS), 9, 6, 6)
    maps[27, :, 8, -1, 2] = torch.tensor([0.75, 0.25])  # begin, The, keys
    maps[27, :, 8, -1, 5] = 0.125  # cabinet
    monkeypatch.setattr(agreement, "attention_maps", lambda model, tokens: list(maps))

    assert Sentences(language, WORDS, "cpu").attention((27, 8)) == (0.5, 0.125)


@pytest.mark.weights("smollm2")
@torch.no_grad()
def test_every_word_is_one_token_and_no_noun_serves_twice(
    language: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[tuple[str, ...]]] = []
    monkeypatch.setattr(
        agreement, "Sentences", lambda language, words, device: drawn.append(list(words))
    )
    every = [*agreement.SUBJECTS, *agreement.BETWEEN]
    for word in [*every, *(word + "s" for word in every), *agreement.PREPOSITIONS]:
        assert len(language.tokenizer.encode(f" {word}")) == 1, word

    draw_sentences(language, Random(0), "cpu")

    found_on, tested_on = drawn
    for words in drawn:
        assert all(row[1].endswith("s") != row[4].endswith("s") for row in words)
        assert sum(row[1].endswith("s") for row in words) == len(words) / 2
    of_found, of_tested = ({row[place].rstrip("s") for row in rows for place in (1, 2, 4)}
                           for rows in (found_on, tested_on))  # fmt: skip
    assert not of_found & of_tested


@pytest.mark.weights("smollm2")
@torch.no_grad()
def test_a_beginning_of_ones_own_gets_its_chances(language: LanguageModel) -> None:
    table = your_sentence(language, "The dogs in the park", [(26, 0), (27, 8)], "cpu")

    whole, without = table.rows
    assert float(whole[2]) > float(whole[1])
    assert 0 < float(without[2]) < float(whole[2]) < 1
