"""Small tasks that a few examples can show: a word goes in, another one comes out."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Literal, TypeAlias

from labs.tasks.capitals import CAPITALS

WordTask: TypeAlias = Literal["capitals", "opposites"]

OPPOSITES = {
    "hot": "cold",
    "big": "small",
    "up": "down",
    "open": "closed",
    "young": "old",
    "rich": "poor",
    "fast": "slow",
    "light": "dark",
    "high": "low",
    "left": "right",
    "early": "late",
    "happy": "sad",
    "strong": "weak",
    "full": "empty",
    "good": "bad",
    "true": "false",
    "hard": "soft",
    "wet": "dry",
    "long": "short",
    "first": "last",
    "day": "night",
    "love": "hate",
    "win": "lose",
    "push": "pull",
    "inside": "outside",
    "begin": "end",
    "above": "below",
    "north": "south",
}
PAIRS: dict[WordTask, dict[str, str]] = {"capitals": CAPITALS, "opposites": OPPOSITES}

Pair: TypeAlias = tuple[str, str]


def draw_pairs(task: WordTask, n_pairs: int, *, seed: int) -> list[Pair]:
    """So many different pairs of a task, chosen by `seed`."""
    return Random(seed).sample(sorted(PAIRS[task].items()), n_pairs)


def rotated(pairs: Sequence[Pair]) -> list[Pair]:
    """The same words with the answer of the pair before, so that every answer is wrong."""
    return [(word, pairs[place - 1][1]) for place, (word, _) in enumerate(pairs)]


def as_examples(pairs: Sequence[Pair]) -> str:
    """A line for each pair: ``hot -> cold``."""
    return "".join(f"{word} -> {answer}\n" for word, answer in pairs)
