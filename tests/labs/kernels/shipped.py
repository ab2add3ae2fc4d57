"""Compiles the shipped tile sizes for GPUs that need not be there, and keeps what was found.

``python -m tests.labs.kernels.shipped`` writes what the installed version of Triton makes of them
to ``compiled_bounds.json``, beside what other versions made. Do so after a change of kernels or
tiles, and look at the difference: fewer programs on a multiprocessor or more bytes of stack are
the price of that change.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import torch
import triton

from labs.kernels.compiled import CompiledFacts, facts
from labs.kernels.flash_backward import delta_launch, key_value_launch, query_launch
from labs.kernels.flash_decode import combine_launch, split_launch
from labs.kernels.flash_forward import forward_launch
from labs.kernels.flash_tiles import SHIPPED, Direction, tiles_for
from labs.kernels.launch import Launch
from labs.machine.fresh_process import run_fresh

BOUNDS = Path(__file__).with_name("compiled_bounds.json")
BOUNDED = "registers", "stack_bytes", "shared_bytes", "ctas_per_sm"
TRITON = ".".join(triton.__version__.split(".")[:2])

Found: TypeAlias = dict[str, CompiledFacts | str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One kernel for one GPU, in the form that a call of this kind starts."""

    capability: int
    head_dim: int
    direction: Direction
    dtype: torch.dtype = torch.bfloat16
    masks: str = "causal"
    """"all" is a window and key lengths as well."""

    @property
    def name(self) -> str:
        dtype = str(self.dtype).removeprefix("torch.")
        return f"sm_{self.capability}-{self.direction}-d{self.head_dim}-{dtype}-{self.masks}"


TABLE = [Entry(*row[:3]) for row in SHIPPED]
ENTRIES = [
    *TABLE,
    # Of which the table has no column of its own, each where it is tightest or most used.
    *(
        replace(entry, masks="all")
        for entry in TABLE
        if entry.capability == 90 and entry.direction != "fused"  # which hides no keys
    ),
    *(replace(entry, dtype=torch.float32) for entry in TABLE if entry.capability == 80),
    *(Entry(capability, 128, "delta") for capability in (80, 90, 100)),
    *(Entry(capability, 128, "combine") for capability in (80, 90, 100)),
]
BY_NAME = {entry.name: entry for entry in ENTRIES}


def build_launch(entry: Entry) -> Launch:
    """How the kernel is started for long causal sequences with grouped queries."""
    head_dim, direction = entry.head_dim, entry.direction
    tiles = tiles_for(entry.capability, head_dim, direction, entry.dtype.itemsize)
    n_queries = 4 if direction in ("split", "combine") else 4096
    q = torch.empty(2, 8, n_queries, head_dim, dtype=entry.dtype)
    k = torch.empty(2, 2, 4096, head_dim, dtype=entry.dtype)
    lse = torch.empty(q.shape[:3])
    options: dict[str, Any] = {
        "causal": "bottom-right",
        "window": 1000 if entry.masks == "all" else None,
        "scale": 0.1,
        "key_lengths": torch.empty(2, dtype=torch.int32) if entry.masks == "all" else None,
        "tiles": tiles,
    }
    # Which tensor is which is no matter to the compiler, only how it lies in memory.
    if direction == "forward":
        return forward_launch(q, k, k, q, lse, **options)
    if direction == "delta":
        return delta_launch(q, q, lse, lse, tiles=tiles)
    if direction in ("key_value", "fused"):
        dq = torch.empty(q.shape) if direction == "fused" else None
        return key_value_launch(q, k, k, q, lse, lse, k, k, **options, dq=dq)
    if direction == "query":
        return query_launch(q, k, k, q, lse, lse, q, **options)
    partial_lse = torch.empty(16 * 2, 2, 16)
    partial_out = torch.empty(*partial_lse.shape, head_dim)
    if direction == "combine":
        return combine_launch(partial_out, partial_lse, q, lse, tiles=tiles)
    return split_launch(q, k, k, partial_out, partial_lse, **options, keys_of_a_split=256)


def compile_every(first: int, step: int) -> Found:
    """The facts of every `step`-th entry, or why it could not be compiled."""
    torch.set_num_threads(1)
    found: Found = {}
    for entry in ENTRIES[first::step]:
        try:
            found[entry.name] = facts(build_launch(entry), entry.capability)
        except Exception as error:
            found[entry.name] = f"{type(error).__name__}: {error}"
    return found


def compile_shipped() -> Found:
    """All of them, in two processes without the interpreter."""

    def compile_half(first: int) -> Found:
        return run_fresh(
            "tests.labs.kernels.shipped:compile_every",
            first,
            2,
            env={"TRITON_INTERPRET": None, "TRITON_CACHE_DIR": None},
            timeout_s=600,
        )

    with ThreadPoolExecutor(2) as threads:
        halves = threads.map(compile_half, range(2))
        found = dict(chain.from_iterable(half.items() for half in halves))
    return {name: found[name] for name in BY_NAME}


def load_bounds() -> dict[str, dict[str, dict[str, int]]]:
    """Version of Triton -> name -> what it made of it."""
    if not BOUNDS.exists():
        return {}
    bounds: dict[str, dict[str, dict[str, int]]] = json.loads(BOUNDS.read_text(encoding="utf-8"))
    return bounds


def main() -> None:
    bounds = load_bounds()
    bounds[TRITON] = {}
    for name, found in compile_shipped().items():
        if isinstance(found, str):
            raise SystemExit(f"{name}: {found}")
        bounds[TRITON][name] = {key: asdict(found)[key] for key in BOUNDED}
        print(name, bounds[TRITON][name])
    versions = []
    for version in sorted(bounds, key=lambda text: [int(part) for part in text.split(".")]):
        rows = [f'    "{name}": {json.dumps(row)}' for name, row in bounds[version].items()]
        versions.append(f'  "{version}": {{\n' + ",\n".join(rows) + "\n  }")
    BOUNDS.write_text("{\n" + ",\n".join(versions) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
