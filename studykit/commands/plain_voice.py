"""What is said line by line: where a sitting or practice stands, the card, its answer, its end."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from studykit.commands.plain_card import answer_lines, evidence_lines, question_lines
from studykit.commands.terminal import say, say_wrapped
from studykit.review.grading import right_answer
from studykit.study.closing import build_closing, describe_answers, describe_confidence
from studykit.study.practising import LABELS, sum_lines
from studykit.study.sitting import describe_outlook, end_words
from studykit.text import flat, plural

if TYPE_CHECKING:
    from studykit.course.cards import Card, LabHeader
    from studykit.review.asking import Asking
    from studykit.review.practice import Practice
    from studykit.review.session import Session
    from studykit.study.services import Services
    from studykit.study.sitting import Sitting


class Voice(ABC):
    """Reads cards out."""

    ERROR_COMES_BACK = ""
    """What follows an error that the learner was sure of."""

    def __init__(self, services: Services, sitting: Sitting[Asking]) -> None:
        self._services = services
        self._sitting = sitting

    @abstractmethod
    def say_begin(self) -> None:
        """What is asked, before the first card."""

    @abstractmethod
    def end_words(self) -> str:
        """What is said where no card is left."""

    @abstractmethod
    def say_sum(self) -> None:
        """What it was, at the very end."""

    @property
    def header(self) -> LabHeader | None:
        """The lab behind the current card; None if it could not be read."""
        card = self._sitting.card
        return self._services.lab_of(card) if card else None

    def say_place(self) -> None:
        """Where the sitting stands now: the question and what is revealed of it, or the end."""
        shown = self._sitting.shown
        if shown is None:
            say()
            say_wrapped(self.end_words())
            return
        say()
        n_left = plural(self._sitting.asking.n_left, "card")
        say_wrapped(f"{self._topic(shown.card)} {n_left} left.")
        say_wrapped(*question_lines(shown))
        if self._sitting.phase == "revealed":
            self.say_answer()

    def _topic(self, card: Card) -> str:
        for deck in self._services.course.decks:
            for topic in deck.topics:
                if deck.id == card.deck_id and topic.id == card.topic_id:
                    return f"{topic.number} {topic.title}, {card.kind}."
        return f"{card.kind}."

    def say_answer(self) -> None:
        """How the answer fared, the right one, and what was measured."""
        sitting = self._sitting
        shown, grade = sitting.shown, sitting.grade
        assert shown is not None and grade is not None
        say()
        say_wrapped(*answer_lines(shown, sitting.given, grade))
        if sitting.asking.is_confident_error and sitting.confidence is not None:
            say_wrapped(f"You were {sitting.confidence.name.lower()} of it{self.ERROR_COMES_BACK}.")
        self.say_evidence(shown.card)

    def say_evidence(self, card: Card) -> None:
        """What was measured for the card."""
        now = self._services.clock.now()
        say_wrapped(*evidence_lines(card, self.header, self._sitting.evidence, now))
        say_wrapped(*(f"Pinned: {each}." for each in self._services.pinned(card)))


class ReviewVoice(Voice):
    """Reads a sitting on today's cards out."""

    ERROR_COMES_BACK = ": it comes back soon"
    _sitting: Sitting[Session]

    def say_begin(self) -> None:
        """The course, and what is due of it."""
        counts = self._sitting.asking.counts
        say_wrapped(
            f"{self._services.course.title}. {plural(counts.total, 'card')} today:"
            f" {counts.new} new, {counts.learning} learning, {counts.review} to review."
        )

    def end_words(self) -> str:
        """When it goes on: a wait within the day, or the end of it."""
        session = self._sitting.asking
        told = describe_outlook(session, self._services)
        if session.waiting_until is not None:
            return f"{told}."
        return f"{end_words(session, self._services)}. {told}."

    def say_sum(self) -> None:
        """What the sitting was."""
        session = self._sitting.asking
        closing = build_closing(session.reviews, session.cards)
        for miss in closing.misses:
            right = right_answer(miss.card, self._services.evidence(miss.card))
            say_wrapped(
                f"Wrong: {flat(miss.card.headline)}",
                *([f"Right: {flat(right)}"] if right else []),
                *([f"Its lab: studykit lab run {miss.card.lab}"] if miss.card.lab else []),
            )
        if told := describe_confidence(closing):
            say_wrapped(f"{told}.")
        say_wrapped(f"{describe_answers(closing)}; all of it is saved.")


class PracticeVoice(Voice):
    """Reads a practice out."""

    _sitting: Sitting[Practice]

    def say_begin(self) -> None:
        """The choice, and that nothing is scheduled by it."""
        practice = self._sitting.asking
        n_cards = plural(practice.n_left, "card")
        say_wrapped(f"{practice.title}: {n_cards}. {LABELS[practice.mode].capitalize()}.")

    def end_words(self) -> str:
        return "That was the last card."

    def say_sum(self) -> None:
        """The score."""
        lines = sum_lines(self._sitting.asking, self._services)
        say_wrapped(*(f"{line.strip()}." for line in lines))
