"""The causal mask turns one pass over a text into a fair question at every position.

A decoder is trained to name the next token at all positions of a text at once. That is a question
only if no position sees the answer, and the causal mask sees to it. The lab trains one model three
times, from the same weights, on texts of a language whose entropy is known exactly: with the mask,
with a mask that is off by one (each token sees the next one, the most ordinary of masking bugs),
and with none.

How to read it. Someone who knew the language's rule would lose its entropy rate; no honest
predictor can lose less, and a loss below it is a leak. The fair test shows a model the beginning
of a text only and asks for the token after it, which is what it meets when it writes: there are no
later tokens yet. The heat map shows the gradient of each output with respect to each input before
training: 0 means that a token cannot have any influence.

What the literature reports. The decoder of the original transformer sets the scores of all later
positions to -∞ before the softmax (Vaswani et al. 2017, Sec. 3.2.3).

Out of scope: encoders, which see all tokens and are asked for tokens that were replaced in the
input; a real model without its mask (gpt/leak); the cost of generation (gpt/generation).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.charts import watch
from labs.tasks.toy_languages import build_markov_language
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.attention import CausalMask
from labs.transformer.train import Batch
from studykit.lab.events import Event, HeatMap, Measurement

QUESTION = "What does the causal mask buy, and what if it is off by one?"
POINTS = ("3.1.1", "3.1.3")
CLAIMS = {
    "sealed": "With the mask no output depends on a later token at all: the gradient is exactly 0, "
    "and without the mask it is not.",
    "honest": "With the mask the loss ends at most 0.15 nats above that of the best predictor "
    "there can be, not below it, and the fair test gives the same loss.",
    "leaks": "With a mask that is off by one the loss falls below a quarter of what the best "
    "predictor there can be loses.",
    "useless": "In the fair test both leaking models, off by one and without a mask, lose at least "
    "0.5 nats more than the masked one.",
}
HOLDS_IF = {
    "sealed": "influence_causal == 0 and influence_none > 0.001",
    "honest": "-0.01 <= loss_causal - best_loss <= 0.15 and abs(fair_causal - loss_causal) < 0.001",
    "leaks": "loss_ahead < best_loss / 4",
    "useless": "min(fair_ahead, fair_none) > fair_causal + 0.5",
}
KNOBS = {"n_layers": (2, 1, 4)}
KNOB_HELP = {"n_layers": "layers of each model"}
SEEDS = 3
SECONDS = {"cpu": 8}

LABELS = {"causal": "causal mask", "ahead": "off by one", "none": "no mask"}
BUDGET = Budget(n_steps=220, batch_size=16, n_held_out=256, n_evaluations=10)
RATES = (0.003,)
VOCAB_SIZE = 16
SEQ_LEN = 16
SPREAD = 0.6
"""Leaves the language about two thirds of the entropy of a uniform guess."""


@one_thread
def run(*, n_layers: int, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Three masks before training, while they train, and in the fair test."""
    size = BUDGET.scaled(budget)
    language = build_markov_language(VOCAB_SIZE, spread=SPREAD, generator=generator(seed, "probe"))
    for name, value, label in (
        ("uniform_entropy", math.log(VOCAB_SIZE), "uniform guess"),
        ("unigram_entropy", language.unigram_entropy, "token frequencies"),
        ("entropy_rate", language.entropy_rate, "entropy rate of the language"),
    ):
        yield Measurement(name, value, "nats", label, yardstick=True)

    def draw(n_rows: int, stream: torch.Generator) -> Batch:
        tokens = language.sample(n_rows, SEQ_LEN + 1, stream).to(device)
        return tokens[:, :-1], tokens[:, 1:]

    def batches() -> Iterator[Batch]:
        stream = generator(seed, "batches")
        while True:
            yield draw(size.batch_size, stream)

    config = TransformerConfig(
        vocab_size=VOCAB_SIZE, seq_len=SEQ_LEN, n_layers=n_layers, d_ff=64, positions="rope"
    )
    models = {}
    for arm, n_ahead in (("causal", 0), ("ahead", 1), ("none", SEQ_LEN)):
        # The same random numbers for every arm: all start from the same weights.
        models[arm] = Transformer(config, generator(seed, "weights")).to(device)
        show_ahead(models[arm], n_ahead)
    held_out = draw(size.n_held_out, generator(seed, "held out"))
    best = -float(language.transitions[held_out[0].cpu(), held_out[1].cpu()].log().mean())
    label = "loss of the best predictor on the held-out texts"
    yield Measurement("best_loss", best, "nats", label, yardstick=True)
    for arm in ("causal", "none"):
        yield from influence(arm, models[arm], held_out[0][:1])
    arms = {arm: [model] for arm, model in models.items()}
    recipe = size.recipe(final_share=0.1)
    training = train_arms(arms, RATES, batches, held_out, recipe)
    _, end = yield from watch(training, LABELS, RATES, size.n_steps)
    for arm, model in models.items():
        yield Measurement(f"loss_{arm}", end.of[arm][0], "nats", f"held-out loss, {LABELS[arm]}")
        yield from fair_test(arm, model, held_out)


def show_ahead(model: Transformer, n_tokens: int) -> None:
    """Let every token of a causal model see so many tokens after it."""
    for module in model.modules():
        if isinstance(module, CausalMask):
            module.mask.copy_(torch.full_like(module.mask, -math.inf).triu(1 + n_tokens))


def influence(arm: str, model: Transformer, tokens: Tensor) -> Iterator[Event]:
    """Gradient of every output with respect to every input of one text."""
    stream = model.residual_stream(tokens)
    before, after = stream[0], stream[-1]  # (1, SEQ_LEN, d_model)
    rows = [
        torch.autograd.grad(after[0, place].square().sum(), before, retain_graph=True)[0][0]
        for place in range(SEQ_LEN)
    ]
    norms = torch.stack(rows).norm(dim=-1)  # (SEQ_LEN outputs, SEQ_LEN inputs)
    places = [str(place + 1) for place in range(SEQ_LEN)]
    title = f"Gradient of outputs (rows) by inputs (columns), {LABELS[arm]}"
    yield HeatMap(title, places, places, norms.tolist(), "norm")
    label = f"largest gradient by a later token, {LABELS[arm]}"
    yield Measurement(f"influence_{arm}", float(norms.triu(1).max()), "", label)


@torch.no_grad()
def fair_test(arm: str, model: Transformer, held_out: Batch) -> Iterator[Event]:
    """Loss when each token is asked for after its beginning alone, nothing of the rest given."""
    tokens, targets = held_out
    ends: list[Tensor] = [model(tokens[:, : place + 1])[:, -1] for place in range(SEQ_LEN)]
    logits = torch.stack(ends, dim=1)  # (n_held_out, SEQ_LEN, VOCAB_SIZE)
    fair = float(F.cross_entropy(logits.flatten(0, 1), targets.flatten()))
    yield Measurement(f"fair_{arm}", fair, "nats", f"loss in the fair test, {LABELS[arm]}")
