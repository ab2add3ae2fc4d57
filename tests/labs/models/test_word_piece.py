from __future__ import annotations

import pytest

from labs.models.word_piece import SPECIAL, WordPieceTokenizer

VOCABULARY = [
    *SPECIAL, "run", "##ning", "##n", "##s", "'", ",", ".", "cafe", "中", "文", "$", "a", "Run",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("running runs", ["run", "##ning", "run", "##s"]),
        ("RUN,run.", ["run", ",", "run", "."]),
        ("Café CAFE\u0301", ["cafe", "cafe"]),
        ("中文", ["中", "文"]),
        ("run's $", ["run", "'", "[UNK]", "$"]),
        ("a\u00ad\x00\ufffda", ["[UNK]"]),
        ("a\t\n\u3000a", ["a", "a"]),
        ("[CLS] run [MASK][SEP]", ["[CLS]", "run", "[MASK]", "[SEP]"]),
        ("a" * 101, ["[UNK]"]),
        ("", []),
    ],
)
def test_words_are_cut_into_the_longest_known_pieces(text: str, pieces: list[str]) -> None:
    tokenizer = WordPieceTokenizer(VOCABULARY)
    assert tokenizer.pieces(tokenizer.encode(text)) == pieces


def test_a_cased_vocabulary_keeps_capitals_and_accents() -> None:
    tokenizer = WordPieceTokenizer(VOCABULARY, lowercase=False)
    assert tokenizer.pieces(tokenizer.encode("Run café")) == ["Run", "[UNK]"]


def test_pieces_are_joined_to_words() -> None:
    tokenizer = WordPieceTokenizer(VOCABULARY)
    assert tokenizer.decode(tokenizer.encode("Running runs.")) == "running runs ."
