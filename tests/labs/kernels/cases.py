"""The inputs that the kernel is tried with: every pair of values of two dimensions occurs.

All combinations would be 2 592 cases. Most mistakes need one value (an odd head dimension) or
two together (a window whose left edge lies in the second tile of a longer sequence of keys).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from labs.kernels.reference import Causal

DType = Literal["float32", "float16", "bfloat16"]


@dataclass(frozen=True, slots=True)
class Mask:
    """Which keys are hidden; the lengths are given as shares of n_keys, one a sequence."""

    name: str
    causal: Causal = "none"
    window: int | None = None
    key_shares: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One call with random normal inputs of two sequences, and its backward pass."""

    dtype: DType
    head_dim: int
    n_queries: int
    n_keys: int
    n_heads: int
    n_kv_heads: int
    mask: Mask
    scale: float | None = None

    @property
    def id(self) -> str:
        heads = f"{self.n_heads}over{self.n_kv_heads}"
        lengths = f"{self.n_queries}x{self.n_keys}"
        scale = "" if self.scale is None else f"-scale{self.scale}"
        return f"{self.mask.name}-{lengths}-{heads}-d{self.head_dim}-{self.dtype}{scale}"

    def tensors(self, device: str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, the same on every machine."""
        generator = Generator().manual_seed(5)
        sizes = (self.n_heads, self.n_queries), (self.n_kv_heads, self.n_keys)
        q, k, v = (
            torch.randn(2, *size, self.head_dim, generator=generator)
            for size in (sizes[0], sizes[1], sizes[1])
        )
        dtype = getattr(torch, self.dtype)
        return q.to(device, dtype), k.to(device, dtype), v.to(device, dtype)

    def options(self, device: str = "cpu") -> dict[str, Any]:
        """The keyword arguments that all three attentions take."""
        lengths = None
        if self.mask.key_shares is not None:
            lengths = torch.tensor([round(share * self.n_keys) for share in self.mask.key_shares])
            lengths = lengths.to(device, torch.int32)
        return {
            "causal": self.mask.causal,
            "window": self.mask.window,
            "scale": self.scale,
            "key_lengths": lengths,
        }


DTYPES: tuple[DType, ...] = ("float32", "float16")
HEAD_DIMS = (16, 40, 64, 80, 128, 256)
# One query is how a cache is read; the others lie on, below and above the edges of tiles.
LENGTHS = ((1, 1), (1, 300), (64, 128), (70, 150), (128, 128), (130, 200), (150, 70), (190, 40))
HEADS = ((1, 1), (4, 2), (2, 1))  # one head, grouped-query, multi-query
MASKS = (
    Mask("full"),
    Mask("top-left", "top-left"),
    Mask("bottom-right", "bottom-right"),
    Mask("window-top-left", "top-left", window=50),
    Mask("window-bottom-right", "bottom-right", window=33),
    Mask("window-both-sides", window=40),
    Mask("padded", key_shares=(0.7, 1.0)),
    Mask("padded-bottom-right", "bottom-right", key_shares=(0.4, 0.9)),
    Mask("no-keys", key_shares=(0.0, 1.0)),
)


def build_cases() -> list[Case]:
    """Lengths and masks in every combination, the rest turning beside them at unequal speeds.

    The largest are in float16: float32 has smaller tiles, and the interpreter pays for each.
    """
    cases = []
    for i, (n_queries, n_keys) in enumerate(LENGTHS):
        for j, mask in enumerate(MASKS):
            head_dim = HEAD_DIMS[(i + j) % len(HEAD_DIMS)]
            large = n_queries * n_keys * head_dim > 500_000
            n_heads, n_kv_heads = HEADS[(i + 2 * j) % len(HEADS)]
            cases.append(
                Case(
                    dtype="float16" if large else DTYPES[(i + j // 2) % len(DTYPES)],
                    head_dim=head_dim,
                    n_queries=n_queries,
                    n_keys=n_keys,
                    n_heads=n_heads,
                    n_kv_heads=n_kv_heads,
                    mask=mask,
                )
            )
    return cases


LONE_CASES = [
    # A window over many tiles: it skips those on both sides, and some lie in its middle or none.
    Case("float16", 16, 300, 700, 1, 1, Mask("wide-bottom-right", "bottom-right", window=320)),
    Case("float16", 16, 600, 500, 1, 1, Mask("wide-both-sides", window=300)),
    Case("float16", 16, 300, 700, 1, 1, Mask("narrow-bottom-right", "bottom-right", window=20)),
    Case("float16", 16, 700, 300, 1, 1, Mask("narrow-both-sides", window=20)),
    Case("float32", 16, 130, 130, 1, 1, Mask("own-key-only", "top-left", window=1)),
    Case("float32", 64, 70, 90, 2, 1, Mask("endless-window", "bottom-right", window=2**31 - 1)),
    # No power of two, and not even rows that begin at multiples of 16 bytes.
    Case("float16", 111, 70, 90, 2, 1, Mask("top-left", "top-left")),
    Case("float32", 17, 70, 90, 2, 1, Mask("padded", key_shares=(0.6, 0.3))),
    Case("float32", 64, 70, 90, 2, 1, Mask("full"), scale=1.5),
    # A few new tokens and a long cache.
    Case("float16", 64, 1, 1500, 8, 2, Mask("padded-cache", "bottom-right", None, (0.3, 1.0))),
    Case("float32", 64, 3, 1100, 2, 1, Mask("cache-with-window", "bottom-right", window=600)),
    Case("float16", 64, 5, 1100, 4, 4, Mask("nearly-empty-cache", "none", None, (0.0, 0.01))),
]
"""What pairs do not reach."""

INTERPRETED = build_cases() + LONE_CASES
