from __future__ import annotations

import pytest

from labs.models.byte_pair import BytePairTokenizer, Words, byte_alphabet

MERGES = [("a", "b"), ("Ġ", "ab"), ("ab", "ab"), ("a", "a"), ("'", "s")]


def build(*, words: Words = "gpt-2", without: str = "") -> BytePairTokenizer:
    tokens = ["<|endoftext|>", *byte_alphabet(), *("".join(pair) for pair in MERGES)]
    kept = [token for token in tokens if token not in without]
    return BytePairTokenizer(kept, MERGES, special={"<|endoftext|>": 0}, words=words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello  world", ["Hello", " ", " world"]),
        ("we'll it's I'd 'Twas", ["we", "'ll", " it", "'s", " I", "'d", " '", "Twas"]),
        ("a\n\n b\t\tc  ", ["a", "\n\n", " b", "\t", "\t", "c", "  "]),
        ("über 中文 ½ ٣", ["über", " 中文", " ½", " ٣"]),
        ("x = y+1; #!", ["x", " =", " y", "+", "1", ";", " #!"]),
    ],
)
def test_a_text_is_cut_into_words_as_gpt_2_does(text: str, words: list[str]) -> None:
    assert list(build().words(text)) == words


def test_digits_can_stand_alone() -> None:
    tokenizer = build(words="smollm")
    assert list(build().words("in 1984")) == ["in", " 1984"]
    assert list(tokenizer.words("in 1984")) == ["in", " ", "1", "9", "8", "4"]
    assert list(tokenizer.words("  10")) == ["  ", "1", "0"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello  (world)", ["Hello", " ", " (", "world", ")"]),
        ("I'LL it'S 'tis", ["I", "'LL", " it", "'S", " '", "tis"]),
        ("f'ok'", ["f", "'ok", "'"]),
        ("a\n\n  b;\n\nc  ", ["a", "\n\n", " ", " b", ";\n\n", "c", "  "]),
        ("x=12 _y", ["x", "=", "1", "2", " _", "y"]),
    ],
)
def test_qwen2_cuts_in_another_way(text: str, words: list[str]) -> None:
    assert list(build(words="qwen2").words(text)) == words


def test_pairs_are_merged_in_the_order_of_training() -> None:
    tokenizer = build()
    assert tokenizer.pieces(tokenizer.encode("abab abab")) == ["abab", "·ab", "ab"]
    # "aab": a b comes before a a, although a a stands further left.
    assert tokenizer.pieces(tokenizer.encode("aab")) == ["a", "ab"]
    assert tokenizer.pieces(tokenizer.encode("aaa")) == ["aa", "a"]


def test_any_text_comes_back() -> None:
    tokenizer = build()
    for text in ("", "ab's", "naïve 中文 😀\n\t\x00", "<|endoftext|>ab<|endoftext|>", "<|endof"):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_special_tokens_stand_for_themselves() -> None:
    assert build().encode("<|endoftext|>")[:1] == [0]
    assert len(build().encode("<|endoftext|>")) == 1


def test_bytes_that_the_vocabulary_lacks_are_left_out() -> None:
    tokenizer = build(without="q")
    assert tokenizer.decode(tokenizer.encode("aqb")) == "ab"


def test_a_token_that_spells_no_bytes_is_written_as_it_is() -> None:
    tokenizer = BytePairTokenizer([*byte_alphabet(), "中"], [], special={}, words="gpt-2")
    assert tokenizer.decode([65, 256]) == "A中"


def test_labels_can_be_printed() -> None:
    tokenizer = build()
    labels = tokenizer.pieces(tokenizer.encode(" \n\t\x1b中"))
    assert labels == ["·", "↵", "→", "\\x1b", "e4", "b8", "ad"]
