"""Many runs of labs, as many side by side as there are processes; some of them alone."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

from studykit.course.cards import Knobs, LabHeader
from studykit.lab.process import LabMessage, LabRunner, follow
from studykit.lab.results import RunResult

MOST_BYTES_EACH = 3 * 1024**3 // 2
"""Memory that a run may want: torch, the trained weights that it reads, and what it computes."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One run to be made; no two are equal, whatever they run."""

    header: LabHeader
    knobs: Knobs
    """Those that are not named have their defaults."""
    seeds: Sequence[int]
    budget: float = 1.0

    @property
    def seconds(self) -> float:
        """How long it takes by itself, as far as the lab says; its knobs are not counted in."""
        per_seed = self.header.seconds.get("cpu", 1.0) / self.header.seeds
        return per_seed * len(self.seeds) * self.budget


OnMessage: TypeAlias = Callable[[Job, LabMessage], object]
OnResult: TypeAlias = Callable[[Job, RunResult], object]


class Crew(Protocol):
    """What makes many runs: processes of this machine, or of others."""

    @property
    def n_at_once(self) -> int:
        """How many runs go on side by side."""
        ...

    async def run(
        self, jobs: Iterable[Job], device: str, on_message: OnMessage, on_result: OnResult
    ) -> None:
        """Make the runs, in any order; whatever becomes of one, `on_result` hears of it.

        After `cancel` it returns soon, and those that were not begun are never heard of.
        """
        ...

    def cancel(self) -> None:
        """Stop what goes on and begin nothing else."""
        ...

    async def close(self) -> None:
        """Stop, and end every process."""
        ...


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def n_by_default() -> int:
    """Runs side by side: as many as there are cores, as far as the memory reaches."""
    available = MOST_BYTES_EACH * n_cores()
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                available = int(line.split()[1]) * 1024
    return max(1, min(n_cores(), available // MOST_BYTES_EACH))


def threads_each(n_at_once: int) -> int:
    """Threads for each of so many processes, that together they have one a core."""
    return max(1, n_cores() // n_at_once)


class Pool:
    """A `Crew` of child processes on this machine."""

    def __init__(self, build_runner: Callable[[int], LabRunner], n_at_once: int) -> None:
        """`build_runner` makes a runner whose labs compute with so many threads, 0: as they like.

        What runs alone, or has no other beside it, has the machine as a single run has it.
        """
        self._n_at_once = n_at_once
        self._build_runner = build_runner
        self._runners: list[LabRunner] = []
        self._is_cancelled = False

    @property
    def n_at_once(self) -> int:
        return self._n_at_once

    async def run(
        self, jobs: Iterable[Job], device: str, on_message: OnMessage, on_result: OnResult
    ) -> None:
        """The longest first, so that the last ones end at about the same time."""
        ordered = sorted(jobs, key=lambda job: -job.seconds)
        alone = deque(job for job in ordered if job.header.runs_alone)
        together = deque(job for job in ordered if not job.header.runs_alone)
        for waiting, n in ((together, self._n_at_once), (alone, 1)):
            n_workers = min(n, len(waiting))
            threads = threads_each(n_workers) if n_workers > 1 else 0
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(n_workers):
                        work = self._work(threads, waiting, device, on_message, on_result)
                        group.create_task(work)
            except BaseExceptionGroup as errors:
                # Those of the others are of no further interest: they were stopped by the first.
                raise errors.exceptions[0] from None

    async def _work(
        self,
        threads: int,
        waiting: deque[Job],
        device: str,
        on_message: OnMessage,
        on_result: OnResult,
    ) -> None:
        runner = self._build_runner(threads)
        self._runners.append(runner)
        try:
            while waiting and not self._is_cancelled:
                job = waiting.popleft()
                result = await follow(
                    runner,
                    job.header,
                    knobs=job.knobs,
                    seeds=job.seeds,
                    device=device,
                    budget=job.budget,
                    on_message=partial(on_message, job),
                )
                on_result(job, result)
        finally:
            self._runners.remove(runner)
            await runner.close()

    def cancel(self) -> None:
        self._is_cancelled = True
        for runner in self._runners:
            runner.cancel()

    async def close(self) -> None:
        self.cancel()
        for runner in [*self._runners]:
            await runner.close()
