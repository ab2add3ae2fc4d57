"""What the trained models of the bench read: padding is no part of it."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from torch.nn import functional as F

from labs.kit import patients
from labs.kit.patients import COSINE_SCALE, N_TOKENS, admit, first_sentences, halves
from labs.models import load_encoder, load_translator
from labs.models.sentence_encoder import pool
from labs.whatif.real import FAMILIES


def test_second_halves_follow_first_ones_and_sentences_are_short() -> None:
    for first, second in islice(halves(0), 20):
        assert first != second
        assert 4 <= len(first.split()) <= N_TOKENS and 8 <= len(second.split()) <= N_TOKENS
    for sentence in islice(first_sentences(0), 20):
        assert 20 <= len(sentence) <= patients.LONGEST_SENTENCE
        assert sentence.endswith(".") and "\n" not in sentence


@pytest.mark.weights("minilm")
@torch.no_grad()
def test_an_encoder_loses_what_it_does_reading_one_text_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patients, "N_PAIRS", 4)
    finder = admit(FAMILIES, "bert", layers="all", model="smollm2", device="cpu", seed=0)
    encoder = load_encoder("minilm")
    vectors = []
    for half in zip(*islice(halves(0), 4), strict=True):
        for text in half:
            tokens, visible = (each[:, :N_TOKENS] for each in encoder.batch([text]))
            vectors.append(pool(encoder.model(tokens), visible)[0])
    first, second = torch.stack(vectors).chunk(2)
    expected = F.cross_entropy(COSINE_SCALE * first @ second.T, torch.arange(4))
    assert finder.loss() == pytest.approx(float(expected), rel=1e-3)


@pytest.mark.weights("translator")
@torch.no_grad()
def test_a_translator_reads_a_sentence_as_if_it_were_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patients, "N_SENTENCES", 3)
    interpreter = admit(
        FAMILIES, "transformer", layers="all", model="smollm2", device="cpu", seed=0
    )
    stream, translator = interpreter.stream(), load_translator()
    lengths = set()
    for row, sentence in enumerate(islice(first_sentences(0), 3)):
        tokens, _ = translator.encode([sentence])
        alone = translator.model.encoder.residual_stream(tokens)
        lengths.add(tokens.shape[1])
        torch.testing.assert_close(
            stream[-1][row, : tokens.shape[1]], alone[-1][0], rtol=1e-3, atol=1e-3
        )
    assert len(lengths) > 1
