"""RoPE turns queries and keys, so that their score knows how far apart two tokens are.

Rotary position embeddings add nothing to the stream. Two dimensions at a time, they turn every
query and key by an angle that grows with its place, fast for the first pair, slowly for the last.
Turning both by the same angle changes no inner product, so a score depends on the distance of the
two places. The lab checks this identity on random vectors, with sinusoidal positions, which are
added, as the counter-example. Then it turns SmolLM2-135M's queries and keys in other ways: all
places moved, some pairs not turned at all, and angles computed in bfloat16.

How to read it. The identity is checked in double precision: 64 queries and keys at six distances,
each at six places up to 10,000; the error is the largest difference of scores that should be equal.
SmolLM2's head_dim is 64, so there are 32 pairs, numbered from the fastest; the chart has their
wavelengths, the tokens in which each turns once. Costs are the loss with the change less the loss
without, on the same 32 tokens: pairs that turn once in thousands of tokens are not needed here.

What the texts are. Three docstrings of Python's standard library, 32 tokens each, other ones for
each seed.

What the literature reports. The construction is Sec. 3.2 of Su et al. (2021).

Out of scope: texts longer than those in training (llama/rope_length), other encodings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Generator, Tensor

from labs.kit.reading import mean_loss
from labs.models import load_language_model
from labs.tasks.passages import token_rows
from labs.transformer import Transformer
from labs.transformer.interventions import modules_swapped, positions_replaced, self_attentions
from labs.transformer.positions import RotaryPositions, SinusoidalPositions, angles
from studykit.lab.events import Curve, Event, HeatMap, Measurement, Progress

QUESTION = "What do attention scores know of places once queries and keys are turned?"
POINTS = ("5.2.1", "5.2.2", "5.2.3", "5.2.5")
NEEDS = ("model:smollm2",)
CLAIMS = {
    "relative": "The score of a turned query and a turned key depends on their distance only, to "
    "within 0.0000001, and no vector's length changes; added sinusoids change it by over 1.",
    "shifted": "Moving all tokens of a text 1,000 places on changes a trained model's loss by less "
    "than 0.001 nats; moving them twice as far apart costs over 0.03.",
    "fast_pairs": "For 32 tokens, not turning the four fastest of 32 pairs costs over 0.2 nats, "
    "not turning the twenty slowest less than 0.05.",
    "rounded": "With angles computed in bfloat16, a text that begins at the chosen place (4,000 "
    "unless changed) costs over 0.3 nats more than with angles in 32 bits.",
}
HOLDS_IF = {
    "relative": "score_error < 0.0000001 and length_error < 0.0000001 and sinusoid_change > 1",
    "shifted": "abs(cost_shifted) < 0.001 and cost_stretched > 0.03",
    "fast_pairs": "cost_fast > 0.2 and abs(cost_slow) < 0.05",
    "rounded": "cost_rounded > 0.3",
}
KNOBS = {"start": (4000, 0, 1000)}
KNOB_HELP = {"start": "place of the first token where angles are computed in bfloat16"}
SEEDS = 3
SECONDS = {"cpu": 5}

N_TEXTS = 3
N_TOKENS = 32
SHIFT, STRETCH = 1000, 2
N_FAST, N_SLOW = 4, 20
HEAD_DIM = 64
PLACES = (0, 1, 10, 100, 1_000, 10_000)
DISTANCES = (0, 1, 4, 16, 64, 256)
SHOWN = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Distances whose angles the map shows."""


@torch.no_grad()
def run(*, start: int, seed: int, device: str, model: str) -> Iterator[Event]:
    """The identity, then SmolLM2 with places and angles changed."""
    yield from identity(seed)
    language = load_language_model(model, device)
    encode, begin = language.tokenizer.encode, [language.begin]
    texts = token_rows(encode, N_TEXTS, N_TOKENS, seed=seed, begin=begin).to(device)
    yield from drawn(language.model)
    yield Progress(1, 2, "turning otherwise")
    yield from turned_otherwise(language.model, texts, start)


