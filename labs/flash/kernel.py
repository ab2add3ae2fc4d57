"""One computation at five levels, from a loop in NumPy to a kernel on a GPU.

FlashAttention is an algorithm before it is a kernel. This lab computes the same attention five
times. (1) A loop over tiles in NumPy. (2) The specification in PyTorch, tile by tile,
forward and backward. (3) The Triton kernel, run by Triton's interpreter: the real source, program
after program, on the CPU. (4) The same source compiled for two GPUs that need not be here, and what
the compiler reports. (5) The kernel on this machine's GPU, if it has one. Beside them stands
ordinary attention, which computes and keeps all scores, in the same precision. The levels' code
is in `labs/kernels/five_levels.py`.

How to read it. "Error" is the root of the mean square of the difference to ordinary attention in
float64, on the same inputs. In float16 ordinary attention rounds scores and weights, and the tiles
in PyTorch round their accumulators, too; the kernel has scores and accumulators in float32. A "tile
product" is a multiplication of one tile by another, counted while it happens, here for one head:
forward there are two for each tile of scores, q kᵀ and weights · v. For the backward pass ordinary
attention reads the weights that it kept; the kernel kept none and computes them again, in both of
its two passes, of which one sums up dk and dv and the other dq. "One pass" is the kernel's other
mode, in which all programs add to the same dq. How much their order matters is measured by adding
up the same parts of dq from the first tile of keys to the last, and backwards.

What the literature reports. Dao et al. (2022) count 75.2 GFLOPs for FlashAttention and 66.6 for
ordinary attention, forward and backward, and 4.4 against 40.3 GB of memory traffic, in 7.3 against
41.7 ms (Fig. 2, left: GPT-2 medium, sequence length 1024, an A100).

Out of scope: bfloat16, which the interpreter does not compute; races between programs, which it
cannot have; and speed, which only a GPU shows. The seeds draw queries, keys, values and the
gradient of the output. The compiler's report is the same for all of them and asked for once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import torch
from torch import Generator, Tensor

from labs.kernels.five_levels import (
    Inputs,
    Outcome,
    Products,
    by_hand,
    compile_kernels,
    interpret_all,
    on_gpu,
    ordinary,
    rms,
    tiled,
)
from labs.kernels.online_softmax import (
    BackwardRows,
    TileMask,
    online_attention,
    recompute_tile,
    row_delta,
)
from labs.kernels.reference import Causal
from labs.machine.fresh_process import run_fresh
from studykit.lab.events import Event, Measurement, Progress, Table

QUESTION = "What does a GPU kernel compute differently from the formula?"
POINTS = ("4.2.4", "4.3.4", "4.4.3", "4.4.4")
CLAIMS = {
    "agree": "In float32 the loop, the tiles and the interpreted kernel err at most twice as much "
    "as ordinary attention does, in the output and in the gradients.",
    "approximates": "In float16 the kernel's output is less exact than that of ordinary attention: "
    "its error is more than 1.5 times as large.",
    "as_exact": "In float16 the kernel's output is about as exact as that of ordinary attention: "
    "its error is between 1 / 1.5 and 1.5 times as large.",
    "more_exact": "In float16 the kernel's output is more exact than that of ordinary attention: "
    "its error is less than 1 / 1.5 times as large.",
    "skips": "With causality the loop, the tiles and the kernel each visit (T² + T) / 2 of the T² "
    "tiles.",
    "more_work": "For each tile of scores that it visits the kernel multiplies more than 1.2 times "
    "as many numbers as ordinary attention, forward and backward together.",
    "same_work": "For each tile of scores that it visits the kernel multiplies about as many "
    "numbers as ordinary attention, forward and backward together: within a factor of 1.2.",
    "less_work": "For each tile of scores that it visits the kernel multiplies fewer numbers than "
    "ordinary attention, forward and backward together: less than 1 / 1.2 times as many.",
    "order_free": "Adding the same parts of dq in the reverse order changes none of its bits.",
    "order_changes": "Adding the same parts of dq in the reverse order changes the bits of more "
    "than a tenth of its numbers, and its error by at most a factor of 1.5.",
    "order_breaks": "Adding the same parts of dq in the reverse order changes its error by more "
    "than a factor of 1.5.",
}
KNOBS = {"causal": ("top-left", "none"), "block": (32, 16, 64)}
SEEDS = 3
SECONDS = {"cpu": 12}
NEEDS = ("triton",)
LITERATURE = {
    "more_work": "75.2 GFLOPs against 66.6 for ordinary attention, 1.13 times as many, forward and "
    "backward (Dao et al. 2022, Fig. 2 left; GPT-2 medium, sequence length 1024, an A100).",
}

TIMEOUT_S = 300


COMPILED = (
    "kernel",
    "capability",
    "queries × keys",
    "warps",
    "registers",
    "spilled, bytes",
    "products by 4 warps",
    "products by 1 warp",
    "tile copies",
)
LEVELS = {
    "ordinary": "ordinary attention",
    "loop": "1 loop in NumPy",
    "tiles": "2 tiles in PyTorch",
    "kernel": "3 Triton kernel, interpreted",
}


@dataclass(frozen=True, slots=True)
class Budget:
    """Sizes of the attention: what a run costs, apart from the knobs."""

    n_heads: int = 2
    n_tokens: int = 256
    head_dim: int = 32


def run(*, causal: Causal, block: int, seed: int, device: str) -> Iterator[Event]:
    """Events of one seed, which draws the inputs."""
    return measure(Budget(), causal=causal, block=block, seed=seed, device=device)


def measure(
    budget: Budget, *, causal: Causal, block: int, seed: int, device: str
) -> Iterator[Event]:
    """The experiment: all levels on the same inputs, then what was counted on the way."""
    yield Progress(0, 4, "ordinary attention, and tile by tile")
    inputs = draw(budget, seed)
    half = inputs.to(torch.float16)
    with ThreadPoolExecutor(max_workers=2) as pool:
        interpreting = pool.submit(
            run_fresh,
            interpret_all,
            [inputs, half],
            causal,
            block,
            env={"TRITON_INTERPRET": "1"},
            timeout_s=TIMEOUT_S,
        )
        compiling = pool.submit(ask_compiler)
        yield from rounding(inputs, causal, block)
        levels = {
            "ordinary": ordinary(inputs, causal, block),
            "loop": by_hand(inputs, causal, block),
            "tiles": tiled(inputs, causal, block),
        }
        half_levels = {
            "ordinary": ordinary(half, causal, block),
            "tiles": tiled(half, causal, block),
        }
        yield Progress(1, 4, "interpreting the kernel")
        levels["kernel"], half_levels["kernel"] = interpreting.result()
        yield from errors("", inputs, causal, outcomes(levels))
        yield from errors("half_", half, causal, outcomes(half_levels))
        products = {level: products for level, (_, products) in levels.items()}
        yield from work(budget, block, products)
        yield Progress(2, 4, "compiling the kernels")
        yield Table("4 The same kernels, compiled for head_dim 64", COMPILED, compiling.result())
    yield Progress(3, 4, "on a GPU")
    yield Table("5 The kernel on a GPU", ("what", "result"), on_gpu(device))
    yield Progress(4, 4, "done")


def outcomes(levels: Mapping[str, tuple[Outcome, Products]]) -> dict[str, Outcome]:
    """The results without the counts."""
    return {level: outcome for level, (outcome, _) in levels.items()}


def draw(budget: Budget, seed: int) -> Inputs:
    """Independent normal numbers."""
    shape = (1, budget.n_heads, budget.n_tokens, budget.head_dim)
    generator = Generator().manual_seed(seed)
    return Inputs(*(torch.randn(shape, generator=generator) for _ in Inputs._fields))


@cache
def ask_compiler() -> list[tuple[str | float, ...]]:
    """Level 4, which knows no seed."""
    return run_fresh(
        compile_kernels, (80, 90), 64, env={"TRITON_INTERPRET": None}, timeout_s=TIMEOUT_S
    )


def errors(
    prefix: str, inputs: Inputs, causal: Causal, levels: Mapping[str, Outcome]
) -> Iterator[Event]:
    """How far each level is from the exact result of the same inputs."""
    (exact, exact_gradients), _ = ordinary(inputs.to(torch.float64), causal, 1)
    assert exact_gradients is not None
    precision = "float16" if prefix else "float32"
    rows: list[tuple[str | float, ...]] = []
    for level, (out, gradients) in levels.items():
        out_error, gradient_error = rms(out - exact), math.nan
        if gradients is not None:
            differences = [a - b for a, b in zip(gradients, exact_gradients, strict=True)]
            gradient_error = rms(torch.stack(differences))
        rows.append((LEVELS[level], *known(out_error, gradient_error)))
        for name, what, value in (
            ("out_error", "output", out_error),
            ("gradient_error", "gradients", gradient_error),
        ):
            label = f"error of the {what} in {precision}, {LEVELS[level]}"
            if not math.isnan(value):
                yield Measurement(f"{prefix}{name}_{level}", value, "", label)
    yield Table(f"Error in {precision} (RMS)", ("level", "output", "gradients"), rows)


def work(budget: Budget, block: int, levels: Mapping[str, Products]) -> Iterator[Event]:
    """What each level multiplied, for one head."""
    tiles_of_row = budget.n_tokens // block
    yield Measurement("tiles_of_row", tiles_of_row, "", "T, tiles of a row", yardstick=True)
    rows: list[tuple[str | float, ...]] = []
    for level, products in levels.items():
        forward, backward, one_pass = (count / budget.n_heads for count in products)
        visited = forward / 2
        both = (forward + backward) / visited
        each = known(backward / visited, one_pass / visited, both)
        rows.append((LEVELS[level], visited, *each))
        yield Measurement(f"tiles_{level}", visited, "", f"tiles of scores, {LEVELS[level]}")
        if not math.isnan(both):
            label = f"tile products for each tile of scores, {LEVELS[level]}"
            yield Measurement(f"products_{level}", both, "", label)
    yield Table(
        f"Counted for one head, of {tiles_of_row} × {tiles_of_row} tiles",
        ("level", "tiles of scores", "backward, each", "in one pass", "forward and backward, each"),
        rows,
    )


def known(*values: float) -> list[str | float]:
    """For a table: what was measured, and nothing where there was nothing to measure."""
    return ["" if math.isnan(value) else value for value in values]


def rounding(inputs: Inputs, causal: Causal, block: int) -> Iterator[Event]:
    """The same parts of dq added up from the first tile of keys to the last, and backwards."""
    (_, exact), _ = ordinary(inputs.to(torch.float64), causal, block)
    assert exact is not None
    parts = query_gradient_parts(inputs, causal, block)
    forwards, backwards = (sum(order, torch.zeros_like(inputs.q)) for order in (parts, parts[::-1]))
    changed = (forwards != backwards).float().mean()
    yield Measurement(
        "order_changed", float(changed), "share", "numbers of dq changed by the order"
    )
    for name, dq in (("forwards", forwards), ("backwards", backwards)):
        error = rms(dq - exact.dq)
        yield Measurement(f"order_error_{name}", error, "", f"error of dq, added {name}")


def query_gradient_parts(inputs: Inputs, causal: Causal, block: int) -> list[Tensor]:
    """What each tile of keys adds to dq, which has the shape of q."""
    q, k, v, dout = inputs
    n_tokens, scale = q.shape[2], 1 / math.sqrt(q.shape[3])
    mask = TileMask(n_tokens, n_tokens, block, block, causal, None, None, q.device)
    out, lse = online_attention(q, k, v, causal=causal, block_q=block, block_k=block)
    rows = BackwardRows(q, dout, lse, row_delta(out, dout), scale)
    parts = []
    for keys in mask.key_tiles:
        visible = mask.visible(slice(0, n_tokens), keys)[0]
        _, dscores = recompute_tile(rows, k[..., keys, :], v[..., keys, :], visible)
        parts.append(scale * (dscores @ k[..., keys, :]))
    return parts


def verdict(m: Mapping[str, float]) -> dict[str, bool | None]:
    """Which claims the measurements of one seed bear out; with NaN, none can be judged."""
    ratios = [
        m[f"{name}_{level}"] / m[f"{name}_ordinary"]
        for name, levels in (
            ("out_error", ("loop", "tiles", "kernel")),
            ("gradient_error", ("tiles", "kernel")),
        )
        for level in levels
    ]
    half = m["half_out_error_kernel"] / m["half_out_error_ordinary"]
    tiles_of_row = m["tiles_of_row"]
    triangle = (tiles_of_row**2 + tiles_of_row) / 2
    more = m["products_kernel"] / m["products_ordinary"]
    order = m["order_error_backwards"] / m["order_error_forwards"]
    alike = 1 / 1.5 <= order <= 1.5

    def judged(holds: bool, *values: float) -> bool | None:
        return None if any(math.isnan(value) for value in values) else holds

    visited = [m[f"tiles_{level}"] for level in ("loop", "tiles", "kernel")]
    changed = m["order_changed"]
    return {
        "agree": judged(max(ratios) <= 2, *ratios),
        "approximates": judged(half > 1.5, half),
        "as_exact": judged(1 / 1.5 <= half <= 1.5, half),
        "more_exact": judged(half < 1 / 1.5, half),
        "skips": judged(all(n == triangle for n in visited), triangle, *visited),
        "more_work": judged(more > 1.2, more),
        "same_work": judged(1 / 1.2 <= more <= 1.2, more),
        "less_work": judged(more < 1 / 1.2, more),
        "order_free": judged(changed == 0, changed),
        "order_changes": judged(changed > 0.1 and alike, changed, order),
        "order_breaks": judged(not alike, order),
    }
