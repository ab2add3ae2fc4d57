"""Files of weights written by hand, so that each field can also be wrong."""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from labs.models.errors import ModelError


def check_cut_anywhere(path: Path, read: Callable[[Path], object]) -> None:
    """The file is read, and what is left of it is refused wherever it is cut off."""
    read(path)
    whole = path.read_bytes()
    part = path.with_name("part")
    for length in range(len(whole)):
        part.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            read(part)


def check_memory_of_refusal(path: Path, read: Callable[[Path], object]) -> None:
    """The file is refused before eight times its size are taken."""
    tracemalloc.start()
    try:
        with pytest.raises(ModelError):
            read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * path.stat().st_size


def write_safetensors(path: Path, table: object, data: bytes = b"") -> Path:
    """A file with this table, a dict or the JSON text itself."""
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entry(start: int, end: int, *shape: int, dtype: str = "F32") -> dict[str, object]:
    """A row of a safetensors table."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def string(text: str | bytes) -> bytes:
    """A string as GGUF writes it."""
    encoded = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(encoded)) + encoded


def fact(key: str | bytes, value: Any) -> bytes:
    """A fact of a GGUF file: an int, a float, a string, or a list of ints or of strings."""
    return string(key) + _typed(value)


def _typed(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + string(value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    of_strings = bool(value) and isinstance(value[0], str)
    items = b"".join(string(v) if of_strings else struct.pack("<i", v) for v in value)
    return struct.pack("<IIQ", 9, 8 if of_strings else 5, len(value)) + items


def row(name: str | bytes, shape: Iterable[int], start: int, kind: int = 0) -> bytes:
    """A row of a GGUF table; `shape` as torch writes it."""
    dims = list(shape)[::-1]
    return string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, start)


def write_gguf(
    path: Path,
    facts: Iterable[bytes] = (),
    rows: Iterable[bytes] = (),
    data: bytes = b"",
    *,
    head: bytes | None = None,
) -> Path:
    """A GGUF file; `head` takes the place of magic, version and the two counts."""
    facts, rows = list(facts), list(rows)
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(rows), len(facts)) if head is None else head
    start = head + b"".join(facts) + b"".join(rows)
    path.write_bytes(start + bytes(-len(start) % 32) + data)
    return path


def field(number: int, value: bytes) -> bytes:
    """A field of a protocol buffer, of at most 127 bytes."""
    return bytes([number << 3 | 2, len(value)]) + value


def piece(text: str | bytes, score: float, kind: int | None = None) -> bytes:
    """A piece of a SentencePiece file: its text, log-probability and type."""
    encoded = text.encode() if isinstance(text, str) else text
    own = field(1, encoded) + b"\x15" + struct.pack("<f", score)
    return field(1, own + (b"" if kind is None else bytes([0x18, kind])))
