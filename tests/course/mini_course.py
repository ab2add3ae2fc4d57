"""A small whole course that passes `check`, written into a folder to be broken by tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MARK = "@@"
"""Stands in a changed text where the error is expected."""

MANIFEST = """\
format: 1
course: mini
title: A mini course
decks: [1-core.yaml]
outline:
  - number: 1
    title: Core
    topics:
      - {number: "1.1", title: Depth, points: 2}
      - {number: "1.2", title: Width, points: 3}
"""

DECK = """\
# A deck with every kind of card.
format: 1
deck: core
title: Core
topics:
  - id: depth
    number: "1.1"
    title: Depth
    points:
      1.1.1: Deep stacks need a path that skips the blocks.
      1.1.2: A norm keeps the scale of the sums.
    cards:
      - id: say
        kind: recall
        points: [1.1.1]
        question: What does a residual connection add?
        answer: The input of the block to its output
        explain: The sum leaves a path around the block.
        lab: core/depth
        claim: stuck
        note: adding
        source: He et al. 2015
      - id: pick
        kind: choice
        points: [1.1.1, 1.1.2]
        question: Why does a deep stack without residuals stay stuck?
        options:
          - {text: Its tokens become alike, correct: true}
          - {text: Its gradient explodes, misconception: The norm bounds it.}
          - {text: Its weights turn to zero, misconception: They hardly move.}
        explain: All positions end with the same vector.
        lab: core/depth
        claim: stuck
      - id: fill
        kind: cloze
        points: [1.1.2]
        question: Before each block stands a ___.
        answer: norm
        accept: [layer norm, LayerNorm]
        explain: Pre-norm puts it into the branch.
        lab: core/depth
        claim: scales
      - id: sort
        kind: order
        points: [1.1.2]
        question: In which order does a pre-norm block work?
        steps: [Normalise, Transform, Add]
        explain: The sum comes last.
        lab: core/depth
        claim: scales
      - id: pair
        kind: match
        points: [1.1.1]
        question: What goes with what?
        pairs:
          - {left: Residual, right: A sum}
          - {left: Norm, right: A quotient}
        spare: [A product]
        explain: Each is one operation.
        lab: core/depth
        claim: scales
      - id: count
        kind: numeric
        points: [1.1.2]
        question: How many norms has a block?
        answer: 2
        unit: norms
        tolerance: 10%
        explain: One for each branch.
        lab: core/depth
        claim: scales
      - id: weigh
        kind: exercise
        points: [1.1.2]
        question: "{group}: which parts cost most when they are taken out?"
        exercise:
          form: rank
          table: Cost of each part
          group: model
          item: part
          value: cost
          draw: 3
          apart: 0.2
        explain: The later parts lean on them.
        lab: core/depth
        claim: slower
      - id: bet
        kind: predict
        points: [1.1.1]
        question: Eight layers without residuals, what happens?
        options:
          - {text: They stay stuck, claim: stuck, misconception: Not in shallow stacks.}
          - {text: They learn slower, claim: slower, misconception: They do not learn at all.}
        explain: See the curve.
        lab: core/depth
        knobs: {n_layers: 8, norm: "pre"}
      - id: guess
        kind: predict
        points: [1.1.1]
        question: Which loss remains?
        measurement: loss_without
        unit: nats
        tolerance: 0.1
        explain: The entropy of the letters.
        lab: core/depth
        claim: slower
"""

LAB = '''\
"""Residuals keep a deep stack alive.

What it is about.
"""

import module_that_does_not_exist

QUESTION = "What if I remove the residuals?"
POINTS = ("1.1.1", "1.1.2")
CLAIMS = {
    "stuck": "Without residuals a deep stack stays stuck.",
    "slower": "Without residuals it learns slower.",
    "scales": "A norm keeps the scale.",
}
HOLDS_IF = {
    "stuck": "loss_without > 2",
    "slower": "loss_without < loss_with",
    "scales": "loss_with < 2",
}
KNOBS = {"n_layers": (8, 2), "norm": ("pre", "post"), "rate": (0.5, -1.5), "tied": (True, False)}
KNOB_HELP = {"rate": "learning rate"}
SEEDS = 2
SECONDS = {"cpu": 12.5, "cuda": 2}
NEEDS = ("numpy",)
LITERATURE = {"stuck": "2015: 110 layers train"}
WIDTH = 64

raise SystemExit("labs are never executed")


def run(*, n_layers, norm, rate, tied, seed, device):
    yield None
'''


COSTS: dict[str, Any] = {
    "title": "Cost of each part",
    "columns": ["model", "part", "kind", "cost"],
    "rows": [
        [model, f"part {n}", ("sum", "product")[n % 2], (n - 2) * 0.25]
        for model in ("small", "large")
        for n in range(5)
    ],
}
"""A table to draw exercises from."""


def recorded_run(*, loss_without: float = 2.5, **changes: Any) -> dict[str, Any]:
    """A recorded run of the mini lab with default knobs, as JSON."""
    losses = {"loss_without": loss_without, "loss_with": 1.5}
    run = {
        "lab": "core/depth",
        "knobs": {"n_layers": 8, "norm": "pre", "rate": 0.5, "tied": True},
        "device": "cpu",
        "machine": "a machine, 2 cores",
        "versions": {"python": "3.11.7"},
        "code_hash": "abc",
        "started_at": "2026-11-23T12:00:00+00:00",
        "seconds": 12.0,
        "status": "done",
        "message": "",
        "trace": "",
        "recorded": True,
        "verdicts": {},
        "seeds": [
            {
                "seed": seed,
                "claims": {"stuck": True},
                "measurements": {
                    name: {"value": value, "unit": "nats"} for name, value in losses.items()
                },
                "curves": [],
                "heat_maps": [],
                "tables": [COSTS],
            }
            for seed in (0, 1)
        ],
    }
    return run | changes


class MiniCourse:
    """The files of a course below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.manifest = root / "decks" / "course.yaml"
        self.deck = root / "decks" / "1-core.yaml"
        self.lab = root / "labs" / "core" / "depth.py"
        self.results = root / "data" / "results" / "core" / "depth.json"
        for path, text in (
            (self.manifest, MANIFEST),
            (self.deck, DECK),
            (self.lab, LAB),
            (self.lab.with_name("__init__.py"), ""),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.results.parent.mkdir(parents=True)
        self.record(recorded_run())

    def record(self, *runs: dict[str, Any], **changes: Any) -> None:
        """Writes the recorded runs of the lab."""
        document = {"format": 1, "lab": "core/depth", "runs": list(runs)} | changes
        self.results.write_text(json.dumps(document), encoding="utf-8")

    def change(self, path: Path, old: str, new: str) -> str:
        """Puts `new` for the first `old`; returns the place of its MARK, which is taken out."""
        text = path.read_text(encoding="utf-8")
        assert old in text
        return write_marked(path, text.replace(old, new, 1))


def write_marked(path: Path, text: str) -> str:
    """Writes the text less its MARK; returns the mark's place, or the file's beginning."""
    before, mark, after = text.partition(MARK)
    path.write_text(before + after, encoding="utf-8")
    if not mark:
        return f"{path}:1:1"
    line = before.rpartition("\n")[2]
    return f"{path}:{before.count(chr(10)) + 1}:{len(line) + 1}"
