"""How ready one will be for an exam."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studykit.course.cards import Course, Deck, Topic
from studykit.review.plan import EXAM_DAYS, Plan
from studykit.review.schedule import NEW_MEMORY, Memory, Rating, Scheduler, ScheduleSettings, State
from studykit.study.exams import (
    Exam,
    Readiness,
    describe_exam,
    describe_readiness,
    exams_ahead,
    readiness,
)
from tests.review.helpers import MONDAY, make_card

DAY = MONDAY.date()
SCHEDULER = Scheduler(ScheduleSettings())


def make_course(**n_cards: int) -> Course:
    """Decks with so many cards each."""
    decks = []
    for deck, n in n_cards.items():
        cards = tuple(make_card(f"{deck}-{i}", deck=deck) for i in range(n))
        decks.append(Deck(deck, deck.title(), (Topic("norm", "1.1", "Norm", {}, cards),), Path()))
    return Course(Path(), "toy", "Toy models", tuple(decks), {}, ())


COURSE = make_course(core=20, bert=30)


def in_days(n: int) -> date:
    return DAY + timedelta(days=n)


def known(*ids: str, stability: float = 20.0) -> dict[str, Memory]:
    memory = Memory(
        State.REVIEW,
        stability_days=stability,
        difficulty=5.0,
        due_day=in_days(5),
        last_review_at=MONDAY,
        last_review_day=in_days(-15),
        reps=4,
    )
    return dict.fromkeys(ids, memory)


def test_only_exams_of_the_course_that_are_to_come_count_the_earliest_first() -> None:
    plan = Plan(
        course_id="toy",
        exams={"toy": in_days(40), "bert": in_days(20), "core": in_days(0), "latin": in_days(5)},
    )
    exams = exams_ahead(COURSE, known("bert-0"), plan, 5, DAY)
    assert [(exam.name, exam.n_cards, exam.n_unseen) for exam in exams] == [
        ("bert", 30, 29),
        ("toy", 50, 49),
    ]


@given(
    st.integers(0, 300), st.integers(0, 40), st.integers(1, 120), st.sampled_from([0.0, 0.5, 1.0])
)
def test_the_pace_that_is_told_meets_all_cards_and_one_less_does_not(
    n_cards: int, n_set: int, n_days: int, sunday: float
) -> None:
    course = make_course(core=n_cards)
    plan = Plan(exams={"core": in_days(n_days)}, easy_days={6: sunday})
    (exam,) = exams_ahead(course, {}, plan, n_set, DAY)
    (at_that_pace,) = exams_ahead(course, {}, plan, exam.new_needed, DAY)
    assert at_that_pace.n_met == n_cards
    if exam.new_needed > 1:
        (slower,) = exams_ahead(course, {}, plan, exam.new_needed - 1, DAY)
        assert slower.n_met < n_cards
    assert exam.n_met <= n_cards
    assert (exam.n_met == n_cards) == (n_set >= exam.new_needed)


def test_new_cards_of_an_earlier_exam_come_first() -> None:
    plan = Plan(course_id="toy", exams={"core": in_days(12), "bert": in_days(22)})
    core, bert = exams_ahead(COURSE, {}, plan, 2, DAY)
    assert (core.n_days, core.n_met) == (12 - EXAM_DAYS, 10)
    # Fifteen days of two cards, of which the other exam's twenty are not for it.
    assert (bert.n_days, bert.n_met) == (15, 10)


def test_suspended_cards_are_in_no_exam() -> None:
    plan = Plan(exams={"core": in_days(20)})
    memories = known("core-0", "core-1")
    away = {"core-1", "core-2", "bert-0"}
    (exam,) = exams_ahead(COURSE, memories, plan, 5, DAY, away)
    assert (exam.n_cards, exam.n_unseen, exam.n_met) == (18, 17, 18)
    memories["core-1"] = replace(memories["core-0"], stability_days=0.1)
    result = readiness(exam, COURSE, memories, plan, SCHEDULER, DAY, away)
    assert result.of_met > 0.9
    assert result.if_stopped == SCHEDULER.retrievability(memories["core-0"], exam.day)


def ready(
    n_days: int,
    new_per_day: int = 5,
    memories: dict[str, Memory] | None = None,
    wanted: float = 0.9,
) -> tuple[Exam, Readiness]:
    plan = Plan(course_id="toy", desired_retention=wanted, exams={"toy": in_days(n_days)})
    memories = memories or {}
    (exam,) = exams_ahead(COURSE, memories, plan, new_per_day, DAY)
    return exam, readiness(exam, COURSE, memories, plan, SCHEDULER, DAY)


def test_who_stops_is_ready_as_far_as_the_cards_last() -> None:
    memories = known("core-0", "core-1")
    _, result = ready(30, memories=memories)
    assert result.if_stopped == pytest.approx(
        SCHEDULER.retrievability(memories["core-0"], in_days(30))
    )
    assert result.of_met > result.if_stopped


def test_the_last_round_makes_ready_whatever_the_interval() -> None:
    """All were answered within the seven days before; without it an interval ends anywhere."""
    _, result = ready(90, wanted=0.7)
    assert result.of_met > 0.93


def test_cards_are_met_in_time_at_the_pace_that_is_set() -> None:
    """One a day, the last of fifty on the day before the last round."""
    exam, result = ready(50 + EXAM_DAYS, new_per_day=1)
    assert (exam.n_days, exam.n_met) == (50, 50)
    assert result.of_met > 0.9


def test_in_the_last_round_new_cards_are_met_today_only() -> None:
    exam, _ = ready(EXAM_DAYS - 2, new_per_day=4)
    assert (exam.n_days, exam.n_met) == (1, 4)


def test_what_is_wanted_of_the_deck_makes_ready() -> None:
    (_, more), (_, less) = ready(120, wanted=0.97), ready(120, wanted=0.7)
    assert more.of_met > less.of_met


def test_nothing_is_asked_on_days_off() -> None:
    """Up to the exam here: the cards last as if one had stopped."""
    plan = Plan(exams={"core": in_days(30)}, holidays=((in_days(1), in_days(29)),))
    memories = known("core-0", "core-1") | known("core-2", stability=5.0)
    (exam,) = exams_ahead(COURSE, memories, plan, 0, DAY)
    result = readiness(exam, COURSE, memories, plan, SCHEDULER, DAY)
    assert result.of_met == pytest.approx(result.if_stopped)


def test_what_is_not_met_counts_neither_as_ready_nor_as_not() -> None:
    exam, result = ready(30, new_per_day=0)
    assert (exam.n_met, result) == (0, Readiness(0.0, 0.0))
    assert describe_readiness(exam, result) == "no card will have been met"


def test_the_same_is_told_each_time_and_of_a_large_deck_by_a_sample() -> None:
    large = make_course(core=2000)
    plan = Plan(exams={"core": in_days(60)})
    memories = known(*(f"core-{n}" for n in range(2000)))
    (exam,) = exams_ahead(large, memories, plan, 5, DAY)
    first, again = (readiness(exam, large, memories, plan, SCHEDULER, DAY) for _ in range(2))
    assert first == again
    few = make_course(core=200)
    (small,) = exams_ahead(few, memories, plan, 5, DAY)
    all_of_few = readiness(small, few, memories, plan, SCHEDULER, DAY)
    assert first.of_met == pytest.approx(all_of_few.of_met, abs=0.03)


def test_the_expected_recall_is_that_of_a_learner_who_keeps_to_the_plan() -> None:
    """Card by card, with recall drawn anew: the shares agree within the noise of 200 cards."""
    from random import Random

    from studykit.review.placing import PlannedDays

    plan = Plan(exams={"core": in_days(50)})
    course = make_course(core=200)
    (exam,) = exams_ahead(course, {}, plan, 10, DAY)
    told = readiness(exam, course, {}, plan, SCHEDULER, DAY)
    random, memories = Random(1), dict[str, Memory]()
    scheduler = Scheduler(ScheduleSettings(learning_steps=(), relearning_steps=()))
    for n in range(50):
        at, today = MONDAY + timedelta(days=n), in_days(n)
        for i in range(min(200, 10 * (n + 1))):
            memory = memories.get(f"core-{i}", NEW_MEMORY)
            if memory.due_day is not None and memory.due_day > today:
                continue
            recalled = random.random() < (scheduler.retrievability(memory, today) or 0.7)
            rating = Rating.GOOD if recalled else Rating.AGAIN
            placing = PlannedDays(plan, {}, "core")
            memories[f"core-{i}"] = scheduler.review(
                f"core-{i}", memory, rating, at, placing=placing
            )
    on_the_day = [scheduler.retrievability(memory, exam.day) for memory in memories.values()]
    assert sum(on_the_day) / 200 == pytest.approx(told.of_met, abs=0.03)


@pytest.mark.parametrize(
    ("exam", "told"),
    [
        (
            Exam("core", "Core", in_days(62), 20, 14, 55, 1, 5, 20),
            "core on 24 Jan 2027, in 62 days: 14 cards to meet, 1 a day",
        ),
        (
            Exam("core", "Core", in_days(1), 20, 1, 1, 1, 0, 19),
            "core on 24 Nov, in 1 day: 1 card to meet, 1 a day (set are 0, which leaves out 1)",
        ),
        (
            Exam("core", "Core", in_days(5), 20, 0, 1, 0, 0, 20),
            "core on 28 Nov, in 5 days: all cards were met",
        ),
    ],
)
def test_how_an_exam_is_told(exam: Exam, told: str) -> None:
    assert describe_exam(exam, DAY) == told


def test_how_readiness_is_told() -> None:
    exam = Exam("core", "Core", in_days(62), 140, 14, 55, 1, 5, 140)
    assert describe_readiness(exam, Readiness(0.934, 0.61)) == (
        "93 % of 140 cards recalled on the day, 61 % of those known if you stopped now; "
        "about 20 reviews a day in the last 7 study days"
    )
    assert "stopped" not in describe_readiness(replace(exam, n_unseen=140), Readiness(0.9, 0))
