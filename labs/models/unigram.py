"""Unigram tokens: of all ways to cut a text into known pieces, the likeliest one (Kudo 2018).

Every piece has a log-probability. A text is a path through its characters, whose score is the sum
over its pieces; the best path to each place is the best one to an earlier place and one piece
more, so that one pass finds it (Viterbi).

The pieces come from a SentencePiece file, a protocol buffer of which one field is read::

    1   for each piece: 1 its text, 2 its log-probability, 3 its type
"""

from __future__ import annotations

import math
import struct
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from labs.models.errors import ModelError

SPACE = "▁"
"""Stands for a space, and before the first word."""
CONTROL_CHARACTERS = (*range(1, 9), 0xB, *range(0xE, 0x20), 0x7F, 0x8F, 0x9F)
INVISIBLE = (*range(0x200B, 0x2010), 0x2581, 0xFEFF, 0xFFFD)
_SPELLING = {**dict.fromkeys(CONTROL_CHARACTERS), **dict.fromkeys(INVISIBLE, " ")}
"""What SentencePiece's "nmt_nfkc" does besides NFKC: it drops the former, the latter separate."""
NORMAL, UNKNOWN, CONTROL = 1, 2, 3
"""Types of pieces; a control piece, such as the end of a sentence, is not part of any text."""
UNKNOWN_PENALTY = 10.0
"""An unknown character scores so much less than the least likely piece."""
FIXED = {1: 8, 5: 4}
"""Bytes of the wire types with a fixed length."""
LONGEST_VARINT = 10
LARGEST_FILE = 8_000_000
"""Bytes; real ones have one to five million."""


class UnigramTokenizer:
    """Pieces, their log-probabilities and their types, one for each id.

    Raises ValueError if no piece is the end of a sentence, ``</s>``, or stands for the unknown, or
    if a text has two ids.
    """

    def __init__(self, pieces: list[str], scores: Sequence[float], kinds: Sequence[int]) -> None:
        self._pieces = pieces
        self._scores = scores
        self._kinds = kinds
        self.end = pieces.index("</s>")
        """The id of the end of a sentence."""
        self.unknown = kinds.index(UNKNOWN)
        """The id of whatever is not among the pieces."""
        self._known = {piece: i for i, piece in enumerate(pieces) if kinds[i] == NORMAL}
        if len(self._known) < sum(kind == NORMAL for kind in kinds):
            raise ValueError("a piece twice")
        self._longest = max(map(len, self._known), default=0)
        self._floor = min(map(scores.__getitem__, self._known.values()), default=0.0)

    def __len__(self) -> int:
        return len(self._pieces)

    def encode(self, text: str) -> list[int]:
        """The ids of a text, without the end of a sentence."""
        words = unicodedata.normalize("NFKC", text.translate(_SPELLING)).split()
        return self._best_path("".join(SPACE + word for word in words))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; one line, without a space at either end."""
        text = "".join(self._pieces[i] for i in ids if self._kinds[i] != CONTROL)
        return text.replace(SPACE, " ").strip()

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The text of each id, for the labels of a chart."""
        return [self._pieces[i].replace(SPACE, " ").strip() or "▁" for i in ids]

    def _best_path(self, text: str) -> list[int]:
        # The best score up to each place, and where its last piece starts and which that is.
        best: list[tuple[float, int, int]] = [(0.0, 0, 0)]
        for end in range(1, len(text) + 1):
            unknown = best[end - 1][0] + self._floor - UNKNOWN_PENALTY
            found = (unknown, end - 1, self.unknown)
            for start in range(max(0, end - self._longest), end):
                piece = self._known.get(text[start:end])
                if piece is not None and best[start][0] + self._scores[piece] > found[0]:
                    found = (best[start][0] + self._scores[piece], start, piece)
            best.append(found)
        ids: list[int] = []
        place = len(text)
        while place:
            _, place, piece_id = best[place]
            # Neighbours that are unknown are one unknown thing.
            if not (piece_id == self.unknown and ids and ids[-1] == self.unknown):
                ids.append(piece_id)
        return ids[::-1]


def read_unigram(path: Path, n_ids: int | None = None) -> UnigramTokenizer:
    """The tokenizer in a SentencePiece file; `ModelError` if there is none.

    A model may embed more ids, `n_ids`, than there are pieces; they become control pieces. It must
    not embed fewer.
    """
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ValueError("too large")
        pieces: list[str] = []
        scores, kinds = array("f"), array("b")
        for number, value in _fields(path.read_bytes()):
            if number == 1:
                piece, score, kind = _piece(value)
                pieces.append(piece)
                scores.append(score)
                kinds.append(kind)
        if n_ids is not None:
            n_more = n_ids - len(pieces)
            if n_more < 0:
                raise ValueError("more pieces than embeddings")
            pieces += [""] * n_more
            scores.extend([0.0] * n_more)
            kinds.extend([CONTROL] * n_more)
        return UnigramTokenizer(pieces, scores, kinds)
    except (OSError, ValueError, TypeError, OverflowError, struct.error) as error:
        reason = error.strerror if isinstance(error, OSError) else "damaged, or of another kind"
        raise ModelError(
            f"{path}: no SentencePiece vocabulary ({reason}); get the file again, or give another"
        ) from None


def _piece(data: int | bytes) -> tuple[str, float, int]:
    """Text, log-probability and type of a piece; an error without the first two."""
    fields = dict(_fields(_as_bytes(data)))
    (score,) = struct.unpack("<f", _as_bytes(fields.get(2)))
    if not math.isfinite(score):
        raise ValueError("no log-probability")
    return _as_bytes(fields.get(1)).decode("utf-8"), score, int(fields.get(3, NORMAL))


def _as_bytes(field: int | bytes | None) -> bytes:
    if not isinstance(field, bytes):
        raise ValueError("a field of another type")
    return field


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol buffer: each has a number, and a whole number or bytes.

    Raises ValueError where the bytes are no protocol buffer.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        if wire_type == 2:
            length, at = _varint(data, at)
        elif wire_type in FIXED:
            length = FIXED[wire_type]
        else:
            raise ValueError(f"a field of wire type {wire_type}")
        if at + length > len(data):
            raise ValueError("cut short")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The whole number at a place, seven bits in each byte, and the place behind it."""
    value = 0
    for n, byte in enumerate(data[at : at + LONGEST_VARINT]):
        value |= (byte & 127) << 7 * n
        if byte < 128:
            return value, at + n + 1
    raise ValueError("no end of a number")
