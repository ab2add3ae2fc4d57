"""What Home shows of today, computed from the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from studykit.course.cards import Course, LabHeader
    from studykit.review.offers import Known, Offer
    from studykit.review.study_queue import Counts
    from studykit.study.services import Services


@dataclass(frozen=True, slots=True)
class Overview:
    """The study day at a glance."""

    decks: Mapping[str, Counts]
    """Deck id -> what is left of it today."""
    topics: Mapping[str, Counts]
    """``deck/topic`` -> what is left of it today."""
    n_siblings: int
    """Reviews held back until tomorrow, because another card of their note is of today."""
    backlog: str
    """Reviews that have no room today, and how long they take, in words; or empty."""
    n_done: int
    """Answers given today."""
    n_known: int
    """Cards of the course that were answered at least once."""
    coming: tuple[date | datetime, int] | None
    """When cards come next once today's are done, and how many."""
    expected: timedelta
    """How long what is left today takes."""
    waiting: tuple[LabHeader, ...]
    """Labs that a card asks to predict and that the learner never ran."""
    pretest: Offer | None
    """Of the deck that begins today, with the cards that no pretest has asked yet."""

    @property
    def n_new(self) -> int:
        """New cards left today."""
        return sum(counts.new for counts in self.decks.values())

    @property
    def n_learning(self) -> int:
        """Cards in learning steps left today."""
        return sum(counts.learning for counts in self.decks.values())

    @property
    def n_review(self) -> int:
        """Reviews left today."""
        return sum(counts.review for counts in self.decks.values())

    @property
    def n_due(self) -> int:
        """Everything left today."""
        return self.n_new + self.n_learning + self.n_review


def build_overview(services: Services) -> Overview:
    """The overview of now; raises `StoreError` when the progress cannot be read."""
    from studykit.review.offers import Known
    from studykit.review.study_queue import next_due
    from studykit.study.backlog import describe_backlog, read_backlog
    from studykit.study.day import read_day
    from studykit.study.learner_stats import N_TIMED, answer_seconds, expected_time, waiting_labs
    from studykit.study.practising import last_pretests

    store, today = services.progress, services.today
    day = read_day(services, store)
    seconds = answer_seconds(store.latest_taken_ms(N_TIMED))
    n_steps = len(services.settings.review.learning_steps_minutes)
    pretested = last_pretests(services).keys()
    known = Known(services.course, day.memories, day.marks, frozenset(), pretested, today)
    # After a quick look, or a run that was broken off, a prediction is still to be made.
    known_labs = services.course.labs
    run_labs = (
        run.lab
        for run in services.runs
        if run.is_complete
        and run.budget >= 1
        and run.lab in known_labs
        and len(run.seed_numbers) >= known_labs[run.lab].seeds
    )
    labs = waiting_labs(services.course, run_labs)
    return Overview(
        decks=day.decks,
        topics=day.queue.by_topic(services.cards),
        n_siblings=len(day.queue.siblings),
        backlog=describe_backlog(read_backlog(day, services), today),
        n_done=len(store.reviews(today)),
        n_known=len(day.memories),
        coming=next_due(day.asked, today),
        expected=expected_time(day.decks.values(), n_steps, seconds),
        waiting=tuple(known_labs[lab] for lab in labs),
        pretest=_first_pretest(services.course, known, day.decks),
    )


def _first_pretest(course: Course, known: Known, decks: Mapping[str, Counts]) -> Offer | None:
    """Of the first deck with new cards today, if it is untouched."""
    from studykit.review.offers import Offer

    for deck in course.decks:
        if deck.id in decks and decks[deck.id].new:
            ids = known.untouched(deck.cards)
            return Offer("pretest", deck.id, deck.title, ids) if ids else None
    return None
