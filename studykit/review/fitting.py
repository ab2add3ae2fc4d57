"""The weights of FSRS that fit a learner's own log, and how they fare on reviews held out.

Fitted once, to the older reviews, by `fsrs-rs-python`, which is an extra of the installation. What
is judged on the newest reviews is what comes into use: nothing is fitted again afterwards. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studykit.errors import StudykitError
from studykit.review.fsrs_arrays import Floats, FsrsArrays
from studykit.review.schedule import WEIGHT_BOUNDS
from studykit.review.weights import Bin, History, Judgement, Score, Weights

LEAST_REVIEWS = 400
"""A shorter log is not fitted."""
LEAST_LATER = 100
"""Reviews at least on a later day than the card's review before: only they tell of forgetting."""
HELD_OUT = 5
"""Of so many such reviews one is held out, the newest ones."""
N_BINS = 5
"""Groups of equal size, by predicted recall, whose recall is told."""
DECIMALS = 4
"""Of a weight, as Anki keeps it."""
GAMMA = 4.0
"""Strength of the pull towards the default weights, which fades as the log grows; the package's own
is 1. In simulations the fit to a few thousand reviews errs less with more of it (record 20)."""

Tell = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Fit:
    """Weights with what they were judged to be."""

    weights: Weights
    n_reviews: int
    """Of the log."""
    judgement: Judgement


class CannotFitError(StudykitError):
    """There is too little to fit weights to, or nothing to fit them with."""


def fitter() -> str:
    """The fitting package with its version; raises `CannotFitError` if it is not installed."""
    try:
        import fsrs_rs_python  # noqa: F401
    except ImportError:
        raise CannotFitError(
            "fitting needs the package fsrs-rs-python",
            hint="pip install 'studykit[optimize]'",
        ) from None
    return f"fsrs-rs-python {version('fsrs-rs-python')}"


def fit(history: History, in_use: Sequence[float], n_relearning_steps: int, tell: Tell) -> Fit:
    """Weights fitted to the older reviews, judged beside those `in_use` on the newest.

    `tell` hears what is going on. Raises `CannotFitError`.
    """
    fitter()
    n_reviews = len(history.card)
    if n_reviews < LEAST_REVIEWS:
        raise CannotFitError(
            f"weights are fitted from {LEAST_REVIEWS} reviews on, and there are {n_reviews}"
        )
    tell(f"reading {n_reviews:,} reviews")
    dataset = Dataset(history)
    n_later = len(dataset.items)
    if n_later < LEAST_LATER:
        raise CannotFitError(
            f"weights are fitted from {LEAST_LATER} reviews on that came on a later day than the"
            f" card's review before, and of {n_reviews} reviews {n_later} did"
        )
    n_fitted = n_later - n_later // HELD_OUT
    tell(f"fitting to the {n_fitted:,} older ones of {n_later:,} that came on a later day")
    weights = _compute(dataset.items[:n_fitted], n_relearning_steps)
    tell(f"judging on the {n_later - n_fitted:,} newer ones")
    return Fit(weights, n_reviews, _judge(dataset, n_fitted, in_use, weights))


class Dataset:
    """The log as fsrs-rs takes it: an item for each review that is to be predicted.

    That is one on a later day than the card's review before. Its item is the card's whole history
    up to it, with the days since the review before. Of others nothing can be predicted, and an
    item in which no day has passed at all makes the package panic.
    """

    def __init__(self, history: History) -> None:
        from fsrs_rs_python import FSRSItem, FSRSReview

        self.items: list[Any] = []
        self.recalled: list[bool] = []
        self.rows: list[int] = []
        """Their places in the log."""
        self._ends: list[tuple[list[Any], int]] = []  # the card's reviews, and how many are before
        self.days: list[int] = []
        """Since the review before."""
        pasts: dict[int, tuple[list[Any], list[int]]] = {}
        known: dict[tuple[int, int], Any] = {}  # reviews are alike in all but rating and days
        log = zip(history.card, history.day, history.rating, strict=True)
        for row, (card, day, rating) in enumerate(log):
            past, last = pasts.setdefault(card, ([], [day]))
            gap = max(0, day - last[0])  # a clock that went back: the same day, as when scheduled
            review = known.get((rating, gap))
            if review is None:
                review = known[rating, gap] = FSRSReview(rating, gap)
            past.append(review)
            last[0] = day
            if gap:
                self.items.append(FSRSItem(past))
                self.rows.append(row)
                self.recalled.append(rating > 1)
                self.days.append(gap)
                self._ends.append((past, len(past) - 1))

    def predicted(self, weights: Sequence[float], first: int) -> Floats:
        """Probability of recall by `weights`, of the items from `first` on."""
        from fsrs_rs_python import FSRS, FSRSItem

        befores = [FSRSItem(past[:n]) for past, n in self._ends[first:]]
        states = FSRS(weights).memory_state_batch(befores)
        stability = np.array([state.stability for state in states])
        return FsrsArrays(weights).retrievability(stability, self.days[first:])


def _compute(items: list[Any], n_relearning_steps: int) -> Weights:
    from fsrs_rs_python import FSRS, TrainingConfig

    try:
        found = FSRS([]).compute_parameters(
            items,
            num_relearning_steps=n_relearning_steps,
            training_config=TrainingConfig(gamma=GAMMA),
        )
    except ValueError as error:  # the package's own, of one word
        raise CannotFitError(f"the weights could not be fitted: {error}") from error
    bounded = zip(found, WEIGHT_BOUNDS, strict=True)
    return tuple(min(max(round(w, DECIMALS), low), high) for w, (low, high) in bounded)


def _judge(dataset: Dataset, first: int, in_use: Sequence[float], fitted: Weights) -> Judgement:
    recalled = np.array(dataset.recalled[first:])
    before, after = dataset.predicted(in_use, first), dataset.predicted(fitted, first)
    gains = losses(before, recalled) - losses(after, recalled)
    n = len(recalled)
    return Judgement(
        n_fitted=first,
        n_held_out=n,
        recalled=float(recalled.mean()),
        before=_score(dataset.items[first:], in_use, before, recalled),
        after=_score(dataset.items[first:], fitted, after, recalled),
        gain=float(gains.mean()),
        gain_error=float(gains.std(ddof=1)) / math.sqrt(n),
    )


def losses(predicted: Floats, recalled: NDArray[np.bool_]) -> Floats:
    """Of each review, -log of the probability given to what happened."""
    losses: Floats = -np.log(np.where(recalled, predicted, 1 - predicted))
    return losses


def _score(
    items: list[Any], weights: Sequence[float], predicted: Floats, recalled: NDArray[np.bool_]
) -> Score:
    from fsrs_rs_python import FSRS

    order = np.argsort(predicted, kind="stable")
    bins = tuple(
        Bin(len(part), float(predicted[part].mean()), float(recalled[part].mean()))
        for part in np.array_split(order, N_BINS)
    )
    return Score(
        log_loss=float(losses(predicted, recalled).mean()),
        rmse_bins=float(FSRS(weights).evaluate(items).rmse_bins),
        predicted=float(predicted.mean()),
        bins=bins,
    )
