"""Every claim of every lab can come out either way, and every number that its test names counts.

The numbers of the lab's recorded run are changed, by sizes that the test itself suggests, until the
claim holds and until it fails: a claim that no measurement refutes would be no claim.
"""

from __future__ import annotations

import ast
import itertools
import math
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from studykit.course.holds import ClaimTest, holds, names_in, parse_test
from studykit.course.labs import find_labs, read_lab_header
from studykit.lab.recorded import load_recorded

ROOT = Path(__file__).parents[2]
N_DRAWS = 4000
"""Random changes that are tried after those of one number."""


def claims() -> Iterator[object]:
    for path in find_labs(ROOT):
        header, _ = read_lab_header(path, ROOT)  # what is wrong with it, `test_bundled` says
        if header is not None:
            for claim, test in header.holds_if.items():
                yield pytest.param(header.id, test, id=f"{header.id}:{claim}")


def measured(lab: str, test: ClaimTest) -> dict[str, float]:
    """What the first seed of a recorded run measured of what the test names; 1 where it did not."""
    values = dict.fromkeys(names_in(test), 1.0)
    for run in load_recorded(ROOT, lab):
        found = run.seeds[0].measurements
        return values | {name: found[name].value for name in values if name in found}
    return values


def sizes(test: ClaimTest, values: dict[str, float]) -> tuple[list[float], list[float]]:
    """Numbers that may turn the test: those in it and those measured, then near and far of each."""
    nodes = [node.value for node in ast.walk(test.tree) if isinstance(node, ast.Constant)]
    numbers = {float(node) for node in nodes if isinstance(node, int | float)}
    numbers |= {value for value in values.values() if math.isfinite(value)} | {0.0, 1.0}
    more = {number * factor for number in numbers for factor in (-1, 0.99, 1.01, 0.5, 2, 0.01, 100)}
    more |= {a + sign * b for a in numbers for b in numbers for sign in (1, -1)}
    return sorted(numbers) + [math.nan] * ("diverged" in test.text), sorted(more - numbers)


def contexts(test: ClaimTest, values: dict[str, float]) -> Iterator[dict[str, float]]:
    """The values as measured, with one of them changed, then with any of them changed."""
    yield values
    near, far = choices = sizes(test, values)
    for name, size in itertools.product(values, near + far):
        yield values | {name: size}
    dice = random.Random(test.text)
    for _ in range(N_DRAWS):
        changed = {
            name: dice.choice(dice.choice(choices)) for name in values if dice.random() < 0.8
        }
        yield values | changed


@pytest.mark.parametrize(("lab", "text"), claims())
def test_a_claim_can_hold_and_can_fail(lab: str, text: str) -> None:
    test = parse_test(text)
    values = measured(lab, test)

    for wanted in (True, False):
        found = any(holds(test, each) is wanted for each in contexts(test, values))
        assert found, f"no change of {values} makes it {wanted}"
    if "diverged" not in text:
        assert holds(test, dict.fromkeys(values, math.nan)) is None


@pytest.mark.parametrize(("lab", "text"), claims())
def test_every_number_that_a_test_names_can_turn_it(lab: str, text: str) -> None:
    """A number that changes nothing has no place beside the claim."""
    test = parse_test(text)
    values = measured(lab, test)
    idle = set(values)
    near, far = sizes(test, values)
    dice = random.Random(text)
    for context in contexts(test, values):
        for name in sorted(idle):
            if holds(test, context) != holds(test, context | {name: dice.choice(near + far)}):
                idle.discard(name)
        if not idle:
            return
    pytest.fail(f"changes nothing: {', '.join(idle)}")
