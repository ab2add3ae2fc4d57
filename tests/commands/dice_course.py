"""A whole course of one deck and one lab that needs no torch, for tests of the commands."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from pathlib import Path

from studykit.progress.store import Store
from studykit.review.schedule import Rating, Scheduler, ScheduleSettings
from studykit.review.session import Review
from tests.files import write_files

LAB = "dice/rolls"

MANIFEST = """\
format: 1
course: dice
title: Dice
decks: [1-dice.yaml]
outline:
  - number: 1
    title: Dice
    topics:
      - {number: "1.1", title: One die, points: 2}
      - {number: "1.2", title: Two dice, points: 1}
"""

DECK = """\
format: 1
deck: dice
title: Rolling dice
topics:
  - id: one-die
    number: "1.1"
    title: One die
    points:
      1.1.1: The more sides a die has, the rarer its highest side.
      1.1.2: A share of many rolls is near its probability.
    cards:
      - id: dice-highest
        kind: predict
        points: [1.1.1]
        question: A fair die with 20 sides rolls 4000 times. How often does the highest side show?
        options:
          - {text: Rarer than once in ten, claim: rare}
          - {text: At least once in ten, claim: common, misconception: That is a die of ten sides.}
        lab: dice/rolls
        explain: Each of 20 sides shows once in 20 rolls.
      - id: dice-share-of-six
        kind: predict
        points: [1.1.2]
        question: A fair die with 6 sides is rolled 4000 times. Which share of the rolls is a six?
        measurement: share
        unit: ""
        tolerance: 10%
        lab: dice/rolls
        claim: near
        knobs: {sides: 6}
        explain: One in six is 0.167.
      - id: dice-probability
        kind: numeric
        points: [1.1.2]
        question: What is the probability of the highest of 20 sides?
        answer: 0.05
        unit: ""
        tolerance: 0.001
        lab: dice/rolls
        claim: near
        explain: 1/20 = 0.05.
"""

SOURCE = '''\
"""How often a die shows its highest side.

Counted, not calculated.
"""

import random

from studykit.lab.events import Curve, Measurement, Progress

QUESTION = "How often does a die show its highest side?"
POINTS = ("1.1.1", "1.1.2")
CLAIMS = {
    "rare": "The highest side shows in fewer than one roll in ten.",
    "common": "The highest side shows in at least one roll in ten.",
    "near": "The share of the highest side is within a quarter of its probability.",
}
HOLDS_IF = {
    "rare": "share < 0.1",
    "common": "share >= 0.1",
    "near": "abs(share / probability - 1) < 0.25",
}
KNOBS = {"sides": (20, 6), "weight": (1.0, 0.5), "fair": (True, False)}
SEEDS = 2
SECONDS = {"cpu": 0.1}
LITERATURE = {"near": "law of large numbers"}


def run(*, sides, weight, fair, seed, device, budget):
    rng = random.Random(seed)
    hits = 0
    n_rolls = round(4000 * budget)
    for roll in range(1, n_rolls + 1):
        hits += rng.random() < (weight if fair else 0.0) / sides
        if roll % 1000 == 0:
            yield Progress(roll, n_rolls, "rolling")
            yield Curve("share", "measured", [roll], [hits / roll], x_label="rolls")
    yield Measurement("share", hits / n_rolls)
    yield Measurement("probability", 1 / sides, yardstick=True)
'''


def write_course(root: Path) -> Path:
    """The course below `root`, without recorded results."""
    files = {
        "decks/course.yaml": MANIFEST,
        "decks/1-dice.yaml": DECK,
        "labs/__init__.py": "",
        "labs/dice/__init__.py": "",
        "labs/dice/rolls.py": SOURCE,
    }
    return write_files(root, files)


def lab_file(root: Path) -> Path:
    """The file of the one lab."""
    return root / "labs" / f"{LAB}.py"


def edit(path: Path, old: str, new: str) -> None:
    """Replace a text of the file that must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def open_store(home: Path) -> Store:
    """The progress of the learner whose folder is `home`."""
    return Store.open(home / "progress.sqlite3", backups_dir=home / "backups")


def study(
    home: Path,
    card_id: str,
    at: datetime,
    rating: Rating = Rating.EASY,
    confidence: int | None = None,
) -> None:
    """Rate a card as a sitting does."""
    scheduler = Scheduler(ScheduleSettings())
    with closing(open_store(home)) as store:
        before = store.memory(card_id)
        store.record(
            Review(
                card_id=card_id,
                at=at,
                day=scheduler.study_day(at),
                rating=rating,
                kind="numeric",
                correct=rating is not Rating.AGAIN,
                suggested=Rating.GOOD,
                given="0.05",
                confidence=confidence,
                taken_ms=4000,
                scheduler=scheduler.version,
                parameters_id=scheduler.parameters_id,
                content_hash="",
                after=scheduler.review(card_id, before, rating, at),
                before=before.state,
                predicted=scheduler.predicted(before, scheduler.study_day(at)),
            )
        )
