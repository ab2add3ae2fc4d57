"""Weights in the safetensors format: a table in JSON, then the numbers.

::

    8 bytes        n, the length of the table
    n bytes        {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …}
    all the rest   the tensors, one after the other, without gaps

The table is read entry by entry. A JSON parser would first build whatever a damaged or hostile
table says; here the first entry that is not of this form ends the reading.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from labs.models.errors import quote
from labs.models.mapped_file import MappedFile

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
LONGEST_TABLE = 100_000_000
"""Bytes; the format's own bound."""
LONGEST_ENTRY = 4096
"""Bytes of one tensor's name, type, shape and place; in real models about 120."""

# Quantifiers with a + behind never go back, so no table takes long to refuse.
_STRING = rb'"(?:[^"\\]|\\.)*+"'
_FIELD = rb"\s*+" + _STRING + rb"\s*+:\s*+(?:" + _STRING + rb"|\[[\d\s,]*+\])\s*+"
_OPENING = re.compile(rb"\s*+\{(?P<empty>\s*+\}\s*+\Z)?+")
_ENTRY = re.compile(
    rb"\s*+(?P<name>" + _STRING + rb")\s*+:\s*+"
    rb"(?P<fields>\{(?:" + _FIELD + rb"(?:,|(?=\})))*+\})\s*+(?P<after>,|\}\s*+\Z)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies in a file, and as what."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    """In bytes from the start of the file."""
    n_bytes: int


class SafetensorsFile:
    """The tensors of one file.

    Raises `ModelError` if the file is damaged: cut short, with tensors that overlap, leave gaps
    or have not the size that their shape says, with a name twice or a type not in `DTYPES`.
    """

    def __init__(self, path: Path) -> None:
        self.file = MappedFile(path)
        self.places: dict[str, Place] = {}
        """By name, in the order of the table."""
        n_bytes = int.from_bytes(self.file.bytes[:8], "little")
        if n_bytes > min(LONGEST_TABLE, self.file.size - 8):
            raise self.file.damaged("is no safetensors file, or was cut short")
        self._read_table(8, 8 + n_bytes)
        self._check_gaps(8 + n_bytes)

    def tensor(self, name: str) -> Tensor:
        """The tensor as it is stored. Its memory is the file's: whoever changes it copies it."""
        place = self.places[name]
        flat = self.file.tensor(place.start, place.n_bytes, place.dtype)
        return flat.view(place.shape)

    def _read_table(self, at: int, end: int) -> None:
        opening = _OPENING.match(self.file.bytes, at, end)
        if not opening:
            raise self.file.damaged("is no safetensors file: its table does not start with {")
        at, more = opening.end(), opening["empty"] is None
        while more:
            entry = _ENTRY.match(self.file.bytes, at, end)
            if not entry:
                raise self.file.damaged(f"has a damaged table, at byte {at}")
            # Free text for people, such as "format": "pt", in which nothing is needed here.
            if entry["name"] != b'"__metadata__"':
                self._add(entry, end)
            at, more = entry.end(), entry["after"] == b","

    def _add(self, entry: re.Match[bytes], data: int) -> None:
        """Check an entry of the table and keep it; `data` is where the tensors start."""
        try:
            if len(entry[0]) > LONGEST_ENTRY:
                raise ValueError("an entry that long")
            name = json.loads(entry["name"])
            fields = json.loads(entry["fields"], object_pairs_hook=_without_repetition)
            dtype, shape = DTYPES[fields["dtype"]], tuple(fields["shape"])
            first, last = fields["data_offsets"]
        except KeyError as error:
            raise self.file.damaged(f"has a tensor without or with an unknown {error}") from None
        except (ValueError, TypeError) as error:
            where = f"at byte {entry.start()}"
            raise self.file.damaged(f"has a damaged table, {where} ({error})") from None
        n_bytes = math.prod(shape) * dtype.itemsize
        if last - first != n_bytes or data + last > self.file.size:
            raise self.file.damaged(f"is cut short or has a wrong size for tensor {quote(name)}")
        if name in self.places:
            raise self.file.damaged(f"has tensor {quote(name)} twice")
        self.places[name] = Place(dtype, shape, data + first, n_bytes)

    def _check_gaps(self, data: int) -> None:
        end = data
        for name, place in sorted(self.places.items(), key=lambda item: item[1].start):
            if place.start != end:
                raise self.file.damaged(f"has an overlap or a gap before tensor {quote(name)}")
            end = place.start + place.n_bytes
        if end != self.file.size:
            raise self.file.damaged("goes on after its last tensor")


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A dict of the pairs; `ValueError` for a key that comes twice."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field twice")
    return fields
