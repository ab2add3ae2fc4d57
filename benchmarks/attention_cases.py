"""What is asked of the attention kernels, and what their times are worth: neither torch nor GPU."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["forward", "backward", "decode"]

OURS = "ours"
OURS_IN_ANY_ORDER = "ours, any order"
"""The gradient of q added up as it comes: less arithmetic, but not the same bits in each run."""
SDPA = ("cuDNN", "flash", "efficient", "math")
"""The backends of `torch.nn.functional.scaled_dot_product_attention`, each on its own."""
RIVALS = (OURS, OURS_IN_ANY_ORDER, *SDPA, "FlexAttention", "naive")

N_TOKENS = 16_384
"""Tokens of a batch: as many sequences as fit, so that every length is the same work per token."""
D_MODEL = 2048
"""n_heads · head_dim of multi-head attention."""
N_ROUNDS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One shape in one direction."""

    direction: Direction
    batch: int
    n_heads: int
    n_kv_heads: int
    n_queries: int
    n_keys: int
    head_dim: int
    is_causal: bool

    @property
    def flop(self) -> float:
        """As papers count: 4 · batch · n_heads · n_queries · n_keys · head_dim forward.

        Half of that under a causal mask, 2.5 times as much backward. What a kernel computes twice
        counts once.
        """
        forward = 4.0 * self.batch * self.n_heads * self.n_queries * self.n_keys * self.head_dim
        share = 0.5 if self.is_causal else 1.0
        return forward * share * (2.5 if self.direction == "backward" else 1.0)

    @property
    def cache_bytes(self) -> float:
        """All keys and values, two bytes a number: what decoding has to read."""
        return 2 * 2 * self.batch * self.n_kv_heads * self.n_keys * self.head_dim

    @property
    def unit(self) -> str:
        """Of the rate: arithmetic decides, except in decoding, where reading does."""
        return "GB/s" if self.direction == "decode" else "TFLOP/s"

    def rate(self, ms: float) -> float:
        """How much of it is done in a second, in `unit`."""
        if self.direction == "decode":
            return self.cache_bytes / ms / 1e6
        return self.flop / ms / 1e9

    @property
    def family(self) -> str:
        """All but the length: what the plot draws as one line, and the memory is compared in."""
        mask = "causal" if self.is_causal else "dense"
        heads = f"heads {self.n_heads}/{self.n_kv_heads}"
        return f"{self.direction}, head_dim {self.head_dim}, {heads}, {mask}"


