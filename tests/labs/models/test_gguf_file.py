from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch

from labs.models.errors import ModelError
from labs.models.gguf_file import GgufFile
from tests.labs.models.files import (
    check_cut_anywhere,
    check_memory_of_refusal,
    fact,
    row,
    string,
    write_gguf,
)

SIX = struct.pack("<6f", *range(6)) + bytes(8)


def test_facts_are_numbers_strings_and_sequences_of_them(tmp_path: Path) -> None:
    facts = {"a": 7, "b": "ünï", "c": 0.5, "d": [1, -2, 3], "e": ["", "two", "€"], "f": []}
    file = GgufFile(write_gguf(tmp_path / "a", [fact(k, v) for k, v in facts.items()]))
    read = {k: list(v) if isinstance(facts[k], list) else v for k, v in file.facts.items()}  # type: ignore[call-overload]
    assert read == facts
    assert list(file.facts["e"][1:]) == ["two", "€"]  # type: ignore[index]


def test_tensors_have_the_shape_that_torch_writes(tmp_path: Path) -> None:
    rows = [row("a", (2, 3), 0), row("b", (2,), 32, kind=1)]
    data = SIX + struct.pack("<2e", 1.5, -2)
    file = GgufFile(write_gguf(tmp_path / "a", [fact("general.alignment", 32)], rows, data))
    assert torch.equal(file.tensor("a"), torch.arange(6.0).view(2, 3))
    assert torch.equal(file.tensor("b"), torch.tensor([1.5, -2]))
    assert file.tensor("b").dtype == torch.float32


def test_a_tensor_has_memory_of_its_own(tmp_path: Path) -> None:
    file = GgufFile(write_gguf(tmp_path / "a", [], [row("a", (6,), 0)], SIX))
    file.tensor("a").zero_()
    assert file.tensor("a").sum() == 15


HEAD = struct.Struct("<4sIQQ")


@pytest.mark.parametrize(
    ("head", "facts", "rows", "says"),
    [
        (HEAD.pack(b"GGML", 3, 0, 0), [], [], "is no GGUF file"),
        (HEAD.pack(b"GGUF", 1, 0, 0), [], [], "version 1"),
        (HEAD.pack(b"GGUF", 3 << 24, 0, 0), [], [], "version"),
        (HEAD.pack(b"GGUF", 3, 0, 1 << 60), [], [], "facts"),
        (HEAD.pack(b"GGUF", 3, 1 << 60, 0), [], [row("a", (6,), 0)], "stores tensor .* as type"),
        (None, [fact("a", 1), fact("a", 2)], [], "the key 'a' twice"),
        (None, [fact(b"\xff", 1)], [], "no UTF-8"),
        (None, [string("a") + struct.pack("<I", 77)], [], "unknown type 77"),
        (None, [string("a") + struct.pack("<IIQ", 9, 9, 1)], [], "array of the unknown type 9"),
        (None, [string("a") + struct.pack("<IIQ", 9, 4, 1 << 61)], [], "larger than itself"),
        (None, [string("a") + struct.pack("<IIQ", 9, 8, 1 << 61)], [], "larger than itself"),
        (None, [string("a") + struct.pack("<IQ", 8, 1 << 63)], [], "larger than itself"),
        (None, [fact("general.alignment", 0)], [row("a", (6,), 0)], "general.alignment is 0"),
        (None, [fact("general.alignment", "32")], [row("a", (6,), 0)], "general.alignment"),
        (None, [], [row("a", (6,), 0), row("a", (1,), 32)], "tensor 'a' twice"),
        (None, [], [row("a", (6,), 0), row("b", (1,), 0)], "tensor 'b' overlap"),
        (None, [], [row("a", (6,), 96)], "cut short in tensor 'a'"),
        (None, [], [row("a", (6,), 1 << 62)], "cut short in tensor 'a'"),
        (None, [], [row("a", (2**62, 2**62), 0)], "larger than the file"),
        (None, [], [row("a", (0,), 0)], "impossible shape or place for tensor 'a'"),
        (None, [], [row("a", (6,), 4)], "impossible shape or place for tensor 'a'"),
        (None, [], [row("a", (6,), 0, kind=8)], "impossible shape or place for tensor 'a'"),
        (None, [], [row("a", (32,), 0, kind=6)], "'a' as Q5_0, .*; give a file that has F32"),
        (None, [], [row("a", (32,), 0, kind=99)], "'a' as type 99"),
        (None, [], [string("a") + struct.pack("<I", 1 << 31)], "2147483648 axes"),
        (None, [], [row("\x1b[2J\n\u202e" * 100, (6,), 4)], r"'\\x1b\[2J\\n\\u202e"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(
    head: bytes | None, facts: list[bytes], rows: list[bytes], says: str, tmp_path: Path
) -> None:
    path = write_gguf(tmp_path / "weights", facts, rows, SIX + bytes(64), head=head)
    with pytest.raises(ModelError, match=says) as raised:
        GgufFile(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < len(str(path)) + 250


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    facts = [fact("a", ["one", "two"]), fact("b", [1, 2])]
    path = write_gguf(tmp_path / "a", facts, [row("a", (6,), 0)], SIX[:24])
    check_cut_anywhere(path, GgufFile)


@pytest.mark.parametrize(
    ("facts", "rows"),
    [
        ([fact("a", ["€"] * 8_000), fact("a", 1)], []),
        ([fact("a", [""] * 20_000), fact("a", 1)], []),
        ([fact("a", [5] * 40_000), fact("a", 1)], []),
        ([fact(str(i), 1) for i in range(20_000)], []),
        ([], [row(str(i), (1,), 0) for i in range(4_000)]),
        ([], [row(str(i), (0,), 0) for i in range(4_000)]),
        ([], [row(str(i), (1,), 32 * i) for i in range(4_000)]),
    ],
    ids=["characters", "empty", "numbers", "facts", "overlapping", "nothing", "far too many"],
)
def test_no_file_takes_more_than_eight_times_its_size(
    facts: list[bytes], rows: list[bytes], tmp_path: Path
) -> None:
    path = write_gguf(tmp_path / "a", facts, rows, SIX)
    check_memory_of_refusal(path, GgufFile)
