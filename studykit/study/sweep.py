"""A sweep: one lab at every combination of some knobs' values, on many seeds each."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from studykit.course.cards import Knobs, KnobValue, LabHeader
from studykit.errors import LabError
from studykit.lab.differences import interval_of_mean
from studykit.lab.pool import Crew, Job
from studykit.lab.process import LabMessage
from studykit.lab.results import RunResult, SeedResult
from studykit.lab.sweeps import SweepFile
from studykit.lab.verdicts import judge_seed, measured_names
from studykit.study.evidence_words import render_knobs
from studykit.study.many_runs import ManyRuns
from studykit.study.numbers import Summary, summarise
from studykit.text import plural

MOST_RUNS = 10_000
SAVED_SHARE = 0.05
"""Of the time that a sweep takes, at most so much is spent on writing what it has measured."""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What is to be measured."""

    header: LabHeader
    settings: tuple[dict[str, KnobValue], ...]
    """Every knob of each."""
    seeds: range
    budget: float

    @property
    def varied(self) -> tuple[str, ...]:
        """The knobs in which the settings differ."""
        return tuple(
            name for name in self.header.knobs if len({knobs[name] for knobs in self.settings}) > 1
        )

    def label(self, knobs: Knobs) -> str:
        """A setting by what is its own; the lab's id where nothing varies."""
        own = {name: "–" if knobs[name] == "" else knobs[name] for name in self.varied}
        return render_knobs(own) or self.header.id


def plan_sweep(
    header: LabHeader,
    values: Mapping[str, Sequence[KnobValue]],
    seeds: range,
    budget: float = 1.0,
) -> SweepPlan:
    """Every combination of `values`, the other knobs at their defaults.

    Raises `LabError` if that is more than `MOST_RUNS` runs.
    """
    chosen = {name: tuple(dict.fromkeys(offered)) for name, offered in values.items()}
    n_runs = math.prod(map(len, chosen.values())) * len(seeds)
    if n_runs > MOST_RUNS:
        what = f"a sweep of {n_runs:,} runs"
        raise LabError(what, hint=f"at most {MOST_RUNS:,}: fewer values or fewer seeds")
    settings = tuple(
        header.defaults | dict(zip(chosen, combination, strict=True))
        for combination in product(*chosen.values())
    )
    return SweepPlan(header, settings, seeds, budget)


