"""A softmax taken apart into tiles of keys and put together again.

A softmax divides by a sum over the whole row, so it seems to need the whole row at once. It does
not: a maximum, a sum and an accumulator, three things that any set of keys has, are enough to merge
it with any other set. This lab compares attention that is merged tile by tile with naive
attention, which holds all scores: in float64 for tiles of many sizes in several orders, forward and
backward, and in float32 for accuracy.

How to read it. The walk goes through one small example, a tile of three queries against a tile of
three keys at a time: see how the maximum rises, guess the factor that the sums are multiplied by,
and see that acc / row_sum is at every step the attention over the keys so far. With the knob
`causal` it leaves out the tiles that no query sees. In the heat map each cell is the largest
difference from naive attention in float64, whose own rounding is about 1e-15. Errors in float32 are
root mean squares, relative to that of the exact output.

What the literature reports. Milakov and Gimelshein (2018) compute the softmax with a running
maximum and sum; Rabe and Staats (2021) build attention on it in memory that does not grow with N²,
and FlashAttention (2022) arranges it for few transfers between memories.

Out of scope: time; what the maximum is for (`flash/running_maximum`); low precision, where weights
are rounded before they meet the values (`flash/kernel`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from labs.kernels.online_softmax import online_attention, online_attention_backward, tiles
from labs.kernels.reference import Causal, relative_error, visible_keys
from labs.kernels.tile_walk import tile_walk
from labs.kit.stages import stages
from studykit.lab.events import Event, HeatMap, Measurement, Table, Walk

QUESTION = "Is a softmax in tiles an approximation?"
POINTS = ("4.3.1", "4.3.2", "4.3.3", "4.3.4")
CLAIMS = {
    "exact": "In float64, tiles of any size in any order give naive attention to 12 decimals.",
    "gradients": "The lse of each row is all that the backward pass needs of the softmax: in "
    "float64 it gives the gradients of naive attention to 12 decimals.",
    "approximates": "In float32 tiles cost accuracy: the error against float64 is more than twice "
    "that of naive attention.",
    "rounds_alike": "In float32 tiles round differently, but no worse: not the same bits, and an "
    "error against float64 of at most twice that of naive attention.",
    "bitwise": "In float32 tiles give bit for bit the result of naive attention.",
}
HOLDS_IF = {
    "exact": "difference_out < 1e-12",
    "gradients": "difference_gradients < 1e-12",
    "approximates": "error_tiled > 2 * error_naive",
    "rounds_alike": "error_tiled <= 2 * error_naive and equal_bits < 1",
    "bitwise": "equal_bits == 1",
}
KNOBS = {"n_keys": (1000, 256, 4000), "causal": ("none", "bottom-right")}
KNOB_HELP = {
    "n_keys": "keys that every query attends to",
    "causal": "whether each query sees only the keys up to its own place",
}
SEEDS = 3
SECONDS = {"cpu": 3}
LITERATURE = {
    "exact": "GPT-2 trained with FlashAttention reaches the perplexity that it reaches without: "
    "18.2 small, 14.2 to 14.3 medium (Dao et al. 2022, Table 2).",
}

N_HEADS, N_QUERIES, HEAD_DIM = 2, 256, 64
TILE_SIZES = (1, 7, 64, 100)
"""Keys in a tile, for exactness; the whole row is added to them."""
BLOCK_K = 64
"""Keys in a tile, for accuracy."""


def run(*, n_keys: int, causal: Causal, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which decides queries, keys, values and the shuffled order of tiles."""
    generator = Generator().manual_seed(seed)
    inputs = [
        torch.randn(1, N_HEADS, n, HEAD_DIM, dtype=torch.float64, generator=generator).to(device)
        for n in (N_QUERIES, n_keys, n_keys)
    ]
    yield walk_of_twelve(seed, causal)
    parts = {
        "tiles of every size and order": exactness(inputs, causal, generator),
        "the backward pass": gradients(inputs, causal, generator),
        "accuracy in float32": accuracy(inputs, causal),
    }
    yield from stages(parts)


