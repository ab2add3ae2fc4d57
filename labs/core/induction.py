"""A few heads copy: they look for what came after the same word before.

SmolLM2-135M reads random words, and then the same words again. The first time nobody can predict
them; the second time it takes two steps to do so. A head of a lower layer writes into each token
which token stood before it (a previous-token head). A head further up then finds the place whose
previous token is the present one: it attends to what followed the last time, and predicts that (an
induction head). The lab finds the ten heads that do so most on some words, and silences them on
other words: their output is set to zero. In their stead it then silences the ten heads of the same
layers that do so least, and after that the two strongest previous-token heads alone.

How to read it. Costs are the loss with heads silenced less the loss without, on the same tokens.
Random words cost more than ln V at first, as the model expects a text. The table of your own text,
which is read twice as well, has the loss of each token at the first and the second reading.

What the texts are. Three rows of 20 different words of one token, other ones for each seed; as a
control three docstrings of Python's standard library, 32 tokens each, in which little recurs.

What the literature reports. Models of two layers and more form such heads, models of one layer do
not; for large models the evidence is correlational (Olsson et al. 2022).

Out of scope: how training makes these heads, and texts that repeat themselves in other words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import TypeAlias

import torch
from torch import Tensor

from labs.kit.reading import losses
from labs.kit.words import words_twice
from labs.models import load_language_model
from labs.tasks.passages import token_rows
from labs.transformer import Transformer
from labs.transformer.interventions import silenced_heads
from labs.transformer.probes import attention_maps
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "How does a real model copy what it has read before?"
POINTS = ("1.2.2", "1.2.3", "1.2.4")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "copies": "Random words cost less than half as much when they are read for the second time.",
    "carried": "Ten heads carry it, and little else: silenced, they cost over half of what the "
    "second reading had gained, ten others of their layers less than a third of that, and ordinary "
    "text less than a twentieth.",
    "two_steps": "It takes a second kind of head: the two that attend most to the token before, "
    "silenced alone, cost the second reading over 2 nats.",
}
HOLDS_IF = {
    "copies": "loss_second < loss_first / 2",
    "carried": "cost_ten > (loss_first - loss_second) / 2 and cost_others < cost_ten / 3"
    " and cost_text < cost_ten / 20",
    "two_steps": "cost_previous > 2",
}
KNOBS = {
    "text": (
        "The green door of the old mill was never locked.",
        "Mrs Quill keeps the keys of the library in Marsh Street.",
    )
}
TEXT_KNOBS = ("text",)
KNOB_HELP = {"text": "read twice for the table: one of these, or one of your own"}
SEEDS = 3
SECONDS = {"cpu": 7}

Head: TypeAlias = tuple[int, int]
"""Layer and head, from 0."""

N_WORDS = 20
N_ROWS = 3
N_HEADS = 10
N_TEXTS = 3
N_TOKENS = 32
MOST_SHOWN = 30
"""Tokens of the learner's own text."""


