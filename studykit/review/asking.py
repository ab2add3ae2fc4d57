"""The card that is asked now: shown, answered, graded. Which one comes next, a subclass decides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Protocol, TypeAlias

from studykit.clock import Clock, from_ms, offset_minutes, to_ms
from studykit.course.cards import Card, Exercise
from studykit.lab.results import RunResult
from studykit.review.grading import (
    AnswerError,
    Given,
    Grade,
    Shown,
    grade,
    is_confident_error,
    present,
)
from studykit.review.marks import Mark, Marking, Marks

LONGEST_ANSWER = timedelta(minutes=10)
"""No answer counts for more: a longer one means that the learner was away."""


class MarkJournal(Protocol):
    """Where marks on cards are kept; each call is durable when it returns, or did nothing."""

    def mark(self, marking: Marking) -> None: ...

    def unmark(self, card_id: str, mark: Mark) -> None: ...


RunsOf: TypeAlias = Callable[[Card], Iterable[RunResult]]
"""A card -> the runs that an exercise may be drawn from, the one to be preferred first."""


def no_runs(card: Card) -> Iterable[RunResult]:
    """Nothing is measured."""
    return ()


class Asking(ABC):
    """What a sitting and a practice have in common: one card of `cards`, and its answer."""

    def __init__(
        self,
        cards: Mapping[str, Card],
        marks: Marks,
        journal: MarkJournal,
        study_day: Callable[[datetime], date],
        clock: Clock,
        runs_of: RunsOf = no_runs,
    ) -> None:
        self.cards = cards
        self.marks = marks
        """Of the study day; hidden cards are not asked."""
        self.shown: Shown | None = None
        """The current card as it stands on the screen."""
        self.grade: Grade | None = None
        """Of the current card, once it is revealed."""
        self._marks_journal = journal
        self._study_day = study_day
        self._clock = clock
        self._runs_of = runs_of
        self._given: Given = None
        self._confidence: int | None = None
        self._shown_at = self._now()

    @property
    def current(self) -> Card | None:
        """The card that is asked; None if there is nothing to ask now."""
        return self.shown.card if self.shown else None

    @property
    def revealed(self) -> bool:
        """True once the current card's answer may be shown."""
        return self.grade is not None

    @property
    def is_confident_error(self) -> bool:
        """True if the current card is revealed and its answer wrong, and said to be sure."""
        return self.grade is not None and is_confident_error(self.grade.correct, self._confidence)

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

    def toggle_flag(self) -> bool:
        """Flags the current card, or takes its flag off; True if it has one now."""
        card = self._asked().card
        if card.id in self.marks.flagged:
            self._marks_journal.unmark(card.id, "flagged")
            self.marks = self.marks.minus(card.id, "flagged")
            return False
        at = self._now()
        self._marks_journal.mark(Marking(card.id, "flagged", at, self._study_day(at)))
        self.marks = self.marks.plus(card.id, "flagged")
        return True

    @property
    @abstractmethod
    def n_left(self) -> int:
        """Cards still to be asked, the current one included."""

    @abstractmethod
    def undo(self) -> Card | None:
        """The card that was last answered, asked again; or None."""

    @abstractmethod
    def change_cards(self, cards: Mapping[str, Card], evidence: RunResult | None) -> None:
        """Goes on with the cards as their decks have them now; those that are gone are not asked.

        The current card stays, with its new text; a revealed one is graded again.
        """

    def refresh(self) -> bool:
        """Lets in what time has brought; True if there is a card now and was none."""
        return False

    @abstractmethod
    def end(self) -> None:
        """The learner leaves."""

    def _change_shown(self, card: Card, draw: int, evidence: RunResult | None) -> None:
        """The current card is `card` now, the same one with another text, shuffled by `draw`.

        If it is revealed, the same answer is graded again; where that fits the card no longer,
        it is asked again.
        """
        before, was_revealed = self._asked(), self.revealed
        self.shown, self.grade = self._present(card, draw), None
        if was_revealed and _shape(self.shown) == _shape(before):
            with suppress(AnswerError):
                self.grade = grade(self.shown, self._given, evidence)

    def _present(self, card: Card, draw: int) -> Shown:
        return present(card, draw, self._runs_of(card) if isinstance(card.body, Exercise) else ())

    def _now(self) -> datetime:
        """The time as the log keeps it, so that a memory is the same before and after storing."""
        at = self._clock.now()
        return from_ms(to_ms(at), offset_minutes(at))

    def _taken_ms(self, at: datetime) -> int:
        """How long the current card has been standing, at most `LONGEST_ANSWER`."""
        taken = max(timedelta(), min(at - self._shown_at, LONGEST_ANSWER))
        return taken // timedelta(milliseconds=1)

    def _asked(self) -> Shown:
        if self.shown is None:
            raise RuntimeError("no card is asked")
        return self.shown

    def _judged(self) -> tuple[Shown, Grade]:
        shown = self._asked()
        if self.grade is None:
            raise RuntimeError("the card is not revealed yet")
        return shown, self.grade

    def _leave(self) -> None:
        self.shown = self.grade = None


def _shape(shown: Shown) -> tuple[Hashable, ...]:
    """What an answer's places refer to."""
    n_shown = len(shown.options), len(shown.steps), len(shown.rights)
    return shown.card.kind, *n_shown, shown.task
