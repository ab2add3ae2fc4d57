"""A sitting as the review screen needs it: the session, and what it does not know of predictions.

No textual. A prediction is held until the learner looks at its outcome; only then the session
grades it, by the evidence of that moment.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from studykit.course.cards import Card, Predict
from studykit.lab.results import Prediction, RunResult
from studykit.review.grading import Given, Shown, grade, parse_number
from studykit.review.schedule import Rating, describe_interval
from studykit.review.session import Review, Session
from studykit.tui.services import Services
from studykit.tui.words import short_day

Phase: TypeAlias = Literal["asked", "predicted", "revealed", "over"]
"""Of the current card; "over": there is none for now."""


class Sitting:
    """One sitting on today's cards, opened on the services' progress."""

    session: Session
    reviews: list[Review]
    """Of this sitting, without those taken back."""
    given: Given
    """The answer to the current card, or the prediction held."""
    evidence: RunResult | None
    """What the current card is judged by."""

    def __init__(self, services: Services) -> None:
        self.session = services.open_session()
        self.reviews = []
        self._services = services
        self._began_at = services.clock.now()
        self._is_stored = False
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
    def phase(self) -> Phase:
        """How far the learner is with it."""
        if self.session.current is None:
            return "over"
        if self.session.revealed:
            return "revealed"
        return "predicted" if self._is_predicted else "asked"

    @property
    def is_asked(self) -> bool:
        """True while the card waits for an answer."""
        return self.phase == "asked"

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
            return Prediction(option.text, option.claim)
        assert isinstance(self.card.body, Predict)
        text = str(self.given)
        return Prediction(text, "", value=parse_number(text, self.card.body.unit))

    def take(self, given: Given) -> None:
        """Grade an answer and reveal the card, or hold it if it is a prediction.

        Raises `AnswerError`, and changes nothing, if it cannot be an answer to the card.
        """
        assert self.card is not None and self.shown is not None
        if self.card.kind == "predict" and given is not None:
            grade(self.shown, given, None)
            self.given, self._is_predicted = given, True
        else:
            self.session.answer(given, self.evidence)
            self.given = given

    def show_result(self) -> None:
        """Judge the held prediction by what is known now."""
        self.session.answer(self.given, self.evidence)

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
        """The learner has been to the card's lab, whatever came of it."""
        self._has_tried_lab = True

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
        """The card of the study day's last rating, asked again; None if none is left."""
        card = self.session.undo()
        if card is not None:
            if self.reviews:
                self.reviews.pop()
            self._enter_card()
        return card

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
        self._is_predicted = self._has_tried_lab = False
        self.given = None
        self.evidence = self._services.evidence(self.card) if self.card else None


def next_time(review: Review) -> str:
    """When a card comes again that was just rated: ``again in 10 min``, ``next 6 Dec``."""
    after = review.after
    if after.due_at is not None or after.due_day is None:
        return f"again in {describe_interval(after, review.at, review.day)}"
    return f"next {short_day(after.due_day, review.day)}"
