"""One sentence with two words for one place, and how a model's attention differs between them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch

from labs.models import LanguageModel
from labs.transformer.probes import attention_maps
from studykit.lab.events import Event, HeatMap, UnmetNeedError

MOST_CHANGED = "most changed"
MOST_SHOWN = 24
"""Tokens of the sentence."""


def maps_of_both(language: LanguageModel, sentence: str, head: str, device: str) -> Iterator[Event]:
    """How far each head changes with the word, and the maps of one head for both words.

    `sentence` has both words in brackets, as in "The [river/city] bank was closed.". `head` is
    `MOST_CHANGED`, or layer.head counted from 1. Raises `UnmetNeedError` for other texts.
    """
    both = [[language.begin, *language.tokenizer.encode(text)] for text in variants(sentence)]
    if len(both[0]) != len(both[1]):
        raise UnmetNeedError(
            f"sentence has {len(both[0])} tokens with its first word and {len(both[1])} with its "
            "second: give two words of as many tokens for this model, like [river/city]"
        )
    tokens = torch.tensor(both, device=device)[:, :MOST_SHOWN]
    maps = torch.stack(attention_maps(language.model, tokens), dim=1)
    # maps: (2, layers, heads, query, key)
    changes = (maps[1] - maps[0]).abs().sum(dim=-1).mean(dim=-1) / 2
    n_layers, n_heads = changes.shape
    rows = [f"layer {layer}" for layer in range(1, n_layers + 1)]
    heads = [str(number) for number in range(1, n_heads + 1)]
    title = "Your sentence: attention that goes elsewhere with the other word"
    yield HeatMap(title, rows, heads, changes.tolist(), "share")
    layer, number = divmod(int(changes.argmax()), n_heads)
    if head != MOST_CHANGED:
        named = re.fullmatch(r"(\d+)\.(\d+)", head.strip())
        layer, number = (int(part) - 1 for part in named.groups()) if named else (-1, -1)
        if not (0 <= layer < n_layers and 0 <= number < n_heads):
            raise UnmetNeedError(
                f"head is {head!r}: give {MOST_CHANGED!r}, or layer.head from 1.1 to "
                f"{n_layers}.{n_heads}"
            )
    first, second = (language.tokenizer.pieces(row) for row in tokens.tolist())
    name = f"Your sentence, head {layer + 1}.{number + 1}"
    shown = maps[:, layer, number]
    hidden = torch.ones_like(shown[0]).triu(diagonal=1).bool().tolist()
    for what, pieces, values in (
        ("first word", first, shown[0]),
        ("second word", second, shown[1]),
        ("second less first", second, shown[1] - shown[0]),
    ):
        cells = [
            [None if is_hidden else value for value, is_hidden in zip(row, mask, strict=True)]
            for row, mask in zip(values.tolist(), hidden, strict=True)
        ]
        yield HeatMap(f"{name}, {what}", pieces, pieces, cells, "share")


def variants(sentence: str) -> tuple[str, str]:
    """The sentence with its first word, and with its second one.

    Raises `UnmetNeedError` for a text without two words in brackets.
    """
    found = re.fullmatch(r"([^\[\]]*)\[([^/\[\]]+)/([^/\[\]]+)\]([^\[\]]*)", sentence)
    if not found:
        raise UnmetNeedError(
            f"sentence is {sentence!r}: give one with two words for one place in brackets, "
            "like The [river/city] bank was closed."
        )
    before, first, second, after = found.groups()
    return before + first + after, before + second + after
