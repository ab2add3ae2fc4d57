"""What the seeds of a run say together of each claim. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from studykit.lab.results import SeedResult, Status, Verdict


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