def all_cases() -> Iterator[Case]:
    """Forward and backward at 1k to 16k tokens, decoding at 8k to 128k keys."""
    heads = [(D_MODEL // head_dim, D_MODEL // head_dim, head_dim) for head_dim in (64, 128, 256)]
    directions: tuple[Direction, ...] = ("forward", "backward")
    for direction in directions:
        for n_heads, n_kv_heads, head_dim in [*heads, (32, 8, 128)]:
            for is_causal in (False, True):
                for length in (1024, 2048, 4096, 8192, 16384):
                    yield Case(
                        direction=direction,
                        batch=N_TOKENS // length,
                        n_heads=n_heads,
                        n_kv_heads=n_kv_heads,
                        n_queries=length,
                        n_keys=length,
                        head_dim=head_dim,
                        is_causal=is_causal,
                    )
    for n_kv_heads in (32, 8):
        for length in (8192, 16384, 32768, 65536, 131072):
            yield Case(
                direction="decode",
                batch=1,
                n_heads=32,
                n_kv_heads=n_kv_heads,
                n_queries=1,
                n_keys=length,
                head_dim=128,
                is_causal=False,
            )


def rivals_of(case: Case, *, quick: bool = False) -> list[str]:
    """Who takes part; FlexAttention's compiler takes too long for a first look."""
    left_out = {OURS_IN_ANY_ORDER} if case.direction != "backward" else set()
    left_out |= {"FlexAttention"} if quick else set()
    return [name for name in RIVALS if name not in left_out]


def is_quick(case: Case) -> bool:
    """Whether the case belongs to the nine of a first look."""
    if case.direction == "decode":
        return case.n_kv_heads == 8 and case.n_keys == 32768
    return case.head_dim < 256 and case.n_heads == case.n_kv_heads and case.n_keys == 4096


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rival in one case."""

    ms: Sequence[float] = ()
    """The median of each round."""
    peak_bytes: int | None = None
    """Allocated beyond the inputs while it ran once, results included."""
    reason: str = ""
    """Why there is no time."""


@dataclass(frozen=True, slots=True)
class Row:
    """One case with all its rivals, measured in turn."""

    case: Case
    outcomes: Mapping[str, Outcome]
    chosen: str = ""
    """The backend that SDPA takes when it is not told one."""
    clock_mhz: int | None = None
    """Of the multiprocessors, right after the last round."""

    def rate(self, name: str) -> float | None:
        """In the case's unit, from the median of the rounds; None if it was not timed."""
        outcome = self.outcomes.get(name)
        if outcome is None or not outcome.ms:
            return None
        return self.case.rate(statistics.median(outcome.ms))

    def over(self, *names: str) -> float | None:
        """Our rate over that of the fastest of `names`; None if one of the two is missing."""
        ours = self.rate(OURS)
        theirs = [rate for name in names if (rate := self.rate(name)) is not None]
        return ours / max(theirs) if ours is not None and theirs else None


@dataclass(frozen=True, slots=True)
class Goal:
    """What the kernel is wanted to reach, on an H200, and what it reached."""

    name: str
    value: float | None
    """The worst of all cases that it is about; None if one of them was not measured."""
    at_least: float | None = None
    at_most: float | None = None
    counts: bool = field(default=True, kw_only=True)
    """Whether missing it is a failure; else it is an aim."""

    @property
    def is_met(self) -> bool | None:
        if self.value is None:
            return None
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )


RATIOS: tuple[tuple[Direction, int, float, float], ...] = (
    ("forward", 64, 0.75, 0.85),
    ("forward", 128, 0.62, 0.70),
    ("backward", 64, 0.50, 0.65),
    ("backward", 128, 0.40, 0.52),
)
"""Direction, head_dim, and the ratio to SDPA's best backend that is demanded and aimed at."""
FROM_TOKENS = 2048
"""Shorter sequences are not what the ratios are about."""


def goals(rows: Sequence[Row]) -> Iterator[Goal]:
    """Every goal, beside the worst of what was measured."""
    for direction, head_dim, demanded, aim in RATIOS:
        ratios = [
            row.over(*SDPA)
            for row in rows
            if (row.case.direction, row.case.head_dim) == (direction, head_dim)
            and row.case.n_keys >= FROM_TOKENS
        ]
        name = f"{direction}, head_dim {head_dim}, from {FROM_TOKENS} tokens: over SDPA's best"
        yield Goal(name, _worst(ratios), at_least=demanded)
        yield Goal(f"{name}, aim", _worst(ratios), at_least=aim, counts=False)
    flash = [
        row.over("flash")
        for row in rows
        if row.case.direction == "forward" and row.rate("flash") is not None
    ]
    yield Goal("forward, everywhere: over SDPA's flash", _worst(flash), at_least=1.0, counts=False)
    yield Goal("peak memory for as many tokens, longest over shortest", growth(rows), at_most=1.1)


def growth(rows: Iterable[Row]) -> float | None:
    """How far our peak memory depends on the length when the number of tokens does not.

    The largest peak of a family over its smallest. Anything quadratic would make it about 16.
    """
    peaks: dict[str, list[int]] = {}
    for row in rows:
        peak = row.outcomes[OURS].peak_bytes if OURS in row.outcomes else None
        if row.case.direction != "decode" and peak is not None:
            peaks.setdefault(row.case.family, []).append(peak)
    return max((max(of) / min(of) for of in peaks.values() if len(of) > 1), default=None)


def _worst(ratios: Sequence[float | None]) -> float | None:
    known = [ratio for ratio in ratios if ratio is not None]
    return min(known) if known and len(known) == len(ratios) else None
