"""Written token by token: a cache changes the cost and not the text, and the likeliest text loops.

A small decoder is trained on the letters of docstrings, then writes. Each letter needs the whole
text so far, but keys and values of what has been read never change, so a cache of them leaves one
position to compute for each new letter. Then the same model writes in three ways: always the
likeliest letter (greedy), drawn from what it expects (temperature 1), and from logits halved first
(temperature 2).

How to read it. The loss of a text is what the model itself loses on it: low means that it finds the
text likely. Real text is the yardstick: docstrings that it was not trained on. Repeated is the
share of runs of eight letters that stood in the same text before.

What the literature reports. Nothing that is quoted here. Greedy decoding and beam search are known
to end in repetition; sampling from the nucleus was proposed against it (Holtzman et al. 2020).

Out of scope: real words, which a model of this size does not write in 200 steps (gpt/sampling has a
real one), the time that a cache saves and the memory that it takes.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.charts import watch
from labs.kit.text import Letters
from labs.kit.writing import Sampling, repeated_share, write
from labs.tasks.docstrings import decode
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.generation import generate
from studykit.lab.events import Event, Measurement, Table

QUESTION = "How does a model that has just been trained write, and why not the likeliest text?"
POINTS = ("3.1.1", "3.1.3")
CLAIMS = {
    "cached": "With a cache the model writes the same text and computes under a tenth of the "
    "positions.",
    "loops": "Greedy writing repeats at least 5 % of its runs of eight letters, and five times as "
    "many as drawing at temperature 1.",
    "calibrated": "Text drawn at temperature 1 is as likely to the model as real text, within 0.3 "
    "nats a letter; greedy text loses less than 60 % of that, at temperature 2 over 140 %.",
}
HOLDS_IF = {
    "cached": "differences == 0 and positions_cached < positions_uncached / 10",
    "loops": "repeated_greedy >= max(0.05, 5 * repeated_drawn)",
    "calibrated": "abs(loss_drawn - loss_real) <= 0.3 and loss_greedy < 0.6 * loss_real"
    " and loss_hot > 1.4 * loss_real",
}
KNOBS = {"n_new": (96, 48)}
KNOB_HELP = {"n_new": "letters that are written after each beginning"}
SEEDS = 3
SECONDS = {"cpu": 6}

BUDGET = Budget(n_steps=200, batch_size=16, n_held_out=256, n_evaluations=8)
RATES = (0.006,)
SEQ_LEN = 48
N_TEXTS = 16
PROMPT_LEN = 16
RUN = 8
WAYS = {"greedy": Sampling(0.0), "drawn": Sampling(1.0), "hot": Sampling(2.0)}
LABELS = {"greedy": "greedy", "drawn": "temperature 1", "hot": "temperature 2"}


@one_thread
def run(*, n_new: int, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Train a model, let it write with and without a cache, then in three ways."""
    size = BUDGET.scaled(budget)
    text = Letters(size, seq_len=SEQ_LEN, seed=seed, device=device)
    yield from text.yardsticks()
    longest = max(SEQ_LEN, PROMPT_LEN + n_new)
    config = TransformerConfig(vocab_size=text.vocab_size, seq_len=longest, positions="rope")
    model = Transformer(config, generator(seed, "weights")).to(device)
    recipe = size.recipe(final_share=0.1)
    training = train_arms({"model": [model]}, RATES, text.batches, text.held_out, recipe)
    _, end = yield from watch(training, {"model": "the model"}, RATES, size.n_steps)
    real = end.of["model"][0]
    yield Measurement("loss_real", real, "nats", "loss on real text", yardstick=True)
    prompts = text.held_out[0][:N_TEXTS, :PROMPT_LEN]
    yield from cached_and_not(model, prompts[:2], n_new)
    rows: list[tuple[str | float, ...]] = [("real text", real, "", "")]
    written = write(model, prompts, n_new, WAYS, generator(seed, "probe"))
    for way, label in LABELS.items():
        loss = float(written[way].losses.mean())
        repeated = repeated_share(written[way].tokens.tolist(), RUN)
        yield Measurement(f"loss_{way}", loss, "nats", f"loss on its own text, {label}")
        yield Measurement(f"repeated_{way}", repeated, "", f"runs repeated, {label}")
        rows.append((label, loss, repeated, decode(written[way].tokens[0]).replace("\n", " ")))
    yield Table("What it writes", ("way", "loss (nats)", "repeated", "text"), rows)


@torch.no_grad()
def cached_and_not(model: Transformer, prompts: Tensor, n_new: int) -> Iterator[Event]:
    """The same text twice: with a cache, and by reading everything anew for each letter."""
    positions: list[int] = []
    hook = model.embed.register_forward_pre_hook(
        lambda embed, args: positions.append(args[0].shape[-1])
    )
    try:
        cached = generate(model, prompts, n_new)
        n_cached = sum(positions)
        tokens = prompts
        for _ in range(n_new):
            likeliest = model(tokens)[:, -1:].argmax(dim=-1)  # (n_prompts, 1)
            tokens = torch.cat((tokens, likeliest), dim=1)
        n_uncached = sum(positions) - n_cached
    finally:
        hook.remove()
    differences = int((tokens[:, prompts.shape[1] :] != cached).sum())
    yield Measurement("differences", differences, "", "letters that differ with and without cache")
    label = "positions computed for a text, with a cache"
    yield Measurement("positions_cached", n_cached, "", label)
    label = "positions computed for a text, without"
    yield Measurement("positions_uncached", n_uncached, "", label)
