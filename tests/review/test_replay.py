"""A replay of many cards at once gives what the scheduler gives answer by answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace
from datetime import timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studykit.clock import offset_minutes, to_ms
from studykit.review.replay import NONE, Answers, Outcomes, replay
from studykit.review.schedule import NEW_MEMORY, Memory, Rating, Scheduler, ScheduleSettings, State
from tests.review.helpers import MONDAY
from tests.review.test_schedule import WEIGHTS

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
OUT_OF_ORDER = (20.0, 9.0, 30.0, 4.0, *WEIGHTS[4:])
"""Weights by which Easy is remembered for the shortest time."""

SETTINGS = (
    ScheduleSettings(),
    ScheduleSettings(desired_retention=0.8, learning_steps=(), relearning_steps=()),
    ScheduleSettings(0.95, (MINUTE,), (MINUTE, 2 * DAY), 40, rollover_hour=0),
    ScheduleSettings(0.7, (MINUTE, DAY, 3 * DAY), (5 * MINUTE,), 400, parameters=OUT_OF_ORDER),
)

answers = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.one_of(st.integers(0, 30), st.integers(0, 3 * 24 * 60), st.integers(-600, 400_000)),
    st.sampled_from([-300, 0, 330]),
    st.sampled_from(Rating),
    st.booleans(),
    st.integers(0, len(SETTINGS) - 1),
)
"""Card, minutes since the answer before, offset, rating, whether it was a confident error, and
which settings were in use."""
logs = st.lists(answers, max_size=40)

Log = list[tuple[str, int, int, Rating, bool, int]]


def one_by_one(log: Log) -> tuple[Answers, list[Memory], list[Memory], list[float | None]]:
    """The log as columns; the memories before and after each answer, and the predictions."""
    schedulers = [Scheduler(each) for each in SETTINGS]
    memories: dict[str, Memory] = {}
    at, rows, befores, afters, predicted = MONDAY, [], [], [], []
    for card_id, minutes, offset, rating, is_error, which in log:
        at = (at + minutes * MINUTE).astimezone(timezone(offset * MINUTE))
        scheduler, before = schedulers[which], memories.get(card_id, NEW_MEMORY)
        day = scheduler.study_day(at)
        after = scheduler.review(card_id, before, rating, at, is_confident_error=is_error)
        memories[card_id] = after
        befores.append(before)
        afters.append(after)
        predicted.append(scheduler.predicted(before, day))
        rows.append(("abc".index(card_id), to_ms(at), offset_minutes(at), day, rating, is_error))
    return answers_of(rows, [which for *_, which in log]), befores, afters, predicted


def answers_of(rows: Sequence[tuple[object, ...]], schedule: Sequence[int]) -> Answers:
    card, at_ms, offset, day, rating, is_error = zip(*rows, strict=True) if rows else [()] * 6
    return Answers(
        card=np.array(card, np.int64),
        at_ms=np.array(at_ms, np.int64),
        offset_min=np.array(offset, np.int64),
        day=np.array(day, "datetime64[D]"),
        rating=np.array(rating, np.int64),
        is_confident_error=np.array(is_error, np.bool_),
        schedule=np.array(schedule, np.int64),
    )


def is_alike(found: Memory, expected: Memory) -> bool:
    """Numbers to 1e-9, all else exactly."""
    numbers = expected.stability_days, expected.difficulty
    is_near = (found.stability_days, found.difficulty) == pytest.approx(numbers, rel=1e-9)
    return is_near and expected == replace(
        found, stability_days=expected.stability_days, difficulty=expected.difficulty
    )


@settings(max_examples=300)
@given(logs)
def test_a_replay_gives_what_the_scheduler_gave(log: Log) -> None:
    """Also where settings changed between two answers, or the clock went back."""
    columns, befores, afters, predicted = one_by_one(log)
    found = replay("abc", columns, SETTINGS)

    assert [int(state) for state in found.before] == [before.state for before in befores]
    for n, expected in enumerate(predicted):
        assert found.predicted[n] == pytest.approx(
            float("nan") if expected is None else expected, rel=1e-9, nan_ok=True
        )
    for n, after in enumerate(afters):
        assert is_alike(found.after.memory(n, columns), after)


def stored_of(memories: Sequence[Memory]) -> Outcomes:
    return Outcomes(
        state=np.array([m.state for m in memories], np.int64),
        step=np.array([NONE if m.step is None else m.step for m in memories], np.int64),
        stability_days=np.array([m.stability_days for m in memories], np.float64),
        difficulty=np.array([m.difficulty for m in memories], np.float64),
        due_at_ms=np.array([NONE if m.due_at is None else to_ms(m.due_at) for m in memories]),
        due_day=np.array([m.due_day for m in memories], "datetime64[D]"),
        reps=np.array([m.reps for m in memories], np.int64),
        lapses=np.array([m.lapses for m in memories], np.int64),
        caps_left=np.array([m.caps_left for m in memories], np.int64),
    )


@given(logs)
def test_what_is_stored_and_agrees_stands_to_the_last_bit(log: Log) -> None:
    columns, _, afters, _ = one_by_one(log)
    found = replay("abc", columns, SETTINGS, stored_of(afters))

    assert [found.after.memory(n, columns) for n in range(len(log))] == afters


ONE_CARD: Log = [
    ("a", minutes, 0, Rating.GOOD, False, 1)
    for minutes in (0, 3 * 24 * 60, 8 * 24 * 60, 30 * 24 * 60)
]


def test_a_day_that_was_moved_stands_until_an_answer_before_it_changes() -> None:
    """A stored due day is kept for its memory, not for another one."""
    columns, _, afters, _ = one_by_one(ONE_CARD)
    moved = [replace(m, due_day=m.due_day and m.due_day + timedelta(days=1)) for m in afters]
    kept = replay("abc", columns, SETTINGS, stored_of(moved))
    assert [kept.after.memory(n, columns) for n in range(len(moved))] == moved

    with_another = [*ONE_CARD[:2], ("a", 60, 0, Rating.AGAIN, False, 1), *ONE_CARD[2:]]
    columns, _, expected, _ = one_by_one(with_another)
    found = replay("abc", columns, SETTINGS, stored_of([*moved[:2], moved[1], *moved[2:]]))
    assert found.after.memory(0, columns).due_day == moved[0].due_day
    last = found.after.memory(4, columns)
    assert last.stability_days == pytest.approx(expected[4].stability_days, rel=1e-9)
    assert last.reps == 5


def test_another_interval_before_shifts_the_fuzz_as_the_scheduler_does() -> None:
    """An interval that grew stays longer than the one before, as it was stored."""
    columns, _, afters, _ = one_by_one(ONE_CARD)
    stored = stored_of(afters)
    changed = stored._replace(stability_days=stored.stability_days * [1, 1, 1, 1.001])
    found = replay("abc", columns, SETTINGS, changed)
    assert is_alike(found.after.memory(3, columns), afters[3])


def test_of_two_versions_the_first_that_agrees_stands() -> None:
    """Two machines hold one answer; only one of them knew what was answered before it."""
    columns, _, afters, _ = one_by_one(ONE_CARD)
    moved = stored_of([replace(m, due_day=m.due_day and m.due_day + DAY) for m in afters])
    wrong = moved._replace(difficulty=moved.difficulty + 0.1)
    found = replay("abc", columns, SETTINGS, wrong, moved, stored_of(afters))
    assert found.after.due_day.tolist() == moved.due_day.tolist()


def test_where_answers_are_missing_the_stored_memory_stands() -> None:
    """What the lost answers did cannot be known; an answer that was taken back is not lost."""
    columns, _, afters, _ = one_by_one(ONE_CARD)
    cut = Answers(*(column[2:] for column in astuple(columns)))
    found = replay("abc", cut, SETTINGS, stored_of(afters[2:]))
    assert [found.after.memory(n, cut) for n in range(2)] == afters[2:]
    assert found.before.tolist() == [NONE, State.REVIEW]
    assert np.isnan(found.predicted).tolist() == [True, False]

    afresh = replay("abc", cut, SETTINGS, stored_of(afters[2:]), n_removed=np.array([2, 2]))
    assert afresh.before.tolist() == [State.NEW, State.REVIEW]
    assert afresh.after.reps.tolist() == [1, 2]


@pytest.mark.parametrize("n_removed", [0, 1])
def test_where_the_clock_went_back_no_answers_are_missing(n_removed: int) -> None:
    """The first answer of the card counts two that were given before it, and stand after it."""
    columns, _, afters, _ = one_by_one(ONE_CARD)
    stored = stored_of(afters)._replace(reps=np.array([3, 1, 2, 4]))
    found = replay("abc", columns, SETTINGS, stored, n_removed=np.full(4, n_removed))
    assert found.before[0] == State.NEW
    assert found.after.reps.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["stability_days", "difficulty"])
def test_numbers_agree_to_a_billionth(name: str) -> None:
    columns, _, afters, _ = one_by_one(ONE_CARD)
    moved = stored_of([replace(m, due_day=m.due_day and m.due_day + DAY) for m in afters])
    for factor, stands in ((1 + 5e-10, True), (1 + 3e-9, False)):
        near = moved._replace(**{name: getattr(moved, name) * factor})
        found = replay("abc", columns, SETTINGS, near)
        assert (found.after.due_day == moved.due_day).tolist() == [stands] * 4


def test_no_answers_are_replayed_to_nothing() -> None:
    columns, *_ = one_by_one([])
    assert len(replay([], columns, SETTINGS).before) == 0
