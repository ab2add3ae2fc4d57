"""What a better architecture gains depends on the size and on the training, so no one run tells.

It is often said that small models gain most from a clever architecture, and that size makes up for
a simple one. The lab takes one change, rotary instead of learned positions, and makes it at four
sizes, each twice as wide as the last. The eight models learn to predict letters of the same texts.
There are two questions: at which size does the change gain most, and does the next larger size do
better without it?

How to read it. The gain is the loss with learned positions less the loss with RoPE, at the same
size, on held-out text. One chart shows the losses, another how the gains change in training. Over
twenty seeds the gain was 0.05 nats at width 32, with a standard deviation of 0.02, and 0.03 at
width 16, with one of 0.035: nine seeds tell the latter from none, three do not.

What the literature reports. Without any positions a decoder of 247 million parameters has a
perplexity of 20.97 on WikiText-103, with sinusoidal ones 20.16; one of 1.3 billion 13.10 and 12.93
on another corpus, the Pile (Haviv et al. 2022, Table 1). SwiGLU lowers the log-perplexity of T5
base by 2 to 3 % (as reported by Shazeer 2020, Table 1).

Out of scope: whether the gain shrinks at sizes that matter. These models have some thousand
parameters, all train for the same few steps, and a wide one is further from having learned all it
can. A trend among them, in either direction, says nothing about billions: not measurable here.
"""

from __future__ import annotations

from collections.abc import Iterator

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.text import Letters
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.config import Positions
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "Do small models gain more from a better architecture than large ones?"
POINTS = ("7.3.1", "7.3.2", "7.3.3", "7.3.4")
CLAIMS = {
    "outgrown": "At each size, twice the width with learned positions loses less than this width "
    "with RoPE.",
    "not_smallest": "In this range the smallest model does not gain most from RoPE: the largest "
    "gains more.",
}
HOLDS_IF = {
    "outgrown": "min(lead_1, lead_2, lead_3) > 0",
    "not_smallest": "gain_4 > gain_1",
}
KNOBS = {"change": ("rope", "alibi")}
KNOB_HELP = {"change": "what learned positions are exchanged for"}
SEEDS = 3
SECONDS = {"cpu": 9}
LITERATURE = {
    "outgrown": "A T5 with multi-head attention of size Large takes 0.37 s a sample and scores "
    "46.0; one of size XXL, with a single head of keys and values, 0.24 s and 46.6 (Ainslie et al. "
    "2023, Table 1).",
}

BUDGET = Budget(n_steps=120, batch_size=16, n_held_out=128, n_evaluations=5)
LEARNING_RATE = 0.006
WIDTHS = (4, 8, 16, 32)
SEQ_LEN = 32
ROPE_BASE = 100.0
"""No slower turns than sequences of this length need; a head has few pairs of dimensions."""


@one_thread
def run(*, change: Positions, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Train four sizes with learned positions and with others."""
    size = BUDGET.scaled(budget)
    text = Letters(size, seq_len=SEQ_LEN, seed=seed, device=device)
    yield from text.yardsticks()
    models = {
        (positions, width): build(positions, width, text.vocab_size, seed).to(device)
        for positions in ("learned", change)
        for width in WIDTHS
    }
    arms = {f"{positions} {width}": [model] for (positions, width), model in models.items()}
    recipe = size.recipe(final_share=0.1)
    for losses in train_arms(arms, (LEARNING_RATE,), text.batches, text.held_out, recipe):
        plain, changed = (
            [losses.of[f"{positions} {width}"][0] for width in WIDTHS]
            for positions in ("learned", change)
        )
        for width, before, after in zip(WIDTHS, plain, changed, strict=True):
            yield gain_so_far(change, width, losses.step, before - after)
        yield Progress(losses.step, size.n_steps, f"training {len(arms)} models")
    n_parameters = [
        sum(parameter.numel() for parameter in models["learned", width].parameters())
        for width in WIDTHS
    ]
    for positions, last in (("learned", plain), (change, changed)):
        yield Curve("Loss by width", positions, WIDTHS, last, "width", "nats")
    yield Table(
        "Loss in nats",
        ("width", "parameters", "learned positions", change, "gain"),
        [
            (str(width), n, before, after, before - after)
            for width, n, before, after in zip(WIDTHS, n_parameters, plain, changed, strict=True)
        ],
    )
    for number, width in enumerate(WIDTHS, start=1):
        gain = plain[number - 1] - changed[number - 1]
        yield Measurement(f"gain_{number}", gain, "nats", f"gain of {change}, width {width}")
        if number < len(WIDTHS):
            lead = changed[number - 1] - plain[number]
            label = f"width {2 * width} with learned positions ahead of width {width} with {change}"
            yield Measurement(f"lead_{number}", lead, "nats", label)


def build(positions: Positions, width: int, vocab_size: int, seed: int) -> Transformer:
    """A decoder of one layer, with one head for every eight dimensions."""
    config = TransformerConfig(
        vocab_size=vocab_size,
        seq_len=SEQ_LEN,
        n_layers=1,
        d_model=width,
        n_heads=max(1, width // 8),
        d_ff=2 * width,
        positions=positions,
        rope_base=ROPE_BASE,
    )
    return Transformer(config, generator(seed, "weights"))


def gain_so_far(change: str, width: int, step: int, gain: float) -> Curve:
    """What the change has gained up to a step."""
    return Curve(f"Gain of {change}", f"width {width}", [step], [gain], "step", "nats")
