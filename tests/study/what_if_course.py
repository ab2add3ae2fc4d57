"""A course with two benches that need no torch: two springs whose parts can be taken out."""

from __future__ import annotations

from pathlib import Path

from studykit.clock import FixedClock
from studykit.course.cards import LabHeader
from studykit.course.decks import load_course
from studykit.lab.process import LabRunner
from studykit.lab.trust import remember
from studykit.progress.store import Store
from studykit.settings import Paths, Settings
from studykit.study.services import Services
from tests.files import write_files

BENCH = "bench/springs"
OTHER = "bench/weights"

MANIFEST = """\
format: 1
course: springs
title: Springs
decks: [1-springs.yaml]
outline:
  - {number: 1, title: Springs, topics: [{number: "1.1", title: Two springs, points: 1}]}
"""

DECK = """\
format: 1
deck: springs
title: Springs
topics:
  - id: two-springs
    number: "1.1"
    title: Two springs
    points: {1.1.1: A damper takes energy out of a spring.}
    cards:
      - id: springs-damper
        kind: recall
        points: [1.1.1]
        question: What does a damper do to a spring?
        answer: It takes energy out of it.
        lab: bench/springs
        claim: worse
        explain: By friction.
"""

LAB = '''\
"""What a part does to a spring that is let go.

Two springs swing side by side, and one of them lacks something.

How to read it. The chart shows how far each swings.
"""

import random

from studykit.lab.events import Curve, Measurement, Progress
from studykit.course.parts import parse_settings

QUESTION = "What if a spring were built in another way?"
POINTS = ("1.1.1",)
CLAIMS = {
    "worse": "The changed spring swings more than 0.05 farther.",
    "same": "Both swing within 0.05 equally far.",
    "better": "The changed spring swings more than 0.05 less far.",
}
HOLDS_IF = {
    "worse": "loss_change > 0.05",
    "same": "abs(loss_change) <= 0.05",
    "better": "loss_change < -0.05",
}
PARTS = {"damper": ("on", "off"), "coil": ("wide", "narrow", "none"), "hook": ("plain", "swivel")}
FAMILIES = {
    "car": {"damper": "on", "coil": "wide", "hook": "plain"},
    "bed": {"damper": "off", "coil": "narrow"},
}
WORDS = {
    "damper=off": ("remove the damper", "no friction"),
    "damper=on": ("add a damper",),
    "coil=none": ("remove the coil",),
    "coil=narrow": ("make the coil narrow", "fewer turns"),
    "coil=wide": ("make the coil wide",),
    "hook=swivel": ("swap the hook for a swivel",),
}
DIFFERENCES = ("loss_change",)
KNOBS = {
    "family": ("car", "bed"),
    "base": ("",),
    "change": ("damper=off", ""),
    "n_steps": (40, 80),
}
TEXT_KNOBS = ("base", "change")
KNOB_HELP = {"n_steps": "how long they swing"}
SEEDS = 3
SECONDS = {"cpu": 1}
VALUES = {"on": 0.0, "off": 1.0, "wide": 0.0, "narrow": 0.0, "none": -0.5, "plain": 0, "swivel": 0}


def run(*, family, base, change, n_steps, seed, device):
    rng = random.Random(seed)
    first = FAMILIES[family] | parse_settings(base, PARTS)
    second = first | parse_settings(change, PARTS)
    loss = {}
    for name, parts in (("base", first), ("changed", second)):
        loss[name] = 2 + sum(VALUES[value] for value in parts.values()) + 0.01 * rng.random()
        for step in range(0, n_steps, 10):
            yield Progress(step, n_steps, name)
            yield Curve("swing", name, [step], [loss[name] + 1 / (step + 1)], y_label="cm")
    for name in loss:
        yield Curve("turns", name, [0, 1], [3, 4], x_label="coil", y_label="turns")
    for name, value in loss.items():
        yield Measurement(f"loss_{name}", value, "cm", f"swing of the {name} spring")
    change = loss["changed"] - loss["base"]
    yield Measurement("loss_change", change, "cm", "swing, changed less base")
'''


def write_course(root: Path) -> Path:
    """The course below `root`."""
    files = {
        "decks/course.yaml": MANIFEST,
        "decks/1-springs.yaml": DECK,
        "labs/__init__.py": "",
        "labs/bench/__init__.py": "",
        "labs/bench/springs.py": LAB,
        "labs/bench/weights.py": LAB.replace("Two springs", "Two weights"),
    }
    return write_files(root, files)


def bench_header(folder: Path) -> LabHeader:
    """The header of the first bench of a course that is written there."""
    return load_course(write_course(folder)).labs[BENCH]


def build_services(folder: Path, at: FixedClock) -> Services:
    """Services on the course, with a runner whose children import nothing in advance."""
    course = load_course(write_course(folder / "course"))
    assert course.problems == ()
    paths = Paths(folder / "home", folder / "home" / "settings.toml")
    remember(course.root, paths.data_dir)
    services = Services(
        course,
        Settings(),
        paths,
        at,
        lambda: Store.open(paths.database, backups_dir=paths.backups_dir),
    )
    services.__dict__["runner"] = LabRunner(course.root, time_limit_s=60, clock=at, preload=())
    return services