def identity(seed: int) -> Iterator[Event]:
    """Scores at equal distances and different places: how much they differ."""
    draw = Generator().manual_seed(seed)
    # (n_vectors, head_dim) each
    q, k = torch.randn(2, 64, HEAD_DIM, generator=draw, dtype=torch.float64)
    places = torch.tensor([float(place) for place in PLACES], dtype=torch.float64)

    def turn(x: Tensor, at: Tensor) -> Tensor:
        rotation = RotaryPositions(1, HEAD_DIM)
        theta = angles(at, HEAD_DIM // 2, 10_000.0)
        rotation.cos, rotation.sin = theta.cos(), theta.sin()
        turned: Tensor = rotation(x[:, None].expand(-1, len(at), -1))
        return turned  # (n_vectors, n_places, head_dim)

    table = SinusoidalPositions(max(PLACES) + max(DISTANCES) + 1, HEAD_DIM).table.double()

    def add(x: Tensor, at: Tensor) -> Tensor:
        return x[:, None] + table[at.long()]

    def spread(placed: Callable[[Tensor, Tensor], Tensor]) -> float:
        # Of scores that differ in their places alone: largest less smallest.
        scores = [(placed(q, places + far) * placed(k, places)).sum(-1) for far in DISTANCES]
        return max(float((of.amax(dim=1) - of.amin(dim=1)).max()) for of in scores)

    lengths = turn(q, places).norm(dim=-1) - q.norm(dim=-1, keepdim=True)
    for name, value, label in (
        ("score_error", spread(turn), "turned: largest change of a score with the place"),
        ("length_error", float(lengths.abs().max()), "turned: largest change of a length"),
        ("sinusoid_change", spread(add), "sinusoids: largest change of a score with the place"),
    ):
        yield Measurement(name, value, "", label)


def drawn(model: Transformer) -> Iterator[Event]:
    """Wavelengths of the pairs, and how far each pair turns over a distance."""
    n_pairs = model.config.head_dim // 2
    speeds = angles(torch.ones(1), n_pairs, model.config.rope_base)[0]
    waves = (2 * math.pi / speeds).tolist()
    pairs = list(range(1, n_pairs + 1))
    chart = "Wavelength of each pair of dimensions"
    yield Curve(chart, "one turn", pairs, waves, "pair", "tokens", log_y=True)
    cosines = torch.outer(speeds[::4], torch.tensor(SHOWN, dtype=torch.float32)).cos()
    rows = [f"pair {pair}" for pair in pairs[::4]]
    columns = [str(distance) for distance in SHOWN]
    yield HeatMap("Cosine of the angle, by distance", rows, columns, cosines.tolist(), "cosine")


def turned_otherwise(model: Transformer, texts: Tensor, start: int) -> Iterator[Event]:
    """What it costs to move tokens, to leave pairs unturned, and to round angles."""
    intact = mean_loss(model(texts), texts)
    yield Measurement("loss", intact, "nats", "loss, nothing changed")
    places = torch.arange(float(N_TOKENS), device="cpu")
    for name, moved, label in (
        ("shifted", places + SHIFT, f"all tokens {SHIFT:,} places on"),
        ("stretched", places * STRETCH, "all tokens twice as far apart"),
    ):
        with positions_replaced(model, moved):
            cost = mean_loss(model(texts), texts) - intact
        yield Measurement(f"cost_{name}", cost, "nats", f"cost, {label}")
    n_pairs, base = model.config.head_dim // 2, model.config.rope_base
    exact = angles(places, n_pairs, base)
    fast, slow = exact.clone(), exact.clone()
    fast[:, :N_FAST] = 0
    slow[:, -N_SLOW:] = 0
    speeds = angles(torch.ones(1, device="cpu"), n_pairs, base)[0]  # (n_pairs,)
    rounded = torch.outer((places + start).bfloat16(), speeds.bfloat16()).float()
    for name, theta, label in (
        ("fast", fast, f"the {N_FAST} fastest pairs not turned"),
        ("slow", slow, f"the {N_SLOW} slowest pairs not turned"),
        ("rounded", rounded, f"angles in bfloat16, first token at {start:,}"),
    ):
        cost = loss_turned(model, texts, theta) - intact
        yield Measurement(f"cost_{name}", cost, "nats", f"cost, {label}")


def loss_turned(model: Transformer, texts: Tensor, theta: Tensor) -> float:
    """The loss with every query and key turned by the angles `theta`, (seq_len, n_pairs)."""
    rotation = RotaryPositions(1, model.config.head_dim, model.config.rope_base)
    rotation.cos, rotation.sin = theta.cos().to(texts.device), theta.sin().to(texts.device)
    with modules_swapped([(part, "rotation", rotation) for part in self_attentions(model)]):
        return mean_loss(model(texts), texts)
