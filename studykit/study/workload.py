"""How much daily new cards and a desired retention ask for, and what is remembered for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

import numpy as np

from studykit.review.fsrs_arrays import Floats
from studykit.review.habits import Habits
from studykit.review.schedule import Memory, Scheduler, ScheduleSettings, State
from studykit.review.simulation import GRID_DAYS, Life, simulate_known, simulate_new
from studykit.study.words import minutes

RETENTIONS = tuple(percent / 100 for percent in range(70, 98))
"""The desired retentions that are compared."""
YEAR_DAYS = 365

N_NEW = 4000
"""New cards simulated; even at 0.97 the minutes are those of 20,000 within 5 %."""

N_KNOWN = 1000
"""Known cards simulated: of more so many are drawn, fewer live several lives each."""

MONTH_DAYS = 30
N_DAYS = 90
"""Days that `build_workload` looks ahead."""
N_IN_A_LINE = 20_000
"""Cards that it simulates: one retention and fewer days leave time for more."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """A year at one desired retention, if every day's cards are answered."""

    retention: float
    answers_a_day: float
    minutes_a_day: float
    """Means over the year."""
    n_met: float
    """Cards that were seen at least once by its end."""
    remembered: float
    """How many of them are expected to be recalled then."""


@dataclass(frozen=True, slots=True)
class YearAhead:
    """Simulated lives of the learner's cards, from which any daily number of new cards follows."""

    retentions: tuple[float, ...]
    new: Life
    """Of a card from the day that it is met."""
    known: Life
    """Of a card that is known today, from today on."""
    n_known: int

    def outlooks(self, new_per_day: int, n_unseen: int | None = None) -> tuple[Outlook, ...]:
        """One for each of `retentions`; new cards end after `n_unseen`, if that is given."""
        met = self._met(new_per_day, n_unseen)
        ages = YEAR_DAYS - np.arange(YEAR_DAYS)  # at the end of the year, by the day of meeting
        grid = np.arange(self.new.recall.shape[1]) * GRID_DAYS
        found = []
        for n, retention in enumerate(self.retentions):
            recalled = met @ np.interp(ages, grid, self.new.recall[n])
            recalled += self.n_known * self.known.recall[n, YEAR_DAYS // GRID_DAYS]
            found.append(
                Outlook(
                    retention,
                    answers_a_day=float(self._by_day("answers", n, met).mean()),
                    minutes_a_day=float(self._by_day("seconds", n, met).mean()) / 60,
                    n_met=float(met.sum()) + self.n_known,
                    remembered=float(recalled),
                )
            )
        return tuple(found)

    def minutes_by_day(
        self, retention: float, new_per_day: int, n_unseen: int | None = None
    ) -> Floats:
        """Minutes of each day of the year at the simulated retention closest to `retention`."""
        closest = int(np.abs(np.array(self.retentions) - retention).argmin())
        return self._by_day("seconds", closest, self._met(new_per_day, n_unseen)) / 60

    def _by_day(self, what: str, n: int, met: Floats) -> Floats:
        of_new, of_known = getattr(self.new, what)[n], getattr(self.known, what)[n]
        by_day: Floats = np.convolve(met, of_new)[:YEAR_DAYS] + self.n_known * of_known
        return by_day

    @staticmethod
    def _met(new_per_day: int, n_unseen: int | None) -> Floats:
        """New cards of each day."""
        total = np.arange(YEAR_DAYS + 1, dtype=np.float64) * new_per_day
        return np.diff(total if n_unseen is None else np.minimum(total, n_unseen))


def look_ahead(
    settings: ScheduleSettings,
    habits: Habits,
    memories: Iterable[Memory],
    today: date,
    retentions: Sequence[float] = RETENTIONS,
) -> YearAhead:
    """A year from `today` with the weights and steps of `settings`, at each of `retentions`.

    `memories`: of the cards that were reviewed before. Their next answer is due when it is due
    now; the retention decides from then on.
    """
    known = [memory for memory in memories if memory.state is not State.NEW]
    if len(known) > N_KNOWN:
        drawn = Random(0).sample(known, N_KNOWN)
    else:
        drawn = known * (N_KNOWN // max(1, len(known)))
    return YearAhead(
        tuple(retentions),
        simulate_new(settings, habits, retentions, n_cards=N_NEW, n_days=YEAR_DAYS),
        simulate_known(settings, habits, retentions, drawn, today, n_days=YEAR_DAYS),
        len(known),
    )


# --- in a line, for `doctor` ---


@dataclass(frozen=True, slots=True)
class Workload:
    """Answers a day, while there are new cards left to meet."""

    first_month: float
    later: float
    """The mean of the two months after it: the reviews of the cards of the first come on top."""


def build_workload(scheduler: Scheduler, new_per_day: int) -> Workload:
    """What so many new cards a day make."""
    settings = scheduler.settings
    life = simulate_new(
        settings, Habits(), [settings.desired_retention], n_cards=N_IN_A_LINE, n_days=N_DAYS
    )
    by_day = new_per_day * np.cumsum(life.answers[0])
    return Workload(float(by_day[:MONTH_DAYS].mean()), float(by_day[MONTH_DAYS:].mean()))


def describe_workload(load: Workload, answer_seconds: float) -> str:
    """``≈ 30 answers (10 min) a day in the first month, 47 (16 min) later``."""
    first, later = (
        f"{n:.0f} answers ({minutes(timedelta(seconds=n * answer_seconds))})"
        for n in (load.first_month, load.later)
    )
    return f"≈ {first} a day in the first month, {later.replace(' answers', '')} later"
