"""How GGUF stores numbers: in blocks of 32 or 256 that share a scale.

A number of a block is a small whole number q. With F16 for two bytes of a half-precision number:

::

    Q8_0   F16 scale, 32 int8                          q · scale
    Q4_0   F16 scale, 32 x 4 bits                      (q - 8) · scale
    Q4_1   F16 scale, F16 minimum, 32 x 4 bits         q · scale + minimum
    Q4_K   F16 d, F16 m, 8 x (6-bit scale, 6-bit minimum), 256 x 4 bits
                                                       q · (d · scale) - m · minimum, 32 each
    Q6_K   256 x 4 low bits, 256 x 2 high bits, 16 x int8 scale, F16 d
                                                       (q - 32) · (d · scale), 16 each

Of 4-bit numbers, the low halves of a run of bytes come first and then all the high halves. The
operations and their order are those of the `gguf` package, so that results are the same bits.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

F32, F16, Q4_0, Q4_1, Q8_0, Q4_K, Q6_K, BF16 = 0, 1, 2, 3, 8, 12, 14, 30
BLOCKS = {
    F32: (1, 4),
    F16: (1, 2),
    BF16: (1, 2),
    Q8_0: (32, 34),
    Q4_0: (32, 18),
    Q4_1: (32, 20),
    Q4_K: (256, 144),
    Q6_K: (256, 210),
}
"""Numbers in a block and bytes that it takes, by ggml's number for the type."""
NAMES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1",
    10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS",
    17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S",
    23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: "BF16",
    34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4",
}  # fmt: skip
"""ggml's names of its types, also of those that are not offered."""


def unpack(stored: Tensor, kind: int) -> Tensor:
    """The numbers of stored bytes as float32: (n_bytes,) -> (n_numbers,), in memory of their own.

    `kind` is a key of `BLOCKS`.
    """
    _, n_bytes = BLOCKS[kind]
    return UNPACK[kind](stored.view(-1, n_bytes)).flatten()


def _half(blocks: Tensor, start: int) -> Tensor:
    """The half-precision number at byte `start` of each block: (n_blocks, 1)."""
    return blocks[:, start : start + 2].contiguous().view(torch.float16).float()


def _nibbles(run: Tensor) -> Tensor:
    """4-bit numbers of runs of bytes: (…, n_bytes) -> (…, 2 n_bytes), the low halves first."""
    return torch.cat((run & 15, run >> 4), dim=-1)


def _f32(blocks: Tensor) -> Tensor:
    return blocks.view(torch.float32).clone()


def _f16(blocks: Tensor) -> Tensor:
    return blocks.view(torch.float16).float()


def _bf16(blocks: Tensor) -> Tensor:
    return blocks.view(torch.bfloat16).float()


def _q8_0(blocks: Tensor) -> Tensor:
    return blocks[:, 2:].view(torch.int8).float().mul_(_half(blocks, 0))


def _q4_0(blocks: Tensor) -> Tensor:
    return _nibbles(blocks[:, 2:]).float().sub_(8).mul_(_half(blocks, 0))


def _q4_1(blocks: Tensor) -> Tensor:
    numbers = _nibbles(blocks[:, 4:]).float()
    return numbers.mul_(_half(blocks, 0)).add_(_half(blocks, 2))


def _q4_k(blocks: Tensor) -> Tensor:
    # 12 bytes hold 8 scales and 8 minima of 6 bits: four and four in the low six bits of the
    # first eight bytes, the others as low halves (scales) and high halves (minima) of the last
    # four, with their upper two bits where the first eight bytes have room left.
    first, second, last = blocks[:, 4:8], blocks[:, 8:12], blocks[:, 12:16]
    scales = torch.cat((first & 63, (last & 15) | (first >> 6 << 4)), dim=1)  # (n_blocks, 8)
    minima = torch.cat((second & 63, (last >> 4) | (second >> 6 << 4)), dim=1)
    scales = _half(blocks, 0) * scales.float()
    minima = _half(blocks, 2) * minima.float()
    numbers = _nibbles(blocks[:, 16:].reshape(-1, 4, 32)).float().view(-1, 8, 32)
    return numbers.mul_(scales[..., None]).sub_(minima[..., None])


def _q6_k(blocks: Tensor) -> Tensor:
    # Two runs of 128 numbers: 64 bytes of low bits and 32 bytes of high bits each.
    low = _nibbles(blocks[:, :128].reshape(-1, 2, 64))  # (n_blocks, 2, 128)
    pairs = blocks[:, 128:192].reshape(-1, 2, 32)
    high = torch.cat([pairs >> shift & 3 for shift in (0, 2, 4, 6)], dim=-1)
    numbers = (low | high << 4).float().sub_(32).view(-1, 16, 16)
    factors = _half(blocks, 208) * blocks[:, 192:208].view(torch.int8).float()  # (n_blocks, 16)
    return numbers.mul_(factors[..., None])


UNPACK: dict[int, Callable[[Tensor], Tensor]] = {
    F32: _f32,
    F16: _f16,
    BF16: _bf16,
    Q8_0: _q8_0,
    Q4_0: _q4_0,
    Q4_1: _q4_1,
    Q4_K: _q4_k,
    Q6_K: _q6_k,
}
