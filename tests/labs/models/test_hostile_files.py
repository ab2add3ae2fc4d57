"""Whatever is done to a file, it is read or refused in one line."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from labs.models.errors import ModelError
from labs.models.gguf_file import GgufFile
from labs.models.gguf_llama import build_llama, build_tokenizer
from labs.models.marian_file import FLOAT32, QUANTISED, MarianFile
from labs.models.safetensors_file import SafetensorsFile
from labs.models.unigram import read_unigram
from tests.labs.models import test_gguf_llama, test_marian_file
from tests.labs.models.files import entry, piece, write_safetensors

N_FILES = 150


def changed(content: bytes, drawn: random.Random, n_bytes: int) -> bytes:
    """The content with some of its first `n_bytes` changed, left out, doubled or cut off."""
    copy = bytearray(content)
    for _ in range(drawn.choice((1, 1, 2, 4))):
        at = drawn.randrange(min(n_bytes, len(copy)) or 1)
        match drawn.randrange(6):
            case 0:
                copy[at : at + 1] = drawn.randbytes(1)
            case 1:
                copy[at : at + 1] = bytes([(*copy, 0)[at] ^ 1 << drawn.randrange(8)])
            case 2:
                del copy[at : at + drawn.randrange(1, 9)]
            case 3:
                copy[at:at] = drawn.randbytes(drawn.randrange(1, 9))
            case 4:
                copy[at : at + 8] = b"\xff" * 8
            case 5:
                del copy[at:]
    return bytes(copy)


def read_llama(path: Path) -> None:
    file = GgufFile(path)
    build_llama(file)
    build_tokenizer(file).encode("ab 12")


def read_safetensors(path: Path) -> None:
    file = SafetensorsFile(path)
    for name in file.places:
        file.tensor(name)


def write_tensors(path: Path) -> Path:
    table = {"a": entry(0, 16, 4), "b": entry(16, 32, 2, 2), "__metadata__": {"format": "pt"}}
    return write_safetensors(path, table, bytes(32))


def read_marian(path: Path) -> None:
    file = MarianFile(path)
    for name in file.items:
        file.tensor(name)


def write_items(path: Path) -> Path:
    items = [("a", FLOAT32, (1, 2), bytes(8)), ("W", QUANTISED, (2, 3), bytes(range(10)))]
    return test_marian_file.write(path, test_marian_file.SETTINGS, *items)


def write_pieces(path: Path) -> Path:
    control = piece("</s>", 0.0, 3) + piece("<unk>", 0.0, 2)
    path.write_bytes(control + b"".join(piece(f"▁{letter}", -1.0) for letter in "abcd"))
    return path


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (test_gguf_llama.write, read_llama),
        (write_tensors, read_safetensors),
        (write_items, read_marian),
        (write_pieces, lambda path: read_unigram(path).encode("ab 12")),
    ],
    ids=["gguf", "safetensors", "marian", "sentencepiece"],
)
def test_a_changed_file_is_read_or_refused(
    write: Callable[[Path], Path], read: Callable[[Path], None], tmp_path: Path
) -> None:
    content = write(tmp_path / "whole").read_bytes()
    drawn = random.Random(0)
    path = tmp_path / "changed"
    n_refused = 0
    for _ in range(N_FILES):
        path.write_bytes(changed(content, drawn, 12_000))
        try:
            read(path)
        except ModelError as error:
            n_refused += 1
            assert str(error).isprintable()
            assert len(str(error)) < len(str(path)) + 300
    assert N_FILES // 2 < n_refused < N_FILES
