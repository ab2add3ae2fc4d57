"""Byte pair encoding: the tokens of GPT-2, RoBERTa, SmolLM2 and Qwen2.

A text is cut into words; a word starts as its UTF-8 bytes, and the two neighbours that were
merged first in training are merged until no pair of neighbours is known (Sennrich et al. 2016;
on bytes: Radford et al. 2019, section 2.2).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Literal, TypeAlias

SPACES = "\t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""What Unicode calls white space, apart from " "."""
CONTRACTED = "strevmldSTREVMLDſ"
"""The letters of 's, 't, 're, 've, 'm, 'll and 'd; ſ is an s by its upper case."""


class _Classes(dict[int, str]):
    """A letter for the class of each character: A letter, N number, B line break, W white, O other.

    The space, the apostrophe and the letters of contractions stand for themselves. Python's `re`
    cannot ask whether a character is a letter; of a string of classes it can.
    """

    def __missing__(self, code: int) -> str:
        kind = unicodedata.category(chr(code))[0]
        self[code] = {"L": "A", "N": "N"}.get(kind, "O")  # L is one of `CONTRACTED`
        return self[code]


CLASSES = _Classes({ord(letter): letter for letter in " '" + CONTRACTED})
CLASSES.update({ord(space): "W" for space in SPACES})
CLASSES.update({ord(space): "B" for space in "\r\n"})

_LETTERS = f"[A{CONTRACTED}]+"
_SHORTENED = "'(?:[stmd]|re|ve|ll)"
Words: TypeAlias = Literal["gpt-2", "smollm", "qwen2"]
WORDS: dict[Words, re.Pattern[str]] = {
    # A word takes the space before it along, and so does a number.
    "gpt-2": re.compile(
        rf"{_SHORTENED}| ?{_LETTERS}| ?N+| ?[O']+|[ WB]+(?![^ WB])|[ WB]+",
    ),
    # The same, but every digit alone and without a space.
    "smollm": re.compile(
        rf"{_SHORTENED}|N| ?{_LETTERS}| ?[O']+|[ WB]+(?![^ WBN])|[ WB]+",
    ),
    # A word takes any sign before it along, and signs the line breaks behind them.
    "qwen2": re.compile(
        "'(?:[stmdSTMDſ]|[rR][eE]|[vV][eE]|[lL]{2})"
        rf"|[ WO']?{_LETTERS}|N| ?[O']+B*|[ WB]*B+|[ WB]+(?![^ WB])|[ WB]+",
    ),
}
"""How a text is cut into words, as patterns of a string of classes."""


def byte_alphabet() -> list[str]:
    """The character by which a vocabulary writes each byte: itself, where it can be seen."""
    seen = {*range(33, 127), *range(161, 173), *range(174, 256)}
    unseen = [byte for byte in range(256) if byte not in seen]
    return [chr(byte if byte in seen else 256 + unseen.index(byte)) for byte in range(256)]


class BytePairTokenizer:
    """Text to ids and back.

    `tokens` are the vocabulary in the order of the ids and `merges` the pairs in the order of
    training, both written in the byte alphabet. `special` are tokens that stand in a text for
    themselves, such as ``<|endoftext|>``, and are written as they are; those in `eats_space` take
    the white space before them along. `words` says how a text is cut, and `composed` that letters
    and their accents are made one character before (Unicode's NFC).
    """

    def __init__(
        self,
        tokens: Sequence[str],
        merges: Iterable[tuple[str, str]],
        *,
        special: Mapping[str, int],
        eats_space: Collection[str] = (),
        words: Words,
        composed: bool = False,
    ) -> None:
        self.tokens = list(tokens)
        self.ids = {token: number for number, token in enumerate(self.tokens)}
        self.special = dict(special)
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        self._words = WORDS[words]
        self._composed = composed
        self._by_length = sorted(self.special, key=len, reverse=True)
        self._special = re.compile(
            "|".join(
                (r"\s*" if token in eats_space else "") + f"({re.escape(token)})"
                for token in self._by_length
            )
            or "(?!)"
        )
        self._special_ids = {number: token for token, number in self.special.items()}
        self._letters = byte_alphabet()
        self._bytes = {letter: byte for byte, letter in enumerate(self._letters)}
        self._ids_of_word = lru_cache(maxsize=65_536)(self._merge)

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """The ids of a text; nothing is put around them."""
        ids: list[int] = []
        at = 0
        for found in self._special.finditer(text):
            ids.extend(self._encode_plain(text[at : found.start()]))
            assert found.lastindex is not None  # one group of the pattern has matched
            ids.append(self.special[self._by_length[found.lastindex - 1]])
            at = found.end()
        ids.extend(self._encode_plain(text[at:]))
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of some ids; a character of which bytes are missing becomes �."""
        return b"".join(map(self._bytes_of, ids)).decode(errors="replace")

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """A label for each id: · for a space, ↵ for a line break, hexadecimal for bytes that are
        only part of a character.
        """
        return [label(self._bytes_of(number)) for number in ids]

    def words(self, text: str) -> Iterator[str]:
        """The words that pairs are merged in, one after the other."""
        if self._composed:
            text = unicodedata.normalize("NFC", text)
        # One character of `classes` for each of `text`, so that places are the same in both.
        classes = text.translate(CLASSES)
        for word in self._words.finditer(classes):
            yield text[word.start() : word.end()]

    def _encode_plain(self, text: str) -> Iterator[int]:
        for word in self.words(text):
            yield from self._ids_of_word(word)

    def _merge(self, word: str) -> tuple[int, ...]:
        parts = [self._letters[byte] for byte in word.encode(errors="replace")]
        while len(parts) > 1:
            pairs = list(pairwise(parts))
            first = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if first not in self._ranks:
                break
            parts = _merge_all(parts, first)
        # A vocabulary may lack a byte that its training text never had; it is left out.
        return tuple(self.ids[part] for part in parts if part in self.ids)

    def _bytes_of(self, number: int) -> bytes:
        special = self._special_ids.get(number)
        if special is not None:
            return special.encode(errors="replace")
        token = self.tokens[number]
        if not self._bytes.keys() >= set(token):  # no bytes, so written as it is
            return token.encode(errors="replace")
        return bytes(self._bytes[letter] for letter in token)


def _merge_all(parts: Sequence[str], pair: tuple[str, str]) -> list[str]:
    """The parts with every occurrence of the pair merged, from the left."""
    merged: list[str] = []
    at = 0
    while at < len(parts):
        width = 2 if (*parts[at : at + 2],) == pair else 1
        merged.append("".join(parts[at : at + width]))
        at += width
    return merged


def label(piece: bytes) -> str:
    """A piece of text for the axis of a chart."""
    try:
        text = piece.decode()
    except UnicodeDecodeError:
        return piece.hex()
    text = text.replace(" ", "·").replace("\n", "↵").replace("\t", "→")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
