"""A tile is chosen for the hardware that holds it: registers, shared memory and its instructions.

A block of warps computes one tile of queries. It keeps the tile's scores and its accumulator in
registers, at most 255 for each thread, and the next tiles of keys and values in shared memory. This
lab gives the FlashAttention kernel tiles of several sizes and asks the compiler what it made of
them, for an architecture that need not be present. Triton's interpreter then runs the same tiles
and counts the bytes that they read.

How to read it. A row of the table is a tile: queries × keys, the warps of 32 threads that share it,
and the stages, which is how many tiles of keys and values are in shared memory or on their way
there. "Spilled" are the bytes of a thread that found no register and lie in slow memory. "Blocks"
is how many fit on one multiprocessor at once, limited by registers or by shared memory, and "warps
at once" is what these add up to; with more of them, one can compute while another waits. "Read" is
how often queries, keys and values together are requested, be it from a cache or from slow memory,
at the sequence length that is given; once would be the least. The map shows what share of a
multiprocessor one block takes of each resource.

What the literature reports. The algorithm came closer to the hardware's peak each time that it was
written anew for it: FlashAttention reached 25–40 % of an A100's, FlashAttention-2 50–73 % (Dao
2023). On an H100 FlashAttention-2 reached 35 %, and FlashAttention-3 with Hopper's own instructions
75 % in float16 (Shah et al. 2024, arXiv version 1).

Out of scope: speed. Spills and few blocks cost time, but how much only a GPU can say. Nothing here
is random: the compiler is asked once, and all seeds report its one answer. Other versions of the
compiler give somewhat other registers and spills. A GPU of capability 80 has no unit that copies
whole tiles: its threads work out every address, which takes registers, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

from labs.machine.fresh_process import run_fresh
from studykit.lab.events import Event, HeatMap, Measurement, Progress, Table

if TYPE_CHECKING:
    from torch import Tensor

    from labs.kernels.launch import Launch

QUESTION = "What if the attention kernel takes larger tiles?"
POINTS = ("4.1.3", "4.4.4")
CLAIMS = {
    "warps_help": "A tile of 128 × 128 spills more than 256 bytes a thread with 4 warps, and at "
    "most 64 bytes with 8.",
    "stages_help": "A tile of 128 × 128 spills more than 256 bytes a thread with 2 stages, and at "
    "most 64 bytes with 1.",
    "nothing_helps": "A tile of 128 × 128 spills more than 64 bytes a thread with 4 warps, with 8 "
    "warps, and with 1 stage.",
    "rows_save": "Twice the queries in a tile cut the bytes that are read to 0.6 or less; twice "
    "the keys leave them as they are.",
    "keys_save": "Twice the keys in a tile cut the bytes that are read to 0.6 or less; twice the "
    "queries leave them as they are.",
    "both_save": "Twice the queries and twice the keys each cut the bytes that are read to less "
    "than 0.9.",
    "stages_cost": "A third stage for a tile of 128 × 64 takes shared memory that a block beside "
    "it would need: fewer blocks fit, and spills grow by at most 64 bytes.",
    "stages_spill": "A third stage for a tile of 128 × 64 takes registers: the spills of a thread "
    "grow by more than 64 bytes.",
    "stages_free": "A third stage for a tile of 128 × 64 costs nothing: as many blocks fit, and "
    "spills grow by at most 64 bytes.",
    "fullest_best": "The tile with the most warps on a multiprocessor reads at most 1.1 times the "
    "bytes that any other here reads.",
    "fullest_near": "The tile with the most warps on a multiprocessor reads between 1.1 and 1.5 "
    "times the bytes that the most sparing one here reads.",
    "fullest_reads": "The tile with the most warps on a multiprocessor reads more than 1.5 times "
    "the bytes that the most sparing one here reads.",
    "small_loses": "With 32 queries in a tile the code has none of the matrix instructions that "
    "four warps issue together; with 64 it has no others.",
}
KNOBS = {"capability": (90, 80), "head_dim": (128, 64)}
SEEDS = 3
SECONDS = {"cpu": 7}
NEEDS = ("triton",)
LITERATURE = {
    "small_loses": "FlashAttention-2, which does without Hopper's own matrix instructions, reached "
    "35 % of an H100's peak, FlashAttention-3 75 % in float16 (Shah et al. 2024, arXiv version 1).",
}

Tile: TypeAlias = tuple[int, int, int, int]
"""Queries, keys, warps and stages."""

TILES: dict[str, Tile] = {
    "queries_32": (32, 64, 4, 2),
    "keys_32": (64, 32, 4, 2),
    "square_64": (64, 64, 4, 2),
    "keys_128": (64, 128, 4, 2),
    "queries_128": (128, 64, 4, 2),
    "third_stage": (128, 64, 4, 3),
    "square_128": (128, 128, 4, 2),
    "one_stage": (128, 128, 4, 1),
    "eight_warps": (128, 128, 8, 2),
}
FEW_BYTES, MANY_BYTES = 64, 256
"""Spilled by a thread: compilers differ in the last dozens of bytes."""
TIMEOUT_S = 300
FIELDS = ("registers", "stack_bytes", "shared_bytes", "ctas_per_sm", "wgmma", "mma_sync")
"""Of `CompiledFacts`."""
MEASURED = (*FIELDS, "reads")

Facts: TypeAlias = Mapping[str, float]
"""What is known of one tile: `MEASURED`, and its shares of a multiprocessor."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The sequence that the interpreter runs: what a run costs, apart from the knobs."""

    n_tokens: int = 512


