"""Unpacking, against the format's description of single blocks and against `gguf`."""

from __future__ import annotations

import struct
import warnings
from typing import Any

import pytest
import torch

from labs.models.blocks import BLOCKS, F32, NAMES, Q4_0, Q4_1, Q4_K, Q6_K, Q8_0, unpack


def stored(data: bytes) -> torch.Tensor:
    return torch.tensor(list(data), dtype=torch.uint8)


def half(number: float) -> bytes:
    return struct.pack("<e", number)


def test_eight_bits_have_a_scale() -> None:
    block = half(0.5) + struct.pack("<32b", *range(-16, 16))
    assert torch.equal(unpack(stored(block), Q8_0), torch.arange(-16.0, 16) / 2)


def test_low_halves_of_bytes_come_before_the_high_ones() -> None:
    halves = bytes(i | (15 - i) << 4 for i in range(16))
    numbers = torch.cat((torch.arange(16.0), torch.arange(15.0, -1, -1)))
    assert torch.equal(unpack(stored(half(2) + halves), Q4_0), 2 * (numbers - 8))
    assert torch.equal(unpack(stored(half(2) + half(-3) + halves), Q4_1), 2 * numbers - 3)


def test_six_bits_of_scales_are_put_together_from_two_places() -> None:
    """Scale i is 10 i + 3, minimum i is 63 - 8 i; the numbers themselves are all 2."""
    scales, minima = [10 * i % 64 + 3 for i in range(8)], [63 - 8 * i for i in range(8)]
    packed = bytes(
        [scales[i] & 63 | scales[i + 4] >> 4 << 6 for i in range(4)]
        + [minima[i] & 63 | minima[i + 4] >> 4 << 6 for i in range(4)]
        + [scales[i + 4] & 15 | (minima[i + 4] & 15) << 4 for i in range(4)]
    )
    block = half(0.5) + half(0.25) + packed + bytes([2 | 2 << 4] * 128)
    expected = [0.5 * s * 2 - 0.25 * m for s, m in zip(scales, minima, strict=True)]
    assert torch.equal(unpack(stored(block), Q4_K).view(8, 32)[:, 5], torch.tensor(expected))


def test_six_bits_of_numbers_are_put_together_from_two_places() -> None:
    numbers = [(37 * i + 11) % 64 for i in range(256)]
    low, high = bytearray(128), bytearray(64)
    for i, number in enumerate(numbers):
        run, place = divmod(i, 128)
        low[64 * run + place % 64] |= (number & 15) << 4 * (place // 64)
        high[32 * run + place % 32] |= (number >> 4) << 2 * (place // 32)
    scales = [i - 8 for i in range(16)]
    block = bytes(low) + bytes(high) + struct.pack("<16b", *scales) + half(0.125)
    expected = [0.125 * scales[i // 16] * (number - 32) for i, number in enumerate(numbers)]
    assert torch.equal(unpack(stored(block), Q6_K), torch.tensor(expected))


@pytest.mark.parametrize("kind", BLOCKS, ids=NAMES.get)
def test_several_blocks_are_unpacked_one_by_one(kind: int) -> None:
    generator = torch.Generator().manual_seed(0)
    blocks = torch.randint(0, 255, (3, BLOCKS[kind][1]), generator=generator, dtype=torch.uint8)
    alone = torch.cat([unpack(block, kind) for block in blocks])
    assert len(alone) == 3 * BLOCKS[kind][0]
    assert torch.equal(unpack(blocks.flatten(), kind).nan_to_num(), alone.nan_to_num())


@pytest.mark.parity
@pytest.mark.parametrize("kind", [kind for kind in BLOCKS if kind != F32], ids=NAMES.get)
def test_any_bytes_are_unpacked_to_the_bits_that_gguf_gives(kind: int) -> None:
    """Infinite scales too; only which NaN comes out is left open."""
    gguf: Any = pytest.importorskip("gguf")
    generator = torch.Generator().manual_seed(kind)
    shape = (500, BLOCKS[kind][1])
    blocks = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, of infinite scales
        theirs = gguf.quants.dequantize(blocks.numpy(), gguf.GGMLQuantizationType(kind))
    ours = unpack(blocks.flatten(), kind)
    assert torch.equal(
        ours.nan_to_num(nan=7.0), torch.from_numpy(theirs).flatten().nan_to_num(nan=7.0)
    )