@torch.no_grad()
def run(*, text: str, seed: int, device: str, model: str) -> Iterator[Event]:
    """Find the heads on some words; silence them on other words, on docstrings and on the text."""
    language = load_language_model(model, device)
    encode, begin = language.tokenizer.encode, [language.begin]
    draw = Random(seed)
    uniform = math.log(language.model.config.vocab_size)
    yield Measurement("uniform_entropy", uniform, "nats", "uniform guess", yardstick=True)
    seen, tried = (
        words_twice(language, draw, n_rows=N_ROWS, n_words=N_WORDS).to(device) for _ in range(2)
    )
    ten, others, previous = find_heads(language.model, seen)
    yield Table(
        "Heads that attend to what followed the same word before",
        ("layer", "head", "share of their attention"),
        [(layer + 1, head + 1, share) for (layer, head), share in ten.items()],
    )
    yield Progress(1, 4, "silencing heads")
    words = Reading(language.model, tried)
    intact = words.losses()  # 2 · N_WORDS
    silenced = words.losses(list(ten))
    first, second = intact[:N_WORDS].mean(), intact[N_WORDS:].mean()
    yield Measurement("loss_first", float(first), "nats", "loss, first reading")
    yield Measurement("loss_second", float(second), "nats", "loss, second reading")
    for name, label, found in (
        ("ten", "ten copying heads silenced", silenced),
        ("others", "ten others of the same layers silenced", words.losses(others)),
        ("previous", "two previous-token heads silenced", words.losses(previous)),
    ):
        cost = float(found[N_WORDS:].mean() - second)
        yield Measurement(f"cost_{name}", cost, "nats", f"cost at the second reading, {label}")
    places = list(range(1, N_WORDS + 1))
    for line, values in (
        ("first reading", intact[:N_WORDS]),
        ("second reading", intact[N_WORDS:]),
        ("second, ten heads silenced", silenced[N_WORDS:]),
    ):
        yield Curve("Loss of random words", line, places, values.tolist(), "word", "nats")
    yield Progress(2, 4, "reading docstrings")
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=begin).to(device)
    docstrings = Reading(language.model, texts)
    cost = float((docstrings.losses(list(ten)) - docstrings.losses()).mean())
    yield Measurement("cost_text", cost, "nats", "cost on docstrings, ten copying heads silenced")
    yield Progress(3, 4, "reading your text")
    own = encode(text)[:MOST_SHOWN]
    yours = Reading(language.model, torch.tensor([begin + own + own], device=device))
    by_token = yours.losses().view(2, -1), yours.losses(list(ten)).view(2, -1)[1:]
    columns = ("token", "first reading", "second", "second, heads silenced")
    pieces = language.tokenizer.pieces(own)
    rows = list(zip(pieces, *torch.cat(by_token).tolist(), strict=True))
    yield Table("Loss of each token of your text, in nats", columns, rows)


class Reading:
    """Tokens, and what the model loses on them with any heads silenced."""

    def __init__(self, model: Transformer, tokens: Tensor) -> None:
        self._model, self._tokens = model, tokens
        self._stream = model.residual_stream(tokens)

    def losses(self, heads: Sequence[Head] = ()) -> Tensor:
        """The loss at each place, in the mean of the rows: (seq_len - 1,)."""
        # What lies below the lowest of the heads stays as it was.
        lowest = min((layer for layer, _ in heads), default=len(self._stream) - 1)
        with silenced_heads(self._model, heads):
            logits = self._model.resume(self._stream[lowest], lowest)
        return losses(logits, self._tokens).mean(dim=0)


def find_heads(
    model: Transformer, words: Tensor
) -> tuple[dict[Head, float], list[Head], list[Head]]:
    """The heads that copy most, as many others of their layers, and two previous-token heads.

    The first with the share of their attention, at the second reading, that goes to the token
    which followed the same word at the first.
    """
    maps = torch.stack(attention_maps(model, words))  # (layers, rows, heads, query, key)
    query = torch.arange(N_WORDS + 1, words.shape[1])
    to_next = maps[..., query, query - N_WORDS + 1].mean(dim=(1, 3))  # (layers, heads)
    to_previous = maps[..., query, query - 1].mean(dim=(1, 3))
    n_heads = maps.shape[2]
    shares, places = to_next.flatten().topk(N_HEADS)
    copying = [divmod(place, n_heads) for place in places.tolist()]
    # Neither heads that copy a little nor those that copying rests on.
    idle = torch.maximum(to_next, to_previous).flatten()
    others = [
        divmod(place, n_heads)
        for place in idle.argsort().tolist()
        if place // n_heads in {layer for layer, _ in copying}
    ]
    previous = [divmod(place, n_heads) for place in to_previous.flatten().topk(2).indices.tolist()]
    return dict(zip(copying, shares.tolist(), strict=True)), others[:N_HEADS], previous
