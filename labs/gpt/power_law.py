"""Loss falls as a power of model size where knowledge is used unevenly.

Six transformers of one layer, of different width, learn facts by heart. In one world
facts are met as often as words in a language, a few of them very often and most of them hardly ever
(Zipf's law); in the other each is met as often as any other. A line through the losses of the five
smaller models, on logarithmic axes, is asked for the loss of the sixth, before that is looked at.

How to read it. A loss of ln 16 = 2.77 nats is a uniform guess. On logarithmic axes a power law is a
straight line. Another chart takes the same six models and two measures: the share of facts that a
model answers rightly, and the share of groups of eight facts of which it answers all eight. The
latter stays near 0 and then rises suddenly: what seems to emerge depends on the measure.

What the literature reports. The loss of language models falls in proportion to N^-0.076, with N
their non-embedding parameters (Kaplan et al. 2020, Eq. 1.1). A law can arise from skills used with
Zipf frequencies (as reported by Michaud et al. 2023). Over 92 % of the abilities that were claimed
to be emergent, by a hand-annotated list, were measured with two metrics, multiple choice and exact
match (as reported by Schaeffer et al. 2023, Sec. 4).

Out of scope: real text, the data and compute axes of scaling laws, and six sizes within one decade
are few: large models are fitted over many more. The exponent here depends on the facts'.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from labs.kit.arms import train_arms
from labs.kit.budget import Budget, generator, one_thread
from labs.kit.stages import stages
from labs.tasks.facts import N_ANSWERS, N_NAMES, Facts, Frequency
from labs.transformer import Transformer, TransformerConfig
from labs.transformer.train import Batch
from studykit.lab.events import Curve, Event, Measurement, Progress, Table

QUESTION = "Can the loss of a larger model be predicted, and what seems to emerge suddenly?"
POINTS = ("3.3.2", "3.4.1", "3.4.2", "3.4.4")
CLAIMS = {
    "law": "With Zipf frequencies the loss more than halves over the six sizes, and a power law "
    "through five of them (correlation below -0.95) predicts that of the sixth to within 30 %.",
    "no_law": "With equal frequencies the curve is at least twice as steep at the end as at first; "
    "with Zipf frequencies it is not.",
    "straight": "With equal frequencies the curve is less than twice as steep at the end.",
    "frequent_first": "With Zipf frequencies the fourth size knows at least 90 % of the ten most "
    "frequent facts, and less than a quarter of the rarer half.",
    "foretold": "At every size eight right answers in a row are as frequent as the eighth power of "
    "the share of right answers, to within 0.1.",
}
HOLDS_IF = {
    "law": "correlation_zipf < -0.95 and abs(predicted_zipf / loss_zipf_6 - 1) <= 0.3"
    " and loss_zipf_6 < 0.5 * loss_zipf_1",
    "no_law": "bend_uniform >= 2 and bend_zipf < 2",
    "straight": "bend_uniform < 2",
    "frequent_first": "frequent_4 >= 0.9 and rare_4 < 0.25",
    "foretold": "foretold_gap <= 0.1",
}
KNOBS = {"n_facts": (1600, 400, 3200)}
KNOB_HELP = {"n_facts": "facts to be learned"}
SEEDS = 3
SECONDS = {"cpu": 15}

BUDGET = Budget(n_steps=160, batch_size=256, n_held_out=512, n_evaluations=8)
LEARNING_RATE = 0.01
WIDTHS = (4, 6, 8, 12, 16, 24)
SIZES = tuple(f"d_model {width}" for width in WIDTHS)
N_FREQUENT = 10
GROUP = 8
N_GROUPS = 2000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one model has learned."""

    n_parameters: int
    loss: float
    """Expected, by the facts' frequencies, in nats."""
    right: torch.Tensor
    """(n_facts,), 1 where the likeliest answer is right."""


@one_thread
def run(*, n_facts: int, seed: int, device: str, budget: float = 1.0) -> Iterator[Event]:
    """Six sizes in either world, and what they know in the end."""
    size = BUDGET.scaled(budget)
    yield Measurement("uniform_guess", math.log(N_ANSWERS), "nats", "uniform guess", yardstick=True)
    worlds: dict[Frequency, list[Outcome]] = {"zipf": [], "uniform": []}
    yield from stages(
        {
            f"learning facts with {frequency} frequencies": learn(
                Facts(n_facts, frequency, generator(seed, "probe")), size, seed, device, outcomes
            )
            for frequency, outcomes in worlds.items()
        }
    )
    for frequency, outcomes in worlds.items():
        yield from fit(frequency, outcomes)
    yield from by_frequency(worlds["zipf"])
    yield from in_a_row(worlds["uniform"], seed)


