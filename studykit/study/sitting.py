"""The card in hand, from its question to its grade.

Three parts share the asking of cards, each with one thing to decide. A `Session` or a `Practice`
(in `studykit.review`) decides which card comes and what is kept of its answer. A `Sitting` holds
the answer until it can be graded: until the learner has said how sure it is, and of a prediction
until its outcome may be seen. Screens and commands decide how all that looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, Literal, TypeAlias, TypeVar

from studykit.course.cards import Card, Predict
from studykit.lab.results import Prediction, RunResult
from studykit.review.asking import Asking
from studykit.review.grading import Confidence, Given, Grade, Shown, grade, parse_number
from studykit.review.schedule import Rating, describe_interval
from studykit.review.session import Review, Session
from studykit.review.study_queue import next_due
from studykit.study.backlog import describe_backlog, read_backlog
from studykit.study.day import read_day
from studykit.study.lab_run import LabRun
from studykit.study.services import Services
from studykit.study.words import minutes, outlook, short_day
from studykit.text import plural

Phase: TypeAlias = Literal["asked", "answered", "predicted", "revealed", "over"]
"""Of the current card; "answered", "predicted": the answer is held; "over": there is no card."""

AskingT = TypeVar("AskingT", bound=Asking, covariant=True)


@dataclass(slots=True)
class _Hand:
    """What is known of one card while it stands."""

    shown: Shown | None
    run_before: LabRun | None
    """The last run that was started before the card came."""
    n_runs: int
    """Stored runs whose outcome the card has taken up."""
    given: Given = None
    """The answer, or the prediction held."""
    confidence: Confidence | None = None
    is_held: bool = False
    has_tried_lab: bool = False
    evidence: RunResult | None = None
    has_evidence: bool = False
    """Whether `evidence` was looked for."""


class Sitting(Generic[AskingT]):
    """One card after the other, graded by the evidence of the moment of its reveal."""

    asking: AskingT
    """What decides which card comes."""

    def __init__(self, services: Services, asking: AskingT) -> None:
        self.asking = asking
        self._services = services
        self._wants_confidence = services.settings.review.ask_confidence
        self._in_hand = self._take_in_hand()

    def _take_in_hand(self) -> _Hand:
        return _Hand(self.asking.shown, self._services.labs.latest, len(self._services.runs))

    @property
    def _hand(self) -> _Hand:
        """Made anew as soon as another card is asked, or the same one again."""
        if self._in_hand.shown is not self.asking.shown:
            self._in_hand = self._take_in_hand()
        return self._in_hand

    @property
    def card(self) -> Card | None:
        """The current card."""
        return self.asking.current

    @property
    def shown(self) -> Shown | None:
        """The current card as it stands on the screen."""
        return self.asking.shown

    @property
    def grade(self) -> Grade | None:
        """Of the current card, once it is revealed."""
        return self.asking.grade

    @property
    def given(self) -> Given:
        """The answer to the current card, or the prediction held."""
        return self._hand.given

    @property
    def confidence(self) -> Confidence | None:
        """How sure the learner is of the answer, if that was said."""
        return self._hand.confidence

    @property
    def evidence(self) -> RunResult | None:
        """What the current card is judged by."""
        hand = self._hand
        if not hand.has_evidence and self.card is not None:
            hand.evidence, hand.has_evidence = self._services.evidence(self.card), True
        return hand.evidence

    @property
    def phase(self) -> Phase:
        """How far the learner is with the current card."""
        card = self.asking.current
        if card is None:
            return "over"
        if self.asking.revealed:
            return "revealed"
        if not self._hand.is_held:
            return "asked"
        return "predicted" if card.kind == "predict" else "answered"

    @property
    def is_asked(self) -> bool:
        """True while the card waits for an answer."""
        return self.phase == "asked"

    @property
    def asks_confidence(self) -> bool:
        """True while the learner may say how sure the held answer is."""
        return self._may_be_sure and self.phase in ("answered", "predicted")

    @property
    def _may_be_sure(self) -> bool:
        """Nobody can say how sure they were of what they may have seen in the lab."""
        return self._wants_confidence and not self._hand.has_tried_lab

    @property
    def can_show_result(self) -> bool:
        """True if a held prediction can be looked at: it was measured, or the lab would not run."""
        return self.phase == "predicted" and (self._hand.has_tried_lab or self.evidence is not None)

    @property
    def can_let_go(self) -> bool:
        """True if the held answer can be taken back: nothing can have been seen of its outcome."""
        return self.phase in ("answered", "predicted") and not self._hand.has_tried_lab

    @property
    def prediction(self) -> Prediction | None:
        """What was predicted of the card, as a run of the lab stores it.

        An option that was chosen is a prediction, of whatever kind the card is. None if nothing
        was, or if a run of the learner's has judged it already.
        """
        if self.card is None or self.shown is None or self.given is None:
            return None
        if self.asking.revealed and self.evidence and not self.evidence.recorded:
            return None
        if self.shown.options and isinstance(self.given, int):
            option = self.shown.options[self.given]
            claim = option.claim or self.card.claim
            return Prediction(option.text, claim, confidence=self.confidence)
        if self.card.kind != "predict":
            return None
        assert isinstance(self.card.body, Predict)
        text = str(self.given)
        value = parse_number(text, self.card.body.unit)
        return Prediction(text, "", value=value, confidence=self.confidence)

    def take(self, given: Given) -> None:
        """Hold an answer that something comes before the grade of; else reveal the card.

        Raises `AnswerError`, and changes nothing, if it cannot be an answer to the card.
        """
        assert self.card is not None and self.shown is not None
        if given is not None and (self.card.kind == "predict" or self._may_be_sure):
            grade(self.shown, given, None)
            self._hand.given, self._hand.is_held = given, True
        else:
            self.asking.answer(given, self.evidence)
            self._hand.given = given

    def confide(self, confidence: Confidence) -> None:
        """Note how sure the held answer is."""
        self._hand.confidence = confidence

    def let_go(self) -> None:
        """Take the held answer back; the card waits for another one."""
        hand = self._hand
        hand.is_held, hand.given, hand.confidence = False, None, None

    def show_result(self) -> None:
        """Judge the held answer by what is known now."""
        self.asking.answer(self.given, self.evidence, self.confidence)

    def refresh_evidence(self) -> bool:
        """Take up a run that has ended meanwhile; True if the card is judged by another one now.

        A revealed card is judged again. A held prediction is revealed: the learner has bet and
        has seen the outcome. An exercise that could not be asked is drawn.
        """
        hand, card = self._hand, self.card
        new = self._services.runs[hand.n_runs :]
        if card is None or not new:
            return False
        hand.n_runs += len(new)
        found = self._services.evidence(card)
        if found is None or all(found.started_at != run.started_at for run in new):
            return False
        hand.evidence, hand.has_evidence = found, True
        if card.kind == "exercise" and self.shown is not None and self.shown.task is None:
            # There was nothing to draw it from.
            self.asking.change_cards(self._services.cards, found)
        elif self.phase == "revealed":
            self.asking.judge_again(found)
        elif self.phase == "predicted":
            self.show_result()
        return True

    def lab_was_open(self) -> None:
        """The learner has been to the card's lab, whatever came of it.

        An answer that is held is revealed, and so is a prediction made there, which is the card's
        answer, once its run has judged it.
        """
        hand = self._hand
        hand.has_tried_lab = True
        if self.phase == "answered":
            self.show_result()
            return
        run, card = self._services.labs.latest, self.card
        if not self.is_asked or card is None or self.shown is None:
            return
        if run is None or run is hand.run_before or run.card is None or run.prediction is None:
            return
        if run.card.id != card.id or run.knobs != {**run.header.defaults, **card.knobs}:
            return
        offered = [option.text for option in self.shown.options]
        if run.prediction.text not in offered:
            return
        self.take(offered.index(run.prediction.text))
        hand.evidence, hand.has_evidence = self._services.evidence(card), True
        judge = hand.evidence.started_at if hand.evidence else None
        if self.phase != "revealed" and run.stored and run.stored.started_at == judge:
            self.show_result()

    def change_cards(self) -> None:
        """Go on with the services' cards, which were read again."""
        hand, cards = self._hand, self._services.cards
        card = cards.get(self.card.id) if self.card else None
        evidence = self._services.evidence(card) if card else None
        self.asking.change_cards(cards, evidence)
        if self.asking.revealed:
            # The same answer, graded again: it stays in hand.
            hand.shown, hand.evidence, hand.has_evidence = self.asking.shown, evidence, True

    def end(self) -> None:
        """The learner leaves."""
        if self._services.store is not None:
            self.asking.end()