def run(*, capability: int, head_dim: int, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed; they are the same for all, on every device."""
    return measure(Budget(), capability=capability, head_dim=head_dim, seed=seed, device=device)


def measure(
    budget: Budget, *, capability: int, head_dim: int, seed: int, device: str
) -> Iterator[Event]:
    """The experiment: compile every tile, count what it reads."""
    yield Progress(0, 1, f"compiling {len(TILES)} kernels for sm_{capability}")
    facts = ask_compiler(capability, head_dim, budget.n_tokens)
    for name, tile in TILES.items():
        for field in MEASURED:
            unit = "bytes" if field.endswith("_bytes") else ""
            yield Measurement(f"{field}_{name}", facts[name][field], unit, described(tile, field))
    yield table(facts, budget.n_tokens)
    yield shares(facts)
    yield Progress(1, 1, "done")


@cache
def ask_compiler(capability: int, head_dim: int, n_tokens: int) -> Mapping[str, Facts]:
    """The facts of each tile, from processes that compile kernels and one that interprets them."""
    names = list(TILES)
    halves = [{name: TILES[name] for name in names[start::2]} for start in (0, 1)]
    with ThreadPoolExecutor(max_workers=3) as pool:
        compiling = [
            pool.submit(
                run_fresh,
                compile_tiles,
                half,
                capability,
                head_dim,
                env={"TRITON_INTERPRET": None},
                timeout_s=TIMEOUT_S,
            )
            for half in halves
        ]
        reads = pool.submit(
            run_fresh,
            count_reads,
            TILES,
            n_tokens,
            env={"TRITON_INTERPRET": "1"},
            timeout_s=TIMEOUT_S,
        ).result()
        compiled = compiling[0].result() | compiling[1].result()
    return {name: {**compiled[name], "reads": reads[name]} for name in names}


def compile_tiles(
    tiles: Mapping[str, Tile], capability: int, head_dim: int
) -> dict[str, dict[str, float]]:
    """What the compiler makes of the forward kernel with each of these tiles."""
    # Imported here and below: a kernel is interpreted or compiled as this process's environment
    # says, and a machine without Triton can still read this file.
    import torch

    from labs.kernels.compiled import MULTIPROCESSORS, WARP_SIZE, facts

    sm = MULTIPROCESSORS[capability]
    x = torch.zeros(1, 1, 4096, head_dim, dtype=torch.float16)
    found = {}
    for name, tile in tiles.items():
        f = facts(forward(x, x, tile, tma=capability >= 90), capability)
        found[name] = {
            **{field: float(getattr(f, field)) for field in FIELDS},
            "share of registers": f.registers * WARP_SIZE * f.num_warps / sm.registers,
            "share of shared memory": f.shared_bytes / sm.shared_bytes,
            "share of warps": f.num_warps / sm.warps,
        }
    return found


def count_reads(tiles: Mapping[str, Tile], n_tokens: int) -> dict[str, float]:
    """How often the kernel reads queries, keys and values, on average; once would be the least."""
    import torch

    from labs.kernels.interpreted import counting

    # The bytes of a row cancel out, so few of them do.
    x = torch.zeros(1, 1, n_tokens, 16, dtype=torch.float16)
    found = {}
    for name, tile in tiles.items():
        with counting() as counts:
            forward(x, torch.empty_like(x), tile, tma=True).run()
        found[name] = counts.loaded_bytes / (3 * x.numel() * x.element_size())
    return found


def described(tile: Tile, field: str = "") -> str:
    """The tile in words, after what was measured of it."""
    queries, keys, warps, stages = tile
    what = f"{field.replace('_', ' ')}, " if field else ""
    return f"{what}{queries} × {keys}, {warps} warps, {stages} stage{'s' if stages > 1 else ''}"


def forward(x: Tensor, out: Tensor, tile: Tile, *, tma: bool) -> Launch:
    """The start of the forward kernel, not causal, with x as queries, keys and values.

    `tma`: the tensor memory accelerator copies its tiles, as it can from capability 90 on.
    """
    import torch

    from labs.kernels.flash_forward import forward_launch
    from labs.kernels.flash_tiles import Tiles

    return forward_launch(
        x,
        x,
        x,
        out,
        torch.empty(x.shape[:3]),
        causal="none",
        window=None,
        scale=1 / math.sqrt(x.shape[3]),
        key_lengths=None,
        tiles=Tiles(*tile, tma=tma),
    )


def table(facts: Mapping[str, Facts], n_tokens: int) -> Table:
    """One row for each tile, with everything that the verdict reads and more."""
    rows: list[tuple[str | float, ...]] = []
    for name, (queries, keys, warps, stages) in TILES.items():
        f = facts[name]
        rows.append(
            (
                f"{queries} × {keys}",
                warps,
                stages,
                f["registers"],
                f["stack_bytes"],
                f["shared_bytes"] / 1024,
                f["ctas_per_sm"],
                f["ctas_per_sm"] * warps,
                "4 warps" if f["wgmma"] else "1 warp",
                f["reads"],
            )
        )
    return Table(
        "What the compiler made of each tile",
        (
            "queries × keys",
            "warps",
            "stages",
            "registers",
            "spilled, bytes",
            "shared, KiB",
            "blocks",
            "warps at once",
            "matrix instruction of",
            f"read at {n_tokens} tokens, times",
        ),
        rows,
    )


def shares(facts: Mapping[str, Facts]) -> HeatMap:
    """How much of a multiprocessor one block of each tile takes: what is 0.6 fits once."""
    resources = ("registers", "shared memory", "warps")
    return HeatMap(
        "Share of a multiprocessor that one block takes",
        [described(tile) for tile in TILES.values()],
        resources,
        [[facts[name][f"share of {resource}"] for resource in resources] for name in TILES],
    )


def verdict(m: Mapping[str, float]) -> dict[str, bool | None]:
    """Which claims the compiler's report and the counts bear out; with NaN, none can be judged."""

    def spills(name: str, limit: int) -> bool:
        return m[f"stack_bytes_{name}"] > limit

    def ratio(name: str) -> float:
        return m[f"reads_{name}"] / m["reads_square_64"]

    needed = {f"{field}_{name}": m[f"{field}_{name}"] for field in MEASURED for name in TILES}
    unknown = any(math.isnan(value) for value in needed.values())
    many = spills("square_128", MANY_BYTES)
    more_spilled = m["stack_bytes_third_stage"] - m["stack_bytes_queries_128"] > FEW_BYTES
    fewer_blocks = m["ctas_per_sm_third_stage"] < m["ctas_per_sm_queries_128"]
    warps = {name: m[f"ctas_per_sm_{name}"] * tile[2] for name, tile in TILES.items()}
    fullest = m[f"reads_{max(warps, key=warps.__getitem__)}"]
    excess = fullest / min(m[f"reads_{name}"] for name in TILES)
    claims: dict[str, bool] = {
        "warps_help": many and not spills("eight_warps", FEW_BYTES),
        "stages_help": many and not spills("one_stage", FEW_BYTES),
        "nothing_helps": all(
            spills(name, FEW_BYTES) for name in ("square_128", "eight_warps", "one_stage")
        ),
        "rows_save": ratio("queries_128") <= 0.6 and 0.99 <= ratio("keys_128") <= 1.01,
        "keys_save": ratio("keys_128") <= 0.6 and 0.99 <= ratio("queries_128") <= 1.01,
        "both_save": ratio("queries_128") < 0.9 and ratio("keys_128") < 0.9,
        "stages_cost": fewer_blocks and not more_spilled,
        "stages_spill": more_spilled,
        "stages_free": not fewer_blocks and not more_spilled,
        "fullest_best": excess <= 1.1,
        "fullest_near": 1.1 < excess <= 1.5,
        "fullest_reads": excess > 1.5,
        "small_loses": m["wgmma_queries_32"] == 0 < m["mma_sync_queries_32"]
        and m["mma_sync_square_64"] == 0 < m["wgmma_square_64"],
    }
    return {claim: None if unknown else holds for claim, holds in claims.items()}
