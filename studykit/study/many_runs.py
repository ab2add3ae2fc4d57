"""Many runs while they go on: how many are over, how long the others take, what runs now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from studykit.lab.pool import Job
from studykit.lab.process import LabMessage, SeedJudged, Started
from studykit.lab.results import RunResult
from studykit.text import plural

TELLING_SHARE = 0.05
"""Of the work: with less of it done, how long the rest takes is not said."""


class ManyRuns:
    """What is known of a list of runs at each moment; a `Crew` tells it of its messages."""

    def __init__(
        self,
        jobs: Iterable[Job],
        n_at_once: int,
        *,
        n_before: int = 0,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`n_before`: so many more were made earlier and need not be made again."""
        self._left = {job: float(len(job.seeds)) for job in jobs}
        self.n_before = n_before
        self.n_jobs = len(self._left)
        self.n_over = 0
        self._n_at_once = n_at_once
        self._running: dict[Job, None] = {}
        self._work = self._work_left
        self._timer = timer
        self._began = timer()

    @property
    def running(self) -> tuple[Job, ...]:
        """What goes on, the oldest first."""
        return tuple(self._running)

    @property
    def elapsed_s(self) -> float:
        return self._timer() - self._began

    @property
    def fraction(self) -> float:
        """Share of the work that is done, by what the labs say of their seconds."""
        return 1 - self._work_left / self._work if self._work else 1.0

    @property
    def remaining_s(self) -> float | None:
        """Seconds until all are over, at the pace so far; None while too little is done."""
        done = self.fraction
        return self.elapsed_s * (1 - done) / done if done >= TELLING_SHARE else None

    @property
    def _work_left(self) -> float:
        """Seconds by what the labs say, runs that go side by side counted as one."""
        return sum(
            job.seconds
            * (n_seeds / len(job.seeds))
            / (1 if job.header.runs_alone else self._n_at_once)
            for job, n_seeds in self._left.items()
        )

    def take(self, job: Job, message: LabMessage) -> None:
        """Let a message of a run change what is known."""
        if isinstance(message, Started):
            self._running[job] = None
        elif isinstance(message, SeedJudged):
            self._left[job] = max(0.0, self._left[job] - 1)

    def end(self, job: Job, _: RunResult) -> None:
        """A run is over."""
        self._running.pop(job, None)
        self._left[job] = 0.0
        self.n_over += 1

    def __str__(self) -> str:
        """``12 of 66 runs · 3:10, about 9 min left · core/heads, core/residuals``."""
        n_all = self.n_before + self.n_jobs
        parts = [f"{self.n_before + self.n_over} of {plural(n_all, 'run')}"]
        parts.append(clock(self.elapsed_s))
        if (left := self.remaining_s) is not None:
            parts[-1] += f", {about_time(left)} left"
        parts.append(", ".join(dict.fromkeys(job.header.id for job in self._running)))
        return " · ".join(filter(None, parts))


def clock(seconds: float) -> str:
    """``3:10``, or ``1:03:10``."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def about_time(seconds: float) -> str:
    """``about 20 s``, ``about 9 min``, ``about 2 h``; never more exact than such a guess is."""
    if seconds < 55:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    if seconds < 90 * 60:
        return f"about {max(1, round(seconds / 60))} min"
    return f"about {round(seconds / 3600)} h"