def end_words(session: Session, services: Services) -> str:
    """``Done for today``; of a part that it is done, and how much the other decks have left."""
    if session.part is None:
        return "Done for today"
    n_left = services.open_session().counts.total
    rest = f"; {plural(n_left, 'card')} left elsewhere" if n_left else ""
    return f"Done for today with {session.part.title}{rest}"


CAPPED = "capped: you were sure of a wrong answer here, and such errors return within the week"
"""Why the intervals marked ``capped`` are so short."""

TOO_GOOD = "graded wrong, yet scheduled as known"
"""Said of a rating that passes over a wrong answer."""


def intervals(session: Session) -> dict[Rating, str]:
    """When the current card comes again after each rating: ``10 min``, ``7 d capped``.

    An exam that draws it to the days before it is named, too: ``9 d exam``.
    """
    capped, before_exam = session.capped, session.before_exam

    def why(rating: Rating) -> str:
        return " capped" if rating in capped else " exam" if rating in before_exam else ""

    return {
        rating: describe_interval(after) + why(rating) for rating, after in session.previews.items()
    }


def describe_outlook(session: Session, services: Services) -> str:
    """When a sitting without a card goes on: after a wait within the day, or on another one."""
    now = services.clock.now()
    if (until := session.waiting_until) is not None:
        wait = max(timedelta(), until - now)
        return f"The next card comes in {minutes(wait)}, at {until.astimezone(now.tzinfo):%H:%M}"
    n_unseen = len(session.cards.keys() - session.marks.suspended - session.memories.keys())
    today = services.today
    coming = next_due(session.asked, today)
    told = outlook(coming, n_unseen, today, services.settings.review.rollover_hour)
    backlog = ""
    if session.n_beyond:
        # Of all decks, whatever part of them this sitting is on.
        day = read_day(services, services.progress)
        backlog = describe_backlog(read_backlog(day, services), today)
    return f"{told}; {backlog}" if backlog else told


def next_time(review: Review) -> str:
    """When a card comes again that was just rated: ``again in 10 min``, ``next 6 Dec``."""
    after = review.after
    if after.due_at is not None or after.due_day is None:
        return f"again in {describe_interval(after)}"
    return f"next {short_day(after.due_day, review.day)}"
