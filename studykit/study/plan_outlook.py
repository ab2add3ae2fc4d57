"""What the plan leads to: a year at each desired retention, and how ready one will be for exams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from studykit.study.exams import Exam, Readiness, exams_ahead, readiness
from studykit.study.workload import Outlook
from studykit.study.year_ahead import CourseAhead, read_year_ahead, shown_retentions

if TYPE_CHECKING:
    from studykit.review.schedule import Memory
    from studykit.study.services import Services


@dataclass(frozen=True, slots=True)
class Simulated:
    """What takes long and does not change with the plan."""

    year: CourseAhead
    memories: Mapping[str, Memory]
    """Of the course's cards."""
    suspended: frozenset[str]


@dataclass(frozen=True, slots=True)
class PlanOutlook:
    """What follows from the settings as they are."""

    new_per_day: int
    desired_retention: float
    n_cards: int
    outlooks: tuple[Outlook, ...]
    """One for each retention that is shown, the lowest first."""
    exams: tuple[tuple[Exam, Readiness], ...]
    simulated: Simulated


def reckon(services: Services, simulated: Simulated | None) -> PlanOutlook:
    """The outlook now; what was `simulated` before is used again. Call it in a thread.

    Raises `StoreError` if the progress cannot be read.
    """
    if simulated is None:
        store, cards = services.progress, services.cards
        known = {id_: memory for id_, memory in store.memories().items() if id_ in cards}
        suspended = store.marks(services.today).suspended
        simulated = Simulated(read_year_ahead(services, store), known, suspended)
    year, memories, suspended = simulated.year, simulated.memories, simulated.suspended
    new_per_day = services.settings.review.new_per_day
    wanted, course, plan = services.desired_retention, services.course, services.plan
    shown = shown_retentions(wanted)
    today = services.today
    exams = exams_ahead(course, memories, plan, new_per_day, today, suspended)
    return PlanOutlook(
        new_per_day=new_per_day,
        desired_retention=wanted,
        n_cards=len(services.cards),
        outlooks=tuple(
            each
            for each in year.ahead.outlooks(new_per_day, year.n_unseen)
            if each.retention in shown
        ),
        exams=tuple(
            (
                exam,
                readiness(exam, course, memories, plan, services.scheduler, today, suspended),
            )
            for exam in exams
        ),
        simulated=simulated,
    )
