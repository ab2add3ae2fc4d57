from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from labs.models.errors import ModelError
from labs.models.safetensors_file import SafetensorsFile
from tests.labs.models.files import (
    check_cut_anywhere,
    check_memory_of_refusal,
    entry,
    write_safetensors,
)

FOUR = struct.pack("<4f", 1, 2, 3, 4)


def test_tensors_come_with_their_types_shapes_and_numbers(tmp_path: Path) -> None:
    # A table of 1 byte more than a multiple of 8, so that the first tensor is not aligned.
    table = {
        "__metadata__": {"format": "pt", "note": 'braces } in "text"'},
        "wide": entry(0, 16, 2, 2),
        "half": entry(16, 20, 2, dtype="BF16"),
        "none": entry(20, 20, 0, 3),
        "one": entry(20, 28, dtype="I64"),
    }
    text = json.dumps(table).encode()
    text += b" " * (-len(text) % 8 + 1)
    data = FOUR + struct.pack("<2H", 0x3F80, 0xC000) + struct.pack("<q", -7)
    file = SafetensorsFile(write_safetensors(tmp_path / "a", text, data))

    assert list(file.places) == ["wide", "half", "none", "one"]
    assert torch.equal(file.tensor("wide"), torch.tensor([[1.0, 2], [3, 4]]))
    assert torch.equal(file.tensor("half"), torch.tensor([1, -2], dtype=torch.bfloat16))
    assert file.tensor("none").shape == (0, 3)
    assert file.tensor("one").item() == -7


def test_what_is_written_to_a_tensor_does_not_reach_the_file(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "a", {"a": entry(0, 16, 4)}, FOUR)
    before = path.read_bytes()
    SafetensorsFile(path).tensor("a").zero_()
    assert path.read_bytes() == before
    assert SafetensorsFile(path).tensor("a").sum() == 10


def test_a_file_without_tensors_is_one(tmp_path: Path) -> None:
    assert SafetensorsFile(write_safetensors(tmp_path / "a", b" { } ")).places == {}


A = b'"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}'


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"a": entry(0, 16, 4), "b": entry(8, 24, 4)}, "overlap or a gap before tensor 'b'"),
        ({"a": entry(0, 16, 4), "b": entry(20, 24, 1)}, "overlap or a gap before tensor 'b'"),
        ({"a": entry(0, 16, 4)}, "goes on after its last tensor"),
        ({"a": entry(0, 16, 5)}, "wrong size for tensor 'a'"),
        ({"a": entry(0, 1 << 62, 1 << 60)}, "wrong size for tensor 'a'"),
        ({"a": entry(16, 0, 4)}, "wrong size for tensor 'a'"),
        ({"a": entry(0, 16, 2**40, 2**40)}, "wrong size for tensor 'a'"),
        ({"a": entry(0, 16, 16, dtype="F8_E4M3")}, "'F8_E4M3'"),
        ({"a": {"dtype": "F32", "shape": [4]}}, "'data_offsets'"),
        ({"a": entry(0, 16, -4)}, "damaged table"),
        ({"a": entry(0, 16, 4.5)}, "damaged table"),  # type: ignore[arg-type]
        ({"a": {"dtype": [4], "shape": [4], "data_offsets": [0, 16]}}, "damaged table"),
        ({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0]}}, "damaged table"),
        ({"a": {"dtype": "F32", "shape": "4", "data_offsets": [0, 16]}}, "wrong size"),
        ({"\x1b[2J\n\u202ea": entry(0, 16, 5)}, r"'\\x1b\[2J\\n\\u202ea'"),
        ({"a" * 5000: entry(0, 16, 4)}, "an entry that long"),
        (b"{" + A + b"," + A + b"}", "tensor 'a' twice"),
        (b"{" + A + b',"\\u0061":' + A[4:] + b"}", "tensor 'a' twice"),
        (b'{"a":{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}}', "twice"),
        (b'{"a":{"dtype":"F32","shape":[1e3],"data_offsets":[0,16]}}', "damaged table"),
        (b'{"a":{"dtype":"F32","shape":[' + b"9" * 4500 + b'],"data_offsets":[0,16]}}', "long"),
        (b'{"a":{"dtype":"F32","shape":[04],"data_offsets":[0,16]}}', "damaged table"),
        (b'{"a":' + b"[" * 100_000 + b"}", "damaged table"),
        (b'{"\xff":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}', "damaged table"),
        (b"{" + A, "damaged table"),
        (b"{" + A + b",}", "damaged table"),
        (b"{" + A + b"}}", "damaged table"),
        (b"[]", "does not start with {"),
        (b"", "does not start with {"),
    ],
)
def test_a_damaged_table_is_refused_in_one_line(table: Any, says: str, tmp_path: Path) -> None:
    data = FOUR + bytes(8)
    path = write_safetensors(tmp_path / "weights", table, data)
    with pytest.raises(ModelError, match=says) as raised:
        SafetensorsFile(path)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < len(str(path)) + 200


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "a", {"a": entry(0, 16, 4)}, FOUR)
    check_cut_anywhere(path, SafetensorsFile)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ModelError, match="no such file"):
            SafetensorsFile(path)


@pytest.mark.parametrize(
    "table",
    [
        b"{" + b",".join(b'"%d":[]' % i for i in range(5_000)) + b"}",
        b'{"a":{"dtype":"F32","shape":[' + b"," * 100_000 + b'],"data_offsets":[0,16]}}',
        b'{"__metadata__":{' + b",".join(b'"":""' for _ in range(40_000)) + b"}," + A + b"}",
        b"{" + b",".join(b'"%d"' % i + A[3:] for i in range(5_000)) + b"}",
        b"{" + b",".join(
            b'"%d":{"dtype":"F32","shape":[],"data_offsets":[%d,%d]}' % (i, 4 * i, 4 * i + 4)
            for i in range(5_000)
        ) + b"}",
    ],
    ids=["lists", "commas", "metadata", "overlapping", "far too many"],
)  # fmt: skip
def test_no_table_takes_more_than_eight_times_the_file(table: bytes, tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "a", table, FOUR + bytes(20_000))
    check_memory_of_refusal(path, SafetensorsFile)
