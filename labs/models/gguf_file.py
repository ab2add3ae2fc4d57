"""Weights in the GGUF format of llama.cpp: facts about the model, its vocabulary, and tensors.

::

    magic, version, number of tensors, number of facts
    facts        a key, a type and a value each: sizes, the vocabulary, the merges of its tokenizer
    table        a name, a shape, a type and an offset for each tensor
    padding      up to the next multiple of `general.alignment`
    tensors

Matrices are stored in blocks of a few numbers that share a scale (`blocks.py`).
"""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from torch import Tensor, uint8

from labs.models.blocks import BLOCKS, NAMES, unpack
from labs.models.errors import ModelError, quote
from labs.models.mapped_file import MappedFile

VERSIONS = (2, 3)
"""Both are laid out alike; version 1 had shorter counts."""
MOST_FACTS = 4096
"""Real files have about 40."""
MOST_AXES = 4

STRING, ARRAY = 8, 9
FORMATS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
"""Types of facts that are one number, as `struct` writes them."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies in a file, and in what blocks."""

    shape: tuple[int, ...]
    kind: int
    """A key of `BLOCKS`."""
    start: int
    """In bytes from the start of the file."""
    n_bytes: int


class Strings(Sequence[str]):
    """An array of strings, left in the file until they are asked for."""

    def __init__(self, file: MappedFile, starts: array[int]) -> None:
        self._file = file
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return Strings(self._file, self._starts[index])
        return Cursor(self._file, self._starts[index]).string()


class Cursor:
    """Reads values one after the other; `ModelError` where the file ends before a value does."""

    def __init__(self, file: MappedFile, at: int) -> None:
        self.file = file
        self.at = at

    def skip(self, n_bytes: int) -> int:
        """Pass over so many bytes; gives where they start."""
        start, self.at = self.at, self.at + n_bytes
        if self.at > self.file.size:
            raise self.file.damaged("was cut short, or says a size that is larger than itself")
        return start

    def number(self, form: str) -> int:
        """One number of this `struct` format."""
        start = self.skip(struct.calcsize("<" + form))
        value: int = struct.unpack_from("<" + form, self.file.bytes, start)[0]
        return value

    def string(self) -> str:
        """A string: its length in bytes, then UTF-8."""
        start = self.skip(self.number("Q"))
        try:
            return self.file.bytes[start : self.at].decode()
        except UnicodeDecodeError:
            raise self.file.damaged(f"has a string that is no UTF-8, at byte {start}") from None

    def value(self, kind: int) -> object:
        """A value of a fact: a number, a string, or a sequence of either."""
        if kind == STRING:
            return self.string()
        if kind in FORMATS:
            return self.number(FORMATS[kind])
        if kind != ARRAY:
            raise self.file.damaged(f"has a fact of the unknown type {kind}")
        kind, n_values = self.number("I"), self.number("Q")
        if kind == STRING:
            return Strings(self.file, array("Q", self._starts(n_values)))
        if kind not in FORMATS:
            raise self.file.damaged(f"has an array of the unknown type {kind}")
        start = self.skip(n_values * struct.calcsize("<" + FORMATS[kind]))
        numbers = memoryview(self.file.bytes)[start : self.at]
        return numbers.cast(FORMATS[kind])  # type: ignore[call-overload]  # one of many literals

    def _starts(self, n_strings: int) -> Iterator[int]:
        for _ in range(n_strings):
            yield self.at
            self.skip(self.number("Q"))


