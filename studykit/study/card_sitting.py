"""A card on the screen as a sitting or a practice asks it, and what comes before its grade.

An answer is held until the learner has said how sure it is, a prediction until the
learner looks at its outcome; only then it is graded, by the evidence of that moment.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal, TypeAlias

from studykit.course.cards import Card, Predict
from studykit.lab.results import Prediction, RunResult
from studykit.review.asking import Asking
from studykit.review.grading import Confidence, Given, Grade, Shown, grade, parse_number
from studykit.study.services import Services

Phase: TypeAlias = Literal["asked", "answered", "predicted", "revealed", "over"]
"""Of the current card; "answered", "predicted": the answer is held; "over": there is no card."""


class CardSitting(ABC):
    """One card after the other, opened on the services' progress."""

    asking: Asking
    """What decides which card comes."""
    given: Given
    """The answer to the current card, or the prediction held."""
    confidence: Confidence | None
    """How sure the learner is of the held answer, if that was said."""
    evidence: RunResult | None
    """What the current card is judged by."""

    def __init__(self, services: Services, asking: Asking) -> None:
        self.asking = asking
        self._services = services
        self._wants_confidence = services.settings.review.ask_confidence
        self._enter_card()

    @property
    @abstractmethod
    def n_left(self) -> int:
        """Cards still to be asked, the current one included."""

    @abstractmethod
    def end(self) -> None:
        """The learner leaves."""

    @property
    def card(self) -> Card | None:
        """The current card."""
        return self.asking.current

    @property
    def shown(self) -> Shown | None:
        """The current card as it stands on the screen."""
        return self.asking.shown

    @property
    def phase(self) -> Phase:
        """How far the learner is with it."""
        if self.asking.current is None:
            return "over"
        if self.asking.revealed:
            return "revealed"
        if not self._is_held:
            return "asked"
        return "predicted" if self.asking.current.kind == "predict" else "answered"

    @property
    def is_asked(self) -> bool:
        """True while the card waits for an answer."""
        return self.phase == "asked"

    @property
    def asks_confidence(self) -> bool:
        """True while the learner may say how sure the held answer is."""
        return self._is_held and self._wants_confidence and not self.asking.revealed

    @property
    def can_show_result(self) -> bool:
        """True if a held prediction can be looked at: it was measured, or the lab would not run."""
        return self.phase == "predicted" and (self.evidence is not None or self._has_tried_lab)

    @property
    def can_let_go(self) -> bool:
        """True if the held answer can be taken back: nothing can have been seen of its outcome."""
        return self._is_held and not self.asking.revealed and not self._has_tried_lab

    @property
    def prediction(self) -> Prediction | None:
        """What was predicted of the card, as a run of the lab stores it.

        None if nothing was, or if a run of the learner's has judged it already.
        """
        if self.card is None or self.shown is None or self.given is None:
            return None
        is_judged = self.asking.revealed and self.evidence and not self.evidence.recorded
        if self.card.kind != "predict" or is_judged:
            return None
        if isinstance(self.given, int):
            option = self.shown.options[self.given]
            return Prediction(option.text, option.claim, confidence=self.confidence)
        assert isinstance(self.card.body, Predict)
        text = str(self.given)
        value = parse_number(text, self.card.body.unit)
        return Prediction(text, "", value=value, confidence=self.confidence)

    @property
    def grade(self) -> Grade | None:
        """Of the current card, once it is revealed."""
        return self.asking.grade

    def take(self, given: Given) -> None:
        """Hold an answer that something comes before the grade of; else reveal the card.

        Raises `AnswerError`, and changes nothing, if it cannot be an answer to the card.
        """
        assert self.card is not None and self.shown is not None
        if given is not None and (self.card.kind == "predict" or self._wants_confidence):
            grade(self.shown, given, None)
            self.given, self._is_held = given, True
        else:
            self.asking.answer(given, self.evidence)
            self.given = given

    def confide(self, confidence: Confidence) -> None:
        """Note how sure the held answer is."""
        self.confidence = confidence

    def let_go(self) -> None:
        """Take the held answer back; the card waits for another one."""
        self._is_held = False
        self.given = self.confidence = None

    def show_result(self) -> None:
        """Judge the held answer by what is known now."""
        self.asking.answer(self.given, self.evidence, self.confidence)

    def refresh_evidence(self) -> bool:
        """Take up a run that has ended meanwhile; True if the card is judged by another one now.

        A revealed card is judged again. A held prediction is revealed: the learner has bet and
        has seen the outcome.
        """
        if self.card is None or (found := self._services.evidence(self.card)) is self.evidence:
            return False
        self.evidence = found
        if self.phase == "revealed":
            self.asking.judge_again(found)
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

    def undo(self) -> Card | None:
        """The card last answered or put aside, asked again; None if none is left."""
        card = self.asking.undo()
        if card is not None:
            self._enter_card()
        return card

    def change_cards(self) -> None:
        """Go on with the services' cards, which were read again."""
        cards, old = self._services.cards, self.card
        card = cards.get(old.id) if old else None
        evidence = self._services.evidence(card) if card else None
        self.asking.change_cards(cards, evidence)
        if self.asking.revealed:
            self.evidence = evidence
        else:
            self._enter_card()

    def refresh(self) -> bool:
        """Let in what time has brought; True if there is a card now and was none."""
        return False

    def _enter_card(self) -> None:
        self._is_held = self._has_tried_lab = False
        self.given = self.confidence = None
        self._run_before = self._services.lab_run
        self.evidence = self._services.evidence(self.card) if self.card else None
