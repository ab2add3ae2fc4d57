"""What each seed of a run says of the claims, by their tests, and what all say together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from studykit.course.cards import LabHeader
from studykit.course.holds import holds, names_in, parse_test
from studykit.lab.events import Measurement
from studykit.lab.results import RunResult, SeedResult, Status, Verdict


def measured_names(header: LabHeader) -> tuple[str, ...]:
    """Every measurement that a test of the lab needs, each once."""
    tests = header.holds_if.values()
    return tuple(dict.fromkeys(name for test in tests for name in names_in(parse_test(test))))


def deciding_names(header: LabHeader, claim: str) -> tuple[str, ...]:
    """The measurements that the claim rests on, as its test names them first."""
    test = header.holds_if.get(claim)
    return names_in(parse_test(test)) if test else ()


def judge_seed(
    header: LabHeader, measurements: Mapping[str, Measurement]
) -> dict[str, bool | None]:
    """Claim -> whether it holds with what one complete seed measured; None: unknown."""
    values = {name: measurement.value for name, measurement in measurements.items()}
    return {claim: holds(parse_test(test), values) for claim, test in header.holds_if.items()}


def judge_again(result: RunResult, header: LabHeader) -> RunResult:
    """A stored run with the claims and verdicts of the header as it is now.

    A verdict always belongs to the test that stands beside it: a claim whose test names what the
    run did not measure is undecided, whatever an earlier test said.
    """
    seeds = tuple(
        # A seed that was broken off has no claims, and gets none.
        replace(seed, claims=judge_seed(header, seed.measurements)) if seed.claims else seed
        for seed in result.seeds
    )
    verdicts = judge(seeds, header.claims, result.status, len(seeds))
    return replace(result, seeds=seeds, verdicts=verdicts)


def judge(
    seeds: Sequence[SeedResult], claims: Iterable[str], status: Status, n_seeds: int
) -> dict[str, Verdict]:
    """Claim -> verdict of a run that was asked for `n_seeds` seeds.

    Seeds that differ stay different whatever the missing ones would say; every other verdict needs
    all of them.
    """
    return {claim: _judge_one(seeds, claim, status, n_seeds) for claim in claims}


def _judge_one(seeds: Sequence[SeedResult], claim: str, status: Status, n_seeds: int) -> Verdict:
    if status == "skipped":
        return "skipped"
    answers = {seed.claims.get(claim) for seed in seeds}
    if {True, False} <= answers:
        return "depends"
    if status != "done" or len(seeds) < n_seeds or not answers or None in answers:
        return "undecided"
    return "confirmed" if True in answers else "refuted"
