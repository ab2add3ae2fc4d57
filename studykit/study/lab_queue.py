"""The labs that the learner has started: one runs, others wait in line, some have ended unseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studykit.lab.process import LabRunner
    from studykit.study.lab_run import Keep, LabRun


class LabQueue:
    """Runs one lab after the other, in the order in which they were started.

    The screens add to it and look at it; who `work`s is the app, so that a run outlives the screen
    that started it.
    """

    latest: LabRun | None
    """The run that was started last, whatever has become of it."""

    def __init__(self) -> None:
        self.latest = None
        self._runs: list[LabRun] = []
        self._is_working = False

    @property
    def in_hand(self) -> tuple[LabRun, ...]:
        """The runs that are not over, or whose end nobody has seen; the oldest first."""
        self._runs = [run for run in self._runs if not (run.is_over and run.is_seen)]
        return tuple(self._runs)

    @property
    def current(self) -> LabRun | None:
        """The run that goes on."""
        return next((run for run in self._runs if run.is_going), None)

    @property
    def waiting(self) -> tuple[LabRun, ...]:
        """The runs in line, the next one first."""
        return tuple(run for run in self._runs if run.state == "waiting")

    @property
    def unfinished(self) -> tuple[LabRun, ...]:
        """The run that goes on and those in line."""
        return tuple(run for run in self._runs if not run.is_over)

    @property
    def cut_off(self) -> tuple[LabRun, ...]:
        """The runs in hand that have come to no end of their own: what leaving the app has cost."""
        return tuple(
            run for run in self.in_hand if run.result is None or run.result.status == "cancelled"
        )

    def of_lab(self, lab_id: str) -> LabRun | None:
        """The newest run in hand of a lab."""
        return next((run for run in reversed(self.in_hand) if run.header.id == lab_id), None)

    def has_same(self, run: LabRun) -> bool:
        """Whether a run that would measure the same, with the same code, goes on or waits."""

        def what(run: LabRun) -> tuple[object, ...]:
            return run.header.id, run.header.code_hash, run.knobs, run.budget, run.n_seeds

        return any(what(other) == what(run) for other in self.unfinished)

    def add(self, run: LabRun) -> None:
        """Put a run at the end of the line."""
        self.latest = run
        self._runs = [*self.in_hand, run]
        self._count()

    def cancel(self, run: LabRun, runner: LabRunner) -> None:
        """Stop the run if it goes on; if it waits, take it out of the line."""
        if run.state == "waiting":
            run.state, run.is_seen = "finished", True
            self._count()
        elif run.is_going:
            run.state = "cancelling"
            runner.cancel()

    async def work(
        self, runner: LabRunner, device: str, keep: Keep, on_end: Callable[[LabRun], object]
    ) -> None:
        """Run what waits until nothing does; a second call while the first goes on does nothing."""
        if self._is_working:
            return
        self._is_working = True
        try:
            while self.waiting:
                run = self.waiting[0]
                run.begin()
                self._count()
                messages = runner.run(
                    run.header,
                    knobs=run.knobs,
                    seeds=range(run.n_seeds),
                    device=device,
                    budget=run.budget,
                )
                await run.follow(messages, keep)
                on_end(run)
        finally:
            self._is_working = False

    def _count(self) -> None:
        n_going = 0 if self.current is None else 1
        for n, run in enumerate(self.waiting):
            run.n_ahead = n_going + n
