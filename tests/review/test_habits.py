"""What a learner's answers say of its ratings and times, beside those of other learners."""

from __future__ import annotations

import pytest

from studykit.review.habits import ANSWER_SECONDS, Habits, Rated, habits_of
from studykit.review.schedule import Rating, State


def test_without_answers_the_habits_are_the_usual_ones() -> None:
    found = habits_of([])
    assert found.seconds == ((ANSWER_SECONDS,) * 4,) * 3
    for own, usual in zip(found.learning, Habits().learning, strict=True):
        assert own == pytest.approx([share / sum(usual) for share in usual])


def test_many_answers_of_ones_own_outweigh_the_usual() -> None:
    """Each in its own state, and after its own last rating."""
    rated = [
        Rated(State.NEW, None, Rating.EASY, 10_000, 50_000.0),
        Rated(State.REVIEW, Rating.GOOD, Rating.AGAIN, 5_000, 200_000.0),
        Rated(State.REVIEW, Rating.GOOD, Rating.HARD, 10_000, 300_000.0),
        Rated(State.RELEARNING, Rating.AGAIN, Rating.HARD, 10_000, 100_000.0),
    ]
    found = habits_of(rated)
    assert found.first[3] > 0.99
    assert found.recalled[0] > 0.99  # what was forgotten is no share of what was recalled
    assert found.relearning[0][1] > 0.99
    assert found.relearning[1] == pytest.approx(
        [share / sum(Habits().relearning[1]) for share in Habits().relearning[1]]
    )
    assert found.seconds[0][3] == pytest.approx(5, rel=0.01)
    assert found.seconds[1][:2] == pytest.approx((40, 30), rel=0.01)
    assert found.seconds[2][1] == pytest.approx(10, rel=0.01)
    mean = 650_000 / 35_000
    assert found.seconds[2][3] == pytest.approx(mean, rel=0.01)  # none such: as answers in general


def test_a_few_answers_change_the_habits_a_little() -> None:
    found = habits_of([Rated(State.NEW, None, Rating.AGAIN, 50, 500.0)])
    assert found.first[0] == pytest.approx((50 * 0.24 + 50) / 100, rel=0.01)
    assert found.seconds[0][0] == pytest.approx((20 * (20 * 20 + 500) / 70 + 500) / 70)
