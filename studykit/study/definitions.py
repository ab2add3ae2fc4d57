"""What each figure of the longer run means: for `?` on the screens, ``stats`` and the docs."""

from __future__ import annotations

from typing import NamedTuple

from studykit.progress.long_run import MATURE_DAYS, N_BINS, N_LATEST
from studykit.progress.stats import ENOUGH, FORECAST_DAYS, N_HARDEST
from studykit.review.grading import Confidence
from studykit.review.schedule import FIRST_LAPSES


class Definition(NamedTuple):
    """One figure, or a few that belong together."""

    figure: str
    meaning: str


DEFINITIONS: dict[str, Definition] = {
    "retention": Definition(
        "true retention",
        "Of the reviews of known cards (in Review when they were asked), the share that was not "
        "rated Again. Learning and relearning steps do not count.",
    ),
    "interval": Definition(
        "95 % interval",
        "By Wilson's method: it holds the true share in 95 of 100 cases. "
        f"Fewer than {ENOUGH} answers are too few to judge.",
    ),
    "wanted": Definition(
        "wanted",
        "The desired retention of your settings; where decks differ, the mean over the course's "
        "cards. Retention is as wanted while its interval holds that share.",
    ),
    "expected": Definition(
        "expected",
        "The mean probability of recall that FSRS gave the same reviews just before they were "
        "answered. Early and overdue reviews move it away from what is wanted.",
    ),
    "graded": Definition(
        "graded right",
        "Of the same reviews, those whose answer the program itself could grade: the share that "
        "was right, whatever you rated. Far below true retention, wrong answers were rated as "
        "known.",
    ),
    "prediction": Definition(
        "expected and remembered",
        "Reviews of known cards by the probability of recall that FSRS gave them, in bins of "
        f"{100 // N_BINS} points, beside the share that was remembered. The error is the root mean "
        "square of expected less remembered over the bins, weighted by their reviews; a fit of "
        "the weights (`studykit optimize`) lowers it.",
    ),
    "confidence": Definition(
        "confidence",
        "What you said of an answer before its outcome, beside the share that was right; "
        "predictions of a lab count, too, those made from a card once.",
    ),
    "mistakes": Definition(
        "confidently wrong",
        f"Cards answered wrongly with a confidence of {Confidence.SURE} % or more. Mended: of the "
        "graded answers on later study days, the latest was right. An answer later on the same "
        "day proves nothing.",
    ),
    "time": Definition(
        "time",
        "From a card's appearing to its rating, ten minutes at most. A day: the mean over days "
        "with an answer. An answer: the median, by state and kind of the card, of the latest "
        f"{N_LATEST:,} answers. A card: all time ever spent, over all cards ever answered.",
    ),
    "kinds": Definition(
        "by kind of card",
        f"Of the latest {N_LATEST:,} answers: how many were to cards of that kind, the share of "
        "the graded ones that was right, and the median time of one.",
    ),
    "maturity": Definition(
        "maturity",
        f"Cards by state. Young: in Review with an interval below {MATURE_DAYS} days; mature: from "
        f"{MATURE_DAYS} days on. Suspended ones stay in their class and are counted beside it. "
        "Stability is the time in which the probability of recall falls to 90 %; the median of "
        "those in Review.",
    ),
    "mastery": Definition(
        "mastery",
        "The share of a topic's cards that you are expected to recall today: the probabilities of "
        "recall of those in Review, over all its cards. Cards never seen or still in their steps "
        "add nothing.",
    ),
    "forecast": Definition(
        "due",
        f"Known cards by the day on which they will be asked, for {FORECAST_DAYS} days: those "
        "overdue today, as far as the day's limit goes, one that waits for its sibling tomorrow, "
        "those suspended not at all. New cards, and cards that come again, are not in it.",
    ),
    "hardest": Definition(
        "hardest cards",
        f"The {N_HARDEST} cards with most lapses: times that they were rated Again in Review. "
        f"From {FIRST_LAPSES} lapses on a card is a leech, and wants to be rewritten.",
    ),
    "labs": Definition(
        "labs and predictions",
        "A lab counts as run once a run of it has ended. A prediction is judged by the outcome of "
        "its own run; one that no claim settles, or of a quick look, stays unjudged.",
    ),
}
"""Panel or column -> its definition, in the order in which they are told."""
