from __future__ import annotations

import struct
from pathlib import Path

import pytest

from labs.models.errors import ModelError
from labs.models.unigram import UnigramTokenizer, read_unigram
from tests.labs.models.files import field, piece

PIECES = {"</s>": 0.0, "<unk>": 0.0, "▁": -3.0, "▁a": -2.0, "a": -4.0, "ab": -1.5, "b": -3.0}
KINDS = [3, 2, 1, 1, 1, 1, 1]


def tokenizer() -> UnigramTokenizer:
    return UnigramTokenizer(list(PIECES), list(PIECES.values()), KINDS)


def pieces_of(text: str) -> list[str]:
    return [list(PIECES)[i] for i in tokenizer().encode(text)]


def test_the_likeliest_path_wins() -> None:
    """▁ + ab costs 4.5 and ▁a + b costs 5; ▁a + ab costs less than ▁ + a + ab."""
    assert pieces_of("ab") == ["▁", "ab"]
    assert pieces_of("aab") == ["▁a", "ab"]
    assert pieces_of(" a   b ") == ["▁a", "▁", "b"]
    assert pieces_of("") == []


def test_what_is_unknown_is_one_piece() -> None:
    assert pieces_of("axyb") == ["▁a", "<unk>", "b"]
    assert pieces_of("xay") == ["▁", "<unk>", "a", "<unk>"]


def test_a_control_piece_is_never_read_from_a_text() -> None:
    assert "</s>" not in pieces_of("</s>")


def test_texts_are_brought_into_one_spelling() -> None:
    """Wide letters are letters, invisible ones separate, and control characters are not there."""
    assert pieces_of("\uff41\uff42") == pieces_of("ab")
    assert pieces_of("a\u200bb\ufeff") == pieces_of("a b") == pieces_of("a\u2581b")
    assert pieces_of("a\x07b\x7f") == pieces_of("ab")


def test_ids_are_text_again() -> None:
    known = tokenizer()
    assert known.decode([*known.encode("ab a b"), known.end]) == "ab a b"
    assert known.pieces([*known.encode("ab"), known.end]) == ["▁", "ab", "</s>"]
    assert len(known) == 7


VOCABULARY = piece("</s>", 0, 3) + piece("<unk>", 0, 2) + piece("▁a".encode(), -2) + field(3, b"?")


def test_a_vocabulary_is_read_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(VOCABULARY)
    known = read_unigram(tmp_path / "a")
    assert known.encode("a") == [2]
    assert (known.end, known.unknown) == (0, 1)


def test_ids_beyond_the_pieces_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(VOCABULARY)
    known = read_unigram(tmp_path / "a", 5)
    assert len(known) == 5
    assert known.decode([4, 2, 3]) == "a"
    with pytest.raises(ModelError, match="damaged"):
        read_unigram(tmp_path / "a", 2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        VOCABULARY[:-1],
        VOCABULARY + b"\x0a",
        VOCABULARY + b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        VOCABULARY + b"\xff" * 20,
        VOCABULARY + b"\x0b",
        VOCABULARY + b"\x08\x07",
        VOCABULARY + field(1, field(1, b"b")),
        VOCABULARY + field(1, b"\x15" + struct.pack("<f", 1)),
        VOCABULARY + field(1, field(1, b"b") + field(2, b"")),
        VOCABULARY + piece(b"\xff", 0),
        VOCABULARY + piece("b", float("nan")),
        VOCABULARY + field(1, field(1, b"b") + b"\x10\x01"),
        VOCABULARY + piece("▁a", -3),
        VOCABULARY + field(1, field(1, b"b") + b"\x15\0\0\0\0\x18\xff\x7f"),
        piece("</s>", 0, 3),
        piece("<unk>", 0, 2),
    ],
)
def test_a_damaged_vocabulary_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ModelError, match="no SentencePiece vocabulary") as raised:
        read_unigram(tmp_path / "a")
    assert str(raised.value).isprintable()


def test_a_vocabulary_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing: no .* \(No such file"):
        read_unigram(tmp_path / "nothing")
