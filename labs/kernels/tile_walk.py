"""One head of attention gone through tile by tile, with the numbers that stand after each tile."""

from __future__ import annotations

import math
from collections.abc import Iterator

from torch import Tensor

from labs.kernels.online_softmax import (
    Partial,
    TileMask,
    attend_tile,
    finish,
    merge,
    no_keys,
    rescale,
)
from labs.kernels.reference import Causal
from studykit.lab.events import Step, Walk

COLUMNS = ("query", "row_max before", "row_max", "rescale", "row_sum", "acc[0]", "acc[0] / row_sum")


def tile_walk(title: str, q: Tensor, k: Tensor, v: Tensor, *, causal: Causal, block: int) -> Walk:
    """A walk over the tiles that attention visits; q, k and v are (seq_len, head_dim).

    A step's table has a row for each query of the tile: its maximum before and after, the factor
    for what was summed before, and the first entry of the accumulator, also divided by the sum.
    The factor is to be guessed.
    """
    seq_len, head_dim = q.shape
    mask = TileMask(seq_len, seq_len, block, block, causal, None, None, q.device)
    steps: list[Step] = []
    for row, queries in enumerate(mask.query_tiles):
        before = no_keys(q[queries])
        seen = list(mask.seen_by(queries))
        for column, (keys, visible) in enumerate(seen):
            tile = attend_tile(
                q[queries], k[keys], v[keys], visible[0, 0, 0], scale=1 / math.sqrt(head_dim)
            )
            after = merge(before, tile)
            is_last = column == len(seen) - 1
            steps.append(
                Step(
                    (row, column),
                    " ".join(
                        captions(queries, keys, is_whole=bool(visible.all()), is_last=is_last)
                    ),
                    table(queries, before, after),
                    factor_in_words(queries, keys, before, after),
                )
            )
            before = after
    return Walk(
        title,
        [f"queries {span(tile)}" for tile in mask.query_tiles],
        [f"keys {span(tile)}" for tile in mask.key_tiles],
        COLUMNS,
        steps,
        covered=("rescale",),  # exp(row_max before - row_max)
    )


def table(queries: slice, before: Partial, after: Partial) -> list[list[str | float]]:
    """One row for each query, under `COLUMNS`."""
    factors = rescale(before.row_max, after.row_max)
    outs = finish(after).out
    return [
        [
            f"{query}",
            float(before.row_max[i]),
            float(after.row_max[i]),
            float(factors[i]),
            float(after.row_sum[i]),
            float(after.acc[i, 0]),
            float(outs[i, 0]),
        ]
        for i, query in enumerate(range(queries.start, queries.stop))
    ]


def captions(queries: slice, keys: slice, *, is_whole: bool, is_last: bool) -> Iterator[str]:
    """What a tile is, in words, with the question that `factor_in_words` answers."""
    if is_whole:
        yield f"Queries {span(queries)} see all of keys {span(keys)}."
    else:
        yield f"Queries {span(queries)} see keys {span(keys)} up to their own place."
    yield "Which factor rescales the sums so far?"
    if is_last:
        yield "They see no later keys: acc / row_sum is their output."


def factor_in_words(queries: slice, keys: slice, before: Partial, after: Partial) -> str:
    """What the factor does in one tile."""
    rising = [
        f"{queries.start + i}"
        for i, (old, new) in enumerate(zip(before.row_max, after.row_max, strict=True))
        if new > old
    ]
    if keys.start == 0:
        return "Nothing was summed before: the tile's own maximum and sums are taken over."
    if not rising:
        return "No maximum rises: the factor is 1, and what the tile gives is added."
    return (
        f"The maximum of {'query' if len(rising) == 1 else 'queries'} {', '.join(rising)} "
        "rises: what was summed is multiplied by the factor, then the tile is added."
    )


def span(tile: slice) -> str:
    """The first and the last of a tile, as in 3–5."""
    return f"{tile.start}" if tile.stop == tile.start + 1 else f"{tile.start}–{tile.stop - 1}"
