"""A small course of every card kind, with a lab that needs no torch and a recorded run of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from studykit.course.decks import load_course
from studykit.lab.events import Measurement, Table
from studykit.lab.recorded import record_run
from studykit.lab.results import RunResult, SeedResult
from tests.files import write_files

LAB_ID = "core/stacks"

MANIFEST = """\
format: 1
course: screens
title: Deep stacks in eight cards
decks: [1-core.yaml]
outline:
  - number: 1
    title: Core transformer architecture
    topics:
      - {number: "1.4", title: Why normalization and residuals matter, points: 2}
"""

HEAD = """\
format: 1
deck: core
title: Core transformer architecture
topics:
  - id: residuals-and-norm
    number: "1.4"
    title: Why normalization and residuals matter
    points:
      1.4.1: A norm keeps the scale of the stream.
      1.4.2: Without residuals a deep stack hardly trains.
    cards:
"""

CARDS = {
    "recall": """\
      - id: stacks-recall
        kind: recall
        points: [1.4.2]
        question: Pre-norm, 12 layers. What does a residual connection add to `f(x)`, and why
          does `x[i]` survive?
        answer: "The block's **input**: the stream is `x + f(norm(x))`, so a path around every
          block stays open."
        explain: |
          The Jacobian of a block is then `I + J`, never `J` alone.

          ```
          x ──┬─ norm ─ f ─ + ─▶
              └─────────────┘
          ```
        lab: core/stacks
        claim: stuck
        source: He et al. 2015, §3.2
