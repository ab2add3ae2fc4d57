"""Simulated lives of cards: against the scheduler card by card, and what must hold of any."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studykit.review.habits import Habits
from studykit.review.schedule import (
    NEW_MEMORY,
    Memory,
    Rating,
    Scheduler,
    ScheduleSettings,
    State,
)
from studykit.review.simulation import GRID_DAYS, simulate_known, simulate_new

TODAY = date(2026, 12, 1)
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
STEPS = (timedelta(minutes=1), timedelta(minutes=10))


def certain(first: Rating) -> Habits:
    """A learner who rates every new card `first`, and Good from then on."""
    good = (0.0, 0.0, 1.0, 0.0)
    return Habits(
        first=tuple(float(rating is first) for rating in Rating),
        recalled=(0.0, 1.0, 0.0),
        learning=(good,) * 3,
        relearning=(good,) * 3,
    )


@pytest.mark.parametrize("first", Rating)
@pytest.mark.parametrize("steps", [(), STEPS[:1], STEPS, (*STEPS, timedelta(days=2))])
def test_a_card_whose_ratings_are_certain_lives_as_the_scheduler_says(
    first: Rating, steps: tuple[timedelta, ...]
) -> None:
    """Until the first day on which chance decides whether it is recalled."""
    wanted = ScheduleSettings(learning_steps=steps, desired_retention=0.9)
    scheduler = Scheduler(wanted)
    expected = np.zeros(60)
    memory, at, rating = NEW_MEMORY, NOON, first
    while memory.state is not State.REVIEW:
        expected[(at.date() - TODAY).days] += 1
        memory = scheduler.review("a", memory, rating, at)
        rating = Rating.GOOD
        at = memory.due_at or at
    life = simulate_new(wanted, certain(first), [0.9], n_cards=50, n_days=60)
    n_steps = (at.date() - TODAY).days + 1
    assert life.answers[0, :n_steps] == pytest.approx(expected[:n_steps])


@pytest.mark.parametrize("retention", [0.75, 0.9])
def test_many_cards_are_answered_as_often_as_by_the_scheduler(retention: float) -> None:
    """One by one, with its fuzz, and another source of chance."""
    wanted, n_cards, n_days = ScheduleSettings(desired_retention=retention), 400, 60
    scheduler, habits = Scheduler(wanted), Habits()
    n_answers = 0
    for n in range(n_cards):
        random, memory, last, at = Random(n), NEW_MEMORY, Rating.AGAIN, NOON
        while (day := scheduler.study_day(at)) < TODAY + timedelta(days=n_days):
            n_answers += 1
            if memory.state is State.NEW:
                shares = habits.first
            elif memory.state is State.REVIEW:
                known = scheduler.retrievability(memory, day)
                shares = (1 - known, *(known * share for share in habits.recalled))
            elif memory.state is State.LEARNING:
                shares = habits.learning[min(last, 3) - 1]
            else:
                shares = habits.relearning[min(last, 3) - 1]
            last = random.choices([*Rating], shares)[0]
            memory = scheduler.review(f"card-{n}", memory, last, at)
            assert memory.due_day is not None
            at = memory.due_at or NOON + (memory.due_day - TODAY)
    life = simulate_new(wanted, habits, [retention], n_cards=4000, n_days=n_days)
    assert life.answers.sum() == pytest.approx(n_answers / n_cards, rel=0.06)
    assert life.recall.min() > retention / 2
    assert life.recall.max() <= 1


@settings(max_examples=25)
@given(
    stability=st.floats(0.01, 3000),
    ago=st.integers(0, 800),
    due_in=st.integers(-50, 90),
    retention=st.floats(0.7, 0.97),
)
def test_a_known_card_comes_when_it_is_due_and_fades_until_then(
    stability: float, ago: int, due_in: int, retention: float
) -> None:
    memory = Memory(
        state=State.REVIEW,
        stability_days=stability,
        difficulty=5.0,
        due_day=TODAY + timedelta(days=due_in),
        last_review_day=TODAY - timedelta(days=ago),
        reps=3,
    )
    wanted = ScheduleSettings()
    life = simulate_known(wanted, Habits(), [retention], [memory], TODAY, n_days=60)
    due = max(0, due_in)
    if due >= 60:
        assert not life.answers.any()
    else:
        assert not life.answers[0, :due].any()
        assert life.answers[0, due] >= 1
    scheduler = Scheduler(wanted)
    for n, recall in enumerate(life.recall[0, : -(-min(due, 60) // GRID_DAYS)]):
        day = TODAY + timedelta(days=n * GRID_DAYS)
        assert recall == pytest.approx(scheduler.retrievability(memory, day))


def test_known_cards_that_are_difficult_come_more_often() -> None:
    easy, hard = (
        Memory(
            state=State.REVIEW,
            stability_days=10.0,
            difficulty=difficulty,
            due_day=TODAY,
            last_review_day=TODAY - timedelta(days=10),
            reps=3,
        )
        for difficulty in (2.0, 9.0)
    )
    answers = [
        simulate_known(ScheduleSettings(), Habits(), [0.9], [each] * 50, TODAY, n_days=200).answers
        for each in (easy, hard)
    ]
    assert answers[1].sum() > 1.5 * answers[0].sum()


def test_time_is_spent_by_rating_and_state() -> None:
    """Answers times seconds, where each kind of answer takes another time."""
    seconds = ((1.0, 1.0, 1.0, 1.0), (100.0,) * 4, (10_000.0,) * 4)
    habits = Habits(seconds=seconds)
    life = simulate_new(ScheduleSettings(), habits, [0.9], n_cards=200, n_days=90)
    first = life.seconds[0, 0]
    assert first == pytest.approx(life.answers[0, 0])  # all of the first day are learning steps
    assert life.seconds[0, 1:].sum() > 50 * life.answers[0, 1:].sum()


def test_no_known_cards_are_no_answers() -> None:
    life = simulate_known(ScheduleSettings(), Habits(), [0.8, 0.9], [], TODAY, n_days=30)
    assert life.answers.shape == (2, 30)
    assert not life.answers.any()
    assert not life.recall.any()
