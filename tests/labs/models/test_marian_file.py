from __future__ import annotations

import struct
from pathlib import Path

import pytest
import torch

from labs.models.errors import ModelError
from labs.models.marian_file import FLOAT32, INT8, QUANTISED, MarianFile
from tests.labs.models.files import check_cut_anywhere

SETTINGS = (
    "special:model.yml",
    INT8,
    (60,),
    b'type: transformer\nempty: ""\nlist:\n  - 1\n'.ljust(60),
)
Item = tuple[str | bytes, int, tuple[int, ...], bytes]


def write(path: Path, *items: Item, start: bytes = struct.pack("<Q", 1), gap: int = 5) -> Path:
    """A file as Marian writes it; `start` takes the place of the version."""
    names = [(n if isinstance(n, bytes) else n.encode()) + b"\0" for n, *_ in items]
    heads = [
        struct.pack("<4Q", len(name), kind, len(shape), len(data))
        for name, (_, kind, shape, data) in zip(names, items, strict=True)
    ]
    shapes = [struct.pack(f"<{len(shape)}i", *shape) for _, _, shape, _ in items]
    data = [item[3] for item in items]
    count = struct.pack("<Q", len(items))
    parts = [start, count, *heads, *names, *shapes, struct.pack("<Q", gap), bytes(gap), *data]
    path.write_bytes(b"".join(parts))
    return path


def test_tensors_are_read_as_marian_writes_them(tmp_path: Path) -> None:
    numbers = struct.pack("<6b", 1, 2, 3, -4, -5, 127)
    quantised = numbers + struct.pack("<f", 2.0)
    file = MarianFile(
        write(
            tmp_path / "a",
            SETTINGS,
            ("a", FLOAT32, (1, 2), struct.pack("<2f", 0.5, -1)),
            ("W", QUANTISED, (2, 3), quantised + bytes(46)),  # padded, as the items are
            ("Wemb", QUANTISED, (2, 3), quantised),
        )
    )
    assert torch.equal(file.tensor("a"), torch.tensor([[0.5, -1.0]]))
    assert torch.equal(file.tensor("W"), torch.tensor([[0.5, 1], [1.5, -2], [-2.5, 63.5]]))
    assert torch.equal(file.tensor("Wemb"), torch.tensor([[0.5, 1, 1.5], [-2, -2.5, 63.5]]))
    assert list(file.items) == ["a", "W", "Wemb"]
    assert file.settings == {"type": "transformer", "empty": ""}


def tensor(name: str | bytes, shape: tuple[int, ...], data: bytes, kind: int = FLOAT32) -> Item:
    return (name, kind, shape, data)


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ([tensor("a", (3,), bytes(8))], "wrong size for 'a'"),
        ([tensor("a", (2,), bytes(5), QUANTISED)], "wrong size for 'a'"),
        ([tensor("a", (0,), bytes(8))], "wrong size for 'a'"),
        ([tensor("a", (-2, -1), bytes(8))], "wrong size for 'a'"),
        ([tensor("a", (), bytes(8))], "wrong size for 'a'"),
        ([tensor("a", (2**31 - 1,) * 8, bytes(8))], "wrong size for 'a'"),
        ([tensor("a", (1,) * 9, bytes(8))], "9 dimensions for 'a'"),
        ([tensor("a", (2,), bytes(8), 0x4201)], "'a' of type 0x4201; read are float32"),
        ([tensor("a", (2,), bytes(8))] * 2, "'a' twice"),
        ([tensor("\x1b[2J\n" * 50, (3,), bytes(8))], r"wrong size for '\\x1b\[2J\\n"),
        ([tensor("a" * 300, (2,), bytes(8))], "a name of 301 bytes"),
        ([tensor(b"\xff", (2,), bytes(8))], "a name that is no text"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(
    items: list[Item], says: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=says) as raised:
        MarianFile(write(tmp_path / "a", SETTINGS, *items))
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 300 + len(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\x01", "cut short"),
        (struct.pack("<QQ", 2, 0), "no Marian file of version 1"),
        (struct.pack("<QQ", 1, 1 << 60), "no Marian file of version 1"),
        (struct.pack("<QQ4Q", 1, 1, 1 << 60, 0, 0, 0), "a name of 1152921504606846976 bytes"),
        (struct.pack("<QQQ", 1, 0, 0), "does not say what model"),
    ],
)
def test_what_is_no_marian_file_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ModelError, match=says):
        MarianFile(tmp_path / "a")


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a", ("a", FLOAT32, (2,), bytes(8)), SETTINGS)
    check_cut_anywhere(path, MarianFile)


def test_a_gap_beyond_the_end_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a", SETTINGS)
    content = bytearray(path.read_bytes())
    gap = content.index(struct.pack("<Q", 5), 40)
    content[gap : gap + 8] = struct.pack("<Q", (1 << 64) - 1)
    path.write_bytes(content)
    with pytest.raises(ModelError, match="wrong size"):
        MarianFile(path)
