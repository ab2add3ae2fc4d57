from __future__ import annotations

import pytest
import torch

from labs.bert import sink_tokens
from labs.bert.sink_tokens import changed, shares, unseen, values_zeroed
from labs.kit.budget import generator
from labs.models import SentenceEncoder, load_encoder
from labs.models.word_piece import SPECIAL, WordPieceTokenizer
from labs.transformer import Transformer, TransformerConfig
from studykit.lab.events import HeatMap

CONFIG = TransformerConfig(vocab_size=9, seq_len=6, d_model=16, d_ff=16, kind="encoder")
PIECES = WordPieceTokenizer([*SPECIAL, *"abcd"])
ENCODER = SentenceEncoder(
    "toy", Transformer(CONFIG, generator(0, "weights")), PIECES, PIECES.cls, PIECES.sep, PIECES.pad
)
TOKENS = torch.randint(5, 9, (2, 6), generator=generator(0, "probe"))
ALL = torch.ones_like(TOKENS, dtype=torch.bool)


def test_without_values_a_token_is_looked_at_and_nothing_comes_of_it() -> None:
    attention = ENCODER.model.blocks[0].get_submodule("attention")
    resid = ENCODER.model.embedded(TOKENS)
    plain = attention(resid)
    with values_zeroed(ENCODER, 2):
        emptied = attention(resid)
        value = attention.get_submodule("value")(resid)
    assert (value[:, 2] == 0).all() and (value[:, [0, 1, 3, 4, 5]] != 0).any()
    assert not torch.allclose(plain, emptied)
    assert torch.equal(plain, attention(resid))


def test_a_hidden_place_matters_to_no_other() -> None:
    seen = unseen(ALL, 2)
    assert ALL.all() and not seen[:, 2].any() and seen.sum() == ALL.sum() - len(ALL)
    other = TOKENS.clone()
    other[:, 2] = (other[:, 2] - 4) % 5
    plain, moved = (
        changed(ENCODER, tokens, seen, values_zeroed(ENCODER, 0)) for tokens in (TOKENS, other)
    )
    kept = [0, 1, 3, 4, 5]
    torch.testing.assert_close(plain[:, kept], moved[:, kept])
    assert not torch.allclose(plain[:, 2], moved[:, 2])


@torch.no_grad()
def test_shares_are_those_of_a_place_or_of_marked_tokens() -> None:
    by_place = [shares(ENCODER, TOKENS, ALL, place) for place in range(6)]
    assert [sum(layer) for layer in zip(*by_place, strict=True)] == pytest.approx([1.0, 1.0])
    marked = torch.zeros_like(ALL)
    marked[:, [1, 4]] = True
    both = [a + b for a, b in zip(by_place[1], by_place[4], strict=True)]
    assert shares(ENCODER, TOKENS, ALL, marked) == pytest.approx(both)
    # A row that is padded to the right counts as far as it goes.
    short = ALL.clone()
    short[1, 3:] = False
    alone = [
        shares(ENCODER, TOKENS[row : row + 1, :n], ALL[:1, :n], 0) for row, n in ((0, 6), (1, 3))
    ]
    expected = [(6 * a + 3 * b) / 9 for a, b in zip(*alone, strict=True)]
    assert shares(ENCODER, TOKENS, short, 0) == pytest.approx(expected)


@pytest.mark.weights("minilm")
def test_a_typed_sentence_is_drawn_token_by_token_and_the_model_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sink_tokens, "N_PASSAGES", 4)
    encoder = load_encoder()
    before = encoder.embed(["A sentence of no importance."])
    events = list(
        sink_tokens.run(sentence="Zoë sleeps.", head="3", model="minilm", seed=0, device="cpu")
    )

    maps = [event for event in events if isinstance(event, HeatMap)]
    drawn = [each for each in maps if each.title.startswith("Your sentence")]
    assert len(drawn) == 6
    for each in drawn:
        assert list(each.rows) == list(each.columns) == ["[CLS]", "zoe", "sleeps", ".", "[SEP]"]
        for row in each.values:
            assert sum(value or 0 for value in row) == pytest.approx(1)
    assert torch.equal(before, encoder.embed(["A sentence of no importance."]))
