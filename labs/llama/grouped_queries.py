"""Grouped-query attention keeps fewer keys and values, and each new token reads fewer.

A decoder keeps the keys and values of all tokens that it has read. With as many heads of them as of
queries (multi-head attention, MHA) the cache grows by 2 · n_layers · n_heads · head_dim numbers a
token; with one head for all (multi-query, MQA) by n_heads times less; grouped-query attention (GQA)
lies between. SmolLM2-135M has 9 query heads and 3 of keys and values. The lab counts the bytes of
its cache, times attention of one new token to a long context with each of the three, and merges the
3 trained heads into their mean, which makes MQA of it without any training.

How to read it. Times are the least processor times of a few rounds on one core, of one layer's
attention at a batch of 1; what decides are ratios. "Shared" has the queries of a group as rows of
one product, so that its keys and values are read once. PyTorch's switch enable_gqa gives the same
result. Costs are the loss with the change less the loss without, on the same tokens.

What the texts are. Three docstrings of Python's standard library, 32 tokens each, other ones for
each seed.

What the literature reports. See the notes beside the claims.

Out of scope: how good models of the three kinds are that were trained as such, and training after
heads were merged.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from labs.kit.reading import mean_loss
from labs.machine.stopwatch import fastest, one_core
from labs.models import load_language_model
from labs.tasks.passages import token_rows
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.cache import KeysValues
from labs.transformer.interventions import modules_swapped, self_attentions
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "What do shared keys and values save, and can trained heads be merged into one?"
POINTS = ("5.4.1", "5.4.2", "5.4.3", "5.4.4")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "bytes": "The cache of a token takes exactly 2 · n_layers · n_kv_heads · head_dim numbers: a "
    "third with 3 heads of keys and values instead of 9, a ninth with 1.",
    "time": "At a long context, attention of a new token takes at most 0.6 of the time with a "
    "third of the heads of keys and values.",
    "switch": "With one head of keys and values, PyTorch's enable_gqa takes at least 1.5 times as "
    "long for a new token as the same function with all queries as rows of one head.",
    "merge": "Merging trained heads of keys and values into their mean costs over 2 nats without "
    "further training; in one middle layer alone less than 0.5.",
}
HOLDS_IF = {
    "bytes": "excess_bytes == 0 and bytes_mha == 3 * bytes_gqa and bytes_gqa == 3 * bytes_mqa",
    "time": "gqa_ratio <= 0.6 if not 0.55 < gqa_ratio < 0.75 else unknown",
    "switch": "switch_ratio >= 1.5 if not 1.2 < switch_ratio < 1.5 else unknown",
    "merge": "cost_merged > 2 and cost_one < 0.5",
}
KNOBS = {"context": (8192, 2048, 512)}
KNOB_HELP = {"context": "tokens in the cache, for the times"}
SEEDS = 3
SECONDS = {"cpu": 6}
ALONE = True
LITERATURE = {
    "time": "T5-XXL took 1.51 s a sample with MHA, 0.28 s with GQA of 8 heads and 0.24 s with MQA, "
    "at mean scores of 47.2, 47.1 and 46.6 (Ainslie et al. 2023, Table 1; TPUs).",
    "merge": "T5-Large as MQA, after 5 % more training, scored about 55.6 with the mean of the "
    "heads, 55.1 with the first one and 54.6 with a random one (Ainslie et al. 2023, read off "
    "Fig. 4).",
}

N_TEXTS = 3
N_TOKENS = 32
KINDS = {"mha": "MHA", "gqa": "GQA", "mqa": "MQA"}


@torch.no_grad()
def run(*, context: int, seed: int, device: str, model: str) -> Iterator[Event]:
    """Count, time, merge."""
    language = load_language_model(model, device)
    config = language.model.config
    n_kv_heads = {"mha": config.n_heads, "gqa": config.kv_heads, "mqa": 1}
    yield from cache_sizes(config, n_kv_heads)
    yield Progress(1, 3, "timing attention")
    yield from times(config, n_kv_heads, context, seed, device)
    encode, begin = language.tokenizer.encode, [language.begin]
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=begin).to(device)
    yield Progress(2, 3, "merging heads")
    yield from merged(language.model, texts)


def cache_sizes(config: TransformerConfig, n_kv_heads: dict[str, int]) -> Iterator[Event]:
    """Bytes that the cache takes for a token, beside the formula."""
    excess = 0
    for kind, n in n_kv_heads.items():
        keys_values = KeysValues(capacity=1)
        keys_values.append(*torch.zeros(2, 1, n, 1, config.head_dim))
        stored = (keys_values.keys, keys_values.values)
        taken = config.n_layers * sum(part.untyped_storage().nbytes() for part in stored)
        excess += abs(taken - 4 * 2 * config.n_layers * n * config.head_dim)
        what = f"bytes of a token in the cache, {KINDS[kind]} ({n} heads of keys and values)"
        yield Measurement(f"bytes_{kind}", taken, "B", what)
    yield Measurement("excess_bytes", excess, "B", "bytes beyond the formula")


def times(
    config: TransformerConfig, n_kv_heads: dict[str, int], context: int, seed: int, device: str
) -> Iterator[Event]:
    """Attention of one new token in one layer."""
    draw = Generator().manual_seed(seed)
    attend, width = F.scaled_dot_product_attention, config.head_dim
    q = torch.randn(1, config.n_heads, 1, width, generator=draw).to(device)
    contexts = sorted({512, 2048, context})
    rows = []
    for n_tokens in contexts:
        shared, switched = [], []
        for n in n_kv_heads.values():
            k, v = torch.randn(2, 1, n, n_tokens, width, generator=draw).to(device)
            shared.append(partial(attend, as_rows(q, n), k, v))
            switched.append(partial(attend, q, k, v, enable_gqa=True))
        with one_core():
            # More rounds than elsewhere: a neighbour's use of the cache slows all of them down.
            seconds = fastest([*shared, *switched[1:]], device, n_rounds=9, at_least_s=0.004)
        rows.append((n_tokens, *(1000 * each for each in seconds)))
    columns = ("context", *KINDS.values(), "GQA by enable_gqa", "MQA by enable_gqa")
    yield Table("Attention of a new token in one layer, in ms", columns, rows)
    for place, kind in enumerate(KINDS.values(), start=1):
        taken = [row[place] for row in rows]
        yield Curve("Attention of a new token", kind, contexts, taken, "context", "ms")
    mha, gqa, mqa, _, by_switch = rows[contexts.index(context)][1:]
    for name, ratio, label in (
        ("gqa_ratio", gqa / mha, "time of GQA / MHA"),
        ("mqa_ratio", mqa / mha, "time of MQA / MHA"),
        ("switch_ratio", by_switch / mqa, "time of MQA by enable_gqa / with queries as rows"),
    ):
        yield Measurement(name, ratio, "", f"{label}, context {context:,}")


def as_rows(q: Tensor, n_kv_heads: int) -> Tensor:
    """The queries of each group as rows of one head: they meet its keys together."""
    # (batch, n_heads, 1, head_dim) -> (batch, n_kv_heads, n_heads / n_kv_heads, head_dim)
    return q.view(q.shape[0], n_kv_heads, -1, q.shape[-1])


def merged(model: Transformer, texts: Tensor) -> Iterator[Event]:
    """What it costs to give all query heads the mean of the trained keys and values."""
    intact = mean_loss(model(texts), texts)
    yield Measurement("loss", intact, "nats", "loss, nothing changed")
    half = len(model.blocks) // 2
    attentions = self_attentions(model)
    for name, label, parts in (
        ("merged", "keys and values merged in all layers", ("key", "value")),
        ("keys", "keys alone merged", ("key",)),
        ("values", "values alone merged", ("value",)),
        ("one", "keys and values merged in one middle layer", ("key", "value")),
    ):
        chosen = attentions[half : half + 1] if name == "one" else attentions
        swaps = [
            (attention, part, HeadMean(getattr(attention, part), attention.head_dim))
            for attention in chosen
            for part in parts
        ]
        with modules_swapped(swaps):
            cost = mean_loss(model(texts), texts) - intact
        yield Measurement(f"cost_{name}", cost, "nats", f"cost, {label}")


class HeadMean(nn.Module):
    """A projection in which every head gives the mean of all heads, as one head would."""

    def __init__(self, projection: nn.Module, head_dim: int) -> None:
        super().__init__()
        self._projection, self._head_dim = projection, head_dim

    def forward(self, x: Tensor) -> Tensor:
        # (batch, seq_len, d_model) -> (batch, seq_len, n_kv_heads · head_dim)
        by_head: Tensor = self._projection(x).unflatten(-1, (-1, self._head_dim))
        return by_head.mean(dim=-2, keepdim=True).expand_as(by_head).flatten(-2)
