"""A sitting as the review screen needs it: the session, and what comes before its grade.

No textual. An answer is held until the learner has said how sure it is, a prediction until the
learner looks at its outcome; only then the session grades it, by the evidence of that moment.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from studykit.course.cards import Card, Predict
from studykit.lab.results import Prediction, RunResult
from studykit.review.confidence import Confidence
from studykit.review.grading import Given, Shown, grade, parse_number
from studykit.review.schedule import NEW_MEMORY, Memory, Rating, describe_interval
from studykit.review.session import Review, Session
from studykit.tui.services import Services
from studykit.tui.words import short_day

Phase: TypeAlias = Literal["asked", "answered", "predicted", "revealed", "over"]
"""Of the current card; "answered", "predicted": the answer is held; "over": there is no card."""


class Sitting:
    """One sitting on today's cards, opened on the services' progress."""

    session: Session
    reviews: list[Review]
    """Of this sitting, without those taken back."""
    given: Given
    """The answer to the current card, or the prediction held."""
    confidence: Confidence | None
    """How sure the learner is of the held answer, if that was said."""
    evidence: RunResult | None
    """What the current card is judged by."""

    def __init__(self, services: Services) -> None:
        self.session = services.open_session()
        self.reviews = []
        self._services = services
        self._began_at = services.clock.now()
        self._is_stored = False
        self._wants_confidence = services.settings.review.ask_confidence
        self._enter_card()

    @property
    def card(self) -> Card | None:
        """The current card."""
        return self.session.current

    @property
    def shown(self) -> Shown | None:
        """The current card as it stands on the screen."""
        return self.session.shown

    @property
    def memory(self) -> Memory:
        """What is known of the current card."""
        card = self.session.current
        return self.session.memories.get(card.id, NEW_MEMORY) if card else NEW_MEMORY

    @property
    def phase(self) -> Phase:
        """How far the learner is with it."""
        if self.session.current is None:
            return "over"
        if self.session.revealed:
            return "revealed"
        if not self._is_held:
            return "asked"
        return "predicted" if self.session.current.kind == "predict" else "answered"

    @property
    def is_asked(self) -> bool:
        """True while the card waits for an answer."""
        return self.phase == "asked"

    @property
    def asks_confidence(self) -> bool:
        """True while the learner may say how sure the held answer is."""
        return self._is_held and self._wants_confidence and not self.session.revealed

    @property
    def can_show_result(self) -> bool:
        """True if a held prediction can be looked at: it was measured, or the lab would not run."""
        return self.phase == "predicted" and (self.evidence is not None or self._has_tried_lab)

    @property
    def prediction(self) -> Prediction | None:
        """The held prediction, as a run of the lab stores it."""
        if self.phase != "predicted" or self.shown is None or self.card is None:
            return None
        if isinstance(self.given, int):
            option = self.shown.options[self.given]
            return Prediction(option.text, option.claim, confidence=self.confidence)
        assert isinstance(self.card.body, Predict)
        text = str(self.given)
        value = parse_number(text, self.card.body.unit)
        return Prediction(text, "", value=value, confidence=self.confidence)

    def take(self, given: Given) -> None:
        """Hold an answer that something comes before the grade of; else reveal the card.

        Raises `AnswerError`, and changes nothing, if it cannot be an answer to the card.
        """
        assert self.card is not None and self.shown is not None
        if given is not None and (self.card.kind == "predict" or self._wants_confidence):
            grade(self.shown, given, None)
            self.given, self._is_held = given, True
        else:
            self.session.answer(given, self.evidence)
            self.given = given

    def confide(self, confidence: Confidence) -> None:
        """Note how sure the held answer is."""
        self.confidence = confidence

    def show_result(self) -> None:
        """Judge the held answer by what is known now."""
        self.session.answer(self.given, self.evidence, self.confidence)

    def look_again(self) -> bool:
        """Take up a run that has ended meanwhile; True if the card is judged by another one now.

        A revealed card is judged again. A held prediction is revealed: the learner has bet and
        has seen the outcome.
        """
        if self.card is None or (found := self._services.evidence(self.card)) is self.evidence:
            return False
        self.evidence = found
        if self.phase == "revealed":
            self.session.judge_again(found)
        elif self.phase == "predicted":
            self.show_result()
        return True

    def lab_was_open(self) -> None:
        """The learner has been to the card's lab, whatever came of it.

        A prediction made there is the card's answer: its outcome may have been seen.
        """
        self._has_tried_lab = True
        run, card = self._services.lab_run, self.card
        if not self.is_asked or card is None or self.shown is None:
            return
        if run is None or run is self._run_before or run.card is None or run.prediction is None:
            return
        if run.card.id != card.id or run.knobs != {**run.header.defaults, **card.knobs}:
            return
        offered = [option.text for option in self.shown.options]
        if card.kind == "predict" and run.prediction.text in offered:
            self.take(offered.index(run.prediction.text))

    def rate(self, rating: Rating) -> Review:
        """Save the rating and go on to the next card; what raises has changed nothing."""
        if not self._is_stored:
            day = self._services.scheduler.study_day(self._began_at)
            self._services.progress.begin_sitting(self._began_at, day)
            self._is_stored = True
        review = self.session.rate(rating)
        self.reviews.append(review)
        self._enter_card()
        return review

    def undo(self) -> Card | None:
        """The card last rated or put aside today, asked again; None if none is left."""
        card = self.session.undo()
        if card is not None:
            del self.reviews[self.session.n_done :]
            self._enter_card()
        return card

    def hide(self, mark: Literal["suspended", "buried"]) -> Card:
        """The current card, put aside; the next one is current."""
        card = self.session.hide(mark)
        self._enter_card()
        return card

    def change_cards(self) -> None:
        """Go on with the services' cards, which were read again."""
        cards, old = self._services.cards, self.card
        card = cards.get(old.id) if old else None
        evidence = self._services.evidence(card) if card else None
        self.session.change_cards(cards, evidence)
        if self.session.revealed:
            self.evidence = evidence
        else:
            self._enter_card()

    def refresh(self) -> bool:
        """Let in learning cards whose step has ended; True if one is current now."""
        if self.card is not None:
            return False
        self.session.refresh()
        self._enter_card()
        return self.card is not None

    def end(self) -> None:
        """Note the end, if anything was rated."""
        if self._is_stored and self._services.store is not None:
            self._services.store.end_sitting(self._services.clock.now())

    def _enter_card(self) -> None:
        self._is_held = self._has_tried_lab = False
        self.given = self.confidence = None
        self._run_before = self._services.lab_run
        self.evidence = self._services.evidence(self.card) if self.card else None


def next_time(review: Review) -> str:
    """When a card comes again that was just rated: ``again in 10 min``, ``next 6 Dec``."""
    after = review.after
    if after.due_at is not None or after.due_day is None:
        return f"again in {describe_interval(after, review.at, review.day)}"
    return f"next {short_day(after.due_day, review.day)}"
