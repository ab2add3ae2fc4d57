"""RoPE gives any place an angle; what a model does with unseen distances is another matter.

A table of learned positions ends where training ended. RoPE's angles can be computed for any
place, and from this it is often concluded that models with RoPE read longer texts than those in
training. SmolLM2-135M was trained for up to 8,192 tokens. Here a text is cut in two, and its second
half is moved: the tokens stay, their places jump, and heads of the second half see the first at
distances of their choice. Words that stand in both halves show whether the model still finds them;
docstrings show whether far context does good or harm.

How to read it. Random words read twice cost little the second time, as the model copies; without
the first reading they cost what the first reading costs. The docstrings' second half is also read
with the first one cut away. A gap that costs more than that is worse than no context. "Squeezed"
multiplies all places by one number, so that they fit into the trained range.

What the texts are. Three rows of 20 random words, each twice, and three docstrings of Python's
standard library, 32 tokens each, other ones for each seed.

What the literature reports. The bound of Su et al. (2021, Sec. 3.4.3) on a score falls with
distance; for random queries and keys the expected score is 0 at every distance, and a head can have
its largest score at any (Barbero et al. 2024, Prop. 3.1 and 3.2).

Out of scope: long texts without a gap, which a model reads at no harm a little beyond its training,
and training for longer ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import torch
from torch import Tensor

from labs.kit.reading import losses
from labs.kit.words import words_twice
from labs.models import load_language_model
from labs.tasks.passages import token_rows
from labs.transformer import Transformer
from labs.transformer.interventions import positions_replaced
from studykit.lab.events import Curve, Event, Measurement, Progress

QUESTION = "Does a model with RoPE make use of distances beyond those in its training?"
POINTS = ("5.2.4",)
NEEDS = ("model:smollm2",)
CLAIMS = {
    "farther": "The farther away random words were first read, the more a second reading costs: "
    "least without a gap, more over 1,000 places, most over twice the trained length.",
    "lost": "Over a gap of twice the trained length it costs at least two thirds of the first: the "
    "words are no longer found.",
    "harmful": "Context at twice the trained length is worse than none: docstrings cost over 0.25 "
    "nats more than with their first half cut away.",
    "ignored": "Context at twice the trained length does neither good nor harm: docstrings cost "
    "the same within 0.25 nats as with their first half cut away.",
    "helpful": "Context at twice the trained length helps: docstrings cost over 0.25 nats less "
    "than with their first half cut away.",
}
HOLDS_IF = {
    "farther": "words_none < words_near < words_far",
    "lost": "words_far >= 2 * loss_first / 3",
    "harmful": "text_far > text_cut + 0.25",
    "ignored": "abs(text_far - text_cut) <= 0.25",
    "helpful": "text_far < text_cut - 0.25",
}
KNOBS = {"times": (2, 1, 4)}
KNOB_HELP = {"times": "the far gap, in lengths of the training"}
SEEDS = 3
SECONDS = {"cpu": 9}

N_TEXTS = 3
N_TOKENS = 32
N_WORDS = 20
NEAR, MIDDLE = 1000, 4000


@torch.no_grad()
def run(*, times: int, seed: int, device: str, model: str) -> Iterator[Event]:
    """Both kinds of text, over wider and wider gaps."""
    language = load_language_model(model, device)
    encode, begin = language.tokenizer.encode, [language.begin]
    words = words_twice(language, Random(seed), n_rows=N_TEXTS, n_words=N_WORDS).to(device)
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=begin).to(device)
    trained = language.model.config.seq_len
    yield Measurement("trained_length", trained, "tokens", "longest text in training")
    first = float(losses(language.model(words), words)[:, :N_WORDS].mean())
    yield Measurement("loss_first", first, "nats", "words, first reading", yardstick=True)
    half = N_TOKENS // 2
    bare = torch.cat((texts[:, :1], texts[:, half:]), dim=1)
    cut = float(losses(language.model(bare), bare)[:, 1:].mean())
    yield Measurement("text_cut", cut, "nats", "docstrings, first half cut away", yardstick=True)
    far = times * trained
    gaps = {"none": 0, "near": NEAR, "middle": MIDDLE, "far": far}
    for number, (name, gap) in enumerate(gaps.items()):
        yield Progress(number, len(gaps) + 1, f"over a gap of {gap:,}")
        of_words = loss_over(language.model, words, gap)
        of_text = loss_over(language.model, texts, gap)
        for kind, loss, what in (
            ("words", of_words, "random words, second reading"),
            ("text", of_text, "docstrings, second half"),
        ):
            yield Curve("Loss over a gap", what, [gap], [loss], "places", "nats")
            yield Measurement(f"{kind}_{name}", loss, "nats", f"{what}, gap {gap:,}")
    squeezed = loss_over(language.model, texts, far, longest=trained)
    yield Measurement("text_squeezed", squeezed, "nats", f"docstrings, gap {far:,}, squeezed")


def loss_over(model: Transformer, tokens: Tensor, gap: int, longest: int | None = None) -> float:
    """The loss of the second half, less its first token, with its places moved on by `gap`.

    All places are then squeezed, so that the last is `longest` at most.
    """
    seq_len = tokens.shape[1]
    half = (seq_len + 1) // 2  # a token to begin with and two readings, or a text of even length
    places = torch.arange(float(seq_len), device="cpu")
    places[half:] += gap
    if longest is not None:
        places *= min(1.0, longest / float(places[-1]))
    with positions_replaced(model, places):
        return float(losses(model(tokens), tokens)[:, half:].mean())
