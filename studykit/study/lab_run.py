"""One run of a lab while it goes on: fed by the runner's messages, read by a screen.

It belongs to the app, so a screen may close and open again while the run goes on.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Literal, TypeAlias

from studykit.course.cards import Card, KnobValue, LabHeader
from studykit.errors import StudykitError
from studykit.lab.collect import SeedSoFar
from studykit.lab.events import Curve, Printed, Progress
from studykit.lab.process import Finished, LabMessage, SeedEvent, Started
from studykit.lab.results import Prediction, RunResult, SeedResult
from studykit.study.evidence_words import render_seed
from studykit.study.prediction import score

RunState: TypeAlias = Literal["waiting", "starting", "running", "cancelling", "finished"]

Keep: TypeAlias = Callable[[RunResult, Card | None, Prediction | None], object]
"""Stores a result, with the card that it was run for and what was predicted."""


class LabRun:
    """A run from the key that asks for it to its result."""

    header: LabHeader
    knobs: dict[str, KnobValue]
    """Every knob, defaults included."""
    card: Card | None
    """The card that it was started from."""
    prediction: Prediction | None
    """What the learner expects; None: skipped."""
    budget: float
    """Times the lab's training steps."""
    n_seeds: int
    """How many seeds the run has: the lab's own number, one for a quick look."""
    state: RunState
    """"waiting": in line behind others."""
    n_ahead: int
    """How many runs come before it while it waits."""
    device: str
    """"cpu" or "cuda"; empty until the child says."""
    progress: Progress
    """Of the seed that runs now."""
    latest_chart: str
    """Title of the chart that grew last; empty before the first."""
    result: RunResult | None
    """What came out, whatever became of the run; None until it has finished."""
    stored: RunResult | None
    """The result, once it is in the progress."""
    problem: str
    """Why the result could not be stored or the run not be started, in one line."""
    is_seen: bool
    """A screen has shown how it ended."""
    has_printed: bool
    """Some seed has printed something."""
    n_reported: int
    """Grows with every message that is neither progress nor a point of a curve."""

    def __init__(
        self,
        header: LabHeader,
        knobs: dict[str, KnobValue],
        card: Card | None,
        prediction: Prediction | None,
        *,
        budget: float = 1.0,
        n_seeds: int | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.header = header
        self.knobs = {**header.defaults, **knobs}
        self.card = card
        self.prediction = prediction
        self.budget = budget
        self.n_seeds = seeds_at(header, budget) if n_seeds is None else n_seeds
        self.state = "waiting"
        self.n_ahead = 0
        self.device = ""
        self.progress = Progress(0, 1)
        self.latest_chart = ""
        self.result = None
        self.stored = None
        self.problem = ""
        self.is_seen = False
        self.has_printed = False
        self.n_reported = 0
        # As the runner gathers them: they grow without being told of here.
        self._seeds: dict[int, SeedSoFar] = {}
        self._timer = timer
        self._started_s: float | None = None

    @classmethod
    def past(
        cls, header: LabHeader, card: Card | None, result: RunResult, prediction: Prediction | None
    ) -> LabRun:
        """A run that has long ended, to be looked at as if it had ended just now."""
        run = cls(header, dict(result.knobs), card, prediction)
        run.device, run.result, run.stored = result.device, result, result
        run.budget, run.n_seeds = result.budget, len(result.seeds)
        run.state, run.is_seen = "finished", True
        return run

    @property
    def is_quick(self) -> bool:
        """It shows what the lab does, with too little for a verdict that counts."""
        return self.budget < 1 or self.n_seeds < self.header.seeds

    @property
    def is_over(self) -> bool:
        return self.state == "finished"

    @property
    def is_going(self) -> bool:
        """It is being run, however far it is."""
        return self.state in ("starting", "running", "cancelling")

    @property
    def elapsed_s(self) -> float:
        """Seconds since its turn came; 0 before."""
        return 0.0 if self._started_s is None else self._timer() - self._started_s

    def begin(self) -> None:
        """Its turn has come."""
        self.state = "starting"
        self._started_s = self._timer()

    @property
    def fraction(self) -> float:
        """Share of the whole run that is done, 0 to 1."""
        n_before = max(0, len(self._seeds) - 1)
        total = self.progress.total
        within = min(1.0, max(0.0, self.progress.done / total)) if total > 0 else 0.0
        return min(1.0, (n_before + within) / max(1, self.n_seeds))

    @property
    def remaining_s(self) -> float | None:
        """Seconds that it still takes at this pace; None while too little is done to tell."""
        return self.elapsed_s * (1 - self.fraction) / self.fraction if self.fraction > 0.1 else None

    @property
    def n_begun(self) -> int:
        """Seeds begun so far."""
        return len(self._seeds)

    @property
    def where(self) -> str:
        """Which seed of how many is on; empty before the first, and if there is but one."""
        if not self._seeds or self.n_seeds == 1:
            return ""
        return render_seed([*self._seeds][-1], len(self._seeds), self.n_seeds)

    @property
    def has_log(self) -> bool:
        """There is something to read of how it went: prints, or why it broke off."""
        return self.has_printed or (self.result is not None and self.result.trace != "")

    @property
    def seeds(self) -> tuple[SeedResult, ...]:
        """Everything that was measured, the seeds that were broken off included."""
        if not self._seeds and self.result is not None:
            return self.result.seeds
        return tuple(seed.result for seed in self._seeds.values())

    async def follow(
        self,
        messages: AsyncIterator[LabMessage],
        keep: Keep,
    ) -> None:
        """Take every message of the runner, then `keep` the result if it is worth it."""
        try:
            async for message in messages:
                self.take(message)
            if self.result is not None:
                if self.prediction is not None:
                    self.prediction = score(self.prediction, self.header, self.card, self.result)
                if is_worth_keeping(self.result):
                    keep(self.result, self.card, self.prediction)
                    self.stored = self.result
        except StudykitError as error:
            self.problem = str(error)
        finally:
            self.state = "finished"
            self.n_reported += 1

    def take(self, message: LabMessage) -> None:
        """Let one message of the runner change the state."""
        if not (isinstance(message, SeedEvent) and isinstance(message.event, Progress | Curve)):
            self.n_reported += 1
        match message:
            case Started():
                self.device = message.device
                if self.state != "cancelling":
                    self.state = "running"
            case SeedEvent():
                if message.seed.number not in self._seeds:
                    self._seeds[message.seed.number] = message.seed
                    self.progress = Progress(0, 1)
                if isinstance(message.event, Progress):
                    self.progress = message.event
                elif isinstance(message.event, Curve):
                    self.latest_chart = message.event.chart
                elif isinstance(message.event, Printed):
                    self.has_printed = True
            case Finished():
                self.result = message.result


QUICK_LOOK = 0.25
"""The budget of a run that only shows what it is about, of a lab that trains."""


def has_quick_look(header: LabHeader) -> bool:
    """Whether less than a run of the lab shows something: it trains, or it takes texts to show."""
    return header.takes_budget or (header.seeds > 1 and bool(header.own_texts))


def seeds_at(header: LabHeader, budget: float) -> int:
    """How many seeds a run has if nobody says: one if its budget is below the ordinary one."""
    return 1 if budget < 1 else header.seeds


def is_worth_keeping(result: RunResult) -> bool:
    """A run that measured nothing because it was cancelled or skipped leaves no trace."""
    return bool(result.seeds) or result.status not in ("cancelled", "skipped")
