from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studykit.lab.results import SeedResult, Status, Verdict
from studykit.lab.verdicts import judge

Y, N, U = True, False, None


def seeds(*answers: bool | None) -> list[SeedResult]:
    return [SeedResult(seed, {}, {"c": answer}) for seed, answer in enumerate(answers)]


@pytest.mark.parametrize(
    ("answers", "status", "n_seeds", "verdict"),
    [
        ([Y, Y, Y], "done", 3, "confirmed"),
        ([N, N, N], "done", 3, "refuted"),
        ([Y], "done", 1, "confirmed"),
        ([Y, N, Y], "done", 3, "depends"),
        ([Y, Y, U], "done", 3, "undecided"),
        ([N, U, U], "done", 3, "undecided"),
        ([U, U, U], "done", 3, "undecided"),
        ([Y, Y], "done", 3, "undecided"),
        ([Y, Y], "cancelled", 3, "undecided"),
        ([Y, Y, Y], "failed", 3, "undecided"),
        ([Y, N], "cancelled", 3, "depends"),
        ([Y, N, U], "done", 3, "depends"),
        ([], "killed", 3, "undecided"),
        ([], "done", 0, "undecided"),
        ([], "skipped", 3, "skipped"),
    ],
)
def test_the_seeds_decide_together(
    answers: list[bool | None], status: Status, n_seeds: int, verdict: Verdict
) -> None:
    assert judge(seeds(*answers), ["c"], status, n_seeds) == {"c": verdict}


def test_a_seed_that_was_never_judged_cannot_say() -> None:
    """A claim that its answers lack is undecided, not refuted."""
    broken_off = SeedResult(1, {}, {})

    assert judge([*seeds(True), broken_off], ["c", "d"], "done", 2) == {
        "c": "undecided",
        "d": "undecided",
    }


@settings(deadline=None, derandomize=True)
@given(st.permutations([Y, Y, N, U]), st.integers(0, 4))
def test_the_order_of_seeds_does_not_matter(answers: list[bool | None], n: int) -> None:
    some = answers[:n]

    assert judge(seeds(*some), ["c"], "done", n) == judge(seeds(*reversed(some)), ["c"], "done", n)
