"""The runs of a lab so far, and two of them side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING

from studykit.course.cards import Knobs, KnobValue, LabHeader
from studykit.lab.results import Prediction, RunResult, Verdict
from studykit.lab.verdicts import judge_again
from studykit.study.numbers import Summary, ladder, summarise

if TYPE_CHECKING:
    from studykit.progress.runs import RunEntry, StoredRun

N_TIMED = 5
"""Runs that say how long the next one takes: a few, since machines get busy and replaced."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run of the learner's with what was predicted, or a recorded one."""

    result: RunResult
    """Without its events, if it is the learner's."""
    prediction: Prediction | None = None
    run_id: int | None = None
    """By which the progress gives the whole of it; None for a recorded one, which is whole."""


def past_runs(
    header: LabHeader, own: Iterable[StoredRun], recorded: Iterable[RunResult]
) -> tuple[PastRun, ...]:
    """The learner's own runs of a lab, the newest first, then those recorded with the course.

    Of an own version of a lab the runs of the original follow its own. All are judged by the tests
    that the lab has now.
    """
    mine = [PastRun(run.result, run.prediction, run.id) for run in own]
    mine = [run for run in mine if run.result.lab in (header.id, header.original)]
    mine.sort(key=lambda run: run.result.started_at, reverse=True)
    mine.sort(key=lambda run: run.result.lab != header.id)
    runs = [*mine, *map(PastRun, recorded)]
    return tuple(replace(run, result=judge_again(run.result, header)) for run in runs)


def first_pair(header: LabHeader, runs: Sequence[PastRun]) -> int:
    """What the latest run is compared with at first: the one before it.

    Of an own version of a lab it is the original with the same knobs, if that was run to its end.
    """
    if not (header.is_own and runs):
        return 1
    wanted = runs[0].result
    alike = (
        at
        for at, run in enumerate(runs)
        if run.result.lab == header.original
        and run.result.status == "done"
        and (run.result.knobs, run.result.budget) == (wanted.knobs, wanted.budget)
    )
    return next(alike, 1)


def seconds_here(header: LabHeader, runs: Iterable[RunEntry], knobs: Knobs) -> float | None:
    """How long a run of the lab as it is now takes here, judged by the learner's own; else None.

    The median of the latest `N_TIMED` complete runs with these knobs (those not named have their
    defaults) and the ordinary budget, on the device of the latest.
    """
    wanted = header.defaults | dict(knobs)
    alike = [
        run
        for run in runs
        if (run.lab, run.code_hash, run.knobs, run.budget)
        == (header.id, header.code_hash, wanted, 1)
        and run.is_complete
        and run.seed_numbers
    ]
    if not alike:
        return None
    alike.sort(key=lambda run: run.started_at, reverse=True)
    timed = [run for run in alike if run.device == alike[0].device][:N_TIMED]
    return header.seeds * median(run.seconds / len(run.seed_numbers) for run in timed)


def changed_knobs(header: LabHeader, knobs: Knobs) -> dict[str, KnobValue]:
    """Those of `knobs` that are not at their default."""
    return {name: value for name, value in knobs.items() if header.defaults.get(name) != value}


@dataclass(frozen=True, slots=True)
class Contrast:
    """One measurement of two runs; None where a run has not measured it."""

    left: Summary | None
    right: Summary | None

    @property
    def row(self) -> Summary:
        """The one that says what is measured."""
        row = self.left or self.right
        assert row is not None
        return row

    @property
    def difference(self) -> float:
        """Right less left, of the medians; NaN where that says nothing."""
        if self.left is None or self.right is None or self.left.unit != self.right.unit:
            return math.nan
        return self.right.middle - self.left.middle

    @property
    def is_apart(self) -> bool:
        """The ranges of the seeds do not overlap; one seed alone has no range.

        A run whose seeds all diverged is apart from one in which none did.
        """
        if self.left is None or self.right is None or self.left.unit != self.right.unit:
            return False
        left, right = self.left.values, self.right.values
        if min(len(left), len(right)) < 2:
            return False
        n_lost = [sum(map(math.isnan, values)) for values in (left, right)]
        if any(n_lost):
            return n_lost in ([len(left), 0], [0, len(right)])
        return max(left) < min(right) or max(right) < min(left)


def compare(left: RunResult, right: RunResult) -> tuple[Contrast, ...]:
    """Every measurement of the two, in the order of the left one's ladder, then the right's own."""
    rows = {row.name: row for row in summarise(left.seeds)}
    others = {row.name: row for row in summarise(right.seeds)}
    merged = ladder([*rows.values(), *(row for row in others.values() if row.name not in rows)])
    return tuple(Contrast(rows.get(row.name), others.get(row.name)) for row in merged)


def changed_verdicts(
    claims: Iterable[str], left: RunResult, right: RunResult
) -> tuple[tuple[str, Verdict, Verdict], ...]:
    """Claims that the two runs judge differently."""
    judged = [
        (claim, left.verdicts[claim], right.verdicts[claim])
        for claim in claims
        if claim in left.verdicts and claim in right.verdicts
    ]
    return tuple(one for one in judged if one[1] != one[2])


def pair_at(n_runs: int, pinned: int, cursor: int) -> Sequence[int]:
    """Which of the runs are compared: the pinned one and the one at the cursor, once each."""
    return [*dict.fromkeys(at for at in (pinned, cursor) if at < n_runs)]
