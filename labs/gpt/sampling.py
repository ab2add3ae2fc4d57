"""The likeliest continuation is not the most natural one, as a real model's own words show.

SmolLM2-135M continues beginnings in four ways: greedy, drawn at temperature 1, drawn at temperature
1 from the nucleus (the likeliest tokens that together have a chance of 0.9), and drawn at
temperature 1.5. How likely does the model find what it has written, and how likely what people
wrote there?

How to read it. The loss of a text is what the model itself loses on it; that of the real
continuations is the yardstick. A text of far lower loss says only what is nearly certain, one of
far higher loss says what the model itself does not believe. The table shows what it writes after
a beginning that may be your own.

What the texts are. The first twelve tokens of two docstrings of Python's standard library, other
ones for each seed; the real continuation is the rest of the docstring.

What the literature reports. Nothing that is quoted here; nucleus sampling is Holtzman et al. 2020.

Out of scope: whether a text is true, useful or coherent over pages. A model of 135 million
parameters in 4-bit weights invents freely in all four ways.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn import functional as F

from labs.kit.budget import generator
from labs.kit.writing import Sampling, repeated_share, write
from labs.models import load_language_model
from labs.tasks.passages import token_rows
from studykit.lab.events import Event, Measurement, Progress, Table

QUESTION = "Which way of choosing the next token writes like people do?"
POINTS = ("3.1.3",)
NEEDS = ("model:smollm2",)
CLAIMS = {
    "bracketed": "Greedy text loses less than half of what real text loses, text drawn at "
    "temperature 1.5 at least one and a half times as much.",
    "cautious": "Text drawn from the nucleus loses less than real text, and more than greedy text.",
}
HOLDS_IF = {
    "bracketed": "2 * loss_greedy < loss_real and loss_hot >= 1.5 * loss_real",
    "cautious": "loss_greedy < loss_nucleus < loss_real",
}
KNOBS = {
    "beginning": ("The key to a good night's sleep is", "def fibonacci(n):", "Once upon a time")
}
KNOB_HELP = {"beginning": "what the table's texts begin with: one of these, or one of your own"}
TEXT_KNOBS = ("beginning",)
SEEDS = 3
SECONDS = {"cpu": 12}

N_TEXTS = 2
PROMPT_LEN = 12
N_NEW = 24
WAYS = {
    "greedy": Sampling(0.0),
    "nucleus": Sampling(1.0, 0.9),
    "drawn": Sampling(1.0),
    "hot": Sampling(1.5),
}
LABELS = {
    "greedy": "greedy",
    "nucleus": "nucleus of 0.9",
    "drawn": "temperature 1",
    "hot": "temperature 1.5",
}


@torch.no_grad()
def run(*, beginning: str, seed: int, device: str, model: str) -> Iterator[Event]:
    """Write after all beginnings in all ways at once, then judge the texts by the model itself."""
    language = load_language_model(model, device)
    encode, begin = language.tokenizer.encode, [language.begin]
    yield Progress(0, 2, "reading real text")
    texts = token_rows(encode, N_TEXTS, PROMPT_LEN + N_NEW, seed=seed, begin=begin).to(device)
    logits = language.model(texts)[:, PROMPT_LEN - 1 : -1]
    real = float(F.cross_entropy(logits.transpose(1, 2), texts[:, PROMPT_LEN:]))
    yield Measurement("loss_real", real, "nats", "loss on the real continuations", yardstick=True)
    yield Progress(1, 2, "writing in four ways")
    own = (begin + encode(beginning)[: PROMPT_LEN - 1])[:PROMPT_LEN]
    n_missing = PROMPT_LEN - len(own)  # shorter than the others: padded on the left
    padded = torch.tensor([n_missing * begin + own], device=device)
    prompts = torch.cat((texts[:, :PROMPT_LEN], padded))
    visible = torch.ones_like(prompts, dtype=torch.bool)
    visible[-1, :n_missing] = False
    written = write(language.model, prompts, N_NEW, WAYS, generator(seed, "probe"), visible=visible)
    rows: list[tuple[str | float, ...]] = []
    for way, label in LABELS.items():
        loss = float(written[way].losses[:N_TEXTS].mean())
        repeated = repeated_share(written[way].tokens[:N_TEXTS].tolist(), 3)
        yield Measurement(f"loss_{way}", loss, "nats", f"loss on its own text, {label}")
        yield Measurement(f"repeated_{way}", repeated, "", f"runs of 3 tokens repeated, {label}")
        text = language.tokenizer.decode(written[way].tokens[-1].tolist())
        rows.append((label, float(written[way].losses[-1].mean()), " ".join(text.split())))
    yield Table(f"After “{beginning}”", ("way", "loss (nats)", "it writes"), rows)