class Sweep:
    """A sweep from its plan to its last run: what it has measured so far, how far it is.

    What was measured before is not measured again; what is measured is kept at once.
    """

    failures: dict[str, Counter[str]]
    """Setting, in words -> how its runs ended that were not complete -> on how many seeds."""

    def __init__(self, plan: SweepPlan, file: SweepFile, crew: Crew, device: str) -> None:
        self.plan = plan
        self.failures = {}
        self.is_over = False
        self._file = file
        self._crew = crew
        self._device = device
        jobs = self._missing()
        n_all = len(plan.settings) * len(plan.seeds)
        self.n_before = n_all - len(jobs)
        n_at_once = 1 if plan.header.runs_alone else crew.n_at_once
        self.progress = ManyRuns(jobs, n_at_once, n_before=self.n_before)
        self._jobs = jobs
        self._has_new = False

    def _missing(self) -> list[Job]:
        """A run for each seed that is not measured; those of one seed stand together."""
        plan = self.plan
        known = [{seed.seed for seed in self.seeds(knobs)} for knobs in plan.settings]
        return [
            Job(plan.header, knobs, [seed], plan.budget)
            for seed in plan.seeds
            for knobs, measured in zip(plan.settings, known, strict=True)
            if seed not in measured
        ]

    def seeds(self, knobs: Knobs) -> list[SeedResult]:
        """Those of the plan that are measured at a setting, by their numbers."""
        found = {
            seed.seed: seed
            for run in self._file.runs(knobs, self.plan.budget, self._device)
            for seed in run.seeds
            if seed.seed in self.plan.seeds
        }
        return [found[number] for number in sorted(found)]

    @property
    def names(self) -> set[str]:
        """Every measurement of the lab that is there, at whatever setting."""
        return self._file.names

    @property
    def n_measured(self) -> int:
        """Runs of the plan that are there."""
        return sum(len(self.seeds(knobs)) for knobs in self.plan.settings)

    @property
    def is_complete(self) -> bool:
        return self.n_measured == len(self.plan.settings) * len(self.plan.seeds)

    async def work(
        self, on_message: Callable[[Job, LabMessage], object], on_result: Callable[[], object]
    ) -> None:
        """Run what is missing. Raises what `SweepFile.save` does."""
        if not self._jobs:
            self.is_over = True
            return
        news = asyncio.Event()

        def take(job: Job, message: LabMessage) -> None:
            self.progress.take(job, message)
            on_message(job, message)

        def end(job: Job, result: RunResult) -> None:
            self.progress.end(job, result)
            self._take_result(job, result)
            news.set()
            on_result()

        saving = asyncio.create_task(self._save_in_turn(news))
        running = asyncio.create_task(self._crew.run(self._jobs, self._device, take, end))
        try:
            # A file that cannot be written ends the sweep: what it measures would be lost.
            await asyncio.wait([saving, running], return_when=asyncio.FIRST_COMPLETED)
            if saving.done():
                self._crew.cancel()
            await running
        finally:
            saving.cancel()
            running.cancel()  # it is not over if this task itself was cancelled
            self.is_over = True
            # Whatever is being written now, and has not seen the latest.
            if self._has_new and not saving.done():
                self._file.save()
        if saving.done() and not saving.cancelled():
            await saving

    def _take_result(self, job: Job, result: RunResult) -> None:
        if result.status == "done":
            self._file.add(result)
            self._has_new = True
        elif result.status != "cancelled":
            label = self.plan.label(job.knobs)
            why = f"{result.status}: {result.message}"
            self.failures.setdefault(label, Counter())[why] += 1

    async def _save_in_turn(self, news: asyncio.Event) -> None:
        """Write what is new, and then let pass so much time that writing stays a small share."""
        while True:
            await news.wait()
            news.clear()
            began = time.monotonic()
            await asyncio.to_thread(self._file.save)
            await asyncio.sleep((time.monotonic() - began) / SAVED_SHARE)

    @property
    def problems(self) -> list[str]:
        """What could not be measured, one line each."""
        n = len(self.plan.seeds)
        return [
            f"{label}: {why} (on {n_failed} of {plural(n, 'seed')})"
            for label, endings in self.failures.items()
            for why, n_failed in endings.items()
        ]


@dataclass(frozen=True, slots=True)
class Estimate:
    """One measurement at one setting: its mean over the seeds, and how sure that is."""

    mean: float
    """Of the seeds that did not diverge; NaN if all did."""
    low: float
    high: float
    """The 95 % interval of the mean by Student's t; the mean itself for one seed."""
    n: int
    n_lost: int
    """Seeds that diverged."""


def estimate(row: Summary) -> Estimate:
    """The mean of a measurement and its interval."""
    finite = [value for value in row.values if math.isfinite(value)]
    n, n_lost = len(finite), len(row.values) - len(finite)
    if not n:
        return Estimate(math.nan, math.nan, math.nan, 0, n_lost)
    mean = math.fsum(finite) / n
    low, high = interval_of_mean(finite) or (mean, mean)
    return Estimate(mean, low, high, n, n_lost)


@dataclass(frozen=True, slots=True)
class Strand:
    """One measurement along the settings of a sweep."""

    name: str
    label: str
    unit: str
    yardstick: bool
    points: tuple[Estimate | None, ...]
    """At each setting; None where nothing is measured yet."""


def strands(sweep: Sweep) -> tuple[Strand, ...]:
    """Every measurement of the lab, those that its claims rest on first."""
    at = [{row.name: row for row in summarise(sweep.seeds(k))} for k in sweep.plan.settings]
    rows = {name: row for rows in reversed(at) for name, row in rows.items()}
    first = [name for name in measured_names(sweep.plan.header) if name in rows]
    return tuple(
        Strand(
            name,
            rows[name].label,
            rows[name].unit,
            rows[name].yardstick,
            tuple(estimate(rows_[name]) if name in rows_ else None for rows_ in at),
        )
        for name in dict.fromkeys([*first, *rows])
    )


def count_claims(sweep: Sweep, knobs: Knobs) -> dict[str, tuple[int, int, int]]:
    """Claim -> on how many seeds it holds, fails, and cannot be said at a setting."""
    header = sweep.plan.header
    said = [judge_seed(header, seed.measurements) for seed in sweep.seeds(knobs)]
    return {
        claim: (
            sum(each[claim] is True for each in said),
            sum(each[claim] is False for each in said),
            sum(each[claim] is None for each in said),
        )
        for claim in header.claims
    }
