"""Weights fitted to logs whose true weights are known, and what they are judged to be."""

from __future__ import annotations

import math
import random
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.simulated_log import LEARNERS, history_of, simulate
from studykit.review.fitting import HELD_OUT, CannotFitError, Dataset, Fit, fit, losses
from studykit.review.schedule import DEFAULT_WEIGHTS, WEIGHT_BOUNDS
from studykit.review.weights import History, Judgement, weights_from_json

fsrs_rs_python = pytest.importorskip("fsrs_rs_python")

SOONER = LEARNERS["forgets sooner"]
N = 20_000


def fit_to(history: History, in_use: tuple[float, ...] = DEFAULT_WEIGHTS) -> Fit:
    return fit(history, in_use, 1, lambda _: None)


@pytest.fixture(scope="module")
def history() -> History:
    return history_of(simulate(SOONER, N, seed=1))


@pytest.fixture(scope="module")
def fitted(history: History) -> Fit:
    return fit_to(history)


def test_weights_come_closer_to_those_that_made_the_log(fitted: Fit) -> None:
    """Those of the first stabilities, which they tell best; after Again steps tell most of it."""
    assert fitted.judgement.is_better
    for n in (1, 2, 3):
        error = abs(math.log(fitted.weights[n] / SOONER[n]))
        assert error < 0.3 * abs(math.log(DEFAULT_WEIGHTS[n] / SOONER[n]))
    assert fitted.n_reviews == N


def test_they_can_be_stored_and_scheduled_by(fitted: Fit) -> None:
    assert weights_from_json(str(list(fitted.weights))) == fitted.weights
    for weight, (low, high) in zip(fitted.weights, WEIGHT_BOUNDS, strict=True):
        assert low <= weight <= high
        assert weight in (round(weight, 4), low, high)


def test_what_is_judged_is_what_is_returned(history: History, fitted: Fit) -> None:
    """The weights as they are rounded, on the newest fifth, as the package itself judges them."""
    dataset = Dataset(history)
    judged = fitted.judgement
    assert judged.n_held_out == len(dataset.items) // HELD_OUT
    assert judged.n_fitted == len(dataset.items) - judged.n_held_out
    for weights, score in ((DEFAULT_WEIGHTS, judged.before), (fitted.weights, judged.after)):
        predicted = dataset.predicted(weights, judged.n_fitted)
        seen = losses(predicted, np.array(dataset.recalled[judged.n_fitted :]))
        assert score.log_loss == pytest.approx(float(seen.mean()))
        model = fsrs_rs_python.FSRS(weights)
        held = dataset.items[judged.n_fitted :]
        # One by one: of many, the package weighs later ones up to four times as much.
        theirs = [model.evaluate([item]).log_loss for item in held]
        assert list(seen) == pytest.approx(theirs, abs=1e-4)
        assert score.rmse_bins == pytest.approx(model.evaluate(held).rmse_bins)
        assert sum(each.n_reviews for each in score.bins) == judged.n_held_out
        assert [each.predicted for each in score.bins] == sorted(b.predicted for b in score.bins)
    assert judged.gain == pytest.approx(judged.before.log_loss - judged.after.log_loss)


def test_the_fit_never_sees_what_judges_it(history: History, fitted: Fit) -> None:
    """Other answers to the held-out reviews: the same weights, another judgement."""
    first = Dataset(history).rows[fitted.judgement.n_fitted]
    worst = replace(history, rating=[*history.rating[:first], *[1] * (N - first)])
    other = fit_to(worst)
    assert other.weights == fitted.weights
    assert other.judgement.recalled == 0
    assert other.judgement.after.log_loss > fitted.judgement.after.log_loss


def test_the_same_log_gives_the_same_weights(history: History, fitted: Fit) -> None:
    again = fit_to(history)
    assert again.weights == fitted.weights
    assert again.judgement.gain == fitted.judgement.gain


def test_weights_that_fit_already_are_not_bettered(history: History, fitted: Fit) -> None:
    again = fit_to(history, fitted.weights)
    assert again.weights == fitted.weights
    assert again.judgement.gain == 0
    assert not again.judgement.is_better


def test_a_judgement_survives_as_plain_values(fitted: Fit) -> None:
    assert Judgement.from_dict(fitted.judgement.as_dict()) == fitted.judgement


# --- what cannot be fitted ---


def test_a_short_log_is_refused() -> None:
    with pytest.raises(CannotFitError, match="from 400 reviews on, and there are 399"):
        fit_to(history_of(simulate(SOONER, 399, seed=0)))


def test_a_log_of_one_day_tells_nothing_of_forgetting() -> None:
    """The package panics at such reviews; it never gets them."""
    day = History([n % 50 for n in range(500)], [9] * 500, [3] * 500)
    with pytest.raises(CannotFitError, match="of 500 reviews 0 did"):
        fit_to(day)


def test_without_the_package_it_says_what_to_install(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fsrs_rs_python", None)
    with pytest.raises(CannotFitError, match=r"needs the package fsrs-rs-python.*\[optimize\]"):
        fit_to(history)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 120), st.integers(0, 30))
def test_any_log_is_fitted_or_refused(seed: int, n_cards: int, n_back: int) -> None:
    """Cards of one review, same-day reviews, days that run backwards, one rating only."""
    rng = random.Random(seed)
    n = 600
    day, days = 1000, []
    for _ in range(n):
        day += rng.choice((0, 0, 1, 3, -n_back))
        days.append(max(1, day))
    ratings = rng.choice(([1], [3], [1, 2, 3, 4]))
    log = History(
        [rng.randrange(n_cards) for _ in range(n)], days, [rng.choice(ratings) for _ in range(n)]
    )
    try:
        found = fit_to(log)
    except CannotFitError:
        return
    assert all(
        low <= w <= high for w, (low, high) in zip(found.weights, WEIGHT_BOUNDS, strict=True)
    )
    for score in (found.judgement.before, found.judgement.after):
        assert math.isfinite(score.log_loss)
        assert math.isfinite(score.rmse_bins)
