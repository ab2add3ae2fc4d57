"""Weights in Marian's binary format, as the translators of a browser use them.

::

    8 bytes        1, the version
    8 bytes        n, the number of items
    32 bytes each  length of the name, type, number of dimensions, bytes
    the names      each ends with a zero byte
    the shapes     4 bytes for each dimension
    8 bytes        length of a gap, which follows
    all the rest   the items, one after the other

Most matrices are stored in 8 bits: whole numbers from -127 to 127 with one multiplier behind
them, value = number / multiplier. They lie transposed, as `torch.nn.functional.linear` takes them.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from labs.models.errors import quote
from labs.models.mapped_file import MappedFile

FLOAT32, INT8, QUANTISED = 0x404, 0x101, 0x4101
TYPES = {FLOAT32: "float32", INT8: "int8", QUANTISED: "intgemm8"}
"""Those that are read; an item of int8 is text."""
EMBEDDINGS = "Wemb"
"""The only quantised matrix that is not transposed."""
SETTINGS = "special:model.yml"
"""The item with the model's description."""
LONGEST_NAME = 256
MOST_DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class Item:
    """Where one item lies in the file, and as what."""

    kind: int
    shape: tuple[int, ...]
    start: int
    """In bytes from the start of the file."""
    n_bytes: int


class MarianFile:
    """The items of one file, and the `settings` that describe its model.

    Raises `ModelError` if the file is damaged: cut short, with a size that a shape does not
    explain, with a name twice or a type not in `TYPES`.
    """

    def __init__(self, path: Path) -> None:
        self.file = MappedFile(path)
        self.items: dict[str, Item] = {}
        """The tensors by name, in the order of the file."""
        self._at = 0
        self._read_table()
        self.settings = self._settings()

    def tensor(self, name: str) -> Tensor:
        """The tensor as float32, in memory of its own; a matrix is (outputs, inputs)."""
        item = self.items[name]
        n = math.prod(item.shape)
        if item.kind == FLOAT32:
            return self.file.tensor(item.start, 4 * n, torch.float32).clone().view(item.shape)
        multiplier: float
        (multiplier,) = struct.unpack_from("<f", self.file.bytes, item.start + n)
        numbers = self.file.tensor(item.start, n, torch.int8).float() / multiplier
        return numbers.view(item.shape if name == EMBEDDINGS else item.shape[::-1])

    def _take(self, form: str, n: int = 1) -> tuple[int, ...]:
        """The next n numbers of a form of `struct`."""
        n_bytes = n * struct.calcsize(form)
        if self._at + n_bytes > self.file.size:
            raise self.file.damaged("is no Marian file, or was cut short")
        numbers = struct.unpack_from(f"<{n}{form}", self.file.bytes, self._at)
        self._at += n_bytes
        return numbers

    def _read_table(self) -> None:
        version, n_items = self._take("Q", 2)
        if version != 1 or n_items > self.file.size // 32:
            raise self.file.damaged("is no Marian file of version 1")
        heads = [self._take("Q", 4) for _ in range(n_items)]
        names = [self._name(length) for length, *_ in heads]
        shapes = [self._shape(name, head[2]) for name, head in zip(names, heads, strict=True)]
        (gap,) = self._take("Q")
        start = self._at + gap
        for name, shape, (_, kind, _, n_bytes) in zip(names, shapes, heads, strict=True):
            item = Item(kind, shape, start, n_bytes)
            self._check(name, item)
            self.items[name] = item
            start += n_bytes

    def _name(self, length: int) -> str:
        if not 1 <= length <= LONGEST_NAME:
            raise self.file.damaged(f"has a name of {length} bytes")
        (raw,) = struct.unpack(f"{length}s", bytes(self._take("B", length)))
        try:
            return str(raw.removesuffix(b"\0").decode("utf-8"))
        except UnicodeDecodeError:
            raise self.file.damaged(f"has a name that is no text, {quote(raw)}") from None

    def _shape(self, name: str, n_dimensions: int) -> tuple[int, ...]:
        if n_dimensions > MOST_DIMENSIONS:
            raise self.file.damaged(f"has {n_dimensions} dimensions for {quote(name)}")
        return self._take("i", n_dimensions)

    def _check(self, name: str, item: Item) -> None:
        if item.kind not in TYPES:
            raise self.file.damaged(
                f"has {quote(name)} of type {item.kind:#x}; read are {', '.join(TYPES.values())}"
            )
        if name in self.items:
            raise self.file.damaged(f"has {quote(name)} twice")
        n = math.prod(item.shape)
        n_needed = {FLOAT32: 4 * n, INT8: n, QUANTISED: n + 4}[item.kind]
        too_long = item.start + item.n_bytes > self.file.size
        if min(item.shape, default=0) < 1 or n_needed > item.n_bytes or too_long:
            raise self.file.damaged(f"is cut short or has a wrong size for {quote(name)}")

    def _settings(self) -> dict[str, str]:
        """The lines "key: value" of the description; what lies deeper is left out."""
        item = self.items.pop(SETTINGS, None)
        if item is None or item.kind != INT8:
            raise self.file.damaged("does not say what model it holds")
        raw = self.file.bytes[item.start : item.start + item.n_bytes]
        lines = raw.rstrip(b"\0").decode("utf-8", errors="replace").splitlines()
        pairs = (line.split(": ", 1) for line in lines if not line.startswith((" ", "-", "#")))
        return {pair[0]: pair[1].strip().strip('"') for pair in pairs if len(pair) == 2}
