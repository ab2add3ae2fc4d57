"""An import from the file to the end: the course is written, then the log takes up the reviews."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from studykit.exchange.circumstances import Tell
from studykit.exchange.course_writer import CoursePlan, write_course
from studykit.exchange.past_answers import Known, rows_of
from studykit.progress.additions import Additions
from studykit.progress.store import Store
from studykit.review.marks import Mark
from studykit.review.schedule import Scheduler


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has brought."""

    n_cards: int
    n_answers: int
    n_marks: int


def take_in(
    plan: CoursePlan,
    folder: Path,
    title: str,
    store: Store,
    scheduler: Scheduler,
    now: datetime,
    today: date,
    tell: Tell,
) -> Imported:
    """Write the cards of `plan` into the course in `folder`, and into the progress what is known.

    Broken off after the course was written, the same import goes on with the log: neither adds
    anything twice. Raises `StudykitError`.
    """
    cards = plan.course.cards if plan.course else {}
    if plan.added:
        cards = cards | write_course(plan, folder, title, today, tell)
    answered = store.memories().keys()
    known = [
        Known(id_, cards[id_].kind, cards[id_].content_hash, source, id_ in answered)
        for id_, source in plan.ids.items()
    ]
    rows = rows_of(known, scheduler, now, tell)
    added: Additions = store.add_past(rows, _marks(plan), now, today, scheduler)
    return Imported(plan.n_added, added.n_answers, added.n_marks)


def _marks(plan: CoursePlan) -> Iterator[tuple[str, Mark]]:
    for id_, source in plan.ids.items():
        for mark in sorted(source.marks):
            yield id_, mark
