"""One sitting: the current card, its answer, its rating, and the way back.

An answer is in the journal before the sitting goes on: if it cannot be recorded, nothing has
changed and the rating can be tried again.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, Protocol

from studykit.clock import Clock, from_ms, offset_minutes, to_ms
from studykit.course.cards import Card, Kind
from studykit.lab.results import RunResult
from studykit.review.confidence import is_confident_error
from studykit.review.grading import AnswerError, Given, Grade, Shown, grade, present
from studykit.review.marks import Mark, Marking, Marks
from studykit.review.schedule import NEW_MEMORY, Memory, Rating, Scheduler, State, is_due
from studykit.review.study_queue import (
    LEARN_AHEAD,
    Counts,
    Done,
    Limits,
    build_queue,
    comes_today,
    step_end,
)

NO_MARKS = Marks()

LONGEST_ANSWER = timedelta(minutes=10)
"""Whoever takes longer was away: no answer counts for more."""


@dataclass(frozen=True, slots=True)
class Review:
    """One rated answer: a row of the review log."""

    card_id: str
    at: datetime
    day: date
    """The study day that it counts for."""
    rating: Rating
    kind: Kind
    correct: bool | None
    """None: the answer could not be judged."""
    suggested: Rating | None
    """What the grade proposed; the learner may have rated otherwise."""
    given: str
    confidence: int | None
    """What the learner said before seeing the answer, None if not asked."""
    taken_ms: int
    """From the card's appearing to its rating, at most `LONGEST_ANSWER`."""
    scheduler: str
    parameters_id: str
    content_hash: str
    """Of the card as it was asked."""
    after: Memory
    """What it led to."""

    @property
    def is_confident_error(self) -> bool:
        """True if it was wrong and the learner had been sure of it."""
        return is_confident_error(self.correct, self.confidence)


class Journal(Protocol):
    """Where reviews are kept; each call is durable when it returns, or raises and did nothing."""

    def record(self, review: Review) -> None: ...

    def take_back(self, day: date) -> Review | None:
        """The last review of `day`, removed; None if the day has none."""

    def memory(self, card_id: str) -> Memory:
        """What the reviews that are left tell of a card; `NEW_MEMORY` if there is none."""

    def mark(self, marking: Marking) -> None: ...

    def unmark(self, card_id: str, mark: Mark) -> None: ...

    def take_back_mark(self, day: date) -> Marking | None:
        """The last mark of `day` that hid a card, removed; None if a review came after it."""


