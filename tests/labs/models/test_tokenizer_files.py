"""Tokenizers out of files that the `tokenizers` package wrote, held to its ids."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from labs.models.errors import ModelError
from labs.models.tokenizer_files import QWEN2, read_byte_pair, read_word_piece
from labs.tasks.docstrings import docstrings_by_module

hf = pytest.importorskip("tokenizers")
pytestmark = pytest.mark.parity

TEXTS = [*chain.from_iterable([*docstrings_by_module().values()][:12])]
ALPHABET = [
    *map(chr, range(32, 0x250)), "\n", "\t", "  ", " ", "'s", "'re", "'ll", "0", "12", "½", "٣",
    "中", "文", "😀", "e\u0301", "\u2028", "\u3000", "\xa0", "Σ", "ς", "ſ", "'S", "'LL", "\r\n",
    "İ", "ﬁ", "א", "—", "’", "\ufffd", "<s>", "</s>",
    "<mask>", " <mask>", "[MASK]", "[SEP]", "\x00", "\x07", "\u200d",
]  # fmt: skip


def texts() -> Iterable[str]:
    """Docstrings, and strings of all that is hard to cut."""
    drawn = random.Random(0)
    yield from TEXTS
    for _ in range(2000):
        yield "".join(drawn.choices(ALPHABET, k=drawn.randrange(30)))


def byte_pairs(*before: Any, special: Iterable[Any] = ()) -> Any:
    """A tokenizer trained on docstrings, whose last pre-tokenizer is GPT-2's."""
    tokenizer = hf.Tokenizer(hf.models.BPE())
    last = hf.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = hf.pre_tokenizers.Sequence([*before, last]) if before else last
    tokenizer.decoder = hf.decoders.ByteLevel()
    trainer = hf.trainers.BpeTrainer(
        vocab_size=700,
        show_progress=False,
        special_tokens=list(special),
        initial_alphabet=hf.pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def words_of(tokenizer: Any, text: str) -> list[str]:
    """What the text is cut into before pairs are merged."""
    found = tokenizer.pre_tokenizer.pre_tokenize_str(text)
    return [text[start:end] for _, (start, end) in found]


def word_pieces(*, lowercase: bool) -> Any:
    """A tokenizer trained on docstrings, as BERT's are."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = hf.Tokenizer(hf.models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = hf.normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = hf.pre_tokenizers.BertPreTokenizer()
    trainer = hf.trainers.WordPieceTrainer(
        vocab_size=900, show_progress=False, special_tokens=special
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def test_gpt_2_gives_the_same_ids(tmp_path: Path) -> None:
    tokenizer = byte_pairs(special=["<|endoftext|>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    ours = read_byte_pair(tmp_path, 700)
    for text in texts():
        assert ours.encode(text) == tokenizer.encode(text).ids
        assert ours.decode(ours.encode(text)) == text
        assert [*ours.words(text)] == words_of(tokenizer, text)


def test_smollm_gives_the_same_ids(tmp_path: Path) -> None:
    tokenizer = byte_pairs(hf.pre_tokenizers.Digits(individual_digits=True), special=["<s>"])
    tokenizer.save(str(tmp_path / "tokenizer.json"), pretty=False)
    ours = read_byte_pair(tmp_path, 700)
    for text in texts():
        assert ours.encode(text) == tokenizer.encode(text).ids
        assert [*ours.words(text)] == words_of(tokenizer, text)


def test_roberta_gives_the_same_ids(tmp_path: Path) -> None:
    special = ["<s>", "<pad>", "</s>", "<unk>", hf.AddedToken("<mask>", lstrip=True, special=True)]
    tokenizer = byte_pairs(special=special)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    ours = read_byte_pair(tmp_path, 700)
    assert ours.special["<mask>"] == 4
    for text in texts():
        assert ours.encode(text) == tokenizer.encode(text).ids


@pytest.mark.parametrize("composed", [True, False])
def test_qwen2_gives_the_same_ids(*, composed: bool, tmp_path: Path) -> None:
    steps = hf.pre_tokenizers
    tokenizer = byte_pairs(steps.Split(hf.Regex(QWEN2), "isolated"), special=["<|endoftext|>"])
    last = steps.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = steps.Sequence([steps.Split(hf.Regex(QWEN2), "isolated"), last])
    if composed:
        tokenizer.normalizer = hf.normalizers.NFC()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    ours = read_byte_pair(tmp_path, 700)
    for text in texts():
        assert ours.encode(text) == tokenizer.encode(text).ids
        if not composed:
            assert [*ours.words(text)] == words_of(tokenizer, text)


@pytest.mark.parametrize("lowercase", [True, False])
def test_bert_gives_the_same_ids(*, lowercase: bool, tmp_path: Path) -> None:
    tokenizer = word_pieces(lowercase=lowercase)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    ours = read_word_piece(tmp_path, 900)
    for text in texts():
        assert ours.encode(text) == tokenizer.encode(text).ids


def test_a_bert_needs_no_more_than_a_list_of_tokens(tmp_path: Path) -> None:
    tokenizer = word_pieces(lowercase=False)
    tokenizer.model.save(str(tmp_path))
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    ours = read_word_piece(tmp_path, 900)
    assert ours.encode("Return the Name") == tokenizer.encode("Return the Name").ids


def damaged(folder: Path, tokenizer: Any, *keys: str, value: object) -> None:
    """Write the tokenizer with one field set to something else."""
    fields = json.loads(tokenizer.to_str())
    place = fields
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    (folder / "tokenizer.json").write_text(json.dumps(fields))


@pytest.mark.parametrize(
    ("keys", "value", "says"),
    [
        (["normalizer"], {"type": "NFC"}, "its normalizer is 'NFC'"),
        (["pre_tokenizer"], {"type": "Metaspace"}, "pre-tokenizers"),
        (["pre_tokenizer"], None, "not a tokenizer that is offered"),
        (["pre_tokenizer", "add_prefix_space"], True, "a space before"),
        (["model", "type"], "Unigram", "its model is 'Unigram'"),
        (["model", "byte_fallback"], True, "byte_fallback"),
        (["model", "ignore_merges"], True, "ignore_merges"),
        (["model", "vocab", "a"], 700, "the id of 'a' is 700"),
        (["model", "vocab", "a"], -1, "the id of 'a' is -1"),
        (["model", "vocab", "\x1b[2J\n" * 99], "1", r"'\\x1b\[2J\\n"),
        (["model", "merges"], [["a"]], "not a tokenizer that is offered"),
        (["model", "merges"], [[1, 2]], "1 is no token"),
        (["model"], [], "not a tokenizer that is offered"),
        (["added_tokens"], [{"id": 0}], "lacks 'content'"),
        (["added_tokens"], [{"content": "a", "id": 0, "rstrip": True}], "spaces behind"),
        (["added_tokens"], [{"content": "a", "id": 10**30}], "the id of 'a'"),
    ],
)
def test_another_chain_of_steps_is_refused_in_one_line(
    keys: list[str], value: object, says: str, tmp_path: Path
) -> None:
    damaged(tmp_path, byte_pairs(special=["<s>"]), *keys, value=value)
    with pytest.raises(ModelError, match=says) as raised:
        read_byte_pair(tmp_path, 700)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    ("keys", "value", "says"),
    [
        (["model", "type"], "BPE", "its model is 'BPE'"),
        (["model", "vocab"], {"[PAD]": 0}, r"lacks \[UNK\]"),
        (["model", "vocab", "[PAD]"], 900, "the id of"),
        (["normalizer", "strip_accents"], False, "accents"),
        (["normalizer"], [1], "not a tokenizer that is offered"),
    ],
)
def test_another_word_piece_is_refused_in_one_line(
    keys: list[str], value: object, says: str, tmp_path: Path
) -> None:
    damaged(tmp_path, word_pieces(lowercase=True), *keys, value=value)
    with pytest.raises(ModelError, match=says):
        read_word_piece(tmp_path, 900)


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"tokenizer\.json: cannot be read"):
        read_byte_pair(tmp_path, 700)
    with pytest.raises(ModelError, match=r"vocab\.txt: cannot be read"):
        read_word_piece(tmp_path, 900)