""",
    "choice": """\
      - id: stacks-choice
        kind: choice
        points: [1.4.2]
        question: "Pre-norm, 8 layers, residuals removed: why does the stack learn letter
          frequencies only?"
        options:
          - {text: Its tokens become alike before the last layer, correct: true}
          - text: The first layer's gradient vanishes
            misconception: Plain deep stacks suffer from it, yet with a norm before each block
              the measured gradient stays within a factor of four.
          - {text: The optimiser's state overflows, misconception: Nothing overflows here.}
        explain: Every position ends with nearly the same vector, so the output cannot depend on
          the context.
        lab: core/stacks
        claim: alike
""",
    "cloze": """\
      - id: stacks-cloze
        kind: cloze
        points: [1.4.1]
        question: Before each branch of a pre-norm block stands a ___.
        answer: norm
        accept: [layer norm, LayerNorm]
        explain: It sees the stream; the stream itself is never normalised before the end.
        lab: core/stacks
        claim: stuck
""",
    "order": """\
      - id: stacks-order
        kind: order
        points: [1.4.1]
        question: "Put the pre-norm attention branch in order."
        steps: [Take the stream x, Normalise it, Attend, Add the result to x]
        explain: The sum comes last, so x passes the branch untouched.
        lab: core/stacks
        claim: stuck
""",
    "match": """\
      - id: stacks-match
        kind: match
        points: [1.4.1]
        question: What does each part keep in bounds?
        pairs:
          - {left: LayerNorm, right: the scale of one token}
          - {left: Residual, right: the path of the gradient}
          - {left: 1/√head_dim, right: the variance of the scores}
        spare: [the number of parameters]
        explain: Each bounds another quantity.
        lab: core/stacks
        claim: stuck
""",
    "numeric": """\
      - id: stacks-numeric
        kind: numeric
        points: [1.4.2]
        question: What loss remains when a model of 27 equally likely letters knows nothing?
        answer: 3.296
        unit: nats
        tolerance: 1%
        explain: ln 27 = 3.296 nats.
        lab: core/stacks
        claim: stuck
""",
    "predict": """\
      - id: stacks-predict
        kind: predict
        points: [1.4.2]
        question: An 8-layer character model trains with and without its residual connections.
          Where does the one without end?
        options:
          - {text: At the letter-frequency entropy, claim: stuck}
          - text: Nearly as low, only later
            claim: slower
            misconception: It never gets there; the loss is flat from step 50 on.
          - {text: It diverges, claim: diverges, misconception: The norm keeps every step bounded.}
        lab: core/stacks
        knobs: {n_layers: 8}
        explain: It learns which letters are frequent and nothing of their order.
""",
    "guess": """\
      - id: stacks-guess
        kind: predict
        points: [1.4.2]
        question: Which loss remains without residuals?
        measurement: loss_without
        unit: nats
        tolerance: 5%
        lab: core/stacks
        claim: stuck
        knobs: {n_layers: 2}
        explain: The entropy of the letters, 2.86 nats.
""",
}
"""Name -> a card's YAML; all are kinds, but "guess": a `predict` card that asks for a number."""

_EXERCISE = """\
      - id: stacks-{form}
        kind: exercise
        points: [1.4.2]
        question: "{{group}}, 8 layers: {ask}"
        exercise:
          form: {form}
          table: Cost of each part
          group: norm
          item: part
          {keys}
        lab: core/stacks
        claim: stuck
        explain: What feeds all later layers costs most.
"""
EXERCISES = {
    form: _EXERCISE.format(form=form, ask=ask, keys="\n          ".join(keys))
    for form, ask, *keys in (
        ("rank", "rank these parts by their cost.", "value: cost", "draw: 4", "apart: 0.1"),
        ("pick", "which two cost most?", "value: cost", "draw: 5", "choose: 2"),
        ("place", "where does each part stand?", "value: place", "draw: 4"),
        (
            "signs",
            "is the model worse without it?",
            "value: cost",
            "draw: 4",
            "apart: 0.05",
            "words: [worse, no difference, better]",
        ),
    )
}
"""Form -> the YAML of an exercise of it; its table is recorded where one of them is asked for."""

PARTS = ("attention", "feed-forward", "residuals", "positions", "final norm", "bias", "dropout")


def build_costs(seed: int) -> Table:
    """A table that the exercises can be drawn from."""
    rows = [
        (norm, part, "in the block" if n < 3 else "outside", (5 - n + seed / 4) * 0.3)
        for norm in ("pre-norm", "post-norm")
        for n, part in enumerate(PARTS)
    ]
    return Table("Cost of each part", ("norm", "part", "place", "cost"), rows)


LAB = '''\
"""Residual connections keep tokens apart in deep stacks.

Two small stacks, with and without.
"""

import random
import time

from studykit.lab.events import Curve, Measurement, Progress

QUESTION = "What if I remove the residual connections?"
POINTS = ("1.4.1", "1.4.2")
CLAIMS = {
    "stuck": "Without residuals an 8-layer model learns no more than letter frequencies.",
    "slower": "Without residuals it only learns slower.",
    "diverges": "Without residuals it diverges.",
    "alike": "Without residuals the tokens become alike.",
}
HOLDS_IF = {
    "stuck": "abs(loss_without - unigram_entropy) <= 0.05",
    "slower": "loss_without < unigram_entropy - 0.05",
    "diverges": "diverged(loss_without)",
    "alike": "similarity > 0.9",
}
KNOBS = {"n_layers": (8, 2, 16), "norm": ("pre", "post", "none")}
SEEDS = 2
SECONDS = {"cpu": 25, "cuda": 4}
LITERATURE = {"stuck": "plain 56-layer nets end above 20-layer ones (He et al. 2015)"}


def run(*, n_layers, norm, seed, device):
    rng = random.Random(seed)
    for step in range(40):
        time.sleep(0.02)
        yield Progress(step, 40, "training")
        yield Curve("loss", "without", [step], [2.9 + rng.random() / 50], y_label="nats")
    yield Measurement("loss_without", 2.87, "nats", "without residuals")
    yield Measurement("unigram_entropy", 2.86, "nats", yardstick=True)
    yield Measurement("similarity", 0.99, "", "cosine of two tokens")
'''


def write_course(root: Path, *names: str, extra: str = "") -> Path:
    """The course below `root` with the cards of these names, and `extra` cards.

    Without names it has all of `CARDS`, and no exercise.
    """
    known = CARDS | EXERCISES
    cards = [known[name] for name in names] if names else [*CARDS.values()]
    files = {
        "decks/course.yaml": MANIFEST,
        "decks/1-core.yaml": HEAD + "".join(cards) + extra,
        "labs/__init__.py": "",
        "labs/core/__init__.py": "",
        "labs/core/stacks.py": LAB,
    }
    write_files(root, files)
    result = build_result(root, n_layers=8)
    if not EXERCISES.keys().isdisjoint(names):
        seeds = (replace(seed, events=(build_costs(seed.seed),)) for seed in result.seeds)
        result = replace(result, seeds=tuple(seeds))
    record_run(root, result)
    return root


def build_result(
    root: Path, *, n_layers: int, at: datetime = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
) -> RunResult:
    """What a run of the lab gives."""
    header = load_course(root).labs[LAB_ID]
    measurements = {
        "loss_without": Measurement("loss_without", 2.87, "nats", "without residuals"),
        "loss_with": Measurement("loss_with", 1.79, "nats", "with residuals"),
        "unigram_entropy": Measurement("unigram_entropy", 2.86, "nats", yardstick=True),
        "similarity": Measurement("similarity", 0.99, "", "cosine of two tokens"),
    }
    claims = {"stuck": True, "slower": False, "diverges": False, "alike": True}
    return RunResult(
        lab=LAB_ID,
        knobs=header.defaults | {"n_layers": n_layers},
        device="cpu",
        machine="Intel Xeon, 2 cores",
        versions={"python": "3.11.7", "torch": "2.13.0"},
        code_hash=header.code_hash,
        started_at=at,
        seconds=24.6,
        status="done",
        seeds=tuple(SeedResult(seed, measurements, claims) for seed in (0, 1)),
        verdicts={
            "stuck": "confirmed",
            "slower": "refuted",
            "diverges": "refuted",
            "alike": "confirmed",
        },
    )
