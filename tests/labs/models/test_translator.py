"""The translator of the shelf, on sentences whose translations were read by people."""

from __future__ import annotations

import pytest
import torch

from labs.models import load_translator
from labs.models.errors import ModelError

pytestmark = pytest.mark.weights("translator")

SENTENCES = {
    "The red house is near the old church.": "A casa vermelha fica perto da antiga igreja.",
    "The bank of the river was closed.": "A margem do rio foi fechada.",
    "The bank was closed.": "O banco foi fechado.",
    "The doctor said that she was tired.": "O médico disse que estava cansada.",
}


def test_sentences_are_translated_in_a_batch_and_alone() -> None:
    translator = load_translator("enpt")
    assert translator.translate(list(SENTENCES)) == list(SENTENCES.values())
    assert [translator.translate([text])[0] for text in SENTENCES] == list(SENTENCES.values())


def test_the_way_back_leads_near() -> None:
    back = load_translator("pten").translate(list(SENTENCES.values()))
    assert back[0] == "The red house is close to the old church."


def test_the_decoder_looks_at_the_word_that_it_translates() -> None:
    """Noun and adjective cross; the first head of the last layer was trained as an aligner."""
    alignment = load_translator("enpt").alignment(next(iter(SENTENCES)))
    head = alignment.layers[-1][0]
    torch.testing.assert_close(head.sum(dim=-1), torch.ones(len(alignment.target)))
    looked = {
        word: alignment.source[int(row.argmax())]
        for word, row in zip(alignment.target, head, strict=True)
    }
    assert looked["casa"] == "house"
    assert looked["vermelha"] == "red"
    assert looked["igreja"] == "church"
    assert looked["antiga"] == "old"


def test_a_loss_is_of_the_translation_alone() -> None:
    """Padding costs nothing and changes nothing; another's encoder output costs a lot."""
    translator = load_translator("enpt")
    texts, translations = list(SENTENCES), list(SENTENCES.values())
    pairs = translator.pairs(texts, translations)
    losses = translator.losses(pairs)
    for row, (text, translation) in enumerate(SENTENCES.items()):
        alone = translator.losses(translator.pairs([text], [translation]))[0]
        torch.testing.assert_close(losses[row, : len(alone)], alone, atol=1e-4, rtol=1e-3)
        assert losses[row, len(alone) :].count_nonzero() == 0
    encoded = translator.model.encoder(pairs.source, visible=pairs.source_visible)
    assert losses.sum() < 0.2 * translator.losses(pairs, encoded.roll(1, dims=0)).sum()


def test_a_direction_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match="'ptes': give 'enpt' or 'pten'"):
        load_translator("ptes")
