"""A course of two labs that need no torch: one tosses coins, the other lacks a module."""

from __future__ import annotations

from pathlib import Path

from studykit.clock import FixedClock
from studykit.course.decks import load_course
from studykit.lab.process import LabRunner
from studykit.lab.trust import remember
from studykit.progress.store import Store
from studykit.settings import Paths, Settings
from studykit.study.services import Services
from tests.files import write_files
from tests.tui.conftest import NOW

MANIFEST = """\
format: 1
course: coins
title: Coins
decks: [1-coins.yaml]
outline:
  - {number: 1, title: Coins, topics: [{number: "1.1", title: One coin, points: 2}]}
"""

DECK = """\
format: 1
deck: coins
title: Coins
topics:
  - id: one-coin
    number: "1.1"
    title: One coin
    points: {1.1.1: A fair coin shows heads in half of all tosses.}
    cards:
      - id: coin-share
        kind: predict
        points: [1.1.1]
        question: Which share of 400 tosses of a fair coin shows heads?
        options:
          - {text: About a half, claim: half}
          - {text: Nearly none, claim: none, misconception: That is a coin with two tails.}
        lab: coins/toss
        explain: It is fair.
      - id: coin-recall
        kind: recall
        points: [1.1.1]
        question: What is a fair coin?
        answer: One whose sides are equally likely.
        lab: coins/toss
        claim: none
        explain: By definition.
      - id: coin-number
        kind: predict
        points: [1.1.1]
        question: Which share shows heads?
        measurement: share
        unit: ""
        tolerance: 0.1
        lab: coins/toss
        claim: half
        explain: A half.
      - id: coin-choice
        kind: choice
        points: [1.1.1]
        question: How often does a fair coin show heads?
        options:
          - {text: In about half of all tosses, correct: true}
          - {text: "Hardly ever", misconception: That is a coin with two tails.}
        lab: coins/toss
        claim: half
        explain: A half.
      - id: coin-absent
        kind: recall
        points: [1.1.1]
        question: What does the missing module do?
        answer: It is missing.
        lab: coins/absent
        claim: half
        explain: By definition.
"""

LAB = '''\
"""How often a coin shows heads.

A coin is tossed again and again, and what it shows is counted.

How to read it. The chart shows the share of heads so far.

The share of heads tends to the coin's bias.
"""

import random
import time

from studykit.lab.events import Curve, Measurement, Progress

QUESTION = "How often does a coin show heads?"
POINTS = ("1.1.1",)
CLAIMS = {"half": "Heads show in about half of all tosses.", "none": "Heads hardly ever show."}
HOLDS_IF = {"half": "abs(share - 0.5) < 0.1", "none": "share < 0.05"}
KNOBS = {"bias": (0.5, 0.01), "mood": ("calm", "slow", "angry")}
KNOB_HELP = {"bias": "probability of heads"}
SEEDS = 2
SECONDS = {"cpu": 1}


def run(*, bias, mood, seed, device, budget):
    rng = random.Random(seed)
    heads = 0
    n_tosses = round(400 * budget)
    for toss in range(1, n_tosses + 1):
        heads += rng.random() < bias
        if toss % 100 == 0:
            yield Progress(toss, n_tosses, "tossing")
            yield Curve("share of heads", "coin", [toss], [heads / toss], x_label="toss")
            yield Curve("heads", "coin", [toss], [heads], x_label="toss")
    yield Measurement("share", heads / n_tosses)
    yield Measurement("chance", bias, yardstick=True)
    if mood == "angry":
        raise RuntimeError("no more tosses [/nope]")
    if mood == "slow":
        time.sleep(60)
'''

ABSENT = (
    LAB.replace("SEEDS = 2", 'SEEDS = 2\nNEEDS = ("no_such_module",)')
    .replace(", budget)", ")")
    .replace("400 * budget", "400")
)


def write_course(root: Path) -> Path:
    """The course below `root`."""
    files = {
        "decks/course.yaml": MANIFEST,
        "decks/1-coins.yaml": DECK,
        "labs/__init__.py": "",
        "labs/coins/__init__.py": "",
        "labs/coins/toss.py": LAB,
        "labs/coins/absent.py": ABSENT,
    }
    return write_files(root, files)


def build_services(folder: Path, *, trusted: bool = True) -> Services:
    """Services on the course, with a runner whose children import nothing in advance."""
    course = load_course(write_course(folder / "course"))
    assert course.problems == ()
    paths = Paths(folder / "home", folder / "home" / "settings.toml")
    if trusted:
        remember(course.root, paths.data_dir)
    clock = FixedClock(NOW)
    services = Services(
        course,
        Settings(),
        paths,
        clock,
        lambda: Store.open(paths.database, backups_dir=paths.backups_dir),
    )
    services.__dict__["runner"] = LabRunner(course.root, time_limit_s=60, clock=clock, preload=())
    return services
