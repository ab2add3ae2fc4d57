"""WordPiece: the tokens of BERT.

A text is brought into one spelling and cut into words and punctuation marks; of a word, the
longest piece that the vocabulary knows is cut off until nothing is left (Wu et al. 2016;
Devlin et al. 2019, section 3).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

LONGEST_WORD = 100
"""A longer one is unknown as a whole."""
INSIDE = "##"
"""Stands before a piece that does not start a word."""
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

IDEOGRAPHS = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip
"""Characters that are words of their own."""


class _Spelling(dict[int, str]):
    """What becomes of each character: nothing, a space, itself, or itself with spaces around.

    `bare` drops the marks that stand on letters.
    """

    def __init__(self, *, bare: bool) -> None:
        super().__init__()
        self.bare = bare

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        if character in "\t\n\r" or category.startswith("Z"):
            spelled = " "
        elif category.startswith("C") or code == 0xFFFD or (category == "Mn" and self.bare):
            spelled = ""
        elif _is_punctuation(character, category) or _is_ideograph(code):
            spelled = f" {character} "
        else:
            spelled = character
        self[code] = spelled
        return spelled


def _is_punctuation(character: str, category: str) -> bool:
    ascii_sign = "!" <= character <= "~" and not character.isalnum()
    return ascii_sign or category.startswith("P")


def _is_ideograph(code: int) -> bool:
    return any(first <= code <= last for first, last in IDEOGRAPHS)


class WordPieceTokenizer:
    """Text to ids and back.

    `tokens` are the vocabulary in the order of the ids; it has the five of `SPECIAL`. `lowercase`
    also drops accents, as BERT's "uncased" models do.
    """

    def __init__(self, tokens: Sequence[str], *, lowercase: bool = True) -> None:
        self.tokens = list(tokens)
        self.ids = {token: number for number, token in enumerate(self.tokens)}
        self.pad, self.unknown, self.cls, self.sep, self.mask = (self.ids[t] for t in SPECIAL)
        self._lowercase = lowercase
        self._spelling = _Spelling(bare=lowercase)
        self._special = re.compile("(" + "|".join(map(re.escape, SPECIAL)) + ")")
        self._ids_of_word = lru_cache(maxsize=65_536)(self._split)

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without [CLS] and [SEP] around them."""
        ids: list[int] = []
        for number, part in enumerate(self._special.split(text)):
            if number % 2:
                ids.append(self.ids[part])
            else:
                for word in self._spell(part).split(" "):
                    ids.extend(self._ids_of_word(word))
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """The words of some ids with a space between them; the spelling is the vocabulary's."""
        return " ".join(self.pieces(ids)).replace(f" {INSIDE}", "")

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """A label for each id: the token as the vocabulary writes it."""
        return [self.tokens[number] for number in ids]

    def _spell(self, text: str) -> str:
        if self._lowercase:
            text = unicodedata.normalize("NFD", text.translate(self._spelling))
            # Python writes a Σ at the end of a word as ς; the vocabulary knows only one of them.
            text = text.replace("Σ", "σ").lower()
        return text.translate(self._spelling)

    def _split(self, word: str) -> tuple[int, ...]:
        if len(word) > LONGEST_WORD:
            return (self.unknown,)
        ids: list[int] = []
        start = 0
        while start < len(word):
            mark = INSIDE if start else ""
            for end in range(len(word), start, -1):
                number = self.ids.get(mark + word[start:end])
                if number is not None:
                    ids.append(number)
                    start = end
                    break
            else:
                return (self.unknown,)
        return tuple(ids)
