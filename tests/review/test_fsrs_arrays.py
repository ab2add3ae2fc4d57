"""The model on arrays against the package, card by card, with any weights it accepts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import fsrs
import numpy as np
import pytest
from fsrs.scheduler import LOWER_BOUNDS_PARAMETERS, UPPER_BOUNDS_PARAMETERS
from hypothesis import given
from hypothesis import strategies as st

from studykit.review.fsrs_arrays import FsrsArrays

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)

weights = st.tuples(
    *(
        st.floats(low, high)
        for low, high in zip(LOWER_BOUNDS_PARAMETERS, UPPER_BOUNDS_PARAMETERS, strict=True)
    )
)
histories = st.lists(
    st.tuples(st.one_of(st.just(0), st.integers(1, 400)), st.integers(1, 4)),
    min_size=1,
    max_size=8,
)  # days since the review before, rating


@given(parameters=weights, histories=st.lists(histories, min_size=1, max_size=4))
def test_it_gives_the_numbers_of_the_package(
    parameters: tuple[float, ...], histories: list[list[tuple[int, int]]]
) -> None:
    """Cards of which each is at another point of its life, in one call a review."""
    retention, maximum = 0.85, 36500
    package = fsrs.Scheduler(
        parameters=parameters,
        desired_retention=retention,
        learning_steps=(),
        relearning_steps=(),
        maximum_interval=maximum,
        enable_fuzzing=False,
    )
    model = FsrsArrays(parameters)
    cards = [fsrs.Card(card_id=n, due=BEGIN) for n in range(len(histories))]
    now = [BEGIN] * len(cards)
    stability = difficulty = np.empty(0)
    for n_review in range(min(map(len, histories))):
        answered = [history[n_review] for history in histories]
        days = np.array([gap for gap, _ in answered])
        rating = np.array([each for _, each in answered])
        if n_review:
            now = [at + timedelta(days=gap) for at, (gap, _) in zip(now, answered, strict=True)]
            recall = model.retrievability(stability, days)
            theirs = [
                package.get_card_retrievability(card, at)
                for card, at in zip(cards, now, strict=True)
            ]
            assert recall == pytest.approx(theirs, rel=1e-9)
            stability, difficulty = model.next(stability, difficulty, rating, days)
        else:
            stability, difficulty = model.first(rating)
        cards = [
            package.review_card(card, fsrs.Rating(int(each)), at)[0]
            for card, each, at in zip(cards, rating, now, strict=True)
        ]
        assert stability == pytest.approx([card.stability for card in cards], rel=1e-9)
        assert difficulty == pytest.approx([card.difficulty for card in cards], rel=1e-9)
        exact = stability / model.factor * (retention ** (1 / model.decay) - 1)
        at_a_half = np.abs(exact % 1 - 0.5) < 1e-6  # one last bit decides there
        intervals = model.interval(stability, retention, maximum)
        theirs_days = np.array([(card.due - at).days for card, at in zip(cards, now, strict=True)])
        assert (at_a_half | (intervals == theirs_days)).all()