def walk_of_twelve(seed: int, causal: Causal) -> Walk:
    """A sequence of twelve tokens, three queries and three keys a tile."""
    generator = Generator().manual_seed(seed)
    q, k, v = (torch.randn(12, 4, dtype=torch.float64, generator=generator) for _ in range(3))
    return tile_walk("Twelve tokens, tile by tile", 2 * q, k, v, causal=causal, block=3)


def naive_attention(q: Tensor, k: Tensor, v: Tensor, *, causal: Causal) -> Tensor:
    """Attention as its formula says, with all scores of a row at hand."""
    visible = visible_keys(q.shape[-2], k.shape[-2], causal=causal, device=q.device)
    scores = (q @ k.transpose(-2, -1) / math.sqrt(HEAD_DIM)).masked_fill(~visible, -math.inf)
    return scores.softmax(dim=-1) @ v


def exactness(inputs: list[Tensor], causal: Causal, generator: Generator) -> Iterator[Event]:
    """The largest difference from naive attention in float64, by tile size and order."""
    n_keys, naive = inputs[1].shape[-2], naive_attention(*inputs, causal=causal)
    sizes = [size for size in TILE_SIZES if size < n_keys] + [n_keys]
    differences: dict[str, list[float]] = {}
    for size in sizes:
        forward = list(range(len(tiles(n_keys, size))))
        shuffled = torch.randperm(len(forward), generator=generator).tolist()
        for name, order in (
            ("first to last", forward),
            ("last to first", forward[::-1]),
            ("shuffled", shuffled),
        ):
            merged = online_attention(
                *inputs, causal=causal, block_q=N_QUERIES, block_k=size, order=order
            ).out
            differences.setdefault(name, []).append(float((merged - naive).abs().max()))
    yield HeatMap(
        "Largest difference from naive attention, float64",
        list(differences),
        [f"{size}" if n_keys % size == 0 else f"{size} (ragged)" for size in sizes],
        list(differences.values()),
    )
    worst = max(max(row) for row in differences.values())
    yield Measurement("difference_out", worst, "", "largest difference of any tiling, float64")


def gradients(inputs: list[Tensor], causal: Causal, generator: Generator) -> Iterator[Event]:
    """The largest difference of any gradient: recomputed from the lse, against autograd."""
    q, k, v = inputs
    dout = torch.randn(q.shape, dtype=q.dtype, generator=generator).to(q.device)
    leaves = [x.clone().requires_grad_() for x in inputs]
    expected = torch.autograd.grad(naive_attention(*leaves, causal=causal), leaves, dout)
    attended = online_attention(q, k, v, causal=causal)
    found = online_attention_backward(q, k, v, attended, dout, causal=causal)
    worst = max(float((a - b).abs().max()) for a, b in zip(found, expected, strict=True))
    yield Measurement(
        "difference_gradients", worst, "", "largest difference of any gradient, float64"
    )


def accuracy(inputs: list[Tensor], causal: Causal) -> Iterator[Event]:
    """How far float32 is from float64, three ways, and how many outputs agree in every bit."""
    exact = naive_attention(*inputs, causal=causal)
    q, k, v = single = [x.float() for x in inputs]
    mask = visible_keys(N_QUERIES, k.shape[-2], causal=causal, device=k.device)
    naive = naive_attention(*single, causal=causal)
    tiled = online_attention(*single, causal=causal, block_k=BLOCK_K).out
    rows: list[tuple[str, float]] = []
    for name, label, out in (
        ("naive", "all scores at once", naive),
        ("tiled", f"tiles of {BLOCK_K} keys", tiled),
        ("sdpa", "PyTorch's own", F.scaled_dot_product_attention(q, k, v, attn_mask=mask)),
    ):
        error = relative_error(out, exact)
        rows.append((label, error))
        yield Measurement(f"error_{name}", error, "", f"float32 error, {label}")
    yield Table("Error in float32, against float64", ("computed from", "relative error"), rows)
    equal = float((tiled == naive).double().mean())
    yield Measurement("equal_bits", equal, "share", "outputs equal to naive attention's, float32")
