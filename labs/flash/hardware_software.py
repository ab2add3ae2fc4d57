"""A tile is chosen for the hardware that holds it: registers, shared memory and its instructions.

A block of warps computes one tile of queries. It keeps the tile's scores and its accumulator in
registers, at most 255 for each thread, and the next tiles of keys and values in shared memory. This
lab gives the FlashAttention kernel tiles of several sizes and asks the compiler what it made of
them, for a GPU that need not be present. Triton's interpreter then runs the same tiles and counts
the bytes that they request.

How to read it. A row of the table is a tile: queries × keys, the warps of 32 threads that share it,
and the stages, which is how many tiles of keys and values are in shared memory or on their way
there. "Spilled" are the bytes of a thread that found no register and lie in slow memory. "Blocks"
is how many fit on one multiprocessor at once, limited by registers or by shared memory, and "warps
at once" is what these add up to; with more of them, one can compute while another waits.
"Requested" is how often queries, keys and values are loaded, from a cache or from slow memory,
on average and at the sequence length that is given; once would be the least. The map shows
what share of a multiprocessor one block takes of each resource.

What the literature reports. The algorithm came closer to the hardware's peak each time that it was
written anew for it: FlashAttention reached 25–40 % of an A100's, FlashAttention-2 50–73 % (Dao
2023). On an H100 FlashAttention-2 reached 35 %, and FlashAttention-3 with Hopper's own instructions
75 % in float16 (Shah et al. 2024, arXiv version 1).

Out of scope: speed. Spills and few blocks cost time, but how much only a GPU can say. Other
versions of the compiler use slightly different numbers of registers. A GPU of capability 80 has no
unit that copies whole tiles: its threads compute every address, which takes registers, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

from labs.kernels.flash_tiles import Tiles
from labs.kernels.tile_facts import compile_tiles, count_requests
from labs.machine.fresh_process import run_fresh
from studykit.lab.events import Event, HeatMap, Measurement, Progress, Table

QUESTION = "What if the attention kernel takes larger tiles?"
POINTS = ("4.4.4",)
CLAIMS = {
    "warps_help": "A tile of 128 × 128 spills more than 256 bytes a thread with 4 warps, and at "
    "most 64 bytes with 8.",
    "stages_help": "A tile of 128 × 128 spills more than 256 bytes a thread with 2 stages, and at "
    "most 64 bytes with 1.",
    "nothing_helps": "A tile of 128 × 128 spills more than 64 bytes a thread with 4 warps, with 8 "
    "warps, and with 1 stage.",
    "fullest_requests": "The tiles with the most warps on a multiprocessor request more than 1.5 "
    "times the bytes of the tile that requests least.",
    "rows_decide": "With 32 queries in a tile the code has none of the matrix instructions that "
    "four warps issue together; with 64 it has no others.",
}
HOLDS_IF = {
    "warps_help": "spilled_4_warps > 256 and spilled_8_warps <= 64",
    "stages_help": "spilled_4_warps > 256 and spilled_1_stage <= 64",
    "nothing_helps": "min(spilled_4_warps, spilled_8_warps, spilled_1_stage) > 64",
    "fullest_requests": "fullest_excess > 1.5",
    "rows_decide": "wgmma_32 == 0 and mma_sync_32 > 0 and wgmma_64 > 0 and mma_sync_64 == 0",
}
KNOBS = {"capability": (90, 80), "head_dim": (128, 64)}
KNOB_HELP = {
    "capability": "GPU to compile for: 90 is an H100, 80 an A100",
    "head_dim": "width of queries, keys and values",
}
SEEDS = 1
DETERMINISTIC = True
SECONDS = {"cpu": 7}
NEEDS = ("triton",)
LITERATURE = {
    "rows_decide": "FlashAttention-2, which does without Hopper's own matrix instructions, reached "
    "35 % of an H100's peak, FlashAttention-3 75 % in float16 (Shah et al. 2024, arXiv version 1).",
}


QUERIES_32, QUERIES_64 = Tiles(32, 64, 4, 2), Tiles(64, 64, 4, 2)
LARGE, EIGHT_WARPS, ONE_STAGE = Tiles(128, 128, 4, 2), Tiles(128, 128, 8, 2), Tiles(128, 128, 4, 1)
TILES = (
    QUERIES_32,
    Tiles(64, 32, 4, 2),
    QUERIES_64,
    Tiles(128, 64, 4, 2),
    LARGE,
    ONE_STAGE,
    EIGHT_WARPS,
)
"""Queries, keys, warps and stages."""
N_TOKENS = 256
"""Of the sequence that the interpreter runs."""
TIMEOUT_S = 300

Facts: TypeAlias = Mapping[str, Any]
"""What `compile_tiles` says of one tile, and its ``requests``."""


def run(*, capability: int, head_dim: int, seed: int, device: str) -> Iterator[Event]:
    """Compile every tile, and count what it requests; the same for every seed and device."""
    yield Progress(0, 1, f"compiling {len(TILES)} kernels for sm_{capability}")
    facts = ask(capability, head_dim)
    for name, tile in (("4_warps", LARGE), ("8_warps", EIGHT_WARPS), ("1_stage", ONE_STAGE)):
        label = f"spilled by a thread, {described(tile)}"
        yield Measurement(f"spilled_{name}", facts[tile]["stack_bytes"], "bytes", label)
    for name in ("wgmma", "mma_sync"):
        for tile in (QUERIES_32, QUERIES_64):
            label = f"{name.replace('_', '.')} instructions, {described(tile)}"
            yield Measurement(f"{name}_{tile.block_q}", facts[tile][name], "", label)
    yield from fullest(facts)
    yield table(facts)
    yield shares(facts)
    yield Progress(1, 1, "done")


def ask(capability: int, head_dim: int) -> dict[Tiles, Facts]:
    """The facts of each tile, from processes that compile kernels and one that interprets them."""

    def fresh(function: Callable[..., Any], *args: Any, interpret: str | None) -> Any:
        return run_fresh(function, *args, env={"TRITON_INTERPRET": interpret}, timeout_s=TIMEOUT_S)

    with ThreadPoolExecutor() as pool:
        counting = pool.submit(fresh, count_requests, TILES, N_TOKENS, interpret="1")
        halves = [
            pool.submit(fresh, compile_tiles, half, capability, head_dim, interpret=None)
            for half in (TILES[::2], TILES[1::2])
        ]
        compiled = halves[0].result() | halves[1].result()
        requests = counting.result()
    return {tile: {**compiled[tile], "requests": requests[tile]} for tile in TILES}


def warps_at_once(facts: Facts) -> int:
    """On one multiprocessor."""
    return int(facts["ctas_per_sm"] * facts["num_warps"])


def fullest(facts: Mapping[Tiles, Facts]) -> Iterator[Event]:
    """What the tiles with the most warps at once request, in units of the least that any does."""
    most = max(map(warps_at_once, facts.values()))
    full = [f["requests"] for f in facts.values() if warps_at_once(f) == most]
    excess = min(full) / min(f["requests"] for f in facts.values())
    yield Measurement("most_warps", most, "warps", "most warps on a multiprocessor at once")
    yield Measurement("fullest_excess", excess, "", "requested by the fullest tiles / the least")


def table(facts: Mapping[Tiles, Facts]) -> Table:
    """One row for each tile."""
    columns = {
        "registers": "registers",
        "stack_bytes": "spilled, bytes",
        "shared_bytes": "shared, bytes",
        "ctas_per_sm": "blocks",
        "wgmma": "products by 4 warps",
        "mma_sync": "products by 1 warp",
        "requests": "requested, times",
    }
    return Table(
        f"What the compiler made of each tile, and its requests at {N_TOKENS} tokens",
        ("tile", *columns.values(), "warps at once"),
        [
            (described(tile), *(f[field] for field in columns), warps_at_once(f))
            for tile, f in facts.items()
        ],
    )


def shares(facts: Mapping[Tiles, Facts]) -> HeatMap:
    """How much of a multiprocessor one block of each tile takes: what is 0.6 fits once."""
    return HeatMap(
        "Share of a multiprocessor that one block takes",
        [described(tile) for tile in facts],
        list(facts[LARGE]["shares"]),
        [list(f["shares"].values()) for f in facts.values()],
    )


def described(tile: Tiles) -> str:
    """The tile in words."""
    stages = f"{tile.num_stages} stage{'s' if tile.num_stages > 1 else ''}"
    return f"{tile.block_q} × {tile.block_k}, {tile.num_warps} warps, {stages}"
