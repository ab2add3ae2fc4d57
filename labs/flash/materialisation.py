"""Naive attention materialises a matrix of N² numbers for each head; FlashAttention never does.

One head of attention over N tokens compares N queries with N keys: N² scores, then as many
weights. Three ways compute the same numbers here. *Naive attention* is three lines of PyTorch, each
of which writes its whole result. *Tiled attention* is the specification of FlashAttention, a loop
over squares of queries and keys that adds each tile's part to an accumulator and forgets the tile.
The *fused kernel* is PyTorch's own, pinned to its FlashAttention backend, since PyTorch is
otherwise free to fall back to naive attention.

How to read it. Memory is what torch's allocator handed out, counted to the byte, on top of queries,
keys and values: the peak of the forward pass, the peak of forward and backward together, and what
autograd keeps from the forward pass to the backward, inputs included. One score matrix is the
yardstick: 4 · n_heads · N² bytes in fp32, half of it in fp16. What grows with N doubles when the
sequence doubles, what grows with N² becomes four times as large; a part that does not depend on N,
such as the tile itself, lowers either.

What the literature reports. See the note beside the claim.

Out of scope: time, which flash/recomputation measures; masks and dropout, which naive attention
stores as matrices, too; compilers that fuse some of its operations. Memory that a library takes for
itself, past torch's allocator, is not counted: a maths library may add a buffer of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from labs.kernels.three_ways import LABELS, Attention, attention, fused_backend, random_inputs
from labs.machine.peak_memory import peak_allocated, saved_bytes
from labs.machine.stopwatch import one_core
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "How much memory does the attention matrix take, and what is kept without it?"
POINTS = ("4.2.1", "4.2.2", "4.2.3", "4.2.4")
CLAIMS = {
    "quadratic": "Twice the sequence takes about four times the memory in naive attention, forward "
    "and with the backward pass.",
    "linear": "Twice the sequence takes at most about twice the memory in tiled attention and in "
    "the fused kernel, forward and with the backward pass.",
    "three_matrices": "With the backward pass, the peak of naive attention is three matrices of N² "
    "numbers.",
    "keeps_none": "After the forward pass, naive attention keeps no matrix for the backward pass.",
    "keeps_one": "After the forward pass, naive attention keeps one matrix for the backward pass.",
    "keeps_two": "After the forward pass, naive attention keeps two matrices for the backward "
    "pass.",
    "keeps_rows": "For the backward pass, tiled attention and the fused kernel keep queries, keys, "
    "values, outputs and at most a twentieth more.",
}
HOLDS_IF = {
    "quadratic": "3.5 <= naive_growth <= 4.5 and 3.5 <= naive_growth_backward <= 4.5",
    "linear": "max(tiled_growth, fused_growth) <= 2.2 and "
    "max(tiled_growth_backward, fused_growth_backward) <= 2.2",
    "three_matrices": "2.5 <= peak_matrices_backward < 3.5",
    "keeps_none": "kept_matrices < 0.5",
    "keeps_one": "0.5 <= kept_matrices < 1.5",
    "keeps_two": "1.5 <= kept_matrices < 2.5",
    "keeps_rows": "max(kept_rows_tiled, kept_rows_fused) <= 1.05",
}
KNOBS = {"block": (256, 128, 512), "n_heads": (2, 1, 4)}
KNOB_HELP = {
    "block": "queries and keys on a side of a tile",
    "n_heads": "heads; 8 times as many on a GPU",
}
DETERMINISTIC = True
SEEDS = 1
SECONDS = {"cpu": 3}
LITERATURE = {
    "linear": "FlashAttention's authors report 10 times less memory at 2,048 tokens and 20 times "
    "less at 4,096 (official README).",
}

LENGTHS = (512, 1024, 2048)
HEAD_DIM = 64
PASSES = ("forward", "forward and backward")
MIB = 2**20


class Peaks(NamedTuple):
    """Bytes of one way at one length."""

    forward: float
    both: float
    """Of forward and backward together."""
    kept: int


def run(*, block: int, n_heads: int, seed: int, device: str) -> Iterator[Event]:
    """All lengths and ways; the seed decides the numbers, on which no memory depends."""
    if device != "cpu":
        n_heads *= 8
    number_bytes = 4 if device == "cpu" else 2
    peaks: dict[tuple[str, int], Peaks] = {}
    with one_core():
        for done, n_tokens in enumerate(LENGTHS):
            yield Progress(done, len(LENGTHS), f"{n_tokens:,} tokens")
            matrix = number_bytes * n_heads * n_tokens**2
            inputs = random_inputs(
                n_heads, n_tokens, HEAD_DIM, seed=seed, device=device, trained=True
            )
            for name in LABELS:
                peaks[name, n_tokens] = peaks_of(attention(name, block=block), inputs, device)
                yield from curves(LABELS[name], n_tokens, peaks[name, n_tokens])
            yield from curves("one matrix", n_tokens, Peaks(matrix, matrix, 0))
        backend = fused_backend(*inputs)
    yield Progress(len(LENGTHS), len(LENGTHS))
    half, longest = LENGTHS[-2:]
    rows = 4 * number_bytes * n_heads * longest * HEAD_DIM
    for name, label in LABELS.items():
        at_half, at_longest = peaks[name, half], peaks[name, longest]
        meaning = f"peak of {label} at {longest:,} tokens / at {half:,}"
        yield Measurement(f"{name}_growth", at_longest.forward / at_half.forward, "", meaning)
        meaning += ", with backward"
        yield Measurement(f"{name}_growth_backward", at_longest.both / at_half.both, "", meaning)
    naive = peaks["naive", longest]
    for measured, n_bytes, meaning in (
        ("peak_matrices", naive.forward, "peak of naive attention, forward"),
        ("peak_matrices_backward", naive.both, "peak of naive attention, with backward"),
        ("kept_matrices", naive.kept, "kept by naive attention for the backward pass"),
    ):
        yield Measurement(measured, n_bytes / matrix, "matrices", meaning)
    for name in ("tiled", "fused"):
        kept = peaks[name, longest].kept / rows
        meaning = f"kept by the {LABELS[name]} / queries, keys, values and outputs"
        yield Measurement(f"kept_rows_{name}", kept, "", meaning)
    yield table(peaks, f"Memory in MiB, n_heads {n_heads} ({device}, fused kernel: {backend})")


def peaks_of(way: Attention, inputs: list[Tensor], device: str) -> Peaks:
    """What one way takes for these inputs; the first call is for code that is loaded lazily."""
    q, k, v = inputs

    def forward() -> Tensor:
        with torch.no_grad():
            return way(q, k, v)

    def both() -> None:
        out = way(q, k, v)
        torch.autograd.backward(out, torch.ones_like(out))
        q.grad = k.grad = v.grad = None

    both()
    return Peaks(
        peak_allocated(forward, device),
        peak_allocated(both, device),
        saved_bytes(lambda: way(q, k, v)),
    )


def curves(label: str, n_tokens: int, peaks: Peaks) -> Iterator[Event]:
    """One more point of a line in both charts of memory."""
    for n_bytes, passes in zip((peaks.forward, peaks.both), PASSES, strict=True):
        title = f"Peak memory, {passes}"
        yield Curve(title, label, [n_tokens], [n_bytes / MIB], "tokens", "MiB", log_y=True)


def table(peaks: dict[tuple[str, int], Peaks], title: str) -> Table:
    """All that was measured: a row for each length and way."""
    rows: list[tuple[str | float, ...]] = [
        (f"{n_tokens:,}", LABELS[name], *(n_bytes / MIB for n_bytes in found))
        for (name, n_tokens), found in peaks.items()
    ]
    return Table(title, ("tokens", "attention", "forward", "forward and backward", "kept"), rows)
