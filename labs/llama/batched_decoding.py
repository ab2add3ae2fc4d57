"""A batch of texts shares the weights that each new token needs; each text has a cache of its own.

To decode a token, a layer multiplies its vector by all of the layer's weights, and compares its
queries with all keys in the cache. With several texts at once the weights are read once and serve
them all; keys and values are read for each text. So the larger the batch, and the longer the
context, the more of a step goes into caches, and the more grouped queries (GQA) save of the whole.
The lab times both parts of one layer of SmolLM2-135M's sizes for 1, 4 and 16 texts at two lengths:
with as many heads of keys and values as of queries (MHA, 9), with a third of them (GQA, 3, as the
model has) and with one (MQA).

How to read it. Times are the least processor times of a few rounds on one core, of one layer and
one new token for each text; weights and caches are random numbers. "A step" is the products with
the weights and the attention together. The gain is MHA's step over GQA's.

What the literature reports. See the note beside the claim.

Out of scope: how many texts fit into memory, which is often what decides the batch, and the output
layer, whose weights a batch shares as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TypeAlias

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from labs.machine.stopwatch import fastest, one_core
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "Of what is read for a new token, what do the texts of a batch share?"
POINTS = ("5.4.2", "5.4.3", "5.4.4")
CLAIMS = {
    "shared": "Per text, products with the weights take less than a third as long with 16 texts "
    "as with 1.",
    "own": "Per text, attention takes at least 0.7 times as long with 16 texts as with 1: each "
    "reads its own cache.",
    "grows": "GQA saves more of a step the larger batch and context are: MHA's step takes at most "
    "1.5 times as long for 1 text with 512 tokens, at least 1.8 times for 16 texts with the chosen "
    "context.",
}
HOLDS_IF = {
    "shared": "weights_ratio < 1 / 3 if not 0.3 < weights_ratio < 0.4 else unknown",
    "own": "caches_ratio >= 0.7 if not 0.6 < caches_ratio < 0.75 else unknown",
    "grows": "gain_small <= 1.5 and gain_large >= 1.8 if not 1.5 < gain_large < 1.8 else unknown",
}
KNOBS = {"context": (2048, 1024, 4096)}
KNOB_HELP = {"context": "tokens in each cache, at the most"}
SEEDS = 3
SECONDS = {"cpu": 6}
ALONE = True
LITERATURE = {
    "grows": "T5-XXL took 1.51 s a sample with MHA, 0.28 s with GQA of 8 heads and 0.24 s with MQA "
    "(Ainslie et al. 2023, Table 1; TPUs).",
}

D_MODEL, D_FF, N_HEADS, HEAD_DIM = 576, 1536, 9, 64
KINDS: Mapping[str, int] = {"MHA": 9, "GQA": 3, "MQA": 1}
"""Heads of keys and values."""
Case: TypeAlias = tuple[str, int, int]
"""Kind, texts, context."""
BATCHES = (1, 4, 16)
SHORT = 512


@torch.no_grad()
def run(*, context: int, seed: int, device: str) -> Iterator[Event]:
    """Time the weights and the caches of one layer, for every batch and context."""
    draw = Generator().manual_seed(seed)
    contexts = (SHORT, context)
    yield Progress(0, 3, "multiplying by weights")
    of_weights = weights_times(draw, device)
    of_caches: dict[Case, float] = {}
    for number, n_tokens in enumerate(contexts, start=1):
        yield Progress(number, 3, f"reading caches of {n_tokens:,} tokens")
        of_caches |= cache_times(n_tokens, draw, device)
    steps = {case: of_weights[case[:2]] + taken for case, taken in of_caches.items()}
    rows = []
    for n_tokens in contexts:
        for batch in BATCHES:
            kinds = [steps[kind, batch, n_tokens] for kind in KINDS]
            share = of_caches["MHA", batch, n_tokens] / kinds[0]
            rows.append((n_tokens, batch, *(1000 * each / batch for each in kinds), share))
            chart, gain = "MHA's step / GQA's, by texts", kinds[0] / kinds[1]
            yield Curve(chart, f"context {n_tokens:,}", [batch], [gain], "texts")
    columns = ("context", "texts", *(f"{kind}, ms a text" for kind in KINDS), "caches' share, MHA")
    yield Table("A step of one layer", columns, rows)
    many = BATCHES[-1]
    weights_ratio = of_weights["GQA", many] / many / of_weights["GQA", 1]
    caches_ratio = of_caches["GQA", many, context] / many / of_caches["GQA", 1, context]
    small = steps["MHA", 1, SHORT] / steps["GQA", 1, SHORT]
    large = steps["MHA", many, context] / steps["GQA", many, context]
    for name, value, label in (
        ("weights_ratio", weights_ratio, f"weights, time a text, {many} texts / 1"),
        ("caches_ratio", caches_ratio, f"caches, time a text, {many} texts / 1"),
        ("gain_small", small, f"step of MHA / GQA, 1 text of {SHORT} tokens"),
        ("gain_large", large, f"step of MHA / GQA, {many} texts of {context:,} tokens"),
    ):
        yield Measurement(name, value, "", label)


def weights_times(draw: Generator, device: str) -> dict[tuple[str, int], float]:
    """Seconds that the products of a step take, by kind and batch."""
    cases, actions = [], []
    for kind, n_kv_heads in KINDS.items():
        into, out = matrices(n_kv_heads, draw, device)
        for batch in BATCHES:
            x = torch.randn(batch, D_MODEL, generator=draw).to(device)
            wide = torch.randn(batch, D_FF, generator=draw).to(device)
            cases.append((kind, batch))
            actions.append(partial(multiply, x, wide, into, out))
    with one_core():
        return dict(zip(cases, fastest(actions, device, n_rounds=7, at_least_s=0.004), strict=True))


def matrices(n_kv_heads: int, draw: Generator, device: str) -> tuple[list[Tensor], Tensor]:
    """All that a token's vector is multiplied by, and what leads back from the hidden layer.

    Queries, keys and values, the output projection, gate and up: (width, D_MODEL) each; down:
    (D_MODEL, D_FF).
    """
    width = N_HEADS * HEAD_DIM
    widths = (width, n_kv_heads * HEAD_DIM, n_kv_heads * HEAD_DIM, width, D_FF, D_FF)
    into = [torch.randn(n, D_MODEL, generator=draw).to(device) for n in widths]
    return into, torch.randn(D_MODEL, D_FF, generator=draw).to(device)


def multiply(x: Tensor, wide: Tensor, into: list[Tensor], out: Tensor) -> None:
    """The products of a layer for one new token of each text, without what lies between them."""
    # x: (batch, D_MODEL); wide: (batch, D_FF)
    for matrix in into:
        F.linear(x, matrix)
    F.linear(wide, out)


def cache_times(n_tokens: int, draw: Generator, device: str) -> dict[Case, float]:
    """Seconds that attention of a new token in each text takes, by kind, batch and context."""
    many = BATCHES[-1]
    q = torch.randn(many, N_HEADS, 1, HEAD_DIM, generator=draw).to(device)
    cases: list[Case] = []
    actions = []
    for kind, n_kv_heads in KINDS.items():
        sizes = 2, many, n_kv_heads, n_tokens, HEAD_DIM
        k, v = torch.randn(sizes, generator=draw).to(device)
        for batch in BATCHES:
            # The queries of a group as rows of one head: they meet its keys together.
            rows = q[:batch].view(batch, n_kv_heads, -1, HEAD_DIM)
            cases.append((kind, batch, n_tokens))
            attend = F.scaled_dot_product_attention
            actions.append(partial(attend, rows, k[:batch], v[:batch]))
    with one_core():
        return dict(zip(cases, fastest(actions, device, n_rounds=5, at_least_s=0.002), strict=True))