def learn(
    facts: Facts, size: Budget, seed: int, device: str, outcomes: list[Outcome]
) -> Iterator[Event]:
    """Train a model of each width on the same facts; `outcomes` gets what became of them."""
    models = {
        label: Transformer(
            TransformerConfig(
                vocab_size=N_NAMES, seq_len=2, n_layers=1, d_model=width, n_heads=1, d_ff=2 * width
            ),
            generator(seed, "weights"),
        ).to(device)
        for label, width in zip(SIZES, WIDTHS, strict=True)
    }
    arms = {label: [model] for label, model in models.items()}
    questions, answers = (tensor.to(device) for tensor in facts.ask(torch.arange(facts.n_facts)))

    def batches() -> Iterator[Batch]:
        for batch in facts.batches(size.batch_size, generator(seed, "batches")):
            yield tuple(tensor.to(device) for tensor in batch)

    recipe = size.recipe(final_share=0.05)
    for losses in train_arms(arms, (LEARNING_RATE,), batches, (questions, answers), recipe):
        yield Progress(losses.step, size.n_steps)
    frequencies = facts.frequencies.to(device)
    for model in models.values():
        with torch.no_grad():
            logits = model(questions)[:, -1]  # (n_facts, N_NAMES)
        each = F.cross_entropy(logits, answers[:, -1], reduction="none").double()
        n_parameters = sum(parameter.numel() for parameter in model.parameters())
        right = (logits.argmax(dim=-1) == answers[:, -1]).double().cpu()
        outcomes.append(Outcome(n_parameters, float(frequencies @ each), right))


def fit(frequency: Frequency, outcomes: list[Outcome]) -> Iterator[Event]:
    """A power law through all sizes but the largest, and what it says of that one."""
    points = torch.tensor(
        [[math.log(outcome.n_parameters), math.log(outcome.loss)] for outcome in outcomes],
        dtype=torch.double,
    )
    x, y = points[:-1].T
    exponent = float(((x - x.mean()) @ (y - y.mean())) / (x - x.mean()).square().sum())
    line = [math.exp(float(y.mean()) + exponent * float(at - x.mean())) for at in points[:, 0]]
    chart = f"Loss by number of parameters (ln), {frequency} frequencies"
    for name, values in (
        ("measured", [outcome.loss for outcome in outcomes]),
        ("power law through the first five", line),
    ):
        yield Curve(chart, name, points[:, 0].tolist(), values, "ln parameters", "nats", log_y=True)
    slopes = points.diff(dim=0)[:, 1] / points.diff(dim=0)[:, 0]
    of = f"{frequency} frequencies"
    correlation = float(torch.corrcoef(points[:-1].T)[0, 1])
    for name, value, unit, label in (
        ("exponent", exponent, "", f"exponent of the power law, {of}"),
        ("correlation", correlation, "", f"correlation of the logarithms, five sizes, {of}"),
        ("bend", float(slopes[-1] / slopes[0]), "times", f"slope at the end over the first, {of}"),
        ("predicted", line[-1], "nats", f"loss of the sixth size as predicted, {of}"),
    ):
        yield Measurement(f"{name}_{frequency}", value, unit, label)
    for number, outcome in enumerate(outcomes, start=1):
        label = f"loss, {SIZES[number - 1]}, {of}"
        yield Measurement(f"loss_{frequency}_{number}", outcome.loss, "nats", label)


def by_frequency(outcomes: list[Outcome]) -> Iterator[Event]:
    """Which facts are known: the most frequent ones, and the rarer half."""
    rows = []
    for number, (label, outcome) in enumerate(zip(SIZES, outcomes, strict=True), start=1):
        right = outcome.right
        frequent, rare = float(right[:N_FREQUENT].mean()), float(right[len(right) // 2 :].mean())
        rows.append((label, outcome.n_parameters, frequent, rare))
        for name, value, of in (
            ("frequent", frequent, f"the {N_FREQUENT} most frequent facts"),
            ("rare", rare, "the rarer half of the facts"),
        ):
            yield Measurement(f"{name}_{number}", value, "", f"right answers, {of}, {label}")
    columns = ("model", "parameters", f"{N_FREQUENT} most frequent", "rarer half")
    yield Table("Share of facts known, Zipf frequencies", columns, rows)


def in_a_row(outcomes: list[Outcome], seed: int) -> Iterator[Event]:
    """The same models by two measures: each answer, and eight right ones in a row."""
    n_facts = len(outcomes[0].right)
    groups = torch.randint(n_facts, (N_GROUPS, GROUP), generator=generator(seed, "held out"))
    right = [float(outcome.right.mean()) for outcome in outcomes]
    eight = [float(outcome.right[groups].prod(dim=1).mean()) for outcome in outcomes]
    sizes = [math.log(outcome.n_parameters) for outcome in outcomes]
    for name, label, shares in (
        ("right", "one right answer", right),
        ("eight", "eight right answers in a row", eight),
    ):
        yield Curve("One model, two measures", label, sizes, shares, "ln parameters", "share")
        for number, share in enumerate(shares, start=1):
            yield Measurement(f"{name}_{number}", share, "", f"{label}, {SIZES[number - 1]}")
    gap = max(abs(share**GROUP - row) for share, row in zip(right, eight, strict=True))
    label = "largest difference between eight in a row and the eighth power of one"
    yield Measurement("foretold_gap", gap, "", label)