class GgufFile:
    """The facts and tensors of one file.

    Raises `ModelError` if the file is damaged: cut short, with tensors that overlap or reach
    past its end, with a key or a name twice, or with blocks that are not offered.
    """

    def __init__(self, path: Path) -> None:
        self.file = MappedFile(path)
        self.facts: dict[str, object] = {}
        """Numbers, strings, and sequences of them, by key."""
        self.places: dict[str, Place] = {}
        """By name, in the order of the table."""
        if self.file.bytes[:4] != b"GGUF":
            raise self.file.damaged("is no GGUF file")
        cursor = Cursor(self.file, 4)
        version = cursor.number("I")
        if version not in VERSIONS:
            raise self.file.damaged(f"is GGUF of version {version}, and only 2 and 3 can be read")
        n_tensors, n_facts = cursor.number("Q"), cursor.number("Q")
        self._read_facts(cursor, n_facts)
        self._read_table(cursor, n_tensors)
        self._check_places()

    def stored(self, name: str) -> Tensor:
        """The tensor's bytes, (n_bytes,); their memory is the file's."""
        place = self.places[name]
        return self.file.tensor(place.start, place.n_bytes, uint8)

    def tensor(self, name: str) -> Tensor:
        """The tensor's numbers as float32, in memory of their own."""
        place = self.places[name]
        return unpack(self.stored(name), place.kind).view(place.shape)

    def _read_facts(self, cursor: Cursor, n_facts: int) -> None:
        if n_facts > MOST_FACTS:
            raise self.file.damaged(f"says it has {n_facts} facts, more than {MOST_FACTS}")
        for _ in range(n_facts):
            key = cursor.string()
            if key in self.facts:
                raise self.file.damaged(f"has the key {quote(key)} twice")
            self.facts[key] = cursor.value(cursor.number("I"))

    def _read_table(self, cursor: Cursor, n_tensors: int) -> None:
        alignment = self.facts.get("general.alignment", 32)
        if type(alignment) is not int or alignment < 8 or alignment % 8:
            raise self.file.damaged(f"says general.alignment is {quote(alignment)}")
        n_bytes_seen = 0
        for _ in range(n_tensors):
            name = cursor.string()
            if name in self.places:
                raise self.file.damaged(f"has tensor {quote(name)} twice")
            place = self._read_place(cursor, name, alignment)
            # At once, so that a table of a million tensors that are not there is not kept.
            n_bytes_seen += _aligned(place.n_bytes, alignment)
            if cursor.at + n_bytes_seen > _aligned(self.file.size, alignment):
                raise self.file.damaged("was cut short: its tensors are larger than the file")
            self.places[name] = place
        data = _aligned(cursor.at, alignment)
        for name, place in self.places.items():
            self.places[name] = Place(place.shape, place.kind, data + place.start, place.n_bytes)

    def _read_place(self, cursor: Cursor, name: str, alignment: int) -> Place:
        """A row of the table, its start still counted from the first tensor."""
        n_axes = cursor.number("I")
        if n_axes > MOST_AXES:
            raise self.file.damaged(f"says tensor {quote(name)} has {n_axes} axes")
        # The file names the axis first that lies closest together.
        shape = tuple(cursor.number("Q") for _ in range(n_axes))[::-1]
        kind, start = cursor.number("I"), cursor.number("Q")
        if kind not in BLOCKS:
            offered = ", ".join(NAMES[kind] for kind in BLOCKS)
            stored = NAMES.get(kind, f"type {kind}")
            raise ModelError(
                f"{self.file.path}: stores tensor {quote(name)} as {stored}, which is not offered; "
                f"give a file that has {offered} only"
            )
        n_numbers, n_block_bytes = BLOCKS[kind]
        n_elements = math.prod(shape)
        if not n_elements or (shape[-1] if shape else 1) % n_numbers or start % alignment:
            raise self.file.damaged(f"says an impossible shape or place for tensor {quote(name)}")
        return Place(shape, kind, start, n_elements // n_numbers * n_block_bytes)

    def _check_places(self) -> None:
        end = 0
        for name, place in sorted(self.places.items(), key=lambda item: item[1].start):
            if place.start < end:
                raise self.file.damaged(f"has tensor {quote(name)} overlap the one before it")
            end = place.start + place.n_bytes
            if end > self.file.size:
                raise self.file.damaged(f"was cut short in tensor {quote(name)}")


def _aligned(n_bytes: int, alignment: int) -> int:
    """The next multiple of `alignment`."""
    return -(-n_bytes // alignment) * alignment