class Session:
    """A sitting on the cards of `cards`; memories of other cards are left alone.

    `done` is what the study day saw before, so that limits and siblings hold across sittings.
    """

    def __init__(
        self,
        cards: Mapping[str, Card],
        memories: Mapping[str, Memory],
        journal: Journal,
        scheduler: Scheduler,
        limits: Limits,
        done: Done,
        clock: Clock,
        marks: Marks = NO_MARKS,
    ) -> None:
        self.cards = cards
        self.marks = marks
        """Of the study day; hidden cards are not asked."""
        self.memories = {
            id_: memory
            for id_, memory in memories.items()
            if id_ in cards and memory.state is not State.NEW
        }
        """Card id -> memory, of the cards that were reviewed at least once."""
        self.done = done
        self.shown: Shown | None = None
        """The current card as it stands on the screen."""
        self.grade: Grade | None = None
        """Of the current card, once it is revealed."""
        self._journal = journal
        self._scheduler = scheduler
        self._limits = limits
        self._clock = clock
        self._given: Given = None
        self._confidence: int | None = None
        self._history: list[Review] = []
        self._rest: list[str] = []  # reviews and new cards not asked yet
        self._learning: list[str] = []  # in (re)learning steps that end today
        self._shown_at = self._now()
        self._day = scheduler.study_day(self._shown_at)
        self._build(self._shown_at)
        self._go_on(self._shown_at)

    @property
    def current(self) -> Card | None:
        """The card that is asked; None if there is nothing to ask now."""
        return self.shown.card if self.shown else None

    @property
    def counts(self) -> Counts:
        """Cards left today, the current one included."""
        ids = self._rest + self._learning + ([self.current.id] if self.current else [])
        states = [self._memory(id_).state for id_ in ids]
        new, review = states.count(State.NEW), states.count(State.REVIEW)
        return Counts(new=new, learning=len(states) - new - review, review=review)

    @property
    def revealed(self) -> bool:
        """True once the current card's answer may be shown."""
        return self.grade is not None

    @property
    def previews(self) -> dict[Rating, Memory]:
        """What each rating would make of the current card, were it given now."""
        card = self._asked().card
        return self._scheduler.preview(
            card.id,
            self._memory(card.id),
            self._now(),
            is_confident_error=self.is_confident_error,
        )

    @property
    def is_confident_error(self) -> bool:
        """True if the current card is revealed and its answer wrong, and said to be sure."""
        return self.grade is not None and is_confident_error(self.grade.correct, self._confidence)

    @property
    def n_done(self) -> int:
        """Answers of this sitting that were not taken back."""
        return len(self._history)

    @property
    def last(self) -> Review | None:
        """The latest of them."""
        return self._history[-1] if self._history else None

    @property
    def waiting_until(self) -> datetime | None:
        """When `refresh` will have a card again, if there is none now but one comes today."""
        if self.current is not None or not self._learning:
            return None
        return min(self._step_end(id_) for id_ in self._learning) - LEARN_AHEAD

    def answer(
        self, given: Given, evidence: RunResult | None, confidence: int | None = None
    ) -> Grade:
        """The grade of the learner's answer; the card is revealed.

        Raises `AnswerError`, and changes nothing, if it cannot be an answer to the card.
        """
        shown = self._asked()
        if self.revealed:
            raise RuntimeError("the card is revealed already")
        self.grade = grade(shown, given, evidence)
        self._given, self._confidence = given, confidence
        return self.grade

    def reveal(self, evidence: RunResult | None = None) -> Grade:
        """The right answer without one given: how `recall` is asked; elsewhere, giving up."""
        return self.answer(None, evidence)

    def judge_again(self, evidence: RunResult | None) -> Grade:
        """The grade of the same answer in the light of other evidence: the lab was run."""
        shown, _ = self._judged()
        self.grade = grade(shown, self._given, evidence)
        return self.grade

    def rate(self, rating: Rating) -> Review:
        """The recorded review; the next card is current.

        Whatever the journal raises comes through, and nothing has changed.
        """
        shown, judged = self._judged()
        card = shown.card
        at = self._now()
        before = self._memory(card.id)
        taken = max(timedelta(), min(at - self._shown_at, LONGEST_ANSWER))
        review = Review(
            card_id=card.id,
            at=at,
            day=self._scheduler.study_day(at),
            rating=rating,
            kind=card.kind,
            correct=judged.correct,
            suggested=judged.suggested,
            given=judged.given,
            confidence=self._confidence,
            taken_ms=taken // timedelta(milliseconds=1),
            scheduler=self._scheduler.version,
            parameters_id=self._scheduler.parameters_id,
            content_hash=card.content_hash,
            after=self._scheduler.review(
                card.id, before, rating, at, is_confident_error=self.is_confident_error
            ),
        )
        self._journal.record(review)
        self._turn_day(at)
        self._history.append(review)
        self.memories[card.id] = review.after
        self.done = self.done.plus(card, before)
        self._leave()
        if comes_today(review.after, at, self._day):
            self._learning.append(card.id)
        self._go_on(at)
        return review

    def hide(self, mark: Literal["suspended", "buried"]) -> Card:
        """The current card, put aside without a rating; the next card is current.

        Whatever the journal raises comes through, and nothing has changed.
        """
        card = self._asked().card
        at = self._now()
        self._journal.mark(Marking(card.id, mark, at, self._scheduler.study_day(at)))
        self._turn_day(at)
        self.marks = self.marks.plus(card.id, mark)
        self._leave()
        self._build(at)  # another card takes its place among the day's limits
        self._go_on(at)
        return card

    def toggle_flag(self) -> bool:
        """Flags the current card, or takes its flag off; True if it has one now."""
        card = self._asked().card
        if card.id in self.marks.flagged:
            self._journal.unmark(card.id, "flagged")
            self.marks = self.marks.minus(card.id, "flagged")
            return False
        at = self._now()
        self._journal.mark(Marking(card.id, "flagged", at, self._scheduler.study_day(at)))
        self.marks = self.marks.plus(card.id, "flagged")
        return True

    def undo(self) -> Card | None:
        """The card that was last rated or put aside on the study day, asked again; or None.

        It reaches into earlier sittings of the day, but not past a card that has since left the
        course: its answer stays.
        """
        at = self._now()
        self._turn_day(at)
        marking = self._journal.take_back_mark(self._day)
        if marking is not None:
            return self._bring_back(marking, at)
        review = self._journal.take_back(self._day)
        if review is None:
            return None
        card = self.cards.get(review.card_id)
        if card is None:
            self._journal.record(review)
            return None
        before = self._journal.memory(card.id)
        if self._history and self._history[-1].day == review.day:
            self._history.pop()
        self._put_back()
        if before.state is State.NEW:
            self.memories.pop(card.id, None)
        else:
            self.memories[card.id] = before
        asked = any(
            self._memory(sibling.id).last_review_day == self._day
            for sibling in self.cards.values()
            if card.note and sibling.note == card.note
        )
        self.done = self.done.minus(card, before, asked_siblings=asked)
        self._show(card, at)
        return card

    def _bring_back(self, marking: Marking, at: datetime) -> Card | None:
        card = self.cards.get(marking.card_id)
        if card is None:
            self._journal.mark(marking)
            return None
        self.marks = self.marks.minus(card.id, marking.mark)
        self._show(card, at)
        self._build(at)
        return card

    def change_cards(self, cards: Mapping[str, Card], evidence: RunResult | None) -> None:
        """Goes on with the cards as their decks have them now; those that are gone are not asked.

        The current card stays, with its new text. If it is revealed, the same answer is graded
        again; where that fits the card no longer, it is asked again.
        """
        at, before = self._now(), self.shown
        self.cards = cards
        self.memories = {id_: memory for id_, memory in self.memories.items() if id_ in cards}
        card = cards.get(before.card.id) if before else None
        if before is None or card is None:
            self._leave()
            self._build(at)
            self._go_on(at)
            return
        self.shown = present(card, self._memory(card.id).reps)
        was_revealed, self.grade = self.revealed, None
        if was_revealed and _shape(self.shown) == _shape(before):
            with suppress(AnswerError):
                self.grade = grade(self.shown, self._given, evidence)
        self._build(at)

    def refresh(self) -> None:
        """Lets in what time has brought: learning steps that ended, a new study day."""
        at = self._now()
        self._turn_day(at)
        if self.current is None:
            self._go_on(at)

    def _now(self) -> datetime:
        """The time as the log keeps it, so that a memory is the same before and after storing."""
        at = self._clock.now()
        return from_ms(to_ms(at), offset_minutes(at))

    def _memory(self, id_: str) -> Memory:
        return self.memories.get(id_, NEW_MEMORY)

    def _step_end(self, id_: str) -> datetime:
        return step_end(self._memory(id_), self._shown_at)

    def _asked(self) -> Shown:
        if self.shown is None:
            raise RuntimeError("no card is asked")
        return self.shown

    def _judged(self) -> tuple[Shown, Grade]:
        shown = self._asked()
        if self.grade is None:
            raise RuntimeError("the card is not revealed yet")
        return shown, self.grade

    def _turn_day(self, at: datetime) -> None:
        """Begins another study day, if `at` belongs to one; the current card stays."""
        day = self._scheduler.study_day(at)
        if day == self._day:
            return
        # A clock that went back finds its limits used up; it must not hand them out twice.
        self.done = Done() if day > self._day else self.done
        self._day = day
        self.marks = self.marks.on_another_day()
        self._build(at)

    def _build(self, at: datetime) -> None:
        """What is left of the day beside the current card, which uses up its share of limits."""
        cards, done = self.cards, self.done
        if (current := self.current) is not None:
            cards = {id_: card for id_, card in cards.items() if id_ != current.id}
            done = done.plus(current, self._memory(current.id))
        queue = build_queue(
            cards,
            self.memories,
            day=self._day,
            at=at,
            limits=self._limits,
            done=done,
            scheduler=self._scheduler,
            hidden=self.marks.hidden,
        )
        self._rest = list(queue.mixed)
        self._learning = [*queue.learning, *queue.waiting]

    def _go_on(self, at: datetime) -> None:
        """Shows the next card, if there is one.

        Steps that have ended come first, then the rest of the queue, then steps that end soon.
        The card just rated comes back at once only when it is the only one.
        """
        steps = sorted(self._learning, key=self._step_end)
        due = [id_ for id_ in steps if is_due(self._memory(id_), at, self._day)]
        soon = [id_ for id_ in steps if self._step_end(id_) - at <= LEARN_AHEAD]
        ready = [*due, *self._rest[:1], *soon]
        last = self.last.card_id if self.last else ""
        id_ = next((id_ for id_ in ready if id_ != last), ready[0] if ready else None)
        if id_ is not None:
            self._show(self.cards[id_], at)

    def _show(self, card: Card, at: datetime) -> None:
        self._leave()
        for group in (self._rest, self._learning):
            if card.id in group:
                group.remove(card.id)
        self.shown = present(card, self._memory(card.id).reps)
        self._shown_at = at

    def _put_back(self) -> None:
        """The current card waits its turn again, first of its kind."""
        if (current := self.current) is None:
            return
        is_learning = self._memory(current.id).state in (State.LEARNING, State.RELEARNING)
        (self._learning if is_learning else self._rest).insert(0, current.id)
        self._leave()

    def _leave(self) -> None:
        self.shown = self.grade = None


def _shape(shown: Shown) -> tuple[str, int, int, int]:
    """What an answer's places refer to."""
    return shown.card.kind, len(shown.options), len(shown.steps), len(shown.rights)
