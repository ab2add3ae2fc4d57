"""What the learner may predict before a run, and whether it came true."""

from __future__ import annotations

from dataclasses import dataclass, replace

from studykit.course.cards import Card, Choice, LabHeader
from studykit.lab.results import Prediction, RunResult
from studykit.review.grading import grade, present

HOLDS = "It holds"
FAILS = "It does not hold"


@dataclass(frozen=True, slots=True)
class Bet:
    """One answer to choose: an option of a card, or a bet on a claim or against it."""

    text: str
    claim: str

    @property
    def prediction(self) -> Prediction:
        """The bet as it is stored, before it is known to be right."""
        return Prediction(self.text, self.claim, value=None, confidence=None, correct=None)


def build_bets(
    header: LabHeader, card: Card | None, reps: int, *, is_answered: bool = True
) -> tuple[Bet, ...]:
    """The options of a card as they are shown at `reps`, else whether the claim holds.

    On a bench without a card: which of its claims holds.

    The claim behind a card is its answer, so it is offered only where the answer was shown; before
    that a card without options has nothing to bet on.
    """
    if card is not None and (options := present(card, reps).options):
        return tuple(Bet(option.text, option.claim or card.claim) for option in options)
    if header.parts and card is None:
        # Of a bench the claims exclude one another: each is a sign and a size.
        return tuple(Bet(text, claim) for claim, text in header.claims.items())
    claim = main_claim(header, card)
    if not claim or (card is not None and not is_answered):
        return ()
    return Bet(HOLDS, claim), Bet(FAILS, claim)


def build_question(header: LabHeader, card: Card | None, *, is_answered: bool = True) -> str:
    """What the bets answer; without bets, what the run will answer."""
    if card is not None and (present(card, 0).options or not is_answered):
        return card.headline
    if header.parts and card is None:
        return "What does the change do?"
    return header.claims.get(main_claim(header, card), "")


def main_claim(header: LabHeader, card: Card | None) -> str:
    """The claim to bet on: the card's, else the lab's first."""
    if card is not None and card.claim in header.claims:
        return card.claim
    return next(iter(header.claims), "")


def score(
    prediction: Prediction, header: LabHeader, card: Card | None, result: RunResult
) -> Prediction:
    """`prediction` with whether `result` proves it right; None where the result cannot say."""
    if result.status != "done":
        return prediction
    if prediction.value is not None:
        return replace(prediction, correct=_is_near(prediction.value, header, card, result))
    verdict = result.verdicts.get(prediction.claim)
    if verdict not in ("confirmed", "refuted"):
        return prediction
    if card is not None and isinstance(card.body, Choice) and prediction.text not in (HOLDS, FAILS):
        is_right = any(o.correct and o.text == prediction.text for o in card.body.options)
        # Where the claim fails, at other knobs, the right option is wrong; of the others the lab
        # says nothing.
        return replace(
            prediction, correct=is_right if verdict == "confirmed" else False if is_right else None
        )
    return replace(prediction, correct=(verdict == "confirmed") == (prediction.text != FAILS))


def _is_near(value: float, header: LabHeader, card: Card | None, result: RunResult) -> bool | None:
    """A predicted number speaks of the card's knobs only."""
    if card is None or {**header.defaults, **card.knobs} != dict(result.knobs):
        return None
    return grade(present(card, 0), repr(value), result).correct
