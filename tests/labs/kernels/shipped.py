"""Compiles the shipped tile sizes for GPUs that need not be there, and keeps what was found.

``python -m tests.labs.kernels.shipped`` writes what the installed version of Triton makes of them
to ``compiled_bounds.json``, beside what other versions made, and refuses if one is unfit. Do so
after a change of kernels or tiles, and look at the difference: fewer programs on a multiprocessor
or more bytes of stack are the price of that change. It takes minutes, so the tests compile a part
of them and check that the record was made from the kernels as they are.
"""

from __future__ import annotations

import hashlib
import json
import tokenize
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import torch
import triton

from labs.kernels.compiled import CompiledFacts, facts
from labs.kernels.flash_backward import (
    BackwardCall,
    delta_launch,
    key_value_launch,
    query_launch,
)
from labs.kernels.flash_call import Call
from labs.kernels.flash_decode import combine_launch, split_launch
from labs.kernels.flash_forward import forward_launch
from labs.kernels.flash_masks import Masking
from labs.kernels.flash_tiles import SHIPPED, Direction, tiles_for
from labs.kernels.launch import Launch
from labs.machine.fresh_process import run_fresh

KERNELS = Path(__file__).parents[3] / "labs" / "kernels"
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
SAMPLE = [
    name
    for name, entry in BY_NAME.items()
    if entry.head_dim == 128 and (entry.capability == 90 or entry.direction in ("forward", "fused"))
]
"""What the tests compile: every kernel for an H100, and on the others the two that are fullest."""


def build_launch(entry: Entry) -> Launch:
    """How the kernel is started for long causal sequences with grouped queries."""
    head_dim, direction = entry.head_dim, entry.direction
    tiles = tiles_for(entry.capability, head_dim, direction, entry.dtype.itemsize)
    n_queries = 4 if direction in ("split", "combine") else 4096
    q = torch.empty(2, 8, n_queries, head_dim, dtype=entry.dtype)
    k = torch.empty(2, 2, 4096, head_dim, dtype=entry.dtype)
    lse = torch.empty(q.shape[:3])
    masking = Masking("bottom-right")
    if entry.masks == "all":
        masking = Masking("bottom-right", 1000, torch.empty(2, dtype=torch.int32))
    # Which tensor is which is no matter to the compiler, only how it lies in memory.
    call = Call(q, k, k, masking, scale=0.1)
    backward = BackwardCall(call, q, lse, lse)
    if direction == "forward":
        return forward_launch(call, q, lse, tiles)
    if direction == "delta":
        return delta_launch(q, q, lse, lse, tiles)
    if direction in ("key_value", "fused"):
        dq = torch.empty(q.shape) if direction == "fused" else None
        return key_value_launch(backward, k, k, tiles, dq)
    if direction == "query":
        return query_launch(backward, q, tiles)
    partial_lse = torch.empty(16 * 2, 2, 16)
    partial_out = torch.empty(*partial_lse.shape, head_dim)
    if direction == "combine":
        return combine_launch(partial_out, partial_lse, q, lse, tiles=tiles)
    return split_launch(call, partial_out, partial_lse, keys_of_a_split=256, tiles=tiles)


def compile_entries(names: Sequence[str]) -> Found:
    """The facts of these entries, or why one could not be compiled."""
    torch.set_num_threads(1)
    found: Found = {}
    for name in names:
        try:
            found[name] = facts(build_launch(BY_NAME[name]), BY_NAME[name].capability)
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found


def compile_shipped(names: Sequence[str]) -> Found:
    """These entries, in two processes without the interpreter."""

    def compile_half(first: int) -> Found:
        return run_fresh(
            "tests.labs.kernels.shipped:compile_entries",
            names[first::2],
            env={"TRITON_INTERPRET": None, "TRITON_CACHE_DIR": None},
            timeout_s=600,
        )

    with ThreadPoolExecutor(2) as threads:
        halves = threads.map(compile_half, range(2))
        found = dict(chain.from_iterable(half.items() for half in halves))
    return {name: found[name] for name in names}


def unfit(entry: Entry, found: CompiledFacts | str) -> list[str]:
    """What is wrong with a compiled kernel, whatever was recorded of it."""
    if isinstance(found, str):
        return [found]
    problems = []
    if found.ctas_per_sm < 1:
        problems.append("does not fit the GPU")
    if (found.tma > 0) != (found.capability >= 90):
        problems.append("does not load whole tiles where the GPU can")
    # The rest multiply no tiles, or, of a few queries, tiles too flat for more than one warp.
    if entry.direction in ("forward", "key_value", "query", "fused") and entry.dtype.itemsize == 2:
        used = {"mma_sync": found.mma_sync, "wgmma": found.wgmma, "tcgen05": found.tcgen05}
        best = {80: "mma_sync", 90: "wgmma", 100: "tcgen05"}[found.capability]
        if [instruction for instruction, times in used.items() if times] != [best]:
            problems.append(f"multiplies with {used} instead of {best} alone")
    return problems


def kernel_digest() -> str:
    """Changes with the code and the tiles of the kernels, not with comments and docstrings."""
    text = repr(SHIPPED)
    for name in ("masks", "copies", "forward", "backward", "decode", "call"):
        with tokenize.open(KERNELS / f"flash_{name}.py") as source:
            text += " ".join(
                token.string
                for token in tokenize.generate_tokens(source.readline)
                if token.type not in (tokenize.COMMENT, tokenize.NL)
                and not token.string.startswith('"""')
            )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_bounds() -> dict[str, dict[str, Any]]:
    """Version of Triton -> "kernels" -> their digest, and name -> what it made of it."""
    if not BOUNDS.exists():
        return {}
    bounds: dict[str, dict[str, Any]] = json.loads(BOUNDS.read_text(encoding="utf-8"))
    return bounds


def main() -> None:
    bounds = load_bounds()
    bounds[TRITON] = {"kernels": kernel_digest()}
    for name, found in compile_shipped(list(BY_NAME)).items():
        problems = unfit(BY_NAME[name], found)
        if isinstance(found, str) or problems:
            raise SystemExit(f"{name}: {', '.join(problems)}")
        bounds[TRITON][name] = {key: asdict(found)[key] for key in BOUNDED}
        print(name, bounds[TRITON][name])
    versions = []
    for version in sorted(bounds, key=lambda text: [int(part) for part in text.split(".")]):
        rows = [f'    "{name}": {json.dumps(row)}' for name, row in bounds[version].items()]
        versions.append(f'  "{version}": {{\n' + ",\n".join(rows) + "\n  }")
    BOUNDS.write_text("{\n" + ",\n".join(versions) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
