"""A real model without its causal mask: the loss falls, and the model is worse.

SmolLM2-135M was trained with the mask. Here it is taken out for reading only: no weight changes,
but now every token sees the tokens after it, and among them the one that it is asked to predict.
The loss that is usually reported is measured with and without the mask, on the same texts. Then the
fair test: the model sees the beginning of a text alone, and is asked for the token after it.

How to read it. A loss says how well a model predicts only if the answer was hidden from it. The
fair test hides it by leaving it out, as it is when a model writes. Without the mask, tokens of the
beginning still see one another in both directions, which the model was never trained for: about
one text in eight is thrown off so far that even its reported loss rises. The table shows a
sentence, which may be one of your own, token by token: the loss, and the rank of the token among
all that the model thought possible, 1 for the one that it expected most.

What the texts are. The beginnings of eight docstrings of Python's standard library, 32 tokens
each, other ones for each seed. They were probably in the training data, so compare the losses with
one another, and not with those of other texts.

What the literature reports. Nothing about this model; that a mask hides what is to be predicted is
Sec. 3.2.3 of Vaswani et al. (2017).

Out of scope: training without a mask (gpt/causal_mask), where the leak is all that is learned.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from labs.models import load_language_model
from labs.tasks.passages import token_rows
from labs.transformer import Transformer
from labs.transformer.interventions import unmasked
from studykit.lab.events import Event, Measurement, Progress, Table

QUESTION = "What happens to a real model's loss when its causal mask is taken out?"
POINTS = ("3.1.1", "3.1.3")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "falls": "Without the mask the reported loss falls by at least 0.5 nats, in the median of the "
    "texts.",
    "stays": "Without the mask the reported loss changes by less than 0.05 nats, in the median of "
    "the texts.",
    "rises": "Without the mask the reported loss rises by at least 0.05 nats, in the median of the "
    "texts.",
    "worse": "In the fair test the loss without the mask is at least 0.25 nats higher than with "
    "it.",
}
HOLDS_IF = {
    "falls": "change <= -0.5",
    "stays": "abs(change) < 0.05",
    "rises": "change >= 0.05",
    "worse": "fair_unmasked >= fair_causal + 0.25",
}
KNOBS = {
    "sentence": (
        "The capital of France is Paris, and the capital of Italy is Rome.",
        "She put the key into the lock and turned it, but the door did not open.",
    )
}
KNOB_HELP = {"sentence": "the sentence of the table: one of these, or one of your own"}
TEXT_KNOBS = ("sentence",)
SEEDS = 3
SECONDS = {"cpu": 8}

N_TEXTS = 8
N_TOKENS = 32
ASKED = (10, 17, 24, 31)
"""Lengths of the beginnings in the fair test."""
MOST_SHOWN = 30


@torch.no_grad()
def run(*, sentence: str, seed: int, device: str, model: str) -> Iterator[Event]:
    """The same texts with and without the mask, by the reported loss and in the fair test."""
    language = load_language_model(model, device)
    encode, begin = language.tokenizer.encode, [language.begin]
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=begin).to(device)
    shown = torch.tensor([(begin + encode(sentence))[:MOST_SHOWN]], device=device)
    yield Progress(0, 2, "reading with the mask")
    masked = losses(language.model, texts)
    # With the mask a token's loss is fair as it is: nothing after it was visible.
    fair_masked = masked[:, [length - 1 for length in ASKED]]
    columns = [losses(language.model, shown)[0], ranks(language.model, shown)[0]]
    yield Progress(1, 2, "reading without the mask")
    with unmasked(language.model):
        open_ = losses(language.model, texts)
        fair_open = fair_losses(language.model, texts)
        columns += [losses(language.model, shown)[0], ranks(language.model, shown)[0]]
    for name, label, reported, fair in (
        ("causal", "with the mask", masked, fair_masked),
        ("unmasked", "without the mask", open_, fair_open),
    ):
        yield Measurement(f"loss_{name}", float(reported.mean()), "nats", f"reported loss, {label}")
        yield Measurement(f"fair_{name}", float(fair.mean()), "nats", f"fair test, {label}")
    change = float((open_.mean(dim=1) - masked.mean(dim=1)).median())
    label = "change of a text's reported loss without the mask, median"
    yield Measurement("change", change, "nats", label)
    pieces = language.tokenizer.pieces(shown[0, 1:].tolist())
    rows = list(zip(pieces, *(column.tolist() for column in columns), strict=True))
    titles = ("token", "with the mask", "rank", "without the mask", "rank without")
    yield Table("Loss of each token of the sentence, in nats, and its rank", titles, rows)


def losses(model: Transformer, tokens: Tensor) -> Tensor:
    """The reported loss of each token but the first: (batch, seq_len - 1)."""
    logits = model(tokens)[:, :-1]  # the last one predicts what is not there
    return F.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")


def ranks(model: Transformer, tokens: Tensor) -> Tensor:
    """How many tokens the model held at least as likely as each but the first; 1: none other."""
    logits = model(tokens)[:, :-1]
    own = logits.gather(-1, tokens[:, 1:, None])  # (batch, seq_len - 1, 1)
    likelier: Tensor = logits >= own  # itself among them
    return likelier.sum(dim=-1)


def fair_losses(model: Transformer, tokens: Tensor) -> Tensor:
    """The loss of the token after each beginning, which the model has not seen: (batch, asked)."""
    each = []
    for length in ASKED:
        last = model.last_stream(tokens[:, :length])[:, -1:]  # (batch, 1, d_model)
        logits = model.read(last)[:, 0]  # (batch, vocab_size)
        each.append(F.cross_entropy(logits, tokens[:, length], reduction="none"))
    return torch.stack(each, dim=1)
