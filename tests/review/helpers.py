"""Cards and a journal for the tests of the review."""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from studykit.course.cards import (
    Body,
    Card,
    Choice,
    Cloze,
    Exercise,
    Kind,
    Match,
    Numeric,
    Option,
    Order,
    Predict,
    Recall,
)
from studykit.errors import Place, StoreError
from studykit.lab.events import Measurement
from studykit.lab.results import RunResult, SeedResult, Verdict
from studykit.review.marks import Mark, Marking, Marks
from studykit.review.schedule import NEW_MEMORY, Memory, Scheduler, ScheduleSettings, State
from studykit.review.session import ElsewhereError, Review
from studykit.review.study_queue import Done

MONDAY = datetime(2026, 11, 23, 9, tzinfo=UTC)
"""Nine in the morning of an ordinary study day."""

_KINDS: dict[type, Kind] = {
    Recall: "recall",
    Choice: "choice",
    Cloze: "cloze",
    Order: "order",
    Match: "match",
    Numeric: "numeric",
    Predict: "predict",
    Exercise: "exercise",
}


def make_card(
    id_: str, body: Body | None = None, *, deck: str = "core", topic: str = "norm", note: str = ""
) -> Card:
    body = body or Recall("because")
    return Card(
        id=id_,
        kind=_KINDS[type(body)],
        deck_id=deck,
        topic_id=topic,
        points=("1.4.1",),
        question="Why ___?",
        body=body,
        explain="So.",
        lab="core/residuals",
        claim="stuck",
        knobs={},
        note=note,
        source="",
        place=Place(Path("1-core.yaml")),
        content_hash=f"hash of {id_}",
    )


def make_cards(*ids: str) -> dict[str, Card]:
    return {id_: make_card(id_) for id_ in ids}


def make_options(*texts: str, correct: str = "") -> tuple[Option, ...]:
    """Options whose claims are their texts; the wrong ones say why they are."""
    return tuple(
        Option(
            text,
            correct=text == correct,
            claim="" if correct else text,
            misconception="" if text == correct else f"not {text}",
        )
        for text in texts
    )


def make_run(
    verdicts: Mapping[str, Verdict] | None = None, losses: Iterable[float] = ()
) -> RunResult:
    return RunResult(
        lab="core/residuals",
        knobs={},
        device="cpu",
        machine="two cores",
        versions={},
        code_hash="",
        started_at=MONDAY,
        seconds=1.0,
        status="done",
        seeds=tuple(
            SeedResult(seed, {"loss": Measurement("loss", loss, "nats")}, {})
            for seed, loss in enumerate(losses)
        ),
        verdicts=verdicts or {},
    )


@dataclass
class MemoryJournal:
    """A journal that forgets everything when the test ends."""

    reviews: list[Review] = field(default_factory=list)
    is_broken: bool = False
    markings: list[Marking] = field(default_factory=list)
    sittings: list[tuple[datetime, date]] = field(default_factory=list)
    ended: list[datetime] = field(default_factory=list)
    schedules: dict[str, ScheduleSettings] = field(default_factory=dict)

    def begin_sitting(self, at: datetime, day: date) -> None:
        self._check()
        self.sittings.append((at, day))

    def end_sitting(self, at: datetime) -> None:
        self._check()
        self.ended.append(at)

    def keep_schedule(self, scheduler: Scheduler) -> None:
        self._check()
        self.schedules[scheduler.parameters_id] = scheduler.settings

    def record(self, review: Review, before: Memory, known: Hashable) -> Hashable:
        self._check()
        if known != self.revision() or before != self.memory(review.card_id):
            raise ElsewhereError.of_card(review.card_id)
        self.reviews.append(review)
        return self.revision()

    def take_back(self, day: date, expected: Review | None, cards: Container[str]) -> Review | None:
        self._check()
        if not self.reviews or self.reviews[-1].day < day or self.reviews[-1].card_id not in cards:
            return None
        if expected and expected != self.reviews[-1]:
            raise ElsewhereError("given in another window")
        return self.reviews.pop()

    def revision(self) -> Hashable:
        return (tuple(review.at for review in self.reviews), tuple(self.markings))

    def memory(self, card_id: str) -> Memory:
        return self.memories().get(card_id, NEW_MEMORY)

    def memories(self) -> dict[str, Memory]:
        return {review.card_id: review.after for review in self.reviews}

    def mark(self, marking: Marking) -> None:
        self._check()
        self.unmark(marking.card_id, marking.mark)
        self.markings.append(marking)

    def unmark(self, card_id: str, mark: Mark) -> None:
        self._check()
        self.markings = [m for m in self.markings if (m.card_id, m.mark) != (card_id, mark)]

    def take_back_mark(self, day: date, cards: Container[str]) -> Marking | None:
        self._check()
        hiding = [m for m in self.markings if m.day == day and m.mark != "flagged"]
        answers = [review.at for review in self.reviews if review.day == day]
        if not hiding or (answers and max(answers) >= hiding[-1].at):
            return None
        if hiding[-1].card_id not in cards:
            return None
        self.markings.remove(hiding[-1])
        return hiding[-1]

    def marks(self, day: date) -> Marks:
        marks = Marks()
        for each in self.markings:
            if each.mark != "buried" or each.day == day:
                marks = marks.plus(each.card_id, each.mark)
        return marks

    def replayed(self, scheduler: Scheduler) -> dict[str, Memory]:
        """The memories made again from nothing but cards, ratings and instants."""
        memories: dict[str, Memory] = {}
        for review in self.reviews:
            before = memories.get(review.card_id, NEW_MEMORY)
            memories[review.card_id] = scheduler.review(
                review.card_id,
                before,
                review.rating,
                review.at,
                is_confident_error=review.is_confident_error,
            )
        return memories

    def done(self, day: date, cards: Mapping[str, Card]) -> Done:
        new = reviews = 0
        notes: set[str] = set()
        states: dict[str, State] = {}
        for review in self.reviews:
            before = states.get(review.card_id, State.NEW)
            states[review.card_id] = review.after.state
            # The day after, too: its answers were given before the clock went back.
            is_counted = review.day in (day, day + timedelta(days=1))
            if is_counted and review.card_id in cards:
                new += before is State.NEW
                reviews += before is State.REVIEW
                notes |= {cards[review.card_id].note} - {""}
        return Done(new, reviews, frozenset(notes))

    def _check(self) -> None:
        if self.is_broken:
            raise StoreError("the disk is full")
